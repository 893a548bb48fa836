/**
 * Lookups over a list of ranges, the oldest first, of one bucket. As in history.ts of the segment journal, with one difference: the
 * list says which positions each file holds, so a lookup knows where to stop.
 */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ActorHistory, ReadActorOptions, StoredRecord } from '../journal.ts';
import type { Reading } from '../sealed/reading.ts';
import { SegmentFile } from '../sealed/segment-file.ts';
import type { SegmentCaches } from '../sealed/segment-caches.ts';
import type { RunOwner } from '../sealed/segment-file.ts';
import type { LoadedSnapshot } from '../sealed/snapshot-entry.ts';
import { findRange } from './cold-range.ts';
import type { ColdRange } from './cold-range.ts';
import type { OpenPlaces } from './place.ts';

/** An actor's history as the cold tier has it. */
export interface ColdHistory extends ActorHistory {
  /** The position that the snapshot names; 0 when there is none. */
  readonly snapshotPosition: number;
}

export class ColdFiles {
  private readonly places: OpenPlaces;
  private readonly caches: SegmentCaches;

  constructor(places: OpenPlaces, caches: SegmentCaches) {
    this.places = places;
    this.caches = caches;
  }

  /**
   * A handle on the range's file, which must be what the list says. `caches`: others than those of the tier.
   * @throws TroupeError CONFIG_INVALID when it lies where this tier does not reach
   */
  of(range: ColdRange, caches: SegmentCaches = this.caches): SegmentFile {
    const { file, incarnation, bucket, from, records, headBefore, headAfter, bytes } = range;
    const run = { bucket, position: from, records, headBefore, headAfter };
    return new SegmentFile(this.places.fileOf(range), bytes, { file, number: 0, incarnation, run }, caches);
  }
}

function ownerOf({ bucket, incarnation }: ColdRange): RunOwner {
  return { id: bucket, incarnation };
}

/** The head after `position`; null when the list does not reach it. What the list says itself needs no file. */
export function* headAt(files: ColdFiles, ranges: readonly ColdRange[], position: number): Reading<Hash64 | null> {
  if (position === 0) return ranges[0]?.headBefore ?? null;
  const range = ranges[findRange(ranges, position)];
  if (range === undefined || position < range.from) return null;
  if (position === range.to - 1) return range.headAfter;
  return yield* files.of(range).headAt(ownerOf(range), position);
}

/**
 * The newest snapshot that agrees with the log, and all records behind it, in front of position `below`.
 *
 * A snapshot is written some time after the record it was made at, so records behind it may stand in an older file than the snapshot
 * itself. [A range ends between the two; the actor is activated from the snapshot and lacks the events at the end of the range before.]
 * So reading goes on to the range that holds the position that the snapshot names.
 */
export function* historyOf(
  files: ColdFiles,
  ranges: readonly ColdRange[],
  actor: string,
  hash: Hash64,
  below: number,
  warn: (message: string) => void,
): Reading<ColdHistory> {
  const address = Buffer.from(actor);
  const pieces: StoredRecord[][] = [];
  let snapshot: LoadedSnapshot | null = null;
  for (let i = Math.min(findRange(ranges, below - 1), ranges.length - 1); i >= 0; i--) {
    const range = ranges[i]!;
    if (snapshot !== null && range.to <= snapshot.position + 1) break;
    const file = files.of(range);
    const cell = yield* file.cellOf(hash);
    if (cell === null) continue;
    if (snapshot === null) {
      const found = yield* file.snapshotOf(cell, actor, warn);
      if (found !== null && found.position < Math.min(below, range.to) && (yield* agrees(files, ranges, found))) snapshot = found;
    }
    pieces.push(yield* file.recordsOf(cell, ownerOf(range), address, (snapshot?.position ?? 0) + 1, below, Infinity));
  }
  return { snapshot: snapshot?.bytes ?? null, snapshotPosition: snapshot?.position ?? 0, records: pieces.reverse().flat() };
}

/** J8: the log has the head at that position, and had it under the incarnation in which the snapshot was made. */
function* agrees(files: ColdFiles, ranges: readonly ColdRange[], snapshot: LoadedSnapshot): Reading<boolean> {
  const range = ranges[findRange(ranges, snapshot.position)];
  if (range === undefined || !sameHash(range.incarnation, snapshot.incarnation)) return false;
  const head = yield* headAt(files, ranges, snapshot.position);
  return head !== null && sameHash(head, snapshot.head);
}

/** The oldest first. */
export function* actorRecordsOf(
  files: ColdFiles,
  ranges: readonly ColdRange[],
  actor: string,
  hash: Hash64,
  { from = 1, to = Infinity, recordsMax = Infinity }: ReadActorOptions,
): Reading<StoredRecord[]> {
  const address = Buffer.from(actor);
  const records: StoredRecord[] = [];
  for (let i = findRange(ranges, from); i < ranges.length && ranges[i]!.from < to && records.length < recordsMax; i++) {
    const file = files.of(ranges[i]!);
    const cell = yield* file.cellOf(hash);
    if (cell === null) continue;
    records.push(...(yield* file.recordsOf(cell, ownerOf(ranges[i]!), address, from, to, recordsMax - records.length)));
  }
  return records;
}

/** The records of one block from `position` on, in front of `to`; the range holds the position. */
export function recordsFrom(files: ColdFiles, range: ColdRange, position: number, to: number): Reading<StoredRecord[]> {
  return files.of(range).recordsFrom(ownerOf(range), position, to);
}
