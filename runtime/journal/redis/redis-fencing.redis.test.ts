/**
 * Stale owners and late requests; and each mechanism switched off, to be seen to matter: without it the oracle (testing/oracle.ts) must
 * complain of what the mechanism is for.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { hashText } from '../../codec/address.ts';
import { startProxy } from '../../testing/tcp-proxy.ts';
import { LogMaker } from '../contract-log.ts';
import { BucketTable } from './hot-bucket.ts';
import type { HotBucket } from './hot-bucket.ts';
import { journalSource, luaLibrary } from './library.ts';
import type { LuaLibrary } from './library.ts';
import type { JournalSeams } from './redis-journal.ts';
import { findBucket, keyOf } from './testing/oracle.ts';
import { BITS, connected, ids, isAppend, progress, quickStore, rigFor, until } from './testing/rig.ts';
import type { Rig } from './testing/rig.ts';

/** The library without one of its checks. */
function libraryWithout(check: string, inPlace = ''): LuaLibrary {
  const source = journalSource();
  const patched = source.replace(check, inPlace);
  if (patched === source) throw new Error(`the library has no ${check}`);
  return luaLibrary(patched, 'patched');
}

const withoutEpochs = libraryWithout('m[1] == args[a] and m[2] == owner and');
const withoutPositions = libraryWithout('and m[3] == args[a + 1] and m[4] == args[a + 3]');

/** Forgets that an append was of unknown outcome. */
class ForgetfulTable extends BucketTable {
  override set(bucket: HotBucket): void {
    Object.defineProperty(bucket, 'blocked', { get: () => false, set: () => undefined });
    super.set(bucket);
  }
}

/** An append stalls, its owner opens its buckets again, and a second later the append arrives. */
async function stalledAppend(t: Test, seams: JournalSeams): Promise<{ complaints: string[]; late: string }> {
  const { proxy, history, complaints, owner } = await rigFor(t);
  const one = await owner('one', {}, {}, seams);
  await one.once();
  const stalling = proxy.stall(isAppend);
  const outcomes = one.once();
  t.equal(one.inFlight, ids.length);
  const stalled = await stalling;
  t.same((await outcomes).map(({ kind }) => kind), ids.map(() => 'unknown'));
  await one.reopen();
  await sleep(1_000);
  const late = (await stalled.deliver()).toString();
  one.start();
  await progress(history, [one]);
  await one.stop();
  t.comment(`${ids.length} appends were in flight; the late ones were answered ${JSON.stringify(late)}`);
  return { complaints: await complaints(), late };
}

await t.test('a request that arrives after its owner has opened the bucket again is fenced', async (t) => {
  const { complaints, late } = await stalledAppend(t, {});
  // For each bucket: fenced (1), by epoch 2.
  t.equal(late, `*${ids.length}\r\n${'*2\r\n:1\r\n$1\r\n2\r\n'.repeat(ids.length)}`);
  t.same(complaints, []);
});

await t.test('without the check of the epoch it is appended behind the back of its owner, and the oracle says so', async (t) => {
  const { complaints, late } = await stalledAppend(t, { library: withoutEpochs });
  t.equal(late, `*${ids.length}\r\n${':0\r\n'.repeat(ids.length)}`);
  for (const { index } of ids) t.ok(complaints.some((what) => what.startsWith('stale:') && what.endsWith(`[bucket ${index}]`)));
});

/** Whether of all appends on their way the server has executed each, or none. */
async function areInFlight({ redis, history }: Rig, executed: boolean): Promise<boolean> {
  const inFlight = history.attempts.filter(({ outcome }) => outcome === null);
  const ends = await Promise.all(inFlight.map(({ bucket }) => redis.command('HGET', keyOf(BITS, bucket, 'meta'), 'p')));
  const areTheSame = history.inFlight === inFlight.length && inFlight.every(({ outcome }) => outcome === null);
  return areTheSame && ends.every((end, i) => Number(end) >= inFlight[i]!.position === executed);
}

/** The connection is cut with appends on their way, and the owner does not open its buckets again. */
async function insisting(t: Test, executed: boolean, seams: JournalSeams): Promise<{ complaints: string[]; conflicts: number }> {
  const rig = await rigFor(t);
  const { proxy, history, complaints, owner } = rig;
  const one = await owner('one', { manners: 'insist' }, {}, seams);
  const untouched = { bits: BITS, index: 5 };
  await one.journal.openBucket(untouched);
  one.start();
  await progress(history, [one], 10);
  proxy.blackhole(executed ? 'down' : 'up');
  await until(async () => one.inFlight > 0 && (await areInFlight(rig, executed)), `appends are in flight, ${executed ? 'all' : 'none'} executed`);
  const struck = one.inFlight;
  const attempts = history.attempts.length;
  proxy.cut();
  // Some come while nobody is there: what is behind them is not where its owner believes.
  await until(() => ids.every(({ index }) => history.attempts.slice(attempts).some(({ bucket, outcome }) => bucket === index && outcome !== null)));
  proxy.cut();
  proxy.heal();
  await until(() => history.inFlight === 0 || one.inFlight === 0);
  await connected(one.journal, untouched);
  const again = history.attempts.length;
  const isAnswered = (index: number): boolean => history.attempts.slice(again).some(({ bucket, outcome }) => bucket === index && outcome !== null);
  await until(() => ids.every(({ index }) => isAnswered(index)), 'every bucket has had another append');
  await one.stop();
  t.comment(`${struck} appends were in flight, ${history.count('unknown')} of unknown outcome, ${history.count('conflict')} conflicts`);
  t.ok(struck > 0 && history.count('unknown') > 0);
  return { complaints: await complaints(), conflicts: history.count('conflict') };
}

for (const executed of [true, false]) {
  await t.test(`after an unknown outcome a bucket takes nothing until it is opened again (${executed ? 'it was' : 'not'} executed)`, async (t) => {
    const { complaints, conflicts } = await insisting(t, executed, {});
    t.ok(conflicts > 0);
    t.same(complaints, []);
  });
}

await t.test('a journal that forgets what is unknown appends behind it, and the oracle says so', async (t) => {
  const { complaints } = await insisting(t, false, { buckets: new ForgetfulTable() });
  t.ok(complaints.some((what) => what.startsWith('overtaken:')));
});

await t.test('one that forgets, on a server that does not check positions and heads, breaks the log, and the oracle says so', async (t) => {
  const { complaints } = await insisting(t, true, { buckets: new ForgetfulTable(), library: withoutPositions });
  t.ok(complaints.some((what) => what.startsWith('gap:')));
  t.ok(complaints.some((what) => what.startsWith('chain:')));
});

await t.test('one that forgets, on a server that checks: the log stays whole', async (t) => {
  const { complaints, conflicts } = await insisting(t, true, { buckets: new ForgetfulTable() });
  t.ok(conflicts > 0);
  t.same(complaints, []);
});

await t.test('a stale owner that insists never gets another append through', async (t) => {
  const { history, complaints, owner } = await rigFor(t);
  const stale = await owner('stale', { manners: 'insist' });
  stale.start();
  await progress(history, [stale]);
  await until(() => stale.inFlight > 0);
  const struck = stale.inFlight;
  const next = await owner('next');
  next.start();
  await progress(history, [next], 60);
  await stale.stop();
  await next.stop();
  t.comment(`${struck} appends were in flight, ${history.count('fenced', 'stale')} stale ones refused`);
  t.ok(struck > 0 && history.count('fenced', 'stale') > 0);
  t.equal(history.count('fenced', 'next'), 0);
  t.same(await stale.journal.confirm(ids.map((bucket) => ({ bucket, epoch: 1 }))), ids.map(() => false));
  t.same(await next.journal.confirm(ids.map((bucket) => ({ bucket, epoch: 2 }))), ids.map(() => true));
  t.same(await complaints(), []);
});

await t.test('a former owner that comes to itself: its appends, snapshots and checkpoints are all refused', async (t) => {
  const { redis, history, complaints, owner, journal } = await rigFor(t);
  const own = await startProxy(redis.port);
  t.teardown(() => own.close());
  const former = await journal('former', quickStore(own.port, 30_000));
  const [bucket] = ids;
  const head = await former.openBucket(bucket!);
  const log = new LogMaker(head);
  history.take('former', bucket!.index, head.epoch, head.position);
  const first = log.next(['a.A:1', 'a.A:2']);
  const opening = history.call('former', first, log.records.map(({ bytes }) => bytes));
  history.answer(opening, (await former.append([first]))[0]!);
  const put = { bucket: bucket!, position: 1, head: log.headAt(1) };
  former.putSnapshots([{ ...put, actor: 'a.A:1', actorHash: hashText('a.A:1'), bytes: Buffer.from('right') }]);
  await until(async () => (await redis.command('HLEN', keyOf(BITS, bucket!.index, 'snapshots'))) === 1);

  // Everything leaves the process, and stands still.
  own.blackhole('up');
  const second = log.next(['a.A:1']);
  const attempt = history.call('former', second, [log.records.at(-1)!.bytes]);
  const late = former.append([second]);
  former.putSnapshots([{ bucket: bucket!, position: 2, head: log.headAt(2), actor: 'a.A:2', actorHash: hashText('a.A:2'), bytes: Buffer.from('late') }]);
  former.putSnapshots([{ ...put, position: 2, head: log.headAt(2), actor: 'a.A:1', actorHash: hashText('a.A:1'), bytes: Buffer.from('late') }]);
  former.putCheckpoints([{ bucket: bucket!, position: 2, head: log.headAt(2), bytes: Buffer.from('late') }]);
  await sleep(50);
  const next = await owner('next');
  next.start();
  await progress(history, [next]);
  own.heal();
  const [outcome] = await late;
  history.answer(attempt, outcome!);
  t.match(outcome, { kind: 'fenced', epoch: 2 });
  t.same(await former.confirm([{ bucket: bucket!, epoch: 1 }]), [false]);
  // On the same connection, behind the puts: what those were to write would be there.
  const snapshots = (await redis.commandBytes('HGETALL', keyOf(BITS, bucket!.index, 'snapshots'))) as Buffer[];
  t.equal(snapshots.length, 2, 'one actor');
  t.match(snapshots[1]!.toString('latin1'), /right$/);
  t.equal(await redis.command('EXISTS', keyOf(BITS, bucket!.index, 'checkpoint')), 0);
  await next.stop();
  t.comment(`1 append, 2 snapshots and 1 checkpoint were in flight, all refused`);
  t.same(await complaints(), []);
  t.equal((await findBucket(redis, BITS, bucket!.index)).meta.get('n')!.toString().split(' ')[0], 'next');
});
