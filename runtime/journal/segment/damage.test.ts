/**
 * Flipped bytes in files at rest. Whatever is read must be right, or be answered JOURNAL_DAMAGED with file and offset; a damaged
 * snapshot may be passed over. And the check must have teeth: without damage nothing is reported.
 */

import t from 'tap';
import type { Test } from 'tap';

import { hashText } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { LogMaker } from '../contract-log.ts';
import { Dice } from '../contract-model.ts';
import type { Journal } from '../journal.ts';
import { DirectSealer } from './direct-sealer.ts';
import { createSegmentJournal } from './segment-journal.ts';
import { SimDisk } from './sim-disk.ts';

const FLIPS_SEGMENT = 400;
const FLIPS_LOG = 300;
const ids = Array.from({ length: 3 }, (_, index) => ({ bits: 4, index }));
const actors = Array.from({ length: 10 }, (_, i) => `a.A:${i}`);
const original = new SimDisk();
const logs = await make(original);
const files = original.list('/journal');
const segments = files.filter((file) => file.endsWith('.seg'));
const active = files.filter((file) => file.startsWith('log-')).at(-1)!;

function journalOn(disk: SimDisk): Journal {
  const seams = { disk, sealer: () => new DirectSealer(disk), lock: () => ({ release: () => undefined }) };
  return createSegmentJournal({ directory: '/journal', segmentFileBytes: 64 * 1024 }, seams);
}

async function make(disk: SimDisk): Promise<LogMaker[]> {
  const dice = new Dice(11);
  const journal = journalOn(disk);
  await journal.open();
  const logs = (await journal.openBuckets(ids)).map((head) => new LogMaker(head));
  for (let i = 0; i < 130; i++) {
    await journal.append(logs.map((log) => log.next([dice.pick(actors), dice.pick(actors)], () => Buffer.alloc(200 + dice.below(100), i + 1))));
    if (i % 10 !== 9) continue;
    const log = dice.pick(logs);
    const { actor, position, head } = log.records.at(-1)!;
    journal.putSnapshots([{ bucket: log.bucket, actor, actorHash: hashText(actor), position, head, bytes: Buffer.from(`snapshot at ${position} `) }]);
  }
  while (journal.stat().segments < 3) await new Promise(setImmediate);
  await journal.close();
  return logs;
}

interface Damage {
  readonly opened: boolean;
  readonly errors: TroupeError[];
  readonly right: number;
}

/** Reads everything in every way; a wrong value fails the test. */
async function readAll(t: Test, disk: SimDisk): Promise<Damage> {
  const journal = journalOn(disk);
  const errors: TroupeError[] = [];
  let right = 0;
  const attempt = async (read: () => Promise<boolean>): Promise<void> => {
    try {
      if (await read()) right++;
      else t.fail('a wrong value was read');
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      errors.push(error);
    }
  };
  let opened = false;
  await attempt(async () => {
    await journal.open();
    return (opened = true);
  });
  if (!opened) return { opened, errors, right };
  await journal.openBuckets(ids);
  for (const log of logs) {
    await attempt(async () => {
      let at = 0;
      for await (const record of journal.readBucket(log.bucket, 1)) if (!log.records[at++]!.bytes.equals(record.bytes)) return false;
      return at === log.position;
    });
    for (const actor of actors) {
      await attempt(async () => {
        const { snapshot, records } = await journal.readActor(log.bucket, actor, hashText(actor));
        const from = snapshot === null ? 0 : Number(/^snapshot at (\d+) $/.exec(snapshot.toString())?.[1]);
        const expected = log.of(actor, from + 1);
        return expected.length === records.length && records.every((record, i) => record.bytes.equals(expected[i]!.bytes));
      });
    }
  }
  await journal.close();
  return { opened, errors, right };
}

async function flipped(t: Test, file: string, offset: number): Promise<Damage> {
  const disk = original.copy();
  disk.bytesOf(`/journal/${file}`)[offset]! ^= 1 << (offset % 8);
  const damage = await readAll(t, disk);
  for (const error of damage.errors) {
    if (error.code !== 'JOURNAL_DAMAGED' || !/@\d+$/.test(error.location ?? '') || !error.location!.includes(file)) {
      t.fail(`${error.code} at ${error.location} for byte ${offset} of ${file}`);
    }
  }
  return damage;
}

await t.test('without damage all is read and nothing reported', async (t) => {
  const { opened, errors, right } = await readAll(t, original.copy());
  t.same({ opened, errors }, { opened: true, errors: [] });
  t.equal(right, 1 + logs.length * (1 + actors.length));
  t.ok(segments.length >= 3);
});

await t.test('a flipped byte in a segment is reported, and the rest stays readable', async (t) => {
  const dice = new Dice(5);
  let reported = 0;
  let partly = 0;
  for (let i = 0; i < FLIPS_SEGMENT; i++) {
    const file = dice.pick(segments);
    const damage = await flipped(t, file, dice.below(original.bytesOf(`/journal/${file}`).length));
    if (damage.errors.length > 0) reported++;
    if (damage.errors.length > 0 && damage.right > 1) partly++;
  }
  t.ok(reported > FLIPS_SEGMENT / 2, `${reported} of ${FLIPS_SEGMENT} reported; the others hit snapshots or tables that were not needed`);
  t.ok(partly > reported / 2, `${partly} times other reads went on`);
});

await t.test('a flipped byte in the acknowledged part of a log file is reported', async (t) => {
  const dice = new Dice(6);
  const bytes = original.bytesOf(`/journal/${active}`);
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  // The last frame is the mark that closes the others; without it what is before is still whole.
  const acknowledged = end - 32;
  for (let i = 0; i < FLIPS_LOG; i++) {
    const offset = dice.below(acknowledged);
    const { opened, errors } = await flipped(t, active, offset);
    if (opened || errors.length !== 1) t.fail(`byte ${offset} was not missed`);
  }
});
