/** Who was handed the index of a log reads what it lacks; where it does not fit, the log is read as if there were none, or has gone back. */

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import { LogMaker } from '../contract-log.ts';
import type { Journal } from '../journal.ts';
import type { RedisServer } from '../../testing/redis-server.ts';
import { connected, copyOf, ids, insist, restore, rigFor, until } from './testing/rig.ts';

const bucket = ids[0]!;
/** More than three answers of the server hold. */
const ENTRIES = 800;
const ACTORS = 50;

async function grow(journal: Journal, log: LogMaker, entries: number): Promise<void> {
  for (let i = 0; i < entries; i++) {
    const [outcome] = await journal.append([log.next([`a.A:${i % ACTORS}`])]);
    if (outcome!.kind !== 'appended') throw new Error(`an append was answered ${JSON.stringify(outcome)}`);
  }
}

/** How often entries of a log were asked for so far. */
async function reads(redis: RedisServer): Promise<number> {
  return Number(/cmdstat_xrange:calls=(\d+)/.exec(String(await redis.command('INFO', 'commandstats')))?.[1] ?? 0);
}

interface Found {
  readonly position: number;
  readonly records: string[];
  readonly byActor: string[][];
}

/** What the bucket holds, by a journal that has just opened it: by position, and as its index finds it. */
async function opened(journal: Journal): Promise<Found> {
  const { position } = await journal.openBucket(bucket);
  const records: string[] = [];
  for await (const { position, bytes } of journal.readBucket(bucket, 1)) records.push(`${position} ${bytes.toString('hex')}`);
  const byActor: string[][] = [];
  for (let i = 0; i < ACTORS; i++) {
    const found = await journal.readActorRecords(bucket, `a.A:${i}`, hashText(`a.A:${i}`));
    byActor.push(found.map(({ position, bytes }) => `${position} ${bytes.toString('hex')}`));
  }
  return { position, records, byActor };
}

function made({ records }: LogMaker, count = records.length): Found {
  const plain = records.slice(0, count).map(({ position, bytes }) => `${position} ${bytes.toString('hex')}`);
  return { position: count, records: plain, byActor: Array.from({ length: ACTORS }, (_, actor) => plain.filter((_, i) => i % ACTORS === actor)) };
}

await t.test('the log is not read; of one that grew, what came since', async (t) => {
  const { redis, journal } = await rigFor(t);
  const [one, two, three, four] = [await journal('one'), await journal('two'), await journal('three'), await journal('four')];
  t.equal(one.logIndexOf(bucket), null, 'not open here');
  const log = new LogMaker(await one.openBucket(bucket));
  await grow(one, log, ENTRIES);
  three.takeLogIndex(bucket, one.logIndexOf(bucket)!);
  await grow(one, log, ACTORS);
  two.takeLogIndex(bucket, one.logIndexOf(bucket)!);
  one.forgetBucket(bucket);
  const before = await reads(redis);
  t.equal((await two.openBucket(bucket)).position, ENTRIES + ACTORS);
  t.equal(await reads(redis), before, 'nothing is missing');
  t.same(await opened(two), made(log));
  const then = await reads(redis);
  t.equal((await three.openBucket(bucket)).position, ENTRIES + ACTORS);
  t.equal((await reads(redis)) - then, 2, 'the last entry that is known, and those behind it');
  t.same(await opened(three), made(log));
  const again = await reads(redis);
  await four.openBucket(bucket);
  t.ok((await reads(redis)) - again > 3, 'who has no index reads it all');
  t.equal((await two.append([log.next(['a.A:1'])]))[0]!.kind, 'fenced', 'an index gives nothing, an epoch does');
});

await t.test('appends go on from an index, and the next one is made of it', async (t) => {
  const { journal } = await rigFor(t);
  const nodes = [await journal('0'), await journal('1'), await journal('2')];
  const log = new LogMaker(await nodes[0]!.openBucket(bucket));
  for (let hop = 0; hop < 9; hop++) {
    const [from, to] = [nodes[hop % 3]!, nodes[(hop + 1) % 3]!];
    await grow(from, log, ACTORS);
    to.takeLogIndex(bucket, from.logIndexOf(bucket)!);
    from.forgetBucket(bucket);
    t.same(await opened(to), made(log));
    log.epoch++;
  }
});

await t.test('one that is damaged, cut short or of another bucket is not used', async (t) => {
  const { redis, journal } = await rigFor(t);
  const [one, two] = [await journal('one'), await journal('two')];
  const log = new LogMaker(await one.openBucket(bucket));
  await grow(one, log, ENTRIES);
  await one.openBucket(ids[1]!);
  const index = one.logIndexOf(bucket)!;
  const bad = [Buffer.alloc(0), index.subarray(0, -4), index.subarray(0, 17), one.logIndexOf(ids[1]!)!];
  for (let at = 0; at < index.length; at += 1 + Math.floor(index.length / 40)) {
    const flipped = Buffer.from(index);
    flipped[at]! ^= 1 << at % 8;
    bad.push(flipped);
  }
  for (const bytes of bad) {
    two.takeLogIndex(bucket, bytes);
    const before = await reads(redis);
    t.equal((await two.openBucket(bucket)).position, ENTRIES);
    t.ok((await reads(redis)) - before > 3);
    two.forgetBucket(bucket);
  }
  t.same(await opened(two), made(log));
});

await t.test('a store that went back in between is found out, also when it has grown again', async (t) => {
  for (const grown of [0, 30]) {
    const { redis, journal } = await rigFor(t, { appendfsync: 'always' });
    const one = await journal('one');
    const log = new LogMaker(await one.openBucket(bucket));
    await grow(one, log, 20);
    const copy = await copyOf(t, redis);
    // Of itself it knows nothing.
    const two = await journal('two');
    await connected(one, bucket);
    await grow(one, log, 20);
    const index = one.logIndexOf(bucket)!;
    await restore(redis, copy);
    if (grown > 0) {
      const three = await journal('three');
      const other = new LogMaker(await insist(() => three.openBucket(bucket)));
      for (let i = 0; i < grown; i++) t.match(await three.append([other.next(['a.A:else'])]), [{ kind: 'appended' }]);
    }
    two.takeLogIndex(bucket, index);
    await t.rejects(insist(() => two.openBucket(bucket)), { code: 'ROLLED_BACK', message: /40/ });
    await t.rejects(insist(() => journal('four').then((four) => four.openBucket(bucket))), { code: 'ROLLED_BACK' }, 'nobody else opens it either');
  }
});

await t.test('a log that was shortened in between is read from where it begins now', async (t) => {
  const { journal } = await rigFor(t);
  const one = await journal('one', { hotBytesPerBucketMax: 4_000 });
  const log = new LogMaker(await one.openBucket(bucket));
  await grow(one, log, ACTORS);
  const two = await journal('two', { hotBytesPerBucketMax: 4_000 });
  two.takeLogIndex(bucket, one.logIndexOf(bucket)!);
  await grow(one, log, 4 * ACTORS);
  await until(() => one.stat().coldBytes > 0);
  t.same(await opened(two), made(log));
});

await t.test('of a log that was shortened before, what is cold is found as well', async (t) => {
  const { journal } = await rigFor(t);
  const one = await journal('one', { hotBytesPerBucketMax: 4_000 });
  const log = new LogMaker(await one.openBucket(bucket));
  await grow(one, log, 5 * ACTORS);
  await until(() => one.stat().coldBytes > 0);
  const two = await journal('two', { hotBytesPerBucketMax: 4_000 });
  two.takeLogIndex(bucket, one.logIndexOf(bucket)!);
  one.forgetBucket(bucket);
  t.same(await opened(two), made(log));
});
