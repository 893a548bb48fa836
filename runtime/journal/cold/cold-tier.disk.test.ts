import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { hashText } from '../../codec/address.ts';
import { Dice } from '../contract-model.ts';
import { realDisk } from '../sealed/disk.ts';
import { coldBounds } from './bounds.ts';
import type { ColdRange } from './cold-range.ts';
import { createColdTier } from './cold-tier.ts';
import { packRange } from './packed-range.ts';
import { all, cut, expectedSnapshot, fill, newLog, shown, snapshotAt, writeOf } from './testing/cold-log.ts';
import { writeRange } from './write-range.ts';

function newDirectory(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'troupe-cold-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

await t.test('written by a thread, read by another node', async (t) => {
  const directory = newDirectory();
  const onWarning = (message: string): void => void t.fail(message);
  const [one, two] = [createColdTier({ directory, onWarning }), createColdTier({ directory, onWarning })];
  const dice = new Dice(12);
  const log = newLog();
  const actors = ['a.A:1', 'a.A:2', '', 'a.A:3'];
  fill(log, dice, actors, 400);
  const writes = cut(log, dice, 80);
  // Asked for at once: they come one after the other.
  const ranges = await Promise.all(writes.map((write) => one.write(write)));
  t.equal(shown(await all(two.readRange(ranges, 1))), shown(log.all()));
  for (const actor of ['a.A:1', 'a.A:2', 'a.A:3']) {
    const { snapshotPosition, records } = await two.readActor(ranges, actor, hashText(actor));
    t.equal(snapshotPosition, expectedSnapshot(writes, log, actor, Infinity));
    t.equal(shown(records), shown(log.of(actor, snapshotPosition + 1)));
  }
  for (const range of ranges) t.same(await two.verify(range), []);
  t.same((await Array.fromAsync(two.scan())).map((found) => found.kind === 'range' && found.range), ranges);
  for (const range of ranges) t.equal(fs.statSync(join(directory, range.file)).size, range.bytes);
  await Promise.all([one.close(), two.close()]);
});

await t.test('two nodes write the same range at once', async (t) => {
  const directory = newDirectory();
  const tiers = [createColdTier({ directory }), createColdTier({ directory })];
  const log = newLog();
  fill(log, new Dice(2), ['a.A:1', 'a.A:2'], 500);
  const write = writeOf(log, 1, 501, [snapshotAt(log, 400)]);
  const ranges = await Promise.all([0, 1, 0, 1, 0, 1].map((i) => tiers[i]!.write(write)));
  for (const range of ranges) t.same(range, ranges[0]);
  t.same(fs.readdirSync(join(directory, 'main')).length, 1);
  t.same(await tiers[0]!.verify(ranges[0]!), []);
  await Promise.all(tiers.map((tier) => tier.close()));
});

await t.test('a failure of the thread comes back as the error it is, and the next write works', async (t) => {
  const directory = newDirectory();
  const tier = createColdTier({ directory });
  const log = newLog();
  fill(log, new Dice(2), ['a.A:1'], 20);
  const write = writeOf(log, 1, 21);
  await t.rejects(tier.write({ ...write, headBefore: { hi: 1, lo: 1 } }), { name: 'TroupeError', code: 'JOURNAL_DAMAGED', location: 'bucket 8/7@1' });
  t.match(await tier.write(write), { from: 1, to: 21 });
  const nowhere = createColdTier({ directory: join(directory, 'not-mounted') });
  await t.rejects(nowhere.write(write), { code: 'JOURNAL_FAILED', retryable: true });
  t.notOk(fs.existsSync(join(directory, 'not-mounted')), 'a volume that is not there is not made');
  await Promise.all([tier.close(), nowhere.close()]);
});

await t.test('leftovers go when nobody can be writing them any more', async (t) => {
  const directory = newDirectory();
  const folder = join(directory, 'main');
  fs.mkdirSync(folder);
  const tier = createColdTier({ directory });
  for (const name of ['old.tmp', 'new.tmp', 'other.txt']) fs.writeFileSync(join(folder, name), 'half a file');
  const hourAgo = Date.now() / 1000 - 3_700;
  fs.utimesSync(join(folder, 'old.tmp'), hourAgo, hourAgo);
  fs.utimesSync(join(folder, 'other.txt'), hourAgo, hourAgo);
  t.same(await Array.fromAsync(tier.scan()), []);
  t.same(await tier.removeLeftovers(), ['main/old.tmp']);
  t.same(await tier.removeLeftovers('main', 0), ['main/new.tmp']);
  t.same(await tier.removeLeftovers('nobody'), []);
  t.same(fs.readdirSync(folder), ['other.txt']);
  await tier.close();
});

await t.test('two thousand files need no more descriptors than stay open (C5)', async (t) => {
  const directory = newDirectory();
  const FILES = 2_000;
  // Nobody waits until a file is closed.
  const CLOSING_MAX = 16;
  const log = newLog();
  const dice = new Dice(31);
  const actors = Array.from({ length: 40 }, (_, i) => `a.A:${i}`);
  log.next(Array.from({ length: 3 * FILES }, () => dice.pick(actors)));
  const ranges: ColdRange[] = [];
  for (let i = 0; i < FILES; i++) ranges.push(writeRange(realDisk, await packRange(writeOf(log, 1 + 3 * i, 4 + 3 * i)), { directory, sync: false }));

  const tier = createColdTier({ directory });
  const before = descriptors();
  let highest = 0;
  const watch = setInterval(() => (highest = Math.max(highest, descriptors() - before)), 2);
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 120; i++) {
      const from = 1 + dice.below(3 * FILES);
      const actor = dice.pick(actors);
      t.same(await tier.readActorRecords(ranges, actor, hashText(actor), { from, recordsMax: 4 }), log.of(actor, from).slice(0, 4));
      t.same(await tier.headAt(ranges, from), log.headAt(from));
    }
  }));
  clearInterval(watch);
  const actor = dice.pick(actors);
  t.same((await tier.readActor(ranges, actor, hashText(actor))).records, log.of(actor), 'through all files');
  t.ok(highest > 0 && highest <= coldBounds.openFilesMax + CLOSING_MAX, `${highest} descriptors`);
  await tier.close();
  for (let tries = 0; tries < 1_000 && descriptors() !== before; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(descriptors(), before, 'all are given back');
});

function descriptors(): number {
  return fs.readdirSync('/proc/self/fd').length;
}

await t.test('the event loop has its turns while a range is written, and while it is read from the cache (C6)', async (t) => {
  const directory = newDirectory();
  const tier = createColdTier({ directory });
  const log = newLog();
  fill(log, new Dice(9), Array.from({ length: 500 }, (_, i) => `a.A:${i}`), 12_000, 1_000_000);
  const write = writeOf(log, 1, 12_001);
  const packing = await turnsOf(() => packRange(write));
  let ranges: ColdRange[] = [];
  const writing = await turnsOf(async () => {
    ranges = [await tier.write(write)];
  });
  // Compression alone takes longer than packing by far.
  t.ok(writing > 5 * packing, `${packing} turns while it is packed, ${writing} until it is written`);
  const read = (): Promise<unknown> => all(tier.readRange(ranges, 1));
  await read();
  const reading = await turnsOf(read);
  t.ok(reading >= Math.floor(12_000 / (2 * coldBounds.pieceRecords)), `${reading} turns`);
  await tier.close();
});

/** How often something else has its turn. */
async function turnsOf(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const look = (): void => {
    turns++;
    if (!over) setImmediate(look);
  };
  setImmediate(look);
  await work();
  over = true;
  return turns;
}
