/**
 * Every byte of a file, flipped. Whatever is read must be right, or be answered JOURNAL_DAMAGED with file and offset; a damaged snapshot
 * may be passed over. And the check must have teeth: without damage nothing is reported, and `verify` finds every flip.
 */

import t from 'tap';
import type { Test } from 'tap';

import { hashText } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import { Dice } from '../contract-model.ts';
import { SimDisk } from '../segment/sim-disk.ts';
import type { ColdRange } from './cold-range.ts';
import type { ColdTier } from './cold-tier.ts';
import { all, newLog, snapshotAt, writeOf } from './testing/cold-log.ts';
import { tierOn } from './testing/sim-volume.ts';

const actors = ['a.A:1', 'a.A:2', 'a.A:3'];
const original = new SimDisk();
const log = newLog();
const dice = new Dice(7);
for (let i = 0; i < 60; i++) log.next([dice.pick(['', ...actors])], () => Buffer.alloc(20, dice.below(256)));
const newest = (actor: string): number => log.of(actor, 1, 41).at(-3)!.position;
const ranges = [
  await tierOn(original).write(writeOf(log, 1, 21)),
  await tierOn(original).write(writeOf(log, 21, 41, actors.slice(1).map((actor) => snapshotAt(log, newest(actor))))),
  await tierOn(original).write(writeOf(log, 41, 61)),
];

interface Damage {
  readonly errors: TroupeError[];
  readonly warnings: number;
  readonly right: number;
}

/** Reads everything in every way; a wrong value fails the test. */
async function readAll(t: Test, disk: SimDisk, list: ColdRange[] = ranges): Promise<Damage> {
  let warnings = 0;
  const tier = tierOn(disk, { onWarning: () => void warnings++ });
  const errors: TroupeError[] = [];
  let right = 0;
  const attempt = async (read: (tier: ColdTier) => Promise<boolean>): Promise<void> => {
    try {
      if (await read(tier)) right++;
      else t.fail('a wrong value was read');
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      errors.push(error);
    }
  };
  await attempt(async (tier) => {
    const records = await all(tier.readRange(list, 1));
    return records.length === 60 && records.every(({ bytes, head, position }) => bytes.equals(log.records[position - 1]!.bytes) && sameHash(head, log.headAt(position)));
  });
  await attempt(async (tier) => sameHash((await tier.headAt(list, 33))!, log.headAt(33)));
  for (const actor of [...actors, 'a.A:nobody']) {
    await attempt(async (tier) => {
      const { snapshotPosition, records } = await tier.readActor(list, actor, hashText(actor));
      const expected = log.of(actor, snapshotPosition + 1);
      return [0, newestOrNone(actor)].includes(snapshotPosition) && expected.length === records.length && records.every(({ bytes }, i) => bytes.equals(expected[i]!.bytes));
    });
    await attempt(async (tier) => {
      const records = await tier.readActorRecords(list, actor, hashText(actor), { from: 10, to: 50 });
      const expected = log.of(actor, 10, 50);
      return expected.length === records.length && records.every(({ bytes }, i) => bytes.equals(expected[i]!.bytes));
    });
  }
  return { errors, warnings, right };
}

function newestOrNone(actor: string): number {
  return actors.indexOf(actor) > 0 ? newest(actor) : 0;
}

await t.test('without damage all is read and nothing reported', async (t) => {
  t.same(await readAll(t, original.copy()), { errors: [], warnings: 0, right: 10 });
  for (const range of ranges) t.same(await tierOn(original).verify(range), []);
});

await t.test('a flipped byte anywhere is reported, or did not matter; verify finds all of them', async (t) => {
  const { file, bytes } = ranges[1]!;
  let reported = 0;
  let passedOver = 0;
  let unread = 0;
  for (let offset = 0; offset < bytes; offset++) {
    const disk = original.copy();
    disk.bytesOf(`/cold/${file}`)[offset]! ^= 1 << (offset % 8);
    const { errors, warnings, right } = await readAll(t, disk);
    for (const error of errors) {
      const named = error.code === 'JOURNAL_DAMAGED' && error.location!.includes(file) && /@\d+$/.test(error.location!);
      if (!named) t.fail(`${error.code} at ${error.location} for byte ${offset}`);
    }
    if (errors.length + right !== 10) t.fail(`byte ${offset}: ${errors.length} errors, ${right} right`);
    if (errors.length > 0) reported++;
    else if (warnings > 0) passedOver++;
    else unread++;
    const findings = await tierOn(disk).verify(ranges[1]!);
    if (findings.length === 0 || findings.some((finding) => finding.file !== file)) t.fail(`verify did not find byte ${offset}`);
  }
  t.ok(reported > 0 && passedOver > 0, `of ${bytes} bytes ${reported} reported, ${passedOver} in snapshots that were passed over`);
  t.equal(unread, 0);
});

await t.test('a file that is cut short or has grown', async (t) => {
  const { file, bytes } = ranges[1]!;
  const content = original.bytesOf(`/cold/${file}`);
  for (const size of [0, 7, 127, bytes - 500, bytes - 1, bytes + 1]) {
    const disk = original.copy();
    const changed = disk.open(`/cold/${file}`, 'create');
    changed.write(Buffer.concat([content, Buffer.alloc(1)]).subarray(0, size), 0);
    const { errors, right } = await readAll(t, disk);
    if (size > bytes) t.same(errors, [], 'nobody reads behind the end');
    else t.ok(errors.length > 0 && errors.every(({ code, location }) => code === 'JOURNAL_DAMAGED' && location!.includes(file)), `${size} bytes`);
    t.equal(errors.length + right, 10);
    t.ok((await tierOn(disk).verify(ranges[1]!)).length > 0, `verify finds ${size} bytes`);
    const found = await Array.fromAsync(tierOn(disk).scan());
    t.equal(found.filter(({ kind }) => kind === 'unreadable').length, 1, `scan finds ${size} bytes`);
  }
});

await t.test('a list that says another thing than the file', async (t) => {
  for (const changes of [{ headBefore: log.headAt(3) }, { incarnation: { hi: 1, lo: 1 } }, { bucket: { bits: 8, index: 8 } }]) {
    const list = ranges.map((range, i) => (i === 0 && 'headBefore' in changes ? { ...range, ...changes } : 'headBefore' in changes ? range : { ...range, ...changes }));
    const { errors } = await readAll(t, original.copy(), list);
    t.ok(errors.length > 0 && errors.every(({ code }) => code === 'JOURNAL_DAMAGED'));
  }
});
