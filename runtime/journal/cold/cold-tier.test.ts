/** Random logs cut into ranges at random, and everything that is read held against the list of records they were made of. */

import t from 'tap';
import type { Test } from 'tap';

import { hashText } from '../../codec/address.ts';
import type { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import { SimDisk } from '../segment/sim-disk.ts';
import type { ColdRange } from './cold-range.ts';
import type { ColdTier } from './cold-tier.ts';
import { coversOf } from './cover.ts';
import type { ColdFound } from './files-in.ts';
import type { ColdWrite } from './packed-range.ts';
import { all, bucket, cut, expectedSnapshot, fill, newLog, positionOf, shown, snapshotAt, writeOf } from './testing/cold-log.ts';
import { collidingAddresses } from './testing/colliding.ts';
import { tierOn } from './testing/sim-volume.ts';

const strangers = new Dice(99);
const colliding = collidingAddresses((n) => strangers.below(n));

async function writeAll(tier: ColdTier, writes: readonly ColdWrite[]): Promise<ColdRange[]> {
  const ranges: ColdRange[] = [];
  for (const write of writes) ranges.push(await tier.write(write));
  return ranges;
}

async function compareReads(t: Test, tier: ColdTier, ranges: ColdRange[], writes: ColdWrite[], log: LogMaker, actor: string, dice: Dice): Promise<void> {
  const hash = hashText(actor);
  const end = log.position + 1;
  const below = dice.pick([Infinity, end, 1 + dice.below(end)]);
  const { snapshot, snapshotPosition, records } = await tier.readActor(ranges, actor, hash, { below });
  t.equal(snapshotPosition, expectedSnapshot(writes, log, actor, below), `the newest snapshot of ${actor} below ${below}`);
  t.equal(positionOf(snapshot), snapshotPosition);
  t.equal(shown(records), shown(log.of(actor, snapshotPosition + 1, below)), `the records of ${actor} behind ${snapshotPosition}, below ${below}`);
  const from = 1 + dice.below(end);
  const to = dice.pick([Infinity, from + dice.below(end)]);
  const recordsMax = dice.pick([Infinity, 1 + dice.below(5)]);
  t.equal(shown(await tier.readActorRecords(ranges, actor, hash, { from, to, recordsMax })), shown(log.of(actor, from, to).slice(0, recordsMax)));
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  await t.test(`what is read is what was written, seed ${seed}`, async (t) => {
    const dice = new Dice(seed);
    const tier = tierOn(new SimDisk(), { onWarning: (message) => void t.fail(message) });
    const log = newLog();
    const actors = ['a.A:1', 'a.A:2', 'a.A:3', '', ...colliding, 'a.A:4', 'a.A:seldom'];
    fill(log, dice, actors, 300);
    const writes = cut(log, dice, dice.pick([3, 20, 90]));
    // From some range on under another incarnation, as behind an accepted loss: older snapshots in newer files agree no more.
    if (seed % 2 === 0) {
      const changed = dice.below(writes.length);
      for (const [i, write] of writes.entries()) if (i >= changed) writes[i] = { ...write, incarnation: { hi: 5, lo: seed } };
    }
    const ranges = await writeAll(tier, writes);
    for (let i = 0; i < 150; i++) await compareReads(t, tier, ranges, writes, log, dice.pick(actors.filter((actor) => actor !== '')), dice);
    t.same(await tier.readActor(ranges, 'a.A:nobody', hashText('a.A:nobody')), { snapshot: null, snapshotPosition: 0, records: [] });
    for (let i = 0; i < 20; i++) {
      const from = 1 + dice.below(log.position);
      const to = dice.pick([Infinity, from + dice.below(log.position)]);
      t.equal(shown(await all(tier.readRange(ranges, from, to))), shown(log.all(from, to)));
    }
    for (let position = 0; position <= log.position; position++) {
      const head = await tier.headAt(ranges, position);
      if (head?.hi !== log.headAt(position).hi || head.lo !== log.headAt(position).lo) t.fail(`head at ${position}`);
    }
    t.equal(await tier.headAt(ranges, log.position + 1), null);
    t.same(await all(tier.readRange(ranges, log.position + 1)), []);
    for (const range of ranges) t.same(await tier.verify(range), []);
    const found = await Array.fromAsync(tier.scan());
    t.same(found.map((one) => one.kind === 'range' && one.range.from).toSorted(), ranges.map(({ from }) => from).toSorted());
    t.same(coversOf(found.flatMap((one) => (one.kind === 'range' ? [one.range] : []))), [ranges], 'the list is rebuilt from the files');
    await tier.close();
  });
}

await t.test('a snapshot in a newer file than the last record behind it', async (t) => {
  const tier = tierOn(new SimDisk());
  const log = newLog();
  log.next(['a.A:1', 'a.A:1', 'a.A:2', 'a.A:1', 'a.A:2', 'a.A:2', 'a.A:1']);
  // Of position 2, written with the second range; position 4 is behind it, and in the first one.
  const ranges = await writeAll(tier, [writeOf(log, 1, 5), writeOf(log, 5, 8, [snapshotAt(log, 2)])]);
  const history = await tier.readActor(ranges, 'a.A:1', hashText('a.A:1'));
  t.equal(history.snapshotPosition, 2);
  t.equal(shown(history.records), shown(log.of('a.A:1', 3)));
  // In a file in which the actor has no record at all.
  const [first] = ranges;
  const lone = await tier.write(writeOf(log, 5, 7, [snapshotAt(log, 2)]));
  t.same((await tier.readActor([first!, lone], 'a.A:1', hashText('a.A:1'))).records, log.of('a.A:1', 3, 5));
});

await t.test('a list that lacks a file, and a file that lacks a name (C3, C4)', async (t) => {
  const disk = new SimDisk();
  const tier = tierOn(disk);
  const log = newLog();
  fill(log, new Dice(4), ['a.A:1', 'a.A:2'], 60, 1000);
  const ranges = await writeAll(tier, [writeOf(log, 1, 20), writeOf(log, 20, 40), writeOf(log, 40, 61)]);
  const hash = hashText('a.A:1');
  for (const list of [ranges.slice(1), ranges.toSpliced(1, 1)]) {
    await t.rejects(tier.readActor(list, 'a.A:1', hash), { code: 'JOURNAL_DAMAGED', location: /bucket 8\/7@/ });
    await t.rejects(tier.readActorRecords(list, 'a.A:1', hash, { from: 50 }), { code: 'JOURNAL_DAMAGED' });
    await t.rejects(all(tier.readRange(list, 50)), { code: 'JOURNAL_DAMAGED' });
    await t.rejects(tier.headAt(list, 50), { code: 'JOURNAL_DAMAGED' });
  }
  t.same(await tier.missing(ranges), []);
  disk.remove(`/cold/${ranges[1]!.file}`);
  const fresh = tierOn(disk);
  const missing = { code: 'JOURNAL_DAMAGED', location: new RegExp(ranges[1]!.file) };
  await t.rejects(fresh.readActor(ranges, 'a.A:1', hash), missing);
  await t.rejects(fresh.readActorRecords(ranges, 'a.A:1', hash), missing);
  await t.rejects(all(fresh.readRange(ranges, 1)), missing);
  await t.rejects(fresh.headAt(ranges, 30), missing);
  t.same((await fresh.readActorRecords(ranges, 'a.A:1', hash, { from: 40 })), log.of('a.A:1', 40), 'what does not need it is read');
  t.same(await fresh.missing(ranges), [ranges[1]!.file]);
  t.match(await fresh.verify(ranges[1]!), [{ file: ranges[1]!.file, why: /missing/ }]);
  // Another file under that name.
  disk.rename(`/cold/${ranges[0]!.file}`, `/cold/${ranges[1]!.file}`);
  const swapped = tierOn(disk);
  await t.rejects(swapped.readActor(ranges, 'a.A:1', hash), missing);
  await t.rejects(swapped.readActor(ranges, 'a.A:nobody', hashText('a.A:nobody')), missing, 'even if the actor is in neither');
  const found = await Array.fromAsync(swapped.scan());
  t.match(found.find((one: ColdFound) => one.kind === 'unreadable'), { file: ranges[1]!.file, error: { code: 'JOURNAL_DAMAGED' } });
});

await t.test('what the hot tier lost or mixed up is not written (W3)', async (t) => {
  const disk = new SimDisk();
  const tier = tierOn(disk);
  const log = newLog();
  fill(log, new Dice(4), ['a.A:1', 'a.A:2'], 30, 1000);
  const write = writeOf(log, 11, 21);
  const { records } = write;
  const altered = { ...records[4]!, bytes: Buffer.from(records[4]!.bytes) };
  altered.bytes[altered.bytes.length - 1]! ^= 1;
  const noRecord = newLog();
  noRecord.next(['a.A:1']);
  const cases: [string, ColdWrite, number][] = [
    ['a gap', { ...write, records: records.toSpliced(4, 1) }, 15],
    ['a record twice', { ...write, records: records.toSpliced(4, 0, records[4]!) }, 16],
    ['it begins elsewhere', { ...write, from: 12 }, 12],
    ['another head in front', { ...write, headBefore: log.headAt(9) }, 11],
    ['another record', { ...write, records: records.toSpliced(4, 1, altered) }, 15],
    ['a wrong head', { ...write, records: records.toSpliced(9, 1, { ...records[9]!, head: log.headAt(3) }) }, 20],
  ];
  for (const [what, bad, position] of cases) {
    await t.rejects(tier.write(bad), { code: 'JOURNAL_DAMAGED', location: `bucket 8/7@${position}` }, what);
    t.same(disk.list('/cold/main'), [], 'nothing is left');
  }
  await t.rejects(tier.write({ ...write, records: [] }), { name: 'AssertionError' });
  await t.rejects(tier.write({ ...write, snapshots: [snapshotAt(log, 21)] }), { name: 'AssertionError' }, 'a snapshot behind the range');
  await t.rejects(tier.write({ ...write, namespace: '../elsewhere' }), { name: 'AssertionError' });
  t.match(await tier.write(write), { from: 11, to: 21 }, 'and the next one works');
});

await t.test('the same range is the same file, whatever the order of its snapshots (C2)', async (t) => {
  const disk = new SimDisk();
  const [one, two] = [tierOn(disk), tierOn(disk)];
  const log = newLog();
  fill(log, new Dice(8), ['a.A:1', 'a.A:2', 'a.A:3'], 40, 1000);
  const snapshots = [30, 33, 36, 38, 39].filter((position) => log.records[position - 1]!.actor !== '').map((position) => snapshotAt(log, position));
  const ranges = await Promise.all([one.write(writeOf(log, 1, 41, snapshots)), two.write(writeOf(log, 1, 41, snapshots.toReversed())), one.write(writeOf(log, 1, 41, snapshots))]);
  t.same(ranges[1], ranges[0]);
  t.same(ranges[2], ranges[0]);
  t.same(disk.list('/cold/main').length, 1);
  const other = await one.write(writeOf(log, 1, 41, snapshots.slice(0, -1)));
  t.not(other.file, ranges[0]!.file);
  t.same(one.stat([ranges[0]!]), { files: 1, bytes: disk.bytesOf(`/cold/${ranges[0]!.file}`).length, records: 40, rawBytes: log.records.reduce((sum, { bytes }) => sum + bytes.length, 0) });
});

await t.test('each namespace has its folder', async (t) => {
  const tier = tierOn(new SimDisk());
  const log = newLog(bucket);
  fill(log, new Dice(8), ['a.A:1'], 10, 1000);
  const range = await tier.write({ ...writeOf(log, 1, 11), namespace: 'tenant' });
  t.match(range.file, /^tenant\//);
  t.same(await all(tier.readRange([range], 1)), log.all());
  t.same(await Array.fromAsync(tier.scan()), []);
  t.same(await Array.fromAsync(tier.scan('tenant')), [{ kind: 'range', range }]);
});

await t.test('closed is closed', async (t) => {
  const tier = tierOn(new SimDisk());
  const log = newLog();
  fill(log, new Dice(8), ['a.A:1'], 10, 1000);
  const written = tier.write(writeOf(log, 1, 11));
  await tier.close();
  const range = await written;
  await t.rejects(tier.write(writeOf(log, 1, 11)), { code: 'JOURNAL_FAILED' });
  await t.rejects(tier.readActor([range], 'a.A:1', hashText('a.A:1')), { code: 'JOURNAL_FAILED' });
});
