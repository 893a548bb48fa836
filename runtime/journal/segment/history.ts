/**
 * Reading: what the sealed segments and the log files hold together. Only durable records are in an index, so only durable
 * records are read.
 *
 * A log file can become a segment while something is being read from segments: the event loop does not stop for them. So whoever
 * reads holds the files of the moment in which it began.
 */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ActorHistory, ReadActorOptions, StoredRecord } from '../journal.ts';
import { damaged } from '../sealed/damaged.ts';
import { Reader, readNow } from '../sealed/reading.ts';
import type { Reading } from '../sealed/reading.ts';
import type { SegmentFile } from '../sealed/segment-file.ts';
import type { LoadedSnapshot } from '../sealed/snapshot-entry.ts';
import type { BucketState } from './bucket-table.ts';
import type { LogFile } from './log-file.ts';
import { headInLog, loadRun, recordOf, recordsInLog, snapshotInLog } from './log-reader.ts';
import type { OpenSegment } from './open-segment.ts';

export class History {
  /** Sealed, the oldest first. */
  readonly segments: OpenSegment[] = [];
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
    return readNow(this.headAt(this.logs, this.segments, bucket, position));
  }

  async readActor(bucket: BucketState, actor: string, hash: Hash64): Promise<ActorHistory> {
    return this.withLogs((logs, segments) => this.historyOf(logs, segments, bucket, actor, hash));
  }

  async readActorRecords(bucket: BucketState, actor: string, hash: Hash64, options: ReadActorOptions): Promise<StoredRecord[]> {
    return this.withLogs((logs, segments) => recordsOf(logs, segments, bucket, Buffer.from(actor), hash, options));
  }

  async *readBucket(bucket: BucketState, from: number, to: number): AsyncIterable<StoredRecord> {
    const cursor = { segment: 0 };
    for (let position = Math.max(1, from); position < to; ) {
      let records = readNow(recordsInLogs(this.logs, bucket, position, to));
      // What no log file has is in a segment by now.
      if (records.length === 0) records = await this.reader.read(recordsInSegments(this.segments, bucket, position, to, cursor));
      position += records.length;
      yield* records;
    }
  }

  close(): void {
    for (const segment of this.segments) segment.close();
  }

  /** Files that are sealed meanwhile stay readable: together with the segments of this moment they hold all that is durable now. */
  private async withLogs<T>(read: (logs: readonly LogFile[], segments: readonly SegmentFile[]) => Reading<T>): Promise<T> {
    const logs = this.logs.slice();
    // They are closed all at once, so that the first one tells.
    for (const log of logs) log.hold();
    try {
      return await this.reader.read(read(logs, this.segments.slice()));
    } finally {
      for (const log of logs) log.release();
    }
  }

  private *headAt(
    logs: readonly LogFile[],
    segments: readonly SegmentFile[],
    bucket: BucketState,
    position: number,
  ): Reading<Hash64 | null> {
    if (position === 0) return bucket.incarnation;
    if (position > bucket.durablePosition) return null;
    if (position === bucket.durablePosition) return bucket.durableHead;
    for (let i = logs.length - 1; i >= 0; i--) {
      const head = yield* headInLog(logs[i]!, bucket.slot, position);
      if (head !== null) return head;
    }
    for (let i = segments.length - 1; i >= 0; i--) {
      const head = yield* segments[i]!.headAt(bucket, position);
      if (head !== null) return head;
    }
    return null;
  }

  private *historyOf(
    logs: readonly LogFile[],
    segments: readonly SegmentFile[],
    bucket: BucketState,
    actor: string,
    hash: Hash64,
  ): Reading<ActorHistory> {
    const address = Buffer.from(actor);
    const wanted = new Wanted();
    for (let i = logs.length - 1; i >= 0 && !wanted.isWhole; i--) {
      const log = logs[i]!;
      if (wanted.snapshot === null) {
        const found = yield* snapshotInLog(log, hash, actor, this.warn);
        if (found !== null && (yield* this.agrees(logs, segments, bucket, found))) wanted.snapshot = found;
      }
      wanted.add(yield* recordsInLog(log, bucket.slot, address, hash, wanted.from, Infinity, Infinity));
    }
    for (let i = segments.length - 1; i >= 0 && !wanted.isWhole; i--) {
      const segment = segments[i]!;
      const cell = yield* segment.cellOf(hash);
      if (cell === null) continue;
      if (wanted.snapshot === null) {
        const found = yield* segment.snapshotOf(cell, actor, this.warn);
        if (found !== null && (yield* this.agrees(logs, segments, bucket, found))) wanted.snapshot = found;
      }
      wanted.add(yield* segment.recordsOf(cell, bucket, address, wanted.from, Infinity, Infinity));
    }
    return wanted.toHistory();
  }

  private *agrees(
    logs: readonly LogFile[],
    segments: readonly SegmentFile[],
    bucket: BucketState,
    snapshot: LoadedSnapshot,
  ): Reading<boolean> {
    if (!sameHash(snapshot.incarnation, bucket.incarnation)) return false;
    const head = yield* this.headAt(logs, segments, bucket, snapshot.position);
    return head !== null && sameHash(head, snapshot.head);
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

/** The oldest first. */
function* recordsOf(
  logs: readonly LogFile[],
  segments: readonly SegmentFile[],
  bucket: BucketState,
  address: Buffer,
  hash: Hash64,
  options: ReadActorOptions,
): Reading<StoredRecord[]> {
  const { from = 1, to = Infinity, recordsMax = Infinity } = options;
  const records: StoredRecord[] = [];
  for (const segment of segments) {
    if (records.length >= recordsMax) return records;
    const cell = yield* segment.cellOf(hash);
    if (cell === null) continue;
    records.push(...(yield* segment.recordsOf(cell, bucket, address, from, to, recordsMax - records.length)));
  }
  for (const log of logs) {
    if (records.length >= recordsMax) return records;
    records.push(...(yield* recordsInLog(log, bucket.slot, address, hash, from, to, recordsMax - records.length)));
  }
  return records;
}

/** Records of the bucket from `position` on, as many as lie together in a log file; none when it is in no log file. */
function* recordsInLogs(logs: readonly LogFile[], bucket: BucketState, position: number, to: number): Reading<StoredRecord[]> {
  for (const log of logs) {
    const i = log.index.findRunOf(bucket.slot, position);
    const ref = i < 0 ? null : log.index.runOf(bucket.slot, i);
    if (ref === null) continue;
    // Logs are asked oldest first: when the first run behind is later, the position is in a segment.
    if (position < ref.position) return [];
    const run = yield* loadRun(log, ref);
    const records: StoredRecord[] = [];
    for (let p = position; p < ref.position + ref.count && p < to; p++) records.push(recordOf(run, p - ref.position));
    return records;
  }
  return [];
}

/** As `recordsInLogs`. Segments in front of the cursor's end earlier. @throws TroupeError JOURNAL_DAMAGED when it is in no segment */
function* recordsInSegments(
  segments: readonly SegmentFile[],
  bucket: BucketState,
  position: number,
  to: number,
  cursor: { segment: number },
): Reading<StoredRecord[]> {
  for (; cursor.segment < segments.length; cursor.segment++) {
    const records = yield* segments[cursor.segment]!.recordsFrom(bucket, position, to);
    if (records[0]?.position === position) return records;
  }
  throw damaged(`bucket ${bucket.id.bits}/${bucket.id.index}`, position, 'no file holds this position');
}
