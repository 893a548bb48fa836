/**
 * Reading: what the sealed segments and the log files hold together. Only durable records are in an index, so only durable
 * records are read.
 *
 * A log file can become a segment while something is being read from segments without stopping the event loop. So log files
 * are always asked first and in one go: what they no longer have is in a segment by then.
 */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ActorHistory, ReadActorOptions, StoredRecord } from '../journal.ts';
import type { BucketState } from './bucket-table.ts';
import { damaged } from './log-file.ts';
import type { LogFile } from './log-file.ts';
import { headInLog, loadRun, recordOf, recordsInLog, snapshotInLog } from './log-reader.ts';
import type { LoadedSnapshot } from './log-reader.ts';
import { Reader, readNow } from './reading.ts';
import type { Reading } from './reading.ts';
import type { SegmentFile } from './segment-file.ts';

export class History {
  /** Sealed, the oldest first. */
  readonly segments: SegmentFile[] = [];
  private readonly logs: readonly LogFile[];
  private readonly warn: (message: string) => void;
  private readonly reader = new Reader();

  /** `logs` is the live list of the files that are not sealed, the oldest first. */
  constructor(logs: readonly LogFile[], warn: (message: string) => void) {
    this.logs = logs;
    this.warn = warn;
  }

  /** The head after `position`, at once; null when the log does not reach it. */
  headAtNow(bucket: BucketState, position: number): Hash64 | null {
    return readNow(this.headAt(bucket, position));
  }

  async readActor(bucket: BucketState, actor: string, hash: Hash64): Promise<ActorHistory> {
    const address = Buffer.from(actor);
    const wanted = new Wanted();
    const segments = this.segments.slice();
    for (let i = this.logs.length - 1; i >= 0 && !wanted.isWhole; i--) {
      const log = this.logs[i]!;
      if (wanted.snapshot === null) {
        const found = snapshotInLog(log, hash, actor, this.warn);
        // Its position may lie in a segment, but reading that here is rare: snapshots follow their records closely.
        if (found !== null && readNow(this.agrees(bucket, found))) wanted.snapshot = found;
      }
      wanted.add(recordsInLog(log, bucket.slot, address, hash, wanted.from, Infinity, Infinity));
    }
    if (!wanted.isWhole && segments.length > 0) {
      await this.reader.read(this.readSegments(segments, bucket, actor, address, hash, wanted));
    }
    return wanted.toHistory();
  }

  async readActorRecords(bucket: BucketState, actor: string, hash: Hash64, options: ReadActorOptions): Promise<StoredRecord[]> {
    const { from = 1, to = Infinity, recordsMax = Infinity } = options;
    const address = Buffer.from(actor);
    const segments = this.segments.slice();
    const tail: StoredRecord[] = [];
    for (const log of this.logs) {
      if (tail.length >= recordsMax) break;
      tail.push(...recordsInLog(log, bucket.slot, address, hash, from, to, recordsMax - tail.length));
    }
    if (segments.length === 0) return tail;
    const old = await this.reader.read(oldRecords(segments, bucket, address, hash, from, to, recordsMax));
    const records = old.concat(tail);
    return records.length > recordsMax ? records.slice(0, recordsMax) : records;
  }

  async *readBucket(bucket: BucketState, from: number, to: number): AsyncIterable<StoredRecord> {
    let segment = 0;
    for (let position = Math.max(1, from); position < to; ) {
      let records = this.recordsFromLogs(bucket, position, to);
      for (; records.length === 0 && segment < this.segments.length; ) {
        records = await this.reader.read(this.segments[segment]!.recordsFrom(bucket, position, to));
        if (records.length === 0) segment++;
      }
      if (records[0]?.position !== position) {
        // The file may have been sealed while a segment was read; look once more before it is called damage.
        records = this.recordsFromLogs(bucket, position, to);
        if (records.length === 0) throw damaged(`bucket ${bucket.id.bits}/${bucket.id.index}`, position, 'no file holds this position');
      }
      position += records.length;
      yield* records;
    }
  }

  close(): void {
    for (const segment of this.segments) segment.close();
  }

  private *headAt(bucket: BucketState, position: number): Reading<Hash64 | null> {
    if (position === 0) return bucket.incarnation;
    if (position > bucket.durablePosition) return null;
    if (position === bucket.durablePosition) return bucket.durableHead;
    for (let i = this.logs.length - 1; i >= 0; i--) {
      const head = headInLog(this.logs[i]!, bucket.slot, position);
      if (head !== null) return head;
    }
    const segments = this.segments.slice();
    for (let i = segments.length - 1; i >= 0; i--) {
      const head = yield* segments[i]!.headAt(bucket, position);
      if (head !== null) return head;
    }
    return null;
  }

  private *agrees(bucket: BucketState, snapshot: LoadedSnapshot): Reading<boolean> {
    if (!sameHash(snapshot.incarnation, bucket.incarnation)) return false;
    const head = yield* this.headAt(bucket, snapshot.position);
    return head !== null && sameHash(head, snapshot.head);
  }

  /** Newest first, until nothing is missing. */
  private *readSegments(
    segments: readonly SegmentFile[],
    bucket: BucketState,
    actor: string,
    address: Buffer,
    hash: Hash64,
    wanted: Wanted,
  ): Reading<void> {
    for (let i = segments.length - 1; i >= 0 && !wanted.isWhole; i--) {
      const segment = segments[i]!;
      const cell = yield* segment.cellOf(hash);
      if (cell === null) continue;
      if (wanted.snapshot === null) {
        const found = yield* segment.snapshotOf(cell, actor, this.warn);
        if (found !== null && (yield* this.agrees(bucket, found))) wanted.snapshot = found;
      }
      wanted.add(yield* segment.recordsOf(cell, bucket, address, wanted.from, Infinity, Infinity));
    }
  }

  private recordsFromLogs(bucket: BucketState, position: number, to: number): StoredRecord[] {
    for (const log of this.logs) {
      const i = log.index.findRunOf(bucket.slot, position);
      const ref = i < 0 ? null : log.index.runOf(bucket.slot, i);
      if (ref === null) continue;
      // Logs are asked oldest first: when the first run behind is later, the position is in a segment.
      if (position < ref.position) return [];
      const run = loadRun(log, ref);
      const records: StoredRecord[] = [];
      for (let p = position; p < ref.position + ref.count && p < to; p++) records.push(recordOf(run, p - ref.position));
      return records;
    }
    return [];
  }
}

/**
 * An actor's history as it is put together, file by file, the newest first: a snapshot, and all records behind it.
 *
 * A snapshot is written some time after the record it was made at, so records behind it may stand in an older file than the
 * snapshot itself. [A file is full between the two; the actor is activated from the snapshot and lacks the events that were
 * recorded just before the file was.] Only the record that the snapshot names shows that nothing behind it is missing.
 */
class Wanted {
  snapshot: LoadedSnapshot | null = null;
  isWhole = false;
  private readonly pieces: StoredRecord[][] = [];

  /** Position of the first record that is asked for: that of the snapshot itself, when there is one. */
  get from(): number {
    return this.snapshot?.position ?? 1;
  }

  /** The records of the next older file. */
  add(records: StoredRecord[]): void {
    this.isWhole = this.snapshot !== null && records[0]?.position === this.snapshot.position;
    this.pieces.push(this.isWhole ? records.slice(1) : records);
  }

  toHistory(): ActorHistory {
    return { snapshot: this.snapshot?.bytes ?? null, records: this.pieces.reverse().flat() };
  }
}

function* oldRecords(
  segments: readonly SegmentFile[],
  bucket: BucketState,
  address: Buffer,
  hash: Hash64,
  from: number,
  to: number,
  recordsMax: number,
): Reading<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const segment of segments) {
    if (records.length >= recordsMax) break;
    const cell = yield* segment.cellOf(hash);
    if (cell === null) continue;
    records.push(...(yield* segment.recordsOf(cell, bucket, address, from, to, recordsMax - records.length)));
  }
  return records;
}
