/**
 * The journal in memory: the model that every other adapter is compared with, and the quick one for tests. It is meant to be
 * obviously right, so it keeps one object per record, looks at all of them, and shares no code with the adapters it judges.
 *
 * A store outlives the journals that are opened on it, so that reopening can be shown without a disk.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import type { BucketId } from '../../codec/address.ts';
import { chain } from '../../codec/chain.ts';
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
import { isRecordOf, RunWalker } from '../record-run.ts';

interface MemoryBucket {
  readonly id: BucketId;
  readonly incarnation: Hash64;
  epoch: number;
  readonly records: StoredRecord[];
  readonly actorHashes: Hash64[];
  readonly snapshots: SnapshotPut[];
  readonly checkpoints: CheckpointPut[];
  /** Failed appends whose outcome has not been given out yet (J5). */
  failing: number;
}

/** What a disk is to the other adapters. */
export class MemoryStore {
  readonly buckets = new Map<string, MemoryBucket>();
  openedBy: MemoryJournal | null = null;
}

export function createMemoryJournal(store: MemoryStore = new MemoryStore()): Journal {
  return new MemoryJournal(store);
}

class MemoryJournal implements Journal {
  readonly durability: DurabilityClass = 'memory';
  onCheckpointWanted: (() => void) | null = null;
  onFatal: ((error: Error) => void) | null = null;
  private readonly store: MemoryStore;
  private inFlight = 0;

  constructor(store: MemoryStore) {
    this.store = store;
  }

  async open(): Promise<void> {
    if (this.store.openedBy !== null) throw new TroupeError('JOURNAL_LOCKED', 'another journal has this store open');
    this.store.openedBy = this;
    for (const bucket of this.store.buckets.values()) bucket.failing = 0;
  }

  async openBucket(bucket: BucketId): Promise<BucketHead> {
    return (await this.openBuckets([bucket]))[0]!;
  }

  async openBuckets(buckets: readonly BucketId[]): Promise<BucketHead[]> {
    this.mustBeOpen();
    return buckets.map((id) => {
      const bucket = this.store.buckets.get(keyOf(id)) ?? this.create(id);
      bucket.epoch++;
      return headOf(bucket);
    });
  }

  async append(batch: readonly Append[]): Promise<AppendOutcome[]> {
    this.mustBeOpen();
    const failed: MemoryBucket[] = [];
    const outcomes = batch.map((append) => {
      const bucket = this.store.buckets.get(keyOf(append.bucket));
      const outcome = appendTo(bucket, append);
      if (outcome.kind !== 'appended' && bucket !== undefined) {
        bucket.failing++;
        failed.push(bucket);
      }
      return outcome;
    });
    this.inFlight += batch.length;
    await new Promise(setImmediate);
    this.inFlight -= batch.length;
    for (const bucket of failed) bucket.failing--;
    return outcomes;
  }

  async confirm(owned: readonly { readonly bucket: BucketId; readonly epoch: number }[]): Promise<boolean[]> {
    return owned.map(({ bucket, epoch }) => this.store.openedBy === this && this.store.buckets.get(keyOf(bucket))?.epoch === epoch);
  }

  async readActor(id: BucketId, actor: string, actorHash: Hash64): Promise<ActorHistory> {
    const bucket = this.store.buckets.get(keyOf(id));
    if (bucket === undefined) return { snapshot: null, records: [] };
    let newest: SnapshotPut | null = null;
    for (const snapshot of bucket.snapshots) {
      if (snapshot.actor !== actor || !agrees(bucket, snapshot)) continue;
      if (newest === null || snapshot.position >= newest.position) newest = snapshot;
    }
    const records = await this.readActorRecords(id, actor, actorHash, { from: (newest?.position ?? 0) + 1 });
    return { snapshot: newest === null ? null : Buffer.from(newest.bytes), records };
  }

  async readActorRecords(id: BucketId, actor: string, actorHash: Hash64, options: ReadActorOptions = {}): Promise<StoredRecord[]> {
    const bucket = this.store.buckets.get(keyOf(id));
    const { from = 1, to = Infinity, recordsMax = Infinity } = options;
    const address = Buffer.from(actor);
    const found: StoredRecord[] = [];
    for (const [i, record] of (bucket?.records ?? []).entries()) {
      if (found.length >= recordsMax) break;
      if (record.position < from || record.position >= to || !sameHash(bucket!.actorHashes[i]!, actorHash)) continue;
      if (isRecordOf(record.bytes, 0, record.bytes.length, address)) found.push(copyOf(record));
    }
    return found;
  }

  async *readBucket(id: BucketId, from: number, to = Infinity): AsyncIterable<StoredRecord> {
    const records = this.store.buckets.get(keyOf(id))?.records.slice() ?? [];
    for (const record of records) if (record.position >= from && record.position < to) yield copyOf(record);
  }

  logIndexOf(): null {
    return null;
  }

  takeLogIndex(): void {}

  forgetBucket(): void {}

  putSnapshots(snapshots: readonly SnapshotPut[]): void {
    for (const put of snapshots) {
      this.store.buckets.get(keyOf(put.bucket))?.snapshots.push({ ...put, bytes: Buffer.from(put.bytes) });
    }
  }

  putCheckpoints(checkpoints: readonly CheckpointPut[]): void {
    for (const put of checkpoints) {
      this.store.buckets.get(keyOf(put.bucket))?.checkpoints.push({ ...put, bytes: Buffer.from(put.bytes) });
    }
  }

  stat(): JournalStat {
    let records = 0;
    let hotBytes = 0;
    for (const bucket of this.store.buckets.values()) {
      records += bucket.records.length;
      for (const record of bucket.records) hotBytes += record.bytes.length;
    }
    return { records, hotBytes, coldBytes: 0, segments: 0, appendsInFlight: this.inFlight, syncs: 0 };
  }

  async close(): Promise<void> {
    while (this.inFlight > 0) await new Promise(setImmediate);
    if (this.store.openedBy === this) this.store.openedBy = null;
  }

  private mustBeOpen(): void {
    if (this.store.openedBy !== this) throw new TroupeError('JOURNAL_FAILED', 'the journal is not open');
  }

  private create(id: BucketId): MemoryBucket {
    const random = randomBytes(8);
    const incarnation = { hi: random.readUInt32LE(0), lo: random.readUInt32LE(4) };
    const bucket: MemoryBucket = {
      id: { bits: id.bits, index: id.index },
      incarnation,
      epoch: 0,
      records: [],
      actorHashes: [],
      snapshots: [],
      checkpoints: [],
      failing: 0,
    };
    this.store.buckets.set(keyOf(id), bucket);
    return bucket;
  }
}

function appendTo(bucket: MemoryBucket | undefined, append: Append): AppendOutcome {
  if (bucket === undefined) return { kind: 'conflict', position: 0, head: { hi: 0, lo: 0 } };
  const position = bucket.records.length;
  const conflict: AppendOutcome = { kind: 'conflict', position, head: headAt(bucket, position)! };
  if (append.epoch < bucket.epoch) return { kind: 'fenced', epoch: bucket.epoch };
  if (append.epoch > bucket.epoch || bucket.failing > 0 || append.count < 1) return conflict;
  if (append.to - append.from > limits.appendBytesMax) {
    return { kind: 'refused', code: 'OUTPUT_TOO_LARGE', message: `an append is limited to ${limits.appendBytesMax} bytes`, retryable: false };
  }
  const before = headAt(bucket, append.position - 1);
  if (before === null || !sameHash(before, append.headBefore)) return conflict;
  if (append.position <= position) {
    const there = headAt(bucket, append.position + append.count - 1);
    return there !== null && sameHash(there, append.headAfter) ? { kind: 'appended' } : conflict;
  }
  write(bucket, append);
  return { kind: 'appended' };
}

function write(bucket: MemoryBucket, append: Append): void {
  const heads = headsOf(append);
  const walker = new RunWalker().over(append.bytes, append.from, append.to);
  for (let i = 0; walker.next(); i++) {
    const bytes = Buffer.from(append.bytes.subarray(walker.from, walker.to));
    bucket.records.push({ position: append.position + i, head: heads[i]!, bytes });
    bucket.actorHashes.push({ hi: append.actorHashes[append.hashesFrom + 2 * i]!, lo: append.actorHashes[append.hashesFrom + 2 * i + 1]! });
  }
}

/** The head after each record; an append whose parts do not fit together is a defect of the caller. */
function headsOf(append: Append): Hash64[] {
  const heads: Hash64[] = [];
  const walker = new RunWalker().over(append.bytes, append.from, append.to);
  let head = append.headBefore;
  while (walker.next()) {
    const next = { hi: 0, lo: 0 };
    chain(next, head, append.bytes, walker.from, walker.to);
    heads.push((head = next));
  }
  assert.equal(heads.length, append.count);
  assert.deepEqual(head, append.headAfter);
  return heads;
}

function headAt(bucket: MemoryBucket, position: number): Hash64 | null {
  return position === 0 ? bucket.incarnation : (bucket.records[position - 1]?.head ?? null);
}

function agrees(bucket: MemoryBucket, put: { readonly position: number; readonly head: Hash64 }): boolean {
  const head = headAt(bucket, put.position);
  return head !== null && sameHash(head, put.head);
}

function headOf(bucket: MemoryBucket): BucketHead {
  const { id, incarnation, epoch, records } = bucket;
  let newest: CheckpointPut | null = null;
  for (const put of bucket.checkpoints) {
    if (agrees(bucket, put) && (newest === null || put.position >= newest.position)) newest = put;
  }
  const checkpoint = newest === null ? null : { position: newest.position, bytes: Buffer.from(newest.bytes) };
  return { bucket: id, incarnation, epoch, position: records.length, head: headAt(bucket, records.length)!, checkpoint };
}

function copyOf(record: StoredRecord): StoredRecord {
  return { ...record, bytes: Buffer.from(record.bytes) };
}

function keyOf(id: BucketId): string {
  return `${id.bits}/${id.index}`;
}
