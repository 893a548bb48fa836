/**
 * Random work on an adapter and on the model at once: appends of all kinds, retries, snapshots, checkpoints, reads, and closing
 * and opening again. After every step both must have answered the same.
 */

import type { Test } from 'tap';

import { hashText } from '../codec/address.ts';
import type { BucketId } from '../codec/address.ts';
import { LogMaker } from './contract-log.ts';
import type { JournalPlace } from './contract.ts';
import type { Append, Journal } from './journal.ts';
import { createMemoryJournal, MemoryStore } from './memory/memory-journal.ts';

const BUCKETS = 3;
const ACTORS = 12;

/** A small generator with a seed (xorshift32), so that a failure can be run again. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = (seed * 2654435761) | 1;
  }

  below(n: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % n;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** The two journals mint their own incarnations, so each has its own maker for the same work. */
interface Side {
  journal: Journal;
  logs: LogMaker[];
  /** Position of the newest snapshot that was put, by bucket and actor. */
  snapshots: Map<string, number>;
}

export async function compareWithModel(t: Test, place: JournalPlace, seed: number, steps: number): Promise<void> {
  const dice = new Dice(seed);
  const store = new MemoryStore();
  const sides: Side[] = [
    { journal: place.journal(), logs: [], snapshots: new Map() },
    { journal: createMemoryJournal(store), logs: [], snapshots: new Map() },
  ];
  const ids: BucketId[] = Array.from({ length: BUCKETS }, (_, index) => ({ bits: 8, index: index * 85 }));
  for (const side of sides) {
    await side.journal.open();
    side.logs = (await side.journal.openBuckets(ids)).map((head) => new LogMaker(head));
  }
  for (let step = 0; step < steps; step++) {
    const work = dice.below(100);
    if (work < 55) await compareAppends(t, dice, sides);
    else if (work < 62) await compareRetry(t, dice, sides);
    else if (work < 72) putSnapshot(dice, sides);
    else if (work < 76) putCheckpoint(dice, sides);
    else if (work < 94) await compareReads(t, dice, sides);
    else if (work < 97) await compareOpens(t, dice, sides, ids);
    else {
      for (const side of sides) await side.journal.close();
      sides[0]!.journal = place.journal();
      sides[1]!.journal = createMemoryJournal(store);
      for (const side of sides) {
        await side.journal.open();
        const heads = await side.journal.openBuckets(ids);
        for (const [b, head] of heads.entries()) side.logs[b]!.epoch = head.epoch;
      }
    }
  }
  for (const side of sides) {
    for (const [b, log] of side.logs.entries()) {
      const records = [];
      for await (const record of side.journal.readBucket(ids[b]!, 1)) records.push(record);
      t.same(records, log.all(), 'the whole log');
    }
    await side.journal.close();
  }
}

async function compareAppends(t: Test, dice: Dice, sides: Side[]): Promise<void> {
  const calls = 1 + dice.below(4);
  const plan = Array.from({ length: calls }, () =>
    Array.from({ length: BUCKETS }, (_, b) => Array.from({ length: dice.below(4) }, () => actorName(dice, b))),
  );
  const size = dice.pick([0, 10, 100, 1000]);
  const filling = dice.below(256);
  for (const side of sides) {
    const outcomes = await Promise.all(
      plan.map((call) => {
        const batch = call.flatMap((actors, b) => (actors.length === 0 ? [] : [side.logs[b]!.next(actors, () => Buffer.alloc(size, filling))]));
        return side.journal.append(batch);
      }),
    );
    t.ok(outcomes.flat().every((outcome) => outcome.kind === 'appended'));
  }
}

/** An append made of records that are there already, as after an unknown outcome; sometimes with a wrong head. */
async function compareRetry(t: Test, dice: Dice, sides: Side[]): Promise<void> {
  const b = dice.below(BUCKETS);
  const { position } = sides[0]!.logs[b]!;
  if (position === 0) return;
  const at = 1 + dice.below(position);
  const wrong = dice.below(3);
  const outcomes: string[] = [];
  for (const side of sides) {
    const log = side.logs[b]!;
    const made = log.records[at - 1]!;
    const bytes = Buffer.concat([varint(made.bytes.length), made.bytes]);
    const append: Append = {
      bucket: log.bucket,
      epoch: log.epoch,
      position: at,
      count: 1,
      headBefore: wrong === 1 ? { hi: 0, lo: at } : log.headAt(at - 1),
      headAfter: wrong === 2 ? { hi: 0, lo: at } : made.head,
      bytes,
      from: 0,
      to: bytes.length,
      actorHashes: made.actor === '' ? [0, 0] : [hashText(made.actor).hi, hashText(made.actor).lo],
      hashesFrom: 0,
    };
    outcomes.push((await side.journal.append([append]))[0]!.kind);
  }
  t.same(outcomes, wrong === 0 ? ['appended', 'appended'] : ['conflict', 'conflict']);
}

/**
 * At one of the actor's newest records, as a snapshot is made while further ones are on their way; never behind the one before:
 * one that is older than that, or wrong, may hide it, which costs time only (J8), and the model never loses one.
 */
function putSnapshot(dice: Dice, sides: Side[]): void {
  const b = dice.below(BUCKETS);
  const actor = actorName(dice, b);
  const back = dice.pick([1, 1, 2, 3, 8]);
  for (const { journal, logs, snapshots } of sides) {
    const record = logs[b]!.of(actor).at(-back);
    if (actor === '' || record === undefined || record.position <= (snapshots.get(`${b} ${actor}`) ?? 0)) continue;
    const { position, head } = record;
    snapshots.set(`${b} ${actor}`, position);
    const bytes = Buffer.from(`snapshot of ${actor} at ${position}`);
    journal.putSnapshots([{ bucket: logs[b]!.bucket, actor, actorHash: hashText(actor), position, head, bytes }]);
  }
}

function putCheckpoint(dice: Dice, sides: Side[]): void {
  const b = dice.below(BUCKETS);
  const pick = dice.below(1000);
  const wrong = dice.below(4) === 0;
  for (const { journal, logs } of sides) {
    const log = logs[b]!;
    const position = pick % (log.position + 1);
    const head = wrong ? { hi: 2, lo: position } : log.headAt(position);
    journal.putCheckpoints([{ bucket: log.bucket, position, head, bytes: Buffer.from(`checkpoint at ${position}`) }]);
  }
}

async function compareReads(t: Test, dice: Dice, sides: Side[]): Promise<void> {
  // What was put is read only after it was written; an append takes it along.
  await compareAppends(t, dice, sides);
  const b = dice.below(BUCKETS);
  const actor = actorName(dice, b);
  if (actor === '') return;
  const hash = hashText(actor);
  const position = sides[0]!.logs[b]!.position;
  const from = 1 + dice.below(position + 1);
  const to = from + dice.below(position + 1);
  const recordsMax = 1 + dice.below(5);
  for (const { journal, logs } of sides) {
    const log = logs[b]!;
    const { snapshot, records } = await journal.readActor(log.bucket, actor, hash);
    const at = snapshot === null ? 0 : Number(/ at (\d+)$/.exec(snapshot.toString())![1]);
    t.same(records, log.of(actor, at + 1));
    t.same(await journal.readActorRecords(log.bucket, actor, hash, { from, to, recordsMax }), log.of(actor, from, to).slice(0, recordsMax));
  }
  const [one, model] = await Promise.all(sides.map(({ journal, logs }) => journal.readActor(logs[b]!.bucket, actor, hash)));
  t.same(one!.snapshot?.toString(), model!.snapshot?.toString(), 'the same snapshot');
}

async function compareOpens(t: Test, dice: Dice, sides: Side[], ids: readonly BucketId[]): Promise<void> {
  const b = dice.below(BUCKETS);
  const heads = [];
  for (const side of sides) {
    const head = await side.journal.openBucket(ids[b]!);
    side.logs[b]!.epoch = head.epoch;
    t.match(head, { position: side.logs[b]!.position, head: side.logs[b]!.head, incarnation: side.logs[b]!.incarnation });
    heads.push({ epoch: head.epoch, checkpoint: head.checkpoint?.bytes.toString() });
  }
  t.same(heads[0], heads[1]);
}

/** An actor is in one bucket only; a snapshot is found by its actor's hash alone. */
function actorName(dice: Dice, bucket: number): string {
  const number = dice.below(ACTORS);
  return number === 0 ? '' : `a.A:${bucket}-${number}`;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}
