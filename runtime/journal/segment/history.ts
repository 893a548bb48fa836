/**
 * Reading: what the log files and the sealed segments hold together, oldest first. Only durable records are in an index, so
 * only durable records are read.
 */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ActorHistory, ReadActorOptions, StoredRecord } from '../journal.ts';
import type { BucketState } from './bucket-table.ts';
import type { LogSet } from './log-set.ts';
import { collectActor, headInLog, loadRun, recordOf, snapshotInLog } from './log-reader.ts';
import type { LoadedSnapshot } from './log-reader.ts';

export class History {
  segments = 0;
  coldBytes = 0;
  private readonly logs: LogSet;
  private readonly warn: (message: string) => void;

  constructor(logs: LogSet, warn: (message: string) => void) {
    this.logs = logs;
    this.warn = warn;
  }

  /** The head after `position`; null when the log does not reach it. */
  headAt(bucket: BucketState, position: number): Hash64 | null {
    if (position === 0) return bucket.incarnation;
    if (position === bucket.durablePosition) return bucket.durableHead;
    const { logs } = this.logs;
    for (let i = logs.length - 1; i >= 0; i--) {
      const head = headInLog(logs[i]!, bucket.slot, position);
      if (head !== null) return head;
    }
    return null;
  }

  async readActor(bucket: BucketState, actor: string, hash: Hash64): Promise<ActorHistory> {
    const address = Buffer.from(actor);
    const newestFirst: StoredRecord[] = [];
    const { logs } = this.logs;
    let snapshot: LoadedSnapshot | null = null;
    for (let i = logs.length - 1; i >= 0 && snapshot === null; i--) {
      const found = snapshotInLog(logs[i]!, hash, actor, this.warn);
      if (found !== null && this.agrees(bucket, found)) snapshot = found;
      collectActor(logs[i]!, bucket.slot, address, hash, (snapshot?.position ?? 0) + 1, Infinity, newestFirst);
    }
    return { snapshot: snapshot?.bytes ?? null, records: newestFirst.reverse() };
  }

  async readActorRecords(bucket: BucketState, actor: string, hash: Hash64, options: ReadActorOptions): Promise<StoredRecord[]> {
    const { from = 1, to = Infinity, recordsMax = Infinity } = options;
    const address = Buffer.from(actor);
    const records: StoredRecord[] = [];
    for (const log of this.logs.logs) {
      if (records.length >= recordsMax) break;
      const newestFirst: StoredRecord[] = [];
      collectActor(log, bucket.slot, address, hash, from, to, newestFirst);
      records.push(...newestFirst.reverse());
    }
    return records.length > recordsMax ? records.slice(0, recordsMax) : records;
  }

  async *readBucket(bucket: BucketState, from: number, to: number): AsyncIterable<StoredRecord> {
    for (const log of this.logs.logs.slice()) {
      const first = log.index.findRunOf(bucket.slot, from);
      for (let i = first; i >= 0; i++) {
        const ref = log.index.runOf(bucket.slot, i);
        if (ref === null || ref.position >= to) break;
        const run = loadRun(log, ref);
        for (let r = 0; r < ref.count; r++) {
          if (ref.position + r >= from && ref.position + r < to) yield recordOf(run, r);
        }
      }
    }
  }

  private agrees(bucket: BucketState, snapshot: LoadedSnapshot): boolean {
    if (!sameHash(snapshot.incarnation, bucket.incarnation)) return false;
    const head = this.headAt(bucket, snapshot.position);
    return head !== null && sameHash(head, snapshot.head);
  }
}
