/**
 * Redis is killed with -9 while its disk is slow, which is where `everysec` and `always` differ without any loss of power. While a synchronisation
 * is under way, `everysec` keeps what comes in its own memory for up to two seconds and answers all the same (aof.c, flushAppendOnlyFile): that is
 * lost, and has to be found out. The disk is the test's (slow-disk.c), and Redis itself says what it holds back: nothing here rests on luck.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import type { RedisOptions } from '../../testing/redis-server.ts';
import { makeSlowDisk } from '../../testing/slow-disk.ts';
import type { SlowDisk } from '../../testing/slow-disk.ts';
import type { StoredRecord } from '../journal.ts';
import { describeLoss } from './operations.ts';
import { findBucket } from './testing/oracle.ts';
import type { Owner } from './testing/owner.ts';
import { BITS, connected, folderOf, ids, operationsOn, progress, quickStore, rigFor, until } from './testing/rig.ts';
import type { Rig } from './testing/rig.ts';

t.setTimeout(1_200_000);

/** Redis 7.0 looks at a clock of whole seconds: the shortest time for which it holds a write back. */
const HELD_BACK_MIN_MS = 1_000;
const HELD_BACK_MAX_MS = 2_000;
const MARGIN_MS = 250;
/** A machine that pauses so often is not meant for this. */
const TRIES_MAX = 10;
const LOG_LINE = /Asynchronous AOF fsync is taking too long \(disk is busy\?\)/;

interface SlowRig extends Rig {
  readonly disk: SlowDisk;
  readonly one: Owner;
}

async function slowRigFor(t: Test, options: RedisOptions): Promise<SlowRig> {
  const disk = await makeSlowDisk(folderOf(t));
  const rig = await rigFor(t, { ...options, env: disk.env, config: { loglevel: 'notice' } });
  const one = await rig.owner('one');
  // A rig that ends while Redis waits for its disk would wait, too.
  t.teardown(() => disk.set(0));
  return { ...rig, disk, one };
}

interface Held {
  /** Synchronisations that wait for the disk. */
  readonly pending: number;
  /** Answered and not written. */
  readonly bytes: number;
  /** Writes that were made in spite of a synchronisation, since it had lasted too long. */
  readonly delayed: number;
}

async function heldBy({ redis }: Rig): Promise<Held> {
  const report = String(await redis.command('INFO', 'persistence'));
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(report)![1]);
  return { pending: field('aof_pending_bio_fsync'), bytes: field('aof_buffer_length'), delayed: field('aof_delayed_fsync') };
}

/** How often it has written in spite of a synchronisation. Of a server that stands still this is the last word. */
function delayedWrites({ redis }: Rig): number {
  return redis.log().split(LOG_LINE).length - 1;
}

/** One append to each bucket, acknowledged. */
async function appended(t: Test, one: Owner): Promise<void> {
  for (const { kind } of await one.once()) if (kind !== 'appended') t.fail(`an append was answered ${kind}`);
}

/** Appends until Redis says so. What was acknowledged before its report is in it. */
async function appendUntil(t: Test, rig: SlowRig, holds: (held: Held) => boolean, what: string): Promise<Held> {
  let held: Held;
  await until(async () => {
    await appended(t, rig.one);
    held = await heldBy(rig);
    return holds(held);
  }, what);
  return held!;
}

/** Resolves when a synchronisation is under way that does not end, and everything acknowledged so far is written. */
async function synchronisationOf(t: Test, rig: SlowRig): Promise<Held> {
  for (let tries = 0; tries < 10; tries++) {
    rig.disk.hold();
    const held = await appendUntil(t, rig, ({ pending }) => pending > 0, 'a synchronisation begins');
    if (held.bytes === 0) return held;
    // It has begun by itself, before the last append rather than behind it.
    await nothingInHand(t, rig);
  }
  throw new Error('no synchronisation has begun behind a write');
}

/** Resolves when the disk is quick and everything is synchronised. */
async function nothingInHand(t: Test, rig: SlowRig): Promise<void> {
  rig.disk.set(0);
  await appendUntil(t, rig, ({ pending, bytes }) => pending === 0 && bytes === 0, 'Redis has nothing in hand');
}

/** Of a server that stands still and has written after all, on a machine that paused: everything begins anew. */
async function onceMore({ redis }: Rig, tries: number): Promise<void> {
  if (tries === TRIES_MAX) throw new Error(`in ${tries} tries Redis has written each time before it was stopped`);
  await redis.resume();
}

/** Redis comes back behind a quick disk; answers how many acknowledged appends it has lost, everything else being in order. */
async function lostAfterKill(t: Test, { redis, disk, one, complaints }: SlowRig): Promise<number> {
  await redis.kill();
  disk.set(0);
  await redis.restart();
  await connected(one.journal);
  const found = await complaints();
  t.same(found.filter((what) => !what.startsWith('lost:')), [], 'what is there is in order');
  return found.length;
}

/** Found by whichever comes first: a read, an append or an opening. Nobody serves a bucket until the loss is accepted, and then behind what is left. */
async function refusedUntilAccepted(t: Test, rig: SlowRig, finds: 'append' | 'open', positionsLeft: readonly number[], positionsKnown: readonly number[]): Promise<void> {
  const { redis, one, journal } = rig;
  if (finds === 'append') await t.rejects(all(one.journal.readBucket(ids[0]!, 1)), { code: 'ROLLED_BACK' }, 'a read that misses what was there does not take it for damage');
  if (finds === 'append') t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'rolledBack'));
  for (const id of ids) await t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' });
  t.same(await one.journal.confirm(ids.map((bucket, i) => ({ bucket, epoch: one.epochs[i]! }))), ids.map(() => false), 'no read is answered');
  const other = await journal('other');
  for (const id of ids) await t.rejects(other.openBucket(id), { code: 'ROLLED_BACK' }, 'nor by anybody else');
  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  t.same(losses.buckets.map(({ bucket }) => bucket), ids);
  t.same(losses.buckets.map(({ positionFound }) => positionFound), positionsLeft);
  t.same(losses.buckets.map(({ positionKnown }) => positionKnown), positionsKnown);
  t.match(describeLoss(losses.buckets[0]!), new RegExp(`^positions? ${positionsLeft[0]! + 1} .* lost$`));
  await operations.accept(losses);
  await one.take();
  t.same(await positionsOf(rig), positionsLeft);
  await appended(t, one);
  for (const { index } of ids) t.same((await findBucket(redis, BITS, index)).complaints, []);
}

async function all(records: AsyncIterable<StoredRecord>): Promise<void> {
  for await (const record of records) void record;
}

async function positionsOf({ redis }: Rig): Promise<number[]> {
  return Promise.all(ids.map(async ({ index }) => (await findBucket(redis, BITS, index)).records.length));
}

await t.test('everysec, a synchronisation is under way: what was acknowledged since is lost, found out, and refused until it is accepted', async (t) => {
  const rig = await slowRigFor(t, { appendfsync: 'everysec' });
  const { one, history, redis } = rig;
  await appended(t, one);
  let left: number[] = [];
  let acknowledged = 0;
  for (let tries = 1; ; tries++) {
    const { delayed } = await synchronisationOf(t, rig);
    left = one.positions;
    acknowledged = history.count('appended');
    for (let i = 0; i < 5; i++) await appended(t, one);
    const held = await heldBy(rig);
    await redis.suspend();
    if (delayedWrites(rig) === delayed) {
      t.equal(held.delayed, delayed, 'Redis has counted nothing: it was not two seconds');
      t.ok(held.pending > 0 && held.bytes > 0, `${held.bytes} bytes were answered and not written`);
      break;
    }
    await onceMore(rig, tries);
    await nothingInHand(t, rig);
  }
  const known = one.positions;
  const lost = await lostAfterKill(t, rig);
  t.comment(`${lost} of ${history.count('appended')} acknowledged appends are lost`);
  t.equal(lost, history.count('appended') - acknowledged, 'these, and nothing that was written');
  await refusedUntilAccepted(t, rig, 'append', left, known);
});

await t.test('everysec, a disk that stands still: Redis holds back for two seconds, again and again, and says so', async (t) => {
  const rig = await slowRigFor(t, { appendfsync: 'everysec' });
  const { disk, one, history, redis } = rig;
  await appended(t, one);
  disk.hold();
  const lengthMs = HELD_BACK_MAX_MS - 2 * MARGIN_MS;
  let delayed = (await heldBy(rig)).delayed;
  t.equal(delayed, 0);
  let left: number[] = [];
  let acknowledged = 0;
  let sinceMs = 0;
  let spanMs = 0;
  // When Redis has just written, it begins to hold back anew.
  for (let tries = 1; ; tries++) {
    const before = delayed;
    ({ delayed } = await appendUntil(t, rig, (held) => held.delayed > before && held.bytes === 0, 'it writes without waiting any longer'));
    left = one.positions;
    acknowledged = history.count('appended');
    sinceMs = performance.now();
    while (performance.now() - sinceMs < lengthMs) {
      await appended(t, one);
      await sleep(10);
    }
    spanMs = performance.now() - sinceMs;
    await redis.suspend();
    if (delayedWrites(rig) === delayed) break;
    await onceMore(rig, tries);
  }
  const known = one.positions;
  const lost = await lostAfterKill(t, rig);
  t.comment(`${lost} of ${history.count('appended')} acknowledged appends are lost: those of the last ${spanMs.toFixed(0)} ms`);
  t.equal(lost, history.count('appended') - acknowledged, 'these, and nothing from before, though none of it is synchronised');
  t.ok(spanMs > HELD_BACK_MIN_MS);
  t.match(redis.log(), LOG_LINE);
  await refusedUntilAccepted(t, rig, 'open', left, known);
});

await t.test('everysec, a disk that keeps up: killed when nothing is held back, nothing is lost', async (t) => {
  const rig = await slowRigFor(t, { appendfsync: 'everysec' });
  const { one, history } = rig;
  for (let i = 0; i < 3; i++) {
    // Synchronisations come and go.
    const untilMs = performance.now() + 2_200;
    while (performance.now() < untilMs) {
      await appended(t, one);
      await sleep(5);
    }
    await appendUntil(t, rig, ({ pending, bytes }) => pending === 0 && bytes === 0, 'Redis has nothing in hand');
    t.equal(await lostAfterKill(t, rig), 0);
    t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'appended'), 'it goes on under the same epoch');
  }
  t.comment(`${history.count('appended')} appends acknowledged`);
  t.equal((await heldBy(rig)).delayed, 0);
});

await t.test('always, a synchronisation is under way: nobody is answered, so nothing acknowledged is lost', async (t) => {
  const rig = await slowRigFor(t, { appendfsync: 'always' });
  const { disk, one, history, complaints, redis } = rig;
  for (let i = 0; i < 5; i++) await appended(t, one);
  const acknowledged = history.count('appended');
  disk.hold();
  const outcomes = one.once();
  await sleep(HELD_BACK_MAX_MS + MARGIN_MS);
  t.equal(history.count('appended'), acknowledged, 'not in two seconds, either');
  t.equal(one.inFlight, ids.length);
  await redis.kill();
  t.same((await outcomes).map(({ kind }) => kind), ids.map(() => 'unknown'));
  disk.set(0);
  await redis.restart();
  one.start();
  await progress(history, [one]);
  await one.stop();
  t.same(one.left, []);
  t.same(await complaints(), []);
});

await t.test('always, every synchronisation takes long, killed with appends on their way: nothing acknowledged is lost', async (t) => {
  const disk = await makeSlowDisk(folderOf(t));
  const { proxy, history, owner, redis, complaints } = await rigFor(t, { appendfsync: 'always', env: disk.env });
  t.teardown(() => disk.set(0));
  const one = await owner('one', {}, quickStore(proxy.port, 5_000));
  // With everysec, one would be under way nearly always.
  disk.set(900);
  one.start();
  let struck = 0;
  for (let i = 0; i < 3; i++) {
    await progress(history, [one], 4);
    await sleep(HELD_BACK_MIN_MS);
    await until(() => one.inFlight > 0);
    struck += one.inFlight;
    await redis.kill();
    await until(() => one.inFlight === 0);
    await redis.restart();
  }
  await progress(history, [one], 4);
  await one.stop();
  t.comment(`${struck} appends were in flight, ${history.count('appended')} appended`);
  t.ok(struck > 0);
  t.same(one.left, []);
  t.same(one.errors, []);
  t.same(await complaints(), []);
});

await t.test('always, with no-appendfsync-on-rewrite: while a child of it saves, answers wait for no disk, so the class is redis-no', async (t) => {
  const rig = await slowRigFor(t, { appendfsync: 'always' });
  const { disk, one, redis, history } = rig;
  t.equal(one.journal.durability, 'redis-always');
  await redis.command('CONFIG', 'SET', 'no-appendfsync-on-rewrite', 'yes');
  await redis.command('CONFIG', 'SET', 'rdb-key-save-delay', 1_000_000);
  await appended(t, one);
  await until(() => one.journal.durability === 'redis-no', 'a running node sees it');
  await redis.command('BGSAVE');
  await until(async () => String(await redis.command('INFO', 'persistence')).includes('rdb_bgsave_in_progress:1'), 'a child saves');
  disk.hold();
  const before = history.count('appended');
  await appended(t, one);
  t.equal(history.count('appended') - before, ids.length, 'acknowledged, while no synchronisation can end');
});
