/** One bucket as a journal on Redis knows it, from the moment it was opened. */

import type { BucketId } from '../../codec/address.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { HotLog } from './hot-log.ts';
import type { BucketKeys } from './keys.ts';
import type { LateSnapshots } from './late-snapshots.ts';
import type { LogIndex } from './log-index.ts';

export interface HotBucket {
  readonly id: BucketId;
  readonly keys: BucketKeys;
  incarnation: Hash64;
  /** The head before position 1: the first incarnation. */
  origin: Hash64;
  epoch: number;
  /** Where the log is known to reach: what was acknowledged to this process, or found when the bucket was opened. */
  log: HotLog;
  /** An append is of unknown outcome: nothing is taken until the bucket has been opened again (J6). */
  blocked: boolean;
  /** What was demoted, the oldest first; it ends where the log begins. Replaced, never changed. */
  cold: readonly ColdRange[];
  readonly late: LateSnapshots;
  /** Settles when no demotion of this bucket is under way. */
  demoting: Promise<void>;
  readonly pipeline: Pipeline;
}

/**
 * The appends of a bucket that are on their way (J5). One that follows the last one called is sent at once: should one before it
 * fail, it does not follow the log any more. Any other one is sent when those before it are known, and alone.
 */
export interface Pipeline {
  /** Appends on their way. */
  sent: number;
  /** Where the last one called leads to. */
  position: number;
  head: Hash64;
  /** Appends that were not `appended`. */
  failures: number;
  /** Those that wait for the ones before them. */
  waiting: number;
  last: Promise<unknown>;
}

export function newPipeline(log: HotLog): Pipeline {
  return { sent: 0, position: log.position, head: log.head, failures: 0, waiting: 0, last: Promise.resolve() };
}

/** Whether what is up to `position` is known to be cold. */
export function isDemoted({ log }: HotBucket, position: number): boolean {
  return log.trimmed >= position;
}

/** The list now ends at `position`. Whoever learns it first says so: the answer to the demotion, or a reader who missed what it took away. */
export function noteDemoted(bucket: HotBucket, cold: readonly ColdRange[], position: number): void {
  if (isDemoted(bucket, position)) return;
  bucket.cold = cold;
  bucket.log.forget(position);
}

/** What this process knows of a bucket that the store must not be behind of. */
export interface KnownStanding {
  readonly incarnation: Hash64;
  readonly epoch: number;
  readonly position: number;
  readonly head: Hash64;
}

/** More than are handed over to a node at once. Hand-offs may come to nothing: so many indexes stay, the newest. */
const HANDED_MAX = 16;

/** The buckets that were opened, and what is known of those that could not be opened again. */
export class BucketTable {
  private readonly opened = new Map<string, HotBucket>();
  /** The newest comes last. */
  private readonly handed = new Map<string, LogIndex>();
  private readonly knowledge = new Map<string, { readonly bucket: BucketId; readonly known: KnownStanding }>();

  get(id: BucketId): HotBucket | undefined {
    return this.opened.get(keyOf(id));
  }

  set(bucket: HotBucket): void {
    this.opened.set(keyOf(bucket.id), bucket);
    this.handed.delete(keyOf(bucket.id));
    this.know(bucket);
  }

  /** Of what is not opened here any more, how far its log reached stays known. */
  forget(id: BucketId): void {
    const bucket = this.get(id);
    if (bucket === undefined) return;
    this.know(bucket);
    this.opened.delete(keyOf(id));
  }

  /** The log of a bucket that is to be opened here soon, as its owner knows it. */
  keepHanded(id: BucketId, index: LogIndex): void {
    const key = keyOf(id);
    this.handed.delete(key);
    this.handed.set(key, index);
    for (const oldest of this.handed.keys()) {
      if (this.handed.size <= HANDED_MAX) return;
      this.handed.delete(oldest);
    }
  }

  /** The log as far as anybody here has known it. */
  lastSeen(id: BucketId): LogIndex | HotBucket | undefined {
    const bucket = this.get(id);
    const handed = this.handed.get(keyOf(id));
    return bucket === undefined || (handed !== undefined && handed.log.position > bucket.log.position) ? handed : bucket;
  }

  /** Notes how far the bucket's log is known to reach. */
  know({ id, incarnation, epoch, log }: HotBucket): void {
    this.learn(id, { incarnation, epoch, position: log.position, head: log.head });
  }

  /** What an earlier process knew. */
  learn(bucket: BucketId, known: KnownStanding): void {
    this.knowledge.set(keyOf(bucket), { bucket, known });
  }

  known(id: BucketId): KnownStanding | undefined {
    const bucket = this.get(id);
    if (bucket !== undefined) this.know(bucket);
    const known = this.knowledge.get(keyOf(id))?.known;
    const handed = this.handed.get(keyOf(id));
    if (handed === undefined) return known;
    const { incarnation, epoch, log } = handed;
    const isFarther = known === undefined || (sameHash(known.incarnation, incarnation) && log.position > known.position);
    return isFarther ? { incarnation, epoch, position: log.position, head: log.head } : known;
  }

  /** Of every bucket of which something is known. */
  standings(): { readonly bucket: BucketId; readonly known: KnownStanding }[] {
    for (const bucket of this.opened.values()) this.know(bucket);
    return [...this.knowledge.values()];
  }

  all(): IterableIterator<HotBucket> {
    return this.opened.values();
  }
}

function keyOf(id: BucketId): string {
  return `${id.bits}/${id.index}`;
}
