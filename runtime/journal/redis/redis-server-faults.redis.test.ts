/** A server that dies, stands still, is busy, is full or forgets its functions, under owners at work. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import { RedisLink } from './link.ts';
import { complaintsOf, findBucket } from './testing/oracle.ts';
import { ANSWER_TIME_MAX_MS, BITS, disconnected, ids, progress, quickStore, rigFor, until } from './testing/rig.ts';

for (const appendfsync of ['always', 'no'] as const) {
  await t.test(`killed with -9 and started again (${appendfsync}): what was acknowledged is there`, async (t) => {
    const { redis, history, complaints, owner } = await rigFor(t, { appendfsync });
    const one = await owner('one');
    one.start();
    let struck = 0;
    for (let i = 0; i < 3; i++) {
      await progress(history, [one]);
      await until(() => one.inFlight > 0);
      struck += one.inFlight;
      await redis.kill();
      await until(() => one.inFlight === 0);
      await sleep(50);
      await redis.restart();
    }
    await progress(history, [one]);
    await one.stop();
    t.comment(`${struck} appends were in flight, ${history.count('unknown')} of unknown outcome, ${history.count('appended')} appended`);
    t.ok(struck > 0 && history.count('unknown') > 0);
    t.same(await complaints(), []);
    t.same(one.errors, []);
  });
}

await t.test('killed with -9 and started again (everysec): what a slow disk has cost is found out, and on a fast one it is nothing', async (t) => {
  const { redis, history, complaints, owner } = await rigFor(t, { appendfsync: 'everysec' });
  const one = await owner('one');
  one.start();
  let struck = 0;
  for (let i = 0; i < 3; i++) {
    const goal = history.count('appended') + 20;
    await until(() => one.owned === 0 || (history.count('appended') >= goal && one.inFlight > 0));
    struck += one.inFlight;
    await redis.kill();
    await until(() => one.inFlight === 0);
    await redis.restart();
  }
  const goal = history.count('appended') + 20;
  await until(() => one.owned === 0 || history.count('appended') >= goal);
  await one.stop();
  const found = await complaints();
  t.comment(`${struck} appends were in flight, ${found.filter((what) => what.startsWith('lost:')).length} lost, in buckets that were refused: ${one.left.join()}`);
  t.ok(struck > 0);
  t.same(found.filter((what) => !one.left.some((index) => what.endsWith(`[bucket ${index}]`))), []);
  for (const index of one.left) t.ok(found.some((what) => what.startsWith('lost:') && what.endsWith(`[bucket ${index}]`)), 'and not without a reason');
  t.ok(one.errors.every(({ code }) => code === 'ROLLED_BACK'));
});

await t.test('while the server is away nothing is acknowledged, and what cannot be sent is refused at once', async (t) => {
  const { redis, history, complaints, owner } = await rigFor(t);
  const one = await owner('one');
  await one.once();
  await redis.kill();
  // The end of the connection is heard of, without an append on its way.
  await disconnected(one.journal);
  const begin = performance.now();
  const outcomes = await one.once();
  t.ok(performance.now() - begin < ANSWER_TIME_MAX_MS, 'it waits for no answer');
  for (const outcome of outcomes) t.match(outcome, { kind: 'refused', code: 'STORE_UNAVAILABLE', retryable: true });
  await t.rejects(one.journal.openBucket(ids[0]!), { code: 'STORE_UNAVAILABLE' });
  await t.rejects(one.journal.confirm([{ bucket: ids[0]!, epoch: 1 }]), { code: 'STORE_UNAVAILABLE' });
  await redis.restart();
  one.start();
  await progress(history, [one]);
  await one.stop();
  t.ok(one.epochs.every((epoch) => epoch === 1), 'a refusal costs no epoch');
  t.same(await complaints(), []);
});

await t.test('stopped for longer than the answer time: unknown, and late appends do not get behind the new epoch', async (t) => {
  const { redis, proxy, history, complaints, owner } = await rigFor(t);
  const one = await owner('one', {}, quickStore(proxy.port, 250));
  one.start();
  await progress(history, [one]);
  await until(() => one.inFlight > 0);
  const before = history.count('unknown');
  await redis.suspend();
  await until(() => history.count('unknown') > before && one.inFlight === 0);
  const struck = history.count('unknown') - before;
  const acknowledged = history.count('appended');
  await sleep(300);
  t.equal(history.count('appended'), acknowledged);
  await redis.resume();
  await progress(history, [one]);
  await one.stop();
  t.comment(`${struck} appends in flight were of unknown outcome`);
  t.ok(struck > 0);
  t.same(await complaints(), []);
});

await t.test('a stand-still of this process and of the server is no silence of the server', async (t) => {
  const { redis } = await rigFor(t);
  const link = new RedisLink({ host: '127.0.0.1', port: redis.port, username: '', password: '', tls: false, answerTimeMaxMs: 2_000 });
  t.teardown(() => link.close());
  await link.connect();
  let lost = 0;
  link.onLost = () => lost++;
  await redis.suspend();
  const answer = link.call('PING', []);
  // What is written goes out, and then nothing in this process goes on for longer than a server is waited for.
  await sleep(50);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
  await sleep(200);
  t.equal(lost, 0);
  await redis.resume();
  t.same(await answer, Buffer.from('PONG'));
  // And one that is silent while this process looks is one.
  await redis.suspend();
  const silence = link.call('PING', []);
  await t.rejects(silence, { code: 'LOST', kind: 'unknown' });
  t.equal(lost, 1);
  await redis.resume();
});

await t.test('busy with a script of someone else: refusals that wrote nothing', async (t) => {
  const { redis, history, complaints, owner } = await rigFor(t, { config: { 'busy-reply-threshold': '50' } });
  const one = await owner('one');
  one.start();
  await progress(history, [one]);
  await until(() => one.inFlight > 0);
  const struck = one.inFlight;
  const script = redis.command('EVAL', "redis.call('SET', KEYS[1], '1') for i = 1, 1e12 do end", 1, 'other').catch(() => 'ended');
  await until(() => history.count('refused') >= 3 * ids.length);
  const refused = history.attempts.filter(({ outcome }) => outcome?.kind === 'refused');
  for (const { outcome } of refused) t.match(outcome, { code: 'STORE_UNAVAILABLE', retryable: true, message: / BUSY / });
  // It has written, so that only the end of the server ends it.
  await redis.kill();
  await script;
  await redis.restart();
  await progress(history, [one]);
  await one.stop();
  t.comment(`${struck} appends were in flight, ${refused.length} refused`);
  t.ok(struck > 0);
  t.same(await complaints(), []);
});

await t.test('busy for a while with a script that ends by itself: all goes on, under the same epochs', async (t) => {
  const { redis, history, complaints, owner } = await rigFor(t, { config: { 'busy-reply-threshold': '50' } });
  const one = await owner('one', { depth: 1 });
  one.start();
  await progress(history, [one]);
  const script = "local t = redis.call('TIME') local e = t[1] * 1e6 + t[2] + 600000 repeat t = redis.call('TIME') until t[1] * 1e6 + t[2] > e";
  await until(async () => {
    await redis.command('EVAL', script, 0);
    return history.count('refused') > 0;
  });
  const refused = history.count('refused');
  await progress(history, [one]);
  await one.stop();
  t.comment(`${refused} refused`);
  t.equal(history.count('unknown'), 0);
  t.ok(one.epochs.every((epoch) => epoch === 1));
  t.same(await complaints(), []);
});

await t.test('out of memory: refusals that wrote nothing, reads go on, and all goes on when there is room', async (t) => {
  const { redis, history, complaints, owner } = await rigFor(t, { maxmemoryPolicy: 'noeviction' });
  const one = await owner('one');
  one.start();
  await progress(history, [one]);
  await until(() => one.inFlight > 0);
  const struck = one.inFlight;
  await redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
  await until(() => history.count('refused') >= 3 * ids.length);
  const refused = history.attempts.filter(({ outcome }) => outcome?.kind === 'refused');
  for (const { outcome } of refused) t.match(outcome, { code: 'STORE_UNAVAILABLE', retryable: true, message: / OOM / });
  const acknowledged = history.count('appended');
  await sleep(50);
  t.equal(history.count('appended'), acknowledged, 'nothing gets through');
  const { records: there } = await findBucket(redis, BITS, 0);
  const read = [];
  for await (const { bytes } of one.journal.readBucket(ids[0]!, 1)) read.push(bytes);
  t.same(read, there, 'what is there can be read');
  const actors = await Promise.all(Array.from({ length: 5 }, (_, i) => one.journal.readActor(ids[0]!, `a.A:${i}`, hashText(`a.A:${i}`))));
  t.equal(actors.reduce((sum, { records }) => sum + records.length, 0), there.length);
  t.same(await one.journal.confirm([{ bucket: ids[0]!, epoch: 1 }]), [true]);
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
  await progress(history, [one]);
  await one.stop();
  t.comment(`${struck} appends were in flight, ${refused.length} refused`);
  t.ok(struck > 0);
  t.same(await complaints(), []);
});

await t.test('out of memory, buckets can still be taken', async (t) => {
  const { redis, owner, journal } = await rigFor(t, { maxmemoryPolicy: 'noeviction' });
  const one = await owner('one');
  await one.once();
  await redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
  const next = await journal('next');
  const [head] = await next.openBuckets([ids[0]!]);
  t.match(head, { epoch: 2 });
  t.ok(head!.position > 0);
});

await t.test('the functions are gone while appends flow: they are loaded again', async (t) => {
  const { redis, history, complaints, owner } = await rigFor(t);
  const one = await owner('one', { depth: 4 });
  one.start();
  let struck = 0;
  for (let i = 0; i < 5; i++) {
    await progress(history, [one], 10);
    await until(() => one.inFlight > 0);
    struck += one.inFlight;
    await redis.command('FUNCTION', 'FLUSH');
  }
  await progress(history, [one]);
  await one.stop();
  t.comment(`${struck} appends were in flight, epochs ${one.epochs.join()}, ${history.count('conflict')} conflicts`);
  t.ok(struck > 0);
  // One that meets two of them is refused.
  t.equal(history.count('unknown'), 0);
  t.match(await redis.command('FUNCTION', 'LIST'), { length: 1 });
  t.same(await complaints(), []);
});

await t.test('the oracle sees what it is for', async (t) => {
  const { redis, history, owner } = await rigFor(t);
  const one = await owner('one', { depth: 1 });
  for (let i = 0; i < 4; i++) await one.once();
  const complaints = async (): Promise<string[]> => complaintsOf(history, BITS, async () => redis);
  t.same(await complaints(), []);
  const log = (index: number): string => `{main:${index}}:${BITS}.${index}:log`;
  const entries = (await redis.commandBytes('XRANGE', log(3), '-', '+')) as [Buffer, Buffer[]][];
  await redis.command('XDEL', log(3), entries[1]![0].toString());
  t.match((await complaints()).join('\n'), /gap: .*chain: .*lost: /s);
  const [last] = (await redis.commandBytes('XREVRANGE', log(7), '+', '-', 'COUNT', 1)) as [Buffer, Buffer[]][];
  const found = await findBucket(redis, BITS, 7);
  await redis.command('XADD', log(7), `${found.records.length * 2}-0`, 'h', last![1][1]!, 'r', last![1][3]!);
  t.match((await complaints()).filter((what) => what.endsWith('[bucket 7]')).join('\n'), /twice: /);
  history.answer(history.attempts.at(-1)!, { kind: 'refused', code: 'X', message: '', retryable: false });
  t.match((await complaints()).filter((what) => what.endsWith('[bucket 14]')).join('\n'), /refused: /);
});
