/**
 * Keeps snapshots and checkpoints in the store: caches of folds, without a promise (J8). They are sent on the way of the appends, so
 * that they are there before whatever is appended behind them.
 */

import { sameHash } from '../../codec/hash64.ts';
import type { CheckpointPut, SnapshotPut } from '../journal.ts';
import { encodeValue } from './entry.ts';
import type { BucketTable, HotBucket } from './hot-bucket.ts';
import type { LuaLibrary } from './library.ts';
import type { Argument } from './link.ts';
import type { StoreLinks } from './links.ts';
import type { Opening } from './opening.ts';

/** A call of a function as it is put together. */
interface StoreCall {
  readonly keys: string[];
  readonly args: Argument[];
}

export interface FoldCachesParts {
  readonly links: StoreLinks;
  readonly library: LuaLibrary;
  readonly opening: Opening;
  readonly buckets: BucketTable;
  readonly warn: (message: string) => void;
}

export class FoldCaches {
  /** The bucket has a snapshot more that belongs in the cold tier. */
  onLate: ((bucket: HotBucket) => void) | null = null;
  private readonly parts: FoldCachesParts;
  /** Checkpoints that are looked at before they are kept. */
  private puts: Promise<unknown> = Promise.resolve();
  private readonly onTheirWay = new Set<Promise<void>>();

  constructor(parts: FoldCachesParts) {
    this.parts = parts;
  }

  /**
   * Resolves when what was put before has been kept, or not. [A bucket is opened again over the other connection: its new epoch comes first, and the
   * snapshot put just before it is left out.]
   */
  async settled(): Promise<void> {
    await this.puts;
    await Promise.all(this.onTheirWay);
  }

  putSnapshots(snapshots: readonly SnapshotPut[]): void {
    const byBucket = new Map<HotBucket, SnapshotPut[]>();
    for (const put of snapshots) {
      const bucket = this.parts.buckets.get(put.bucket);
      if (bucket === undefined || put.position > bucket.log.position) continue;
      if (put.position <= bucket.log.trimmed) {
        bucket.late.add(put.actor, put.bytes.length);
        this.onLate?.(bucket);
      }
      const list = byBucket.get(bucket);
      if (list === undefined) byBucket.set(bucket, [put]);
      else list.push(put);
    }
    const bySlot = new Map<number, StoreCall>();
    for (const [bucket, puts] of byBucket) {
      const call = this.callAt(bySlot, bucket);
      call.keys.push(bucket.keys.meta, bucket.keys.snapshots);
      call.args.push(String(bucket.epoch), String(puts.length));
      for (const put of puts) call.args.push(put.actor, encodeValue(put));
    }
    this.keep('put_snapshots', bySlot);
  }

  putCheckpoints(checkpoints: readonly CheckpointPut[]): void {
    const bySlot = new Map<number, StoreCall>();
    for (const put of checkpoints) {
      const bucket = this.parts.buckets.get(put.bucket);
      if (bucket === undefined) continue;
      const head = bucket.log.headAt(put.position);
      if (head !== null && sameHash(head, put.head)) this.addCheckpoint(bySlot, bucket, put);
      else if (head === null && put.position <= bucket.log.position) this.putLater(bucket, put);
    }
    this.keep('put_checkpoints', bySlot);
  }

  private addCheckpoint(bySlot: Map<number, StoreCall>, bucket: HotBucket, put: CheckpointPut): void {
    const call = this.callAt(bySlot, bucket);
    call.keys.push(bucket.keys.meta, bucket.keys.checkpoint);
    call.args.push(String(bucket.epoch), encodeValue(put));
  }

  /** One in the middle of an entry: what the log has there must be read first, since a wrong one would take the place of a right one. */
  private putLater(bucket: HotBucket, put: CheckpointPut): void {
    const copy = { ...put, bytes: Buffer.from(put.bytes) };
    this.puts = this.puts.then(async () => {
      const head = await this.parts.opening.headAt(bucket, put.position).catch(() => null);
      if (head === null || !sameHash(head, put.head)) return;
      const bySlot = new Map<number, StoreCall>();
      this.addCheckpoint(bySlot, bucket, copy);
      this.keep('put_checkpoints', bySlot);
    });
  }

  private callAt(bySlot: Map<number, StoreCall>, bucket: HotBucket): StoreCall {
    const slot = this.parts.links.slotOf(bucket.keys.meta);
    let call = bySlot.get(slot);
    if (call === undefined) bySlot.set(slot, (call = { keys: [], args: [] }));
    return call;
  }

  /** Caches: what does not arrive costs time later (J8). */
  private keep(name: string, bySlot: Map<number, StoreCall>): void {
    for (const { keys, args } of bySlot.values()) {
      const call = this.call(name, keys, args);
      this.onTheirWay.add(call);
      void call.then(() => this.onTheirWay.delete(call));
    }
  }

  private async call(name: string, keys: readonly string[], args: readonly Argument[]): Promise<void> {
    try {
      await this.parts.links.callFunction('log', this.parts.library, name, keys, args);
    } catch (error) {
      this.parts.warn(`a snapshot or checkpoint was not kept: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
