/**
 * A store that went back in time under journals that know better: emptied, restored from an older copy of its folder, under living
 * journals and under new processes with and without a witness.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { LogMaker } from '../contract-log.ts';
import type { Journal } from '../journal.ts';
import { describeLoss } from './operations.ts';
import { findBucket, keyOf } from './testing/oracle.ts';
import { BITS, connected, copyOf, ids, insist, isAppend, operationsOn, progress, restore, rigFor, until } from './testing/rig.ts';

async function positions(journal: Journal): Promise<number[]> {
  return (await journal.openBuckets(ids)).map(({ position }) => position);
}

for (const how of ['FLUSHALL', 'a start with an empty folder'] as const) {
  await t.test(`emptied (${how}) under a living journal with appends on their way`, async (t) => {
    const rig = await rigFor(t);
    const { redis, history, owner, journal } = rig;
    const one = await owner('one', { depth: 4 });
    one.start();
    await progress(history, [one]);
    await until(() => one.inFlight > 0);
    const struck = one.inFlight;
    if (how === 'FLUSHALL') await redis.command('FLUSHALL');
    else {
      await redis.kill();
      rmSync(join(redis.directory, 'appendonlydir'), { recursive: true });
      await redis.restart();
    }
    const moment = history.attempts.length;
    await until(() => one.owned === 0);
    await one.stop();
    const later = history.attempts.slice(moment);
    t.comment(`${struck} appends were in flight, ${history.count('rolledBack')} rolled back, ${one.errors.length} refused to open`);
    t.ok(struck > 0 && history.count('rolledBack') + one.errors.length > 0);
    t.same(later.filter(({ outcome }) => outcome?.kind === 'appended'), [], 'nothing is appended on top');
    t.ok((await rig.complaints()).some((what) => what.startsWith('lost:')), 'it was indeed lost');
    await t.rejects(insist(() => one.journal.openBucket(ids[0]!)), { code: 'ROLLED_BACK' });
    t.same(await one.journal.confirm(ids.map((bucket, i) => ({ bucket, epoch: one.epochs[i]! }))), ids.map(() => false));

    // A new process finds an empty store and founds a journal in it; what was noted stays closed to it.
    const fresh = await journal('fresh');
    for (const id of ids) await t.rejects(fresh.openBucket(id), { code: 'ROLLED_BACK' });
    t.match(await fresh.openBucket({ bits: BITS, index: 1 }), { position: 0, epoch: 1 });
    await t.rejects(async () => { for await (const record of fresh.readBucket(ids[0]!, 1)) t.fail(`read ${record.position}`); }, { code: 'ROLLED_BACK' });
    t.match(await one.journal.openBucket({ bits: BITS, index: 1 }), { epoch: 2 }, 'of which nobody knew anything');
  });
}

await t.test('restored from an older copy under a living journal; the loss is accepted, one bucket and then all', async (t) => {
  const rig = await rigFor(t);
  const { redis, history, owner, journal } = rig;
  const one = await owner('one');
  one.start();
  await progress(history, [one]);
  await one.stop();
  const copy = await copyOf(t, redis);
  const copied = await Promise.all(ids.map(async ({ index }) => (await findBucket(redis, BITS, index)).records.length));
  await connected(one.journal);
  one.start();
  await progress(history, [one]);
  await one.stop();
  const known = await Promise.all(ids.map(async ({ index }) => (await findBucket(redis, BITS, index)).records.length));
  await restore(redis, copy);
  await connected(one.journal);

  const held = await one.journal.confirm(ids.map((bucket, i) => ({ bucket, epoch: one.epochs[i]! })));
  t.same(held, ids.map(() => false), 'nothing of it is read on, although the epochs are in the copy, too');
  t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'rolledBack'));
  for (const id of ids) await t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' });
  const other = await journal('other');
  for (const id of ids) await t.rejects(other.openBucket(id), { code: 'ROLLED_BACK' }, 'nor by anybody else');

  const operations = await operationsOn(t, rig);
  const losses = await operations.losses();
  t.equal(losses.journal, null);
  t.same(losses.buckets.map(({ bucket }) => bucket), ids);
  t.same(losses.buckets.map(({ positionFound }) => positionFound), copied);
  t.same(losses.buckets.map(({ positionKnown }) => positionKnown), known);
  t.equal(describeLoss(losses.buckets[0]!), `positions ${copied[0]! + 1} to ${known[0]!} are lost`);
  t.match(losses.buckets[0]!.note, new RegExp(`^one knows of position ${known[0]},`));

  await operations.accept(losses, [losses.buckets[0]!]);
  t.same((await operations.losses()).buckets.map(({ bucket }) => bucket), ids.slice(1), 'one, and not the others');
  await t.rejects(operations.accept(losses, [losses.buckets[0]!]), { code: 'ROLLED_BACK' }, 'a note that is not there any more');
  for (const id of ids.slice(1)) await t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' });
  await operations.accept(await operations.losses());
  t.same((await operations.losses()).buckets, []);

  const before = one.epochs;
  const heads = await one.journal.openBuckets(ids);
  t.same(heads.map(({ position }) => position), copied);
  t.ok(heads.every(({ epoch }, i) => epoch > before[i]!), `epochs ${heads.map(({ epoch }) => epoch).join()} after ${before.join()}`);
  t.ok(heads.every(({ incarnation }, i) => incarnation.lo !== one.incarnations[i]!.lo), 'a new incarnation each');
  await one.take();
  one.start();
  await progress(history, [one]);
  await one.stop();
  t.same(await positions(other), await Promise.all(ids.map(async ({ index }) => (await findBucket(redis, BITS, index)).records.length)));
  for (const { index } of ids) t.same((await findBucket(redis, BITS, index)).complaints, []);
  t.comment(`${history.count('rolledBack')} appends were refused as rolled back`);
});

await t.test('an append of the time before the loss arrives when the loss has been accepted: it is fenced, though it would fit', async (t) => {
  const rig = await rigFor(t);
  const { redis, proxy, history, owner } = rig;
  const one = await owner('one');
  await one.once();
  const keys = ids.flatMap(({ index }) => [keyOf(BITS, index, 'meta'), keyOf(BITS, index, 'log')]);
  const values = await Promise.all(keys.map((key) => redis.commandBytes('DUMP', key)));
  const stalling = proxy.stall(isAppend);
  const outcomes = one.once();
  const stalled = await stalling;
  t.same((await outcomes).map(({ kind }) => kind), ids.map(() => 'unknown'));
  await one.reopen();
  await connected(one.journal);
  t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'appended'));
  // The store goes back to where the stalled append was made.
  for (const [i, key] of keys.entries()) await redis.command('RESTORE', key, 0, values[i] as Buffer, 'REPLACE');
  t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'rolledBack'));
  await Promise.all(ids.map((id) => t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' })));
  const operations = await operationsOn(t, rig);
  await operations.accept(await operations.losses());
  const answer = (await stalled.deliver()).toString();
  t.equal(answer, `*${ids.length}\r\n${'*2\r\n:1\r\n$1\r\n2\r\n'.repeat(ids.length)}`, 'for each bucket: fenced, by an epoch of the time before');
  await one.take();
  t.same(one.epochs, ids.map(() => 3));
  one.start();
  await progress(history, [one]);
  await one.stop();
  for (const { index } of ids) t.same((await findBucket(redis, BITS, index)).complaints, []);
});

await t.test('a store that went back and grew again behind the back of a living journal leads elsewhere', async (t) => {
  const rig = await rigFor(t);
  const { redis, history, owner } = rig;
  const one = await owner('one');
  await one.once();
  const copy = await copyOf(t, redis);
  await connected(one.journal);
  t.same((await one.once()).map(({ kind }) => kind), ids.map(() => 'appended'));
  await restore(redis, copy);
  // Somebody who knows nothing of it writes more than what was lost.
  const two = await owner('two');
  two.start();
  await progress(history, [two]);
  await two.stop();
  await connected(one.journal);
  for (const id of ids) await t.rejects(one.journal.openBucket(id), { code: 'ROLLED_BACK' });
  const operations = await operationsOn(t, rig);
  const { buckets } = await operations.losses();
  t.match(describeLoss(buckets[0]!), /^it leads elsewhere than what was acknowledged up to position \d+: one knows of/);
  await operations.accept({ journal: null, buckets });
  await one.take();
  t.same(await one.once().then((outcomes) => outcomes.map(({ kind }) => kind)), ids.map(() => 'appended'));
});

await t.test('the loss of an epoch that two journals then have: one of them has it', async (t) => {
  const { redis, journal } = await rigFor(t);
  const [bucket] = ids;
  const one = await journal('one');
  await one.openBucket(bucket!);
  const copy = await copyOf(t, redis);
  const two = await journal('two');
  const head = await two.openBucket(bucket!);
  await restore(redis, copy);
  const three = await journal('three');
  t.equal((await three.openBucket(bucket!)).epoch, head.epoch, 'the same epoch');
  await connected(two);
  t.same(await three.confirm([{ bucket: bucket!, epoch: 2 }]), [true]);
  t.same(await two.confirm([{ bucket: bucket!, epoch: 2 }]), [false]);
  t.match(await two.append([new LogMaker(head).next(['a.A:1'])]), [{ kind: 'fenced', epoch: 2 }]);
  t.match(await three.append([new LogMaker(head).next(['a.A:1'])]), [{ kind: 'appended' }]);
});
