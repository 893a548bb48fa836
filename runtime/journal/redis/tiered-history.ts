/**
 * Reading: what is hot in Redis and what is cold in sealed files, as one history.
 *
 * H1  What is read is read under one division into hot and cold: when a demotion has moved it meanwhile, everything is read again. [The cold part is
 *     read, a range is demoted, the hot part is read: the range is in neither, and nothing looks wrong.]
 * H2  What is missed in Redis may be cold by now, when a demotion under way is over, or when the store is asked (`Opening.catchUp`).
 */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import type { ActorHistory, ReadActorOptions, StoredRecord } from '../journal.ts';
import { copiesOf, decodeValue, recordsOfEntry } from './entry.ts';
import type { StoredValue } from './entry.ts';
import type { HotBucket } from './hot-bucket.ts';
import type { HotReader } from './hot-reader.ts';

const COLD_RECORDS_PER_READ = 1_024;

export interface TieredHistoryParts {
  readonly hot: HotReader;
  readonly tier: ColdTier | null;
  /** A snapshot was found cold: it may be worth keeping it hot. */
  readonly onColdSnapshot?: (bucket: HotBucket, actor: string, snapshot: StoredValue) => void;
}

export class TieredHistory {
  private readonly parts: TieredHistoryParts;

  constructor(parts: TieredHistoryParts) {
    this.parts = parts;
  }

  async readActor(bucket: HotBucket, actor: string, hash: Hash64): Promise<ActorHistory> {
    return this.steady(bucket, async () => {
      const address = Buffer.from(actor);
      const { trimmed } = bucket.log;
      const found = await this.parts.hot.readActor(bucket, actor, hash);
      const snapshot = decodeValue(found.snapshot);
      // Whether a hot snapshot agrees is known when its record is hot.
      const isHot = snapshot !== null && snapshot.position > trimmed;
      const hot = found.entries.flatMap(({ entry, bytes }) => recordsOfEntry(bucket.id, entry, bytes));
      if (isHot && agrees(snapshot, hot)) return { snapshot: snapshot.bytes, records: copiesOf(hot, address, snapshot.position + 1) };
      const all = found.isWhole ? copiesOf(hot, address) : await this.hotRecords(bucket, actor, hash, {});
      if (trimmed === 0) return { snapshot: null, records: all };
      const tier = this.tier();
      if (!isHot && snapshot !== null && sameHash((await tier.headAt(bucket.cold, snapshot.position)) ?? NOTHING, snapshot.head)) {
        const cold = await tier.readActorRecords(bucket.cold, actor, hash, { from: snapshot.position + 1 });
        return { snapshot: snapshot.bytes, records: [...cold, ...all] };
      }
      const cold = await tier.readActor(bucket.cold, actor, hash);
      if (cold.snapshot !== null) await this.foundCold(bucket, actor, cold.snapshot, cold.snapshotPosition);
      return { snapshot: cold.snapshot, records: [...cold.records, ...all] };
    });
  }

  async readActorRecords(bucket: HotBucket, actor: string, hash: Hash64, options: ReadActorOptions): Promise<StoredRecord[]> {
    const { from = 1, to = Infinity, recordsMax = Infinity } = options;
    return this.steady(bucket, async () => {
      const { trimmed } = bucket.log;
      const records: StoredRecord[] = [];
      if (from <= trimmed) {
        records.push(...(await this.tier().readActorRecords(bucket.cold, actor, hash, { from, to: Math.min(to, trimmed + 1), recordsMax })));
      }
      if (records.length < recordsMax && to > trimmed + 1) {
        records.push(...(await this.hotRecords(bucket, actor, hash, { from, to, recordsMax: recordsMax - records.length })));
      }
      return records;
    });
  }

  /** The bucket's records from `from` on and before `to`, at least one, not all when they are many. */
  async readRange(bucket: HotBucket, from: number, to: number): Promise<StoredRecord[]> {
    return this.steady(bucket, async () => {
      const { trimmed } = bucket.log;
      if (from > trimmed) return this.parts.hot.readRange(bucket, from, to);
      const records: StoredRecord[] = [];
      for await (const record of this.tier().readRange(bucket.cold, from, Math.min(to, trimmed + 1))) {
        records.push(record);
        if (records.length >= COLD_RECORDS_PER_READ) break;
      }
      return records;
    });
  }

  /** The head after `position`; null behind the end of the log. */
  async headAt(bucket: HotBucket, position: number): Promise<Hash64 | null> {
    return this.steady(bucket, async () => {
      if (position === 0) return bucket.origin;
      const { log } = bucket;
      if (position < log.trimmed) return this.tier().headAt(bucket.cold, position);
      return log.headAt(position) ?? this.parts.hot.headIn(bucket, position);
    });
  }

  private hotRecords(bucket: HotBucket, actor: string, hash: Hash64, options: ReadActorOptions): Promise<StoredRecord[]> {
    return this.parts.hot.readActorRecords(bucket, actor, hash, options);
  }

  /** H1 */
  private async steady<T>(bucket: HotBucket, read: () => Promise<T>): Promise<T> {
    for (;;) {
      const { trimmed } = bucket.log;
      try {
        const found = await read();
        if (bucket.log.trimmed === trimmed) return found;
      } catch (error) {
        await bucket.demoting;
        if (bucket.log.trimmed === trimmed) throw error;
      }
    }
  }

  private async foundCold(bucket: HotBucket, actor: string, bytes: Buffer, position: number): Promise<void> {
    const { onColdSnapshot } = this.parts;
    if (onColdSnapshot === undefined) return;
    const head = await this.tier().headAt(bucket.cold, position);
    if (head !== null) onColdSnapshot(bucket, actor, { position, head, bytes });
  }

  private tier(): ColdTier {
    return this.parts.tier!;
  }
}

const NOTHING: Hash64 = { hi: 0, lo: 0 };

/** J8: the log has the record that the snapshot names, and it led to the head that the snapshot names. */
function agrees(snapshot: StoredValue, records: readonly StoredRecord[]): boolean {
  const record = records.find(({ position }) => position === snapshot.position);
  return record !== undefined && sameHash(record.head, snapshot.head);
}
