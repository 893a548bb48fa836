/**
 * The journal: where records become durable. A port; the adapters are `memory/` (the model), `segment/` (disk)
 * and, in a cluster, Redis and tiers. Every adapter passes `contract.ts`.
 *
 * The contract, in prose. Comments elsewhere cite the numbers.
 *
 * J1  A bucket is a log. Its records have the positions 1, 2, 3, ... without a gap. A record that was appended is
 *     never changed and never removed.
 * J2  `append` answers `appended` only when the records are as durable as `durability` says. Until then
 *     nothing that depends on them may leave the node.
 * J3  An append names the epoch, the position it starts at, the hash of the head it follows, and the hash of the
 *     head it leads to. All are checked before the first byte is written. Same position and same new head as what
 *     is there already: `appended`, nothing is written twice. Same position, other head: `conflict`, never
 *     `appended`.
 * J4  An epoch below the highest ever seen for the bucket is answered `fenced`, and nothing is written. `openBucket`
 *     takes the highest ever seen plus one.
 * J5  Appends to one bucket take effect in the order in which they were called, those of one call in the order of the
 *     batch. After one that was not `appended`,
 *     every later one of that bucket that was already called is answered `conflict` or its own failure, never
 *     `appended`: no hole can be overtaken.
 * J6  An append whose outcome the adapter cannot know is answered `unknown`. The bucket then accepts no append until
 *     it has been opened again. A definite refusal (`refused`) has written nothing.
 * J7  Damage to records that were acknowledged is an error with file and offset (JOURNAL_DAMAGED), never a wrong
 *     value and never silence. What was not acknowledged may be there or not, whole records in order, after a crash.
 * J8  Snapshots and checkpoints are caches of folds. The adapter returns one only if the log has, at the position it
 *     names, a record that led to the head hash it names, under the same incarnation; losing them costs time only.
 * J9  `readActor` returns every durable record of the actor behind the returned snapshot, or from the asked position,
 *     in order of position, without scanning other actors' history.
 * J10 Buffers given to an append or a put belong to the adapter until the promise settles, and are the caller's again
 *     afterwards: an adapter that keeps bytes copies them. Buffers that come back are the caller's.
 *
 * Ranges are half-open: `[from, to)`.
 */

import type { Hash64 } from '../codec/hash64.ts';
import type { BucketId } from '../codec/address.ts';

/** What an acknowledged record survives. Printed at start, exported as a metric, stored with benchmark figures. */
export type DurabilityClass =
  /** Nothing: gone with the process. */
  | 'memory'
  /** Death of the process and power loss: fdatasync before the acknowledgement. */
  | 'disk'
  /** Disk adapter with synchronisation switched off: survives the process, not power loss. For experiments. */
  | 'disk-unsynced'
  /**
   * Redis with appendfsync always: death of its process and power loss, however slow the disk; answers wait for it. A failover to a replica may
   * lose what it had not received.
   */
  | 'redis-always'
  /**
   * Redis with appendfsync everysec: death of its process, but for what was answered while its disk synchronised, two seconds at most. Power loss
   * costs a second, and twice as long as a synchronisation takes. A failover as above.
   */
  | 'redis-everysec'
  /** Redis with appendfsync no: death of its process; power loss costs what the kernel had not written. A failover as above. */
  | 'redis-no';

/** Where a bucket's log stands. The head of an empty log is its incarnation. */
export interface BucketHead {
  readonly bucket: BucketId;
  readonly incarnation: Hash64;
  readonly epoch: number;
  /** Position of the last record; 0 for an empty log. */
  readonly position: number;
  /** `chain(previous head, record bytes)`, see codec/chain.ts. */
  readonly head: Hash64;
  /** The newest checkpoint that agrees with the log (J8): an encoded troupe.v1.BucketCheckpoint, to be read only, and its position. */
  readonly checkpoint: { readonly position: number; readonly bytes: Buffer } | null;
}

/**
 * Records for one bucket. `bytes[from, to)` holds them one after the other, each with its length in front as a protobuf varint;
 * from `hashesFrom` on `actorHashes` has two numbers (hi, lo of the XXH64 of the actor's full address in UTF-8) per record, both
 * 0 for a record of the bucket itself. Appends of one call may lie in the same arrays.
 */
export interface Append {
  readonly bucket: BucketId;
  readonly epoch: number;
  /** Position of the first record of this append. */
  readonly position: number;
  readonly count: number;
  readonly headBefore: Hash64;
  readonly headAfter: Hash64;
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly actorHashes: ArrayLike<number>;
  readonly hashesFrom: number;
}

export type AppendOutcome =
  | { readonly kind: 'appended' }
  /** Someone with a higher epoch owns the bucket. */
  | { readonly kind: 'fenced'; readonly epoch: number }
  /** The log does not stand where the append says. */
  | { readonly kind: 'conflict'; readonly position: number; readonly head: Hash64 }
  /** The log is behind what was acknowledged before. */
  | { readonly kind: 'rolledBack'; readonly message: string }
  /** Nothing was written; trying again may help when `retryable`. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly retryable: boolean }
  /** It may or may not have been written (J6). */
  | { readonly kind: 'unknown'; readonly message: string };

/** A snapshot to keep: an encoded troupe.v1.Snapshot and what the journal must know about it. */
export interface SnapshotPut {
  readonly bucket: BucketId;
  readonly actor: string;
  readonly actorHash: Hash64;
  /** Position of the actor's newest record folded in, and the head hash the log had there. */
  readonly position: number;
  readonly head: Hash64;
  readonly bytes: Uint8Array;
}

export interface CheckpointPut {
  readonly bucket: BucketId;
  readonly position: number;
  readonly head: Hash64;
  readonly bytes: Uint8Array;
}

/** One stored record with where it stands. `bytes` is an encoded troupe.v1.Record. */
export interface StoredRecord {
  readonly position: number;
  /** Head hash after this record. */
  readonly head: Hash64;
  readonly bytes: Buffer;
}

export interface ActorHistory {
  /** The newest snapshot that agrees with the log; an encoded troupe.v1.Snapshot. */
  readonly snapshot: Buffer | null;
  /** The actor's records behind the snapshot, all of them when there is none. */
  readonly records: StoredRecord[];
}

export interface ReadActorOptions {
  /** Records with position in `[from, to)`; both optional. */
  readonly from?: number;
  readonly to?: number;
  /** At most this many records, the oldest first. */
  readonly recordsMax?: number;
}

/** Sizes an operator watches. Bytes and counts are totals over all buckets. */
export interface JournalStat {
  readonly records: number;
  readonly hotBytes: number;
  readonly coldBytes: number;
  readonly segments: number;
  readonly appendsInFlight: number;
  /** Successful synchronisations (fdatasync or equal) since start. */
  readonly syncs: number;
  /** Redis: times since start that its disk took more than two seconds while it held acknowledged records back. Left out where nobody tells. */
  readonly delayedSyncs?: number;
  /** Redis: whether its settings are such now that `open` would refuse them. Left out where there is nothing to be set. */
  readonly unsafeSettings?: boolean;
}

/** Sizes of one bucket; what an adapter does not keep apart by bucket is left out. */
export interface BucketSizes {
  readonly hotBytes?: number;
  readonly coldBytes?: number;
  readonly snapshots?: number;
}

export interface Journal {
  /** As it is now: the settings of a store can be changed while the journal is open. */
  readonly durability: DurabilityClass;

  /**
   * Recovers what is there. Time is bounded by the checkpoint interval, not by history.
   * @throws TroupeError JOURNAL_LOCKED, JOURNAL_DAMAGED (file and offset), JOURNAL_VERSION
   */
  open(): Promise<void>;

  /** Takes the bucket: mints an incarnation if its log does not exist, and takes the next epoch, durably (J4). */
  openBucket(bucket: BucketId): Promise<BucketHead>;

  /** As `openBucket` for many, with one synchronisation. */
  openBuckets(buckets: readonly BucketId[]): Promise<BucketHead[]>;

  /**
   * Appends to several buckets, several entries of one bucket in their order; answers with one outcome per entry, in order.
   * Never rejects for what happens to a bucket. All entries of one call share one synchronisation, and calls that wait for
   * the disk share the next one (group commit).
   */
  append(batch: readonly Append[]): Promise<AppendOutcome[]>;

  /**
   * Answers, in a check that begins after the call, which of the buckets are still owned under these epochs, and have all that was answered
   * `appended` here.
   */
  confirm(owned: readonly { readonly bucket: BucketId; readonly epoch: number }[]): Promise<boolean[]>;

  /** Snapshot and the records behind it (J8, J9); what activation needs. */
  readActor(bucket: BucketId, actor: string, actorHash: Hash64): Promise<ActorHistory>;

  /** The actor's records in order of position, without the help of snapshots; what `events` and `watch` need. */
  readActorRecords(bucket: BucketId, actor: string, actorHash: Hash64, options?: ReadActorOptions): Promise<StoredRecord[]>;

  /** A bucket's durable records with position in `[from, to)`, in order. */
  readBucket(bucket: BucketId, from: number, to?: number): AsyncIterable<StoredRecord>;

  /**
   * What lets another process open this bucket without reading its log, to be given up here next: bytes for its `takeLogIndex`. Null when that makes
   * no difference, or cannot be said.
   */
  logIndexOf(bucket: BucketId): Buffer | null;

  /** As `logIndexOf` said it elsewhere; the bytes are the caller's. A hint for opening the bucket, and knowledge of how far its log reaches; bytes that are no such thing are not used. */
  takeLogIndex(bucket: BucketId, index: Uint8Array): void;

  /** The bucket is somebody else's from here on: what is kept of it in memory for appending and reading can go. */
  forgetBucket(bucket: BucketId): void;

  /** Keeps snapshots, without a promise of durability (J8). Only positions that are durable may be named. */
  putSnapshots(snapshots: readonly SnapshotPut[]): void;

  /** Keeps bucket checkpoints, as snapshots are kept. */
  putCheckpoints(checkpoints: readonly CheckpointPut[]): void;

  /**
   * Called by the adapter when it would like fresh checkpoints of all buckets and snapshots of the actors with many
   * records since their last one, so that its tail stays short (the segment adapter: when it starts a new file).
   */
  onCheckpointWanted: (() => void) | null;

  /** Called once when the journal can no longer accept anything, a failed fsync above all. The node must stop. */
  onFatal: ((error: Error) => void) | null;

  stat(): JournalStat;

  /** Of a bucket that is opened here; empty for any other. Where it is missing, the adapter tells sizes of the whole alone. */
  sizesOf?(bucket: BucketId): BucketSizes;

  /** Waits for appends in flight, gives up the lock. */
  close(): Promise<void>;
}
