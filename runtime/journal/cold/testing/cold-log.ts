/** A bucket's log, made up, cut into ranges at random places, with snapshots; and what reading it must answer. */

import { crc32 } from 'node:zlib';

import { hashText } from '../../../codec/address.ts';
import type { BucketId } from '../../../codec/address.ts';
import { hashToHex, sameHash } from '../../../codec/hash64.ts';
import type { Hash64 } from '../../../codec/hash64.ts';
import { LogMaker } from '../../contract-log.ts';
import type { Dice } from '../../contract-model.ts';
import type { SnapshotPut, StoredRecord } from '../../journal.ts';
import type { ColdWrite } from '../packed-range.ts';

export const bucket: BucketId = { bits: 8, index: 7 };
export const incarnation: Hash64 = { hi: 0x1234_5678, lo: 0x9abc_def0 };

export function newLog(id: BucketId = bucket, born: Hash64 = incarnation): LogMaker {
  return new LogMaker({ bucket: id, incarnation: born, epoch: 1, position: 0, head: born, checkpoint: null });
}

/** A snapshot of the actor of the record at `position`. */
export function snapshotAt(log: LogMaker, position: number, padding = 0, head: Hash64 = log.headAt(position)): SnapshotPut {
  const { actor } = log.records[position - 1]!;
  const bytes = Buffer.from(`snapshot of ${actor} at ${position} ${'s'.repeat(padding)}`);
  return { bucket: log.bucket, actor, actorHash: hashText(actor), position, head, bytes };
}

export function positionOf(snapshot: Buffer | null): number {
  return snapshot === null ? 0 : Number(/ at (\d+) s*$/.exec(snapshot.toString('latin1'))![1]);
}

export function writeOf(log: LogMaker, from: number, to: number, snapshots: readonly SnapshotPut[] = []): ColdWrite {
  return { bucket: log.bucket, incarnation: log.incarnation, from, headBefore: log.headAt(from - 1), records: log.all(from, to), snapshots };
}

/** Some actors write often, some seldom; '' is the bucket itself. */
export function fill(log: LogMaker, dice: Dice, actors: readonly string[], records: number, largeOneIn = 50): void {
  while (log.position < records) {
    const large = dice.below(largeOneIn) === 0;
    const size = large ? 300 * 1024 : dice.pick([0, 20, 200, 900]);
    log.next([actors[Math.min(dice.below(actors.length), dice.below(actors.length))]!], () => noise(dice, size));
  }
}

/** Bytes that compress by a half or so. */
function noise(dice: Dice, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 2) bytes[at] = dice.below(256);
  return bytes;
}

/** Writes that together are the whole log: cut at random, with snapshots of the range's actors at random positions up to its end. */
export function cut(log: LogMaker, dice: Dice, lengthMax: number, wrongOneIn = 8): ColdWrite[] {
  const writes: ColdWrite[] = [];
  for (let from = 1; from <= log.position; ) {
    const to = Math.min(log.position + 1, from + 1 + dice.below(lengthMax));
    const snapshots: SnapshotPut[] = [];
    for (let i = dice.below(6); i > 0; i--) {
      const { actor } = log.records[from - 1 + dice.below(to - from)]!;
      if (actor === '') continue;
      const at = dice.pick(log.of(actor, 1, to)).position;
      const head = dice.below(wrongOneIn) === 0 ? { hi: 1, lo: at } : log.headAt(at);
      snapshots.push(snapshotAt(log, at, dice.pick([0, 0, 100, 400_000]), head));
    }
    writes.push(writeOf(log, from, to, snapshots));
    from = to;
  }
  return writes;
}

/**
 * Position of the snapshot that reading in front of `below` must find, 0 for none: in the newest file that has one of this actor
 * that agrees. Of the snapshots of one file under one hash the newest is kept, whoever's it is.
 */
export function expectedSnapshot(writes: readonly ColdWrite[], log: LogMaker, actor: string, below: number): number {
  const hash = hashText(actor);
  for (const write of writes.toReversed()) {
    if (write.from >= below) continue;
    const kept = write.snapshots
      .filter(({ actorHash }) => sameHash(actorHash, hash))
      .toSorted((a, b) => b.position - a.position || (a.actor < b.actor ? -1 : 1))[0];
    if (kept === undefined || kept.actor !== actor || kept.position >= below || !sameHash(kept.head, log.headAt(kept.position))) continue;
    const holder = writes.find(({ from, records }) => kept.position >= from && kept.position < from + records.length)!;
    if (sameHash(holder.incarnation, write.incarnation)) return kept.position;
  }
  return 0;
}

/** Records as a short text: a difference between large ones is then found, and shown, at once. */
export function shown(records: readonly StoredRecord[]): string {
  return records.map(({ position, head, bytes }) => `${position} ${hashToHex(head)} ${bytes.length} ${crc32(bytes)}`).join('\n');
}

export async function all(records: AsyncIterable<StoredRecord>): Promise<StoredRecord[]> {
  return Array.fromAsync(records);
}
