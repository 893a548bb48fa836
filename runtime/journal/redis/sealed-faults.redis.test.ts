/** Ranges that are sealed in Redis: damaged, missing, sealed and never listed, listed by a call that comes too late, in a store without room. */

import t from 'tap';
import type { Test } from 'tap';

import { hashText } from '../../codec/address.ts';
import type { TroupeError } from '../../codec/errors.ts';
import { Dice } from '../contract-model.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import type { Journal, StoredRecord } from '../journal.ts';
import { bucketKeys, sealedKey } from './keys.ts';
import { journalSource, luaLibrary } from './library.ts';
import type { LuaLibrary } from './library.ts';
import { sealedName } from './redis-volume.ts';
import { until } from './testing/rig.ts';
import { bucket, HOT_BYTES, tieredRigFor } from './testing/tiered-rig.ts';
import type { TieredJournal, TieredRig } from './testing/tiered-rig.ts';
import { TieredWork } from './testing/tiered-work.ts';

const keys = bucketKeys('main', bucket);
/** Everything is sealed in Redis. */
const noFolder = { tier: null };

async function sealed(one: TieredJournal, seed: number): Promise<TieredWork> {
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(seed));
  while (one.demotion.demotions < 4) {
    await work.append(one.journal, 1);
    await one.demotion.idle();
  }
  return work;
}

async function sealsOn(t: Test, { journal, demotion }: TieredJournal, work: TieredWork): Promise<void> {
  const before = demotion.demotions;
  for (let i = 0; i < 400 && demotion.demotions < before + 2; i++) {
    await work.append(journal, 1);
    await demotion.idle();
  }
  t.ok(demotion.demotions >= before + 2, 'it seals on');
  t.same(await work.complaintsOf(journal), []);
}

/** Of the bucket, as the journal has it in memory. */
function rangesOf({ journal }: TieredJournal): readonly ColdRange[] {
  const { buckets } = journal as unknown as { buckets: { get(id: typeof bucket): { cold: readonly ColdRange[] } } };
  return buckets.get(bucket).cold;
}

function tierIn({ journal }: TieredJournal): ColdTier {
  return (journal as unknown as { tier: ColdTier }).tier;
}

function keyOf(range: ColdRange): string {
  return sealedKey('main', bucket, sealedName(range));
}

async function sealedIn({ redis }: TieredRig): Promise<string[]> {
  return ((await redis.command('KEYS', '*:sealed:*')) as unknown[]).map(String).sort();
}

async function recordsOf(journal: Journal): Promise<StoredRecord[]> {
  return Array.fromAsync(journal.readBucket(bucket, 1));
}

await t.test('what is sealed is one string a range, in the slot of its bucket, and is all that is left of the records', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder);
  const work = await sealed(one, 1);
  const ranges = rangesOf(one);
  t.same(await sealedIn(rig), ranges.map(keyOf).sort());
  t.ok(ranges.map(keyOf).every((key) => key.startsWith('{main:3}:4.3:sealed:range-04-000003-')), keyOf(ranges[0]!));
  for (const range of ranges) t.equal(await rig.redis.command('STRLEN', keyOf(range)), range.bytes);
  t.same(await Array.fromAsync(tierIn(one).scan()), ranges.map((range) => ({ kind: 'range', range })));
  t.same(await Array.fromAsync(tierIn(one).farthest()), [], 'they go back with the log, and say nothing of it');
  t.same(await tierIn(one).missing(ranges), []);
  for (const range of ranges) t.same(await tierIn(one).verify(range), []);
  t.equal(await rig.redis.command('HEXISTS', keys.meta, 's'), 0, 'nothing is sealed that is not listed');
  const entries = (await rig.redis.command('XRANGE', keys.log, '-', '+', 'COUNT', 1)) as [[unknown, unknown]];
  t.ok(Number.parseInt(String(entries[0][0]), 10) > ranges.at(-1)!.to - 1, 'the log begins behind them');
  const next = await rig.journal('next', noFolder);
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  await sealsOn(t, next, work);
});

await t.test('a string that was changed, cut short, lost or replaced: JOURNAL_DAMAGED with its key, never a wrong record', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder);
  const work = await sealed(one, 2);
  const range = rangesOf(one)[1]!;
  const key = keyOf(range);
  const content = (await rig.redis.commandBytes('GET', key)) as Buffer;
  const { journal: untouched } = await rig.journal('untouched', noFolder);
  t.equal((await recordsOf(untouched)).length, work.maker.position);

  const damages: [string, () => Promise<unknown>][] = [
    ['changed', () => rig.redis.command('SETRANGE', key, 40, '????????')],
    ['cut short', () => rig.redis.command('SET', key, content.subarray(0, content.length - 100))],
    ['emptied', () => rig.redis.command('SET', key, '')],
    ['lost', () => rig.redis.command('DEL', key)],
    ['replaced by a list', async () => [await rig.redis.command('DEL', key), await rig.redis.command('LPUSH', key, 'x')]],
  ];
  for (const [what, damage] of damages) {
    await damage();
    const fresh = await rig.journal(`after-${what}`, noFolder);
    await fresh.journal.openBucket(bucket);
    const error: TroupeError | number = await recordsOf(fresh.journal).then(({ length }) => length, (reason: TroupeError) => reason);
    if (what === 'lost') t.match(error, { message: /it is missing/ }, 'a string that is missing is empty to Redis, and not to us');
    t.match(error, { code: 'JOURNAL_DAMAGED', message: key, location: new RegExp(`^redis:${key.replace(/[{}.]/g, '\\$&')}@\\d+$`) }, what);
    t.ok((await tierIn(fresh).verify(range)).length > 0, `verify finds what is ${what}`);
    t.same(await tierIn(fresh).missing(rangesOf(fresh)), ['lost', 'replaced by a list'].includes(what) ? [range.file] : []);
    await rig.redis.command('DEL', key);
    await rig.redis.command('SET', key, content);
  }
  t.same(await work.complaintsOf((await rig.journal('healed', noFolder)).journal), []);
});

await t.test('a store that is away is away, and nothing is missing', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder);
  const work = await sealed(one, 3);
  await one.proxy.refuse();
  one.proxy.cut();
  await t.rejects(tierIn(one).readActor(rangesOf(one), 'a.A:1', hashText('a.A:1')), { code: 'STORE_UNAVAILABLE' });
  await t.rejects(Array.fromAsync(tierIn(one).scan()), { code: 'STORE_UNAVAILABLE' });
  await one.proxy.accept();
  await until(async () => (await work.complaintsOf(one.journal).catch(() => ['away'])).length === 0);
});

await t.test('an owner that ends between sealing and listing leaves one string: found by scan, removed by the next range', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder);
  const work = await sealed(one, 4);
  const listed = rangesOf(one).map(keyOf);
  const paused = one.pauseAt('written');
  let isThere = false;
  void paused.then(() => (isThere = true));
  while (!isThere) await work.append(one.journal, 1);
  one.abandon();
  const left = (await sealedIn(rig)).filter((key) => !listed.includes(key));
  t.equal(left.length, 1);

  const next = await rig.journal('next', { ...noFolder, hotBytesPerBucketMax: Infinity });
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  const found = await Array.fromAsync(tierIn(next).scan());
  t.same(found.map((each) => each.kind === 'range' && keyOf(each.range)).sort(), [...listed, ...left].sort());
  t.same(await work.complaintsOf(next.journal), []);

  const third = await rig.journal('third', noFolder);
  t.same(work.resume(await third.journal.openBucket(bucket)), []);
  // Behind a few more appends the first range of this owner is another one than the one that was left.
  await work.append(third.journal, 1);
  await third.demotion.idle();
  await sealsOn(t, third, work);
  t.same(await sealedIn(rig), rangesOf(third).map(keyOf).sort(), 'what is there is listed, and what is listed is there');
});

const listedCheck = ['if here and m[5] ~= args[5] then return {CONFLICT, m[2]} end', ''] as const;

/** The library without the check; it must have been there. */
function without([check, instead]: readonly [string, string]): LuaLibrary {
  const source = journalSource();
  if (!source.includes(check)) throw new Error(`journal.lua has no ${check}`);
  return luaLibrary(source.replace(check, instead), 'journal');
}

/** The call that lists a range arrives when a longer one has been sealed in its place (L6). */
async function lateListing(t: Test, library?: LuaLibrary): Promise<string[]> {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', noFolder, library === undefined ? {} : { library });
  const work = await sealed(one, 5);
  const stalled = one.proxy.stall((bytes) => bytes.includes('demote_'));
  let held: Awaited<typeof stalled> | null = null;
  void stalled.then((request) => (held = request));
  while (held === null) await work.append(one.journal, 1);
  // The owner gives the connection up, and seals what is there by now.
  await work.append(one.journal, 3);
  const steps = one.pauseAt('written');
  one.proxy.cut();
  await steps;
  const before = await sealedIn(rig);
  await (held as Awaited<typeof stalled>).deliver().catch(() => undefined);
  const complaints = await work.complaintsOf((await rig.journal('fresh', noFolder, library === undefined ? {} : { library })).journal).catch((error: Error) => [error.message]);
  t.equal(before.length, 5, 'the one that nobody listed is gone');
  one.resume();
  return complaints;
}

await t.test('a call that lists a range which was removed meanwhile is refused', async (t) => {
  t.same(await lateListing(t), []);
});

await t.test('without the check, the same run trims the log and lists what is gone', async (t) => {
  const complaints = await lateListing(t, without(listedCheck));
  t.match(complaints, [/sealed:.*it is missing/]);
});

await t.test('two that seal ranges of one bucket at once: each removes what the other did not list yet, nothing that is listed', async (t) => {
  const rig = await tieredRigFor(t);
  const former = await rig.journal('former', noFolder);
  const work = await sealed(former, 6);
  const paused = former.pauseAt('written');
  let isThere = false;
  void paused.then(() => (isThere = true));
  while (!isThere) await work.append(former.journal, 1);
  const next = await rig.journal('next', noFolder);
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  await sealsOn(t, next, work);
  former.resume();
  await until(() => former.warnings.length > 0);
  await sealsOn(t, next, work);
  t.same(await sealedIn(rig), rangesOf(next).map(keyOf).sort());
});

await t.test('a store without room: sealing goes on, and makes room', async (t) => {
  const rig = await tieredRigFor(t);
  const one = await rig.journal('one', { ...noFolder, hotBytesPerBucketMax: 1_000 * HOT_BYTES });
  const work = new TieredWork(await one.journal.openBucket(bucket), new Dice(7));
  await work.append(one.journal, 1_500);
  const { demotion } = one;
  const hot = one.journal.stat().hotBytes;
  await rig.redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
  t.match(await one.journal.append([work.next()]), [{ kind: 'refused', code: 'STORE_UNAVAILABLE' }], 'it is full');
  const { buckets } = one.journal as unknown as { buckets: { get(id: typeof bucket): Parameters<typeof demotion.shorten>[0] } };
  await demotion.shorten(buckets.get(bucket), 0);
  t.ok(one.journal.stat().hotBytes < hot / 100, `${hot} bytes were hot, and ${one.journal.stat().hotBytes} are`);
  await rig.redis.command('CONFIG', 'SET', 'maxmemory', '0');
  const next = await rig.journal('next', noFolder);
  t.same(work.resume(await next.journal.openBucket(bucket)), []);
  await sealsOn(t, next, work);
});
