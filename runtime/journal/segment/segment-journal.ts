/**
 * The embedded journal: log files on disk with group commit, sealed in the background into compressed, indexed, immutable
 * segments. See journal.ts for the contract, group-commit.ts, log-set.ts, recovery.ts and sealing.ts for how it is kept.
 *
 * Appends are checked and copied when they are called; everything behind that is the order of the queue.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { limits } from '../../limits.ts';
import type {
  ActorHistory,
  Append,
  AppendOutcome,
  BucketHead,
  CheckpointPut,
  DurabilityClass,
  Journal,
  JournalStat,
  ReadActorOptions,
  SnapshotPut,
  StoredRecord,
} from '../journal.ts';
import { realDisk } from '../sealed/disk.ts';
import type { Disk } from '../sealed/disk.ts';
import { BucketTable } from './bucket-table.ts';
import type { BucketState } from './bucket-table.ts';
import { GroupCommit } from './group-commit.ts';
import type { CommitResult } from './group-commit.ts';
import { History } from './history.ts';
import { lockDirectory } from './lock.ts';
import type { DirectoryLock } from './lock.ts';
import type { LogFile } from './log-file.ts';
import { LogSet } from './log-set.ts';
import { formatFile, readListing } from './names.ts';
import type { SegmentName } from './names.ts';
import { newSegmentCaches, OpenSegment } from './open-segment.ts';
import { recover, removeLeftovers } from './recovery.ts';
import type { RecoveryRules } from './recovery.ts';
import { Sealing } from './sealing.ts';
import type { Sealer } from './sealing.ts';
import { WorkerSealer } from './worker-sealer.ts';

export interface SegmentJournalOptions {
  readonly directory: string;
  /** Bytes of a log file before it is sealed; limits.segmentFileBytes when left out. */
  readonly segmentFileBytes?: number;
  /** False: nothing is synchronised, `disk-unsynced`. For experiments that must be seen to lose data. */
  readonly sync?: boolean;
  readonly onWarning?: (message: string) => void;
}

/** What tests put in place of the machine. */
export interface SegmentJournalSeams {
  readonly disk: Disk;
  readonly lock: (directory: string) => DirectoryLock;
  readonly random64: () => Hash64;
  readonly sealer: () => Sealer;
  readonly rules: RecoveryRules;
  readonly inlineCommit: boolean;
  readonly idleMs: number;
}

const realSeams: SegmentJournalSeams = {
  disk: realDisk,
  lock: lockDirectory,
  random64() {
    const bytes = randomBytes(8);
    return { hi: bytes.readUInt32LE(0), lo: bytes.readUInt32LE(4) };
  },
  sealer: () => new WorkerSealer(),
  rules: { chained: true, copied: true },
  inlineCommit: true,
  idleMs: 25,
};

/** There is nothing to gain by putting off what takes a moment. */
const SMALL_FILE_BYTES = 1024 * 1024;
const APPENDED: AppendOutcome = { kind: 'appended' };

export function createSegmentJournal(options: SegmentJournalOptions, seams: Partial<SegmentJournalSeams> = {}): Journal {
  return new SegmentJournal(options, { ...realSeams, ...seams });
}

class SegmentJournal implements Journal {
  readonly durability: DurabilityClass;
  onCheckpointWanted: (() => void) | null = null;
  onFatal: ((error: Error) => void) | null = null;
  private readonly directory: string;
  private readonly fileBytes: number;
  private readonly sync: boolean;
  private readonly warn: (message: string) => void;
  private readonly seams: SegmentJournalSeams;
  private readonly buckets = new BucketTable();
  private readonly logs: LogSet;
  private readonly commit: GroupCommit;
  private readonly history: History;
  private readonly sealing: Sealing;
  private readonly caches = newSegmentCaches();
  private lock: DirectoryLock | null = null;
  private state: 'new' | 'open' | 'closed' = 'new';
  private inFlight = 0;
  private appendedBytes = 0;

  constructor(options: SegmentJournalOptions, seams: SegmentJournalSeams) {
    this.directory = options.directory;
    this.fileBytes = options.segmentFileBytes ?? limits.segmentFileBytes;
    this.sync = options.sync ?? true;
    this.warn = options.onWarning ?? (() => undefined);
    this.seams = seams;
    this.durability = this.sync ? 'disk' : 'disk-unsynced';
    const { directory, fileBytes, sync } = this;
    this.logs = new LogSet(seams.disk, this.buckets, { directory, fileBytes, sync, random64: seams.random64 });
    this.commit = new GroupCommit(this.logs, this.buckets, { fileBytes, sync, idleMs: seams.idleMs, inline: seams.inlineCommit });
    this.history = new History(this.logs.logs, this.warn);
    this.commit.onFailure = (error) => this.onFatal?.(error);
    this.commit.onDiskFull = (error) => this.warn(`${this.directory} is full, appends are refused: ${error.message}`);
    this.sealing = new Sealing(seams.sealer(), {
      backlog: () => this.logs.logs.length - 1,
      appendedBytes: () => this.appendedBytes,
      full: () => (this.logs.logs.length > 1 ? this.logs.logs[0] : undefined),
      request: (log) => this.sealRequest(log),
      sealed: (log, segment) => this.replace(log, segment),
      warn: this.warn,
    }, { filesMax: fileBytes < SMALL_FILE_BYTES ? 0 : limits.unsealedFilesMax });
    this.logs.onRolled = () => setImmediate(() => this.rolled());
  }

  async open(): Promise<void> {
    assert.equal(this.state, 'new');
    const { disk } = this.seams;
    disk.makeDirectory(this.directory);
    this.lock = this.seams.lock(this.directory);
    try {
      await this.recoverOrBegin();
    } catch (error) {
      await this.logs.close();
      this.history.close();
      this.lock.release();
      throw error;
    }
    this.state = 'open';
  }

  async openBucket(bucket: BucketId): Promise<BucketHead> {
    return (await this.openBuckets([bucket]))[0]!;
  }

  async openBuckets(ids: readonly BucketId[]): Promise<BucketHead[]> {
    this.mustBeOpen();
    const frame = this.commit.frameFor(ids.length * 64);
    const heads = ids.map((id) => {
      const bucket = this.buckets.get(id.bits, id.index) ?? this.buckets.create(id, this.seams.random64());
      bucket.epoch++;
      frame.head(bucket.id, bucket.epoch, bucket.incarnation, bucket.position, bucket.head);
      return bucket.toHead();
    });
    const result = await new Promise<CommitResult>((resolve) => this.commit.waitFor(resolve));
    if (result.kind === 'durable') return heads;
    throw new TroupeError(result.kind === 'refused' ? result.code : 'JOURNAL_FAILED', result.message);
  }

  append(batch: readonly Append[]): Promise<AppendOutcome[]> {
    const outcomes: AppendOutcome[] = [];
    const failing: BucketState[] = [];
    let waits = false;
    for (const append of batch) {
      const bucket = this.buckets.get(append.bucket.bits, append.bucket.index);
      const outcome = this.refusal(append) ?? this.check(bucket, append);
      outcomes.push(outcome ?? APPENDED);
      if (outcome === null) {
        this.take(bucket!, append);
        waits = true;
      } else if (outcome === APPENDED) {
        waits = true;
      } else if (bucket !== undefined) {
        bucket.failing++;
        failing.push(bucket);
      }
    }
    this.inFlight++;
    return new Promise((resolve) => {
      const done = (result: CommitResult): void => {
        this.inFlight--;
        for (const bucket of failing) bucket.failing--;
        resolve(result.kind === 'durable' ? outcomes : outcomes.map((outcome) => (outcome === APPENDED ? outcomeOf(result) : outcome)));
      };
      if (waits) this.commit.waitFor(done);
      else queueMicrotask(() => done({ kind: 'durable' }));
    });
  }

  async confirm(owned: readonly { readonly bucket: BucketId; readonly epoch: number }[]): Promise<boolean[]> {
    // The lock on the directory is ours as long as the process lives, so the table in memory is the store's.
    const serving = this.state === 'open' && this.commit.failure === null;
    return owned.map(({ bucket, epoch }) => serving && this.buckets.get(bucket.bits, bucket.index)?.epoch === epoch);
  }

  async readActor(bucket: BucketId, actor: string, actorHash: Hash64): Promise<ActorHistory> {
    const state = this.buckets.get(bucket.bits, bucket.index);
    return state === undefined ? { snapshot: null, records: [] } : this.history.readActor(state, actor, actorHash);
  }

  async readActorRecords(bucket: BucketId, actor: string, actorHash: Hash64, options: ReadActorOptions = {}): Promise<StoredRecord[]> {
    const state = this.buckets.get(bucket.bits, bucket.index);
    return state === undefined ? [] : this.history.readActorRecords(state, actor, actorHash, options);
  }

  async *readBucket(bucket: BucketId, from: number, to = Infinity): AsyncIterable<StoredRecord> {
    const state = this.buckets.get(bucket.bits, bucket.index);
    if (state !== undefined) yield* this.history.readBucket(state, from, Math.min(to, state.durablePosition + 1));
  }

  logIndexOf(): null {
    return null;
  }

  takeLogIndex(): void {}

  /** The directory is one node's: nothing goes. */
  forgetBucket(): void {}

  putSnapshots(snapshots: readonly SnapshotPut[]): void {
    if (this.state !== 'open' || this.commit.failure !== null) return;
    for (const put of snapshots) {
      const bucket = this.buckets.get(put.bucket.bits, put.bucket.index);
      if (bucket === undefined || put.position > bucket.durablePosition || put.bytes.length > limits.appendBytesMax) continue;
      this.commit.frameFor(put.bytes.length).snapshot(put, bucket.incarnation);
    }
    this.commit.putOff();
  }

  putCheckpoints(checkpoints: readonly CheckpointPut[]): void {
    if (this.state !== 'open' || this.commit.failure !== null) return;
    for (const put of checkpoints) {
      const bucket = this.buckets.get(put.bucket.bits, put.bucket.index);
      if (bucket === undefined || put.position > bucket.durablePosition || put.bytes.length > limits.appendBytesMax) continue;
      if ((bucket.checkpoint?.position ?? 0) > put.position || !this.agrees(bucket, put)) continue;
      bucket.checkpoint = { position: put.position, head: { ...put.head }, bytes: Buffer.from(put.bytes) };
      this.commit.frameFor(put.bytes.length).checkpoint(put);
    }
    this.commit.putOff();
  }

  stat(): JournalStat {
    let records = 0;
    for (const bucket of this.buckets.all) records += bucket.durablePosition;
    let hotBytes = 0;
    for (const log of this.logs.logs) hotBytes += log.end;
    let coldBytes = 0;
    for (const segment of this.history.segments) coldBytes += segment.bytes;
    return { records, hotBytes, coldBytes, segments: this.history.segments.length, appendsInFlight: this.inFlight, syncs: this.commit.syncs };
  }

  async close(): Promise<void> {
    if (this.state !== 'open') return;
    this.state = 'closed';
    await this.commit.close();
    await this.sealing.close();
    await this.logs.close();
    this.history.close();
    this.lock!.release();
  }

  private async recoverOrBegin(): Promise<void> {
    const { directory, fileBytes, sync } = this;
    const { disk, rules, random64 } = this.seams;
    removeLeftovers(disk, directory);
    const blocks = (this.logs.blocks = disk.blocksOf(directory));
    const recovered = recover(disk, this.buckets, { directory, fileBytes, blocks, sync, rules, random64 });
    if (recovered === null) {
      await this.logs.begin();
    } else {
      this.logs.resume(recovered.logs);
      for (const name of recovered.segments) this.addSegment(name);
    }
    this.markFormat();
    this.sealing.wake();
  }

  private rolled(): void {
    if (this.state !== 'open') return;
    this.sealing.wake();
    this.onCheckpointWanted?.();
  }

  private sealRequest(log: LogFile): Parameters<Sealer['seal']>[0] {
    const { path, seed, end, checksum, name } = log;
    return { path, seed, end, checksum, directory: this.directory, number: name.number, incarnation: name.incarnation, blocks: this.logs.blocks, sync: this.sync };
  }

  /** In one step for readers: the segment serves, the log file is gone. */
  private replace(log: LogFile, segment: string): void {
    this.addSegment(readListing([segment]).segments[0]!);
    this.logs.drop(log);
  }

  private addSegment(name: SegmentName): void {
    this.history.segments.push(new OpenSegment(this.seams.disk, this.directory, name, this.caches));
  }

  /** See names.ts: from now on a directory without a log file is damaged. */
  private markFormat(): void {
    const { disk } = this.seams;
    if (disk.list(this.directory).includes(formatFile)) return;
    const file = disk.open(`${this.directory}/${formatFile}`, 'create');
    file.write(Buffer.from('troupe journal 1\n'), 0);
    if (this.sync) file.sync();
    file.close();
    if (this.sync) disk.syncDirectory(this.directory);
  }

  private mustBeOpen(): void {
    if (this.commit.failure !== null) throw this.commit.failure;
    if (this.state !== 'open') throw new TroupeError('JOURNAL_FAILED', 'the journal is not open');
  }

  /** What is refused whatever the log says; nothing is written. */
  private refusal(append: Append): AppendOutcome | null {
    const { failure } = this.commit;
    if (failure !== null) return { kind: 'refused', code: failure.code, message: failure.message, retryable: false };
    if (this.state !== 'open') return { kind: 'refused', code: 'JOURNAL_FAILED', message: 'the journal is not open', retryable: false };
    if (append.to - append.from <= limits.appendBytesMax) return null;
    return { kind: 'refused', code: 'OUTPUT_TOO_LARGE', message: `an append is limited to ${limits.appendBytesMax} bytes`, retryable: false };
  }

  /** Null: the append may be taken. APPENDED: it is there already, once what waits is durable (J3). */
  private check(bucket: BucketState | undefined, append: Append): AppendOutcome | null {
    if (bucket === undefined) return { kind: 'conflict', position: 0, head: { hi: 0, lo: 0 } };
    if (append.epoch < bucket.epoch) return { kind: 'fenced', epoch: bucket.epoch };
    const owned = append.epoch === bucket.epoch && bucket.failing === 0 && append.count > 0;
    if (owned && bucket.stands(append.position - 1, append.headBefore)) return null;
    if (owned && append.position <= bucket.position && this.isThere(bucket, append)) return APPENDED;
    return { kind: 'conflict', position: bucket.position, head: { ...bucket.head } };
  }

  private isThere(bucket: BucketState, append: Append): boolean {
    const before = this.headAt(bucket, append.position - 1);
    const after = this.headAt(bucket, append.position + append.count - 1);
    return before !== null && after !== null && sameHash(before, append.headBefore) && sameHash(after, append.headAfter);
  }

  private headAt(bucket: BucketState, position: number): Hash64 | null {
    if (position > bucket.durablePosition) return this.commit.headOfWaiting(bucket.id.bits, bucket.id.index, position);
    return this.history.headAtNow(bucket, position);
  }

  private agrees(bucket: BucketState, put: CheckpointPut): boolean {
    const head = this.history.headAtNow(bucket, put.position);
    return head !== null && sameHash(head, put.head);
  }

  private take(bucket: BucketState, append: Append): void {
    assert(append.actorHashes.length >= append.hashesFrom + 2 * append.count);
    const bytes = append.to - append.from;
    this.appendedBytes += bytes;
    this.commit.frameFor(bytes + 8 * append.count).run(append);
    bucket.advance(append.count, append.headAfter);
  }
}

function outcomeOf(result: CommitResult): AppendOutcome {
  if (result.kind === 'durable') return APPENDED;
  if (result.kind === 'unknown') return result;
  return { kind: 'refused', code: result.code, message: result.message, retryable: result.code === 'JOURNAL_FULL' };
}
