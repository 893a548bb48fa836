/** Power cuts and disks that refuse, at every step of a write. */

import t from 'tap';

import { Dice } from '../contract-model.ts';
import { SimDisk } from '../segment/sim-disk.ts';
import type { SimFault } from '../segment/sim-disk.ts';
import type { ColdRange } from './cold-range.ts';
import { all, cut, fill, newLog, snapshotAt, writeOf } from './testing/cold-log.ts';
import { tierOn } from './testing/sim-volume.ts';

interface Image {
  readonly disk: SimDisk;
  /** What `write` had answered by then: what the hot tier may have in its list. */
  readonly listed: readonly ColdRange[];
}

/** Faults in the images of a power cut at every moment of some writes, and how many images there were. */
async function faultsOf(seed: number, sync: boolean): Promise<{ faults: string[]; images: number; leftovers: number }> {
  const dice = new Dice(seed);
  const disk = new SimDisk();
  const tier = tierOn(disk, { sync });
  const log = newLog();
  fill(log, dice, ['a.A:1', 'a.A:2', ''], 60, 1000);
  const images: Image[] = [];
  const listed: ColdRange[] = [];
  disk.onMoment = () => {
    for (let i = 0; i < 3; i++) images.push({ disk: disk.image((n) => dice.below(n), dice.pick([1, 8])), listed: [...listed] });
  };
  for (const write of cut(log, dice, 30)) listed.push(await tier.write(write));
  disk.onMoment();
  disk.onMoment = () => undefined;

  const faults: string[] = [];
  let leftovers = 0;
  for (const image of images) {
    const after = tierOn(image.disk);
    const end = image.listed.at(-1)?.to ?? 1;
    // In the first image nothing is there, and the list is empty.
    const records = await all(after.readRange(image.listed, 1)).catch((error: Error) => error);
    if (records instanceof Error) faults.push(`a listed range cannot be read: ${records.message}`);
    else if (records.length !== end - 1 || records.some(({ bytes }, i) => !bytes.equals(log.records[i]!.bytes))) faults.push('a listed range has other records');
    // What carries a name is whole even when nobody lists it (W1).
    for await (const found of after.scan()) {
      if (found.kind === 'unreadable') faults.push(`${found.file} carries its name and is not whole`);
      else if ((await after.verify(found.range)).length > 0) faults.push(`${found.range.file} carries its name and has damage`);
    }
    const removed = await after.removeLeftovers();
    leftovers += removed.length;
    if (image.disk.list('/cold/main').some((file) => file.endsWith('.tmp'))) faults.push('a leftover stays');
    if ((await after.missing(image.listed)).length > 0) faults.push('a listed file was removed, or never was durable');
  }
  return { faults, images: images.length, leftovers };
}

await t.test('at every moment what is listed is whole, and what is not whole has no name', async (t) => {
  let images = 0;
  let leftovers = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const result = await faultsOf(seed, true);
    t.same(result.faults.slice(0, 3), [], `seed ${seed}`);
    images += result.images;
    leftovers += result.leftovers;
  }
  t.ok(images > 1_000 && leftovers > 200, `${images} images, ${leftovers} leftovers`);
});

await t.test('the check finds what is lost without synchronisation', async (t) => {
  const { faults } = await faultsOf(1, false);
  t.ok(faults.some((fault) => /listed range cannot be read/.test(fault)), `${faults.length} faults`);
  t.ok(faults.some((fault) => /carries its name/.test(fault)));
});

await t.test('a write that the disk refuses leaves nothing, wherever it fails, and the next one works', async (t) => {
  const log = newLog();
  fill(log, new Dice(5), ['a.A:1', 'a.A:2'], 40, 1000);
  const write = writeOf(log, 1, 41, [snapshotAt(log, 40)]);
  const attempt = async (disk: SimDisk, fails: number, fault: SimFault): Promise<string> => {
    let operations = 0;
    disk.fault = () => (operations++ === fails ? fault : null);
    try {
      await tierOn(disk).write(write);
      return 'written';
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      disk.fault = () => null;
    }
  };
  for (const [fault, code] of [['ENOSPC', 'JOURNAL_FULL'], ['EIO', 'JOURNAL_FAILED']] as const) {
    let refused = 0;
    for (let fails = 0; ; fails++) {
      const disk = new SimDisk();
      const outcome = await attempt(disk, fails, fault);
      if (outcome === 'written') break;
      refused++;
      t.equal(outcome, code, `operation ${fails}`);
      t.same(disk.list('/cold/main').filter((file) => file.endsWith('.tmp')), [], 'no temporary file');
      const tier = tierOn(disk);
      const range = await tier.write(write);
      t.same(await all(tier.readRange([range], 1)), log.all());
      t.equal(disk.list('/cold/main').length, 1);
    }
    t.ok(refused > 8, `${refused} operations refused with ${fault}`);
  }
});

await t.test('errors that can be tried again say so', async (t) => {
  const disk = new SimDisk();
  disk.fault = (operation) => (operation === 'write' ? 'ENOSPC' : null);
  const log = newLog();
  fill(log, new Dice(5), ['a.A:1'], 3, 1000);
  await t.rejects(tierOn(disk).write(writeOf(log, 1, 4)), { code: 'JOURNAL_FULL', retryable: true });
});
