/**
 * Moves what is no longer hot into the cold tier: the oldest records of a bucket whose hot log has grown beyond its share, and the
 * snapshots of their actors.
 *
 * D1  A range is first written to the cold tier and synchronised; then one call notes it and trims the log, under the epoch (L4 of
 *     journal.lua); then snapshots of actors that have nothing hot any more are dropped. A crash between any two steps leaves a file that nobody lists, or
 *     snapshots that cost memory until the next owner's first demotion; never a record that is nowhere.
 * D2  A demotion that is refused (another epoch, another list) changes nothing; the owner by then does its own.
 * D3  One range at a time: what a demotion holds in memory is bounded by its size.
 * D4  A volume that refuses (full, away) costs memory of the hot tier and nothing else: it is tried again, slower and slower.
 */

import { hashBytes, hashText } from '../../codec/address.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import { encodeColdRange } from '../cold/cold-range.ts';
import type { SnapshotPut, StoredRecord } from '../journal.ts';
import { actorRange } from '../record-run.ts';
import { bytesOfHash, decodeValue } from './entry.ts';
import type { BucketTable, HotBucket } from './hot-bucket.ts';
import type { HotReader } from './hot-reader.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';

export interface DemotionParts {
  readonly links: StoreLinks;
  readonly library: LuaLibrary;
  readonly hot: HotReader;
  readonly tier: ColdTier;
  readonly buckets: BucketTable;
  readonly namespace: string;
  /** Bytes of one bucket's hot log above which it is shortened, to about half. */
  readonly hotBytesPerBucketMax: number;
  readonly warn: (message: string) => void;
}

const SNAPSHOTS_AT_ONCE = 1_000;
const RETRY_MS = 250;
const RETRY_MS_MAX = 30_000;

/** Steps after which a test may end the process. */
export type DemotionStep = 'read' | 'written' | 'trimmed' | 'dropped';

export class Demotion {
  /** For tests: awaited after each step. */
  onStep: ((step: DemotionStep) => Promise<void>) | null = null;
  demotions = 0;
  private readonly parts: DemotionParts;
  private readonly waiting = new Set<HotBucket>();
  private readonly unswept = new Set<HotBucket>();
  private running: Promise<void> | null = null;
  private failures = 0;
  private isClosed = false;

  constructor(parts: DemotionParts) {
    this.parts = parts;
  }

  /** The bucket's hot log has grown. */
  grown(bucket: HotBucket): void {
    if (bucket.log.bytes <= this.parts.hotBytesPerBucketMax) return;
    this.waiting.add(bucket);
    this.wake();
  }

  /** A former owner may have left snapshots behind that belong in the cold tier alone: the next demotion takes them along. */
  opened(bucket: HotBucket): void {
    if (bucket.log.trimmed === 0) return;
    this.unswept.add(bucket);
    this.wake();
  }

  private wake(): void {
    if (this.isClosed) return;
    this.running ??= this.run().finally(() => {
      this.running = null;
      if (this.waiting.size + this.unswept.size > 0) this.wake();
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await this.running;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.running;
  }

  /** Demotes until about `bytes` are hot. @throws StoreError, TroupeError of the tier; nothing has changed then that a retry would not do */
  async shorten(bucket: HotBucket, bytes: number): Promise<void> {
    const before = bucket.demoting;
    let done: () => void = () => {};
    bucket.demoting = new Promise<void>((resolve) => {
      done = resolve;
    });
    await before;
    try {
      await this.demote(bucket, bytes);
    } finally {
      done();
    }
  }

  private async run(): Promise<void> {
    for (const bucket of this.waiting) {
      this.waiting.delete(bucket);
      if (this.isClosed) return;
      if (this.parts.buckets.get(bucket.id) !== bucket || bucket.blocked) continue;
      try {
        await this.shorten(bucket, this.parts.hotBytesPerBucketMax / 2);
        this.failures = 0;
      } catch (error) {
        await this.failed(bucket, error);
      }
    }
    for (const bucket of this.unswept) {
      this.unswept.delete(bucket);
      if (this.isClosed || this.waiting.size > 0) return;
      await this.sweep(bucket).catch((error: unknown) => this.parts.warn(`a sweep of snapshots failed: ${String(error)}`));
    }
  }

  /** Finds the snapshots of actors that have nothing hot. */
  private async sweep(bucket: HotBucket): Promise<void> {
    const { links, buckets } = this.parts;
    const { keys, log } = bucket;
    for (let cursor = '0'; ; ) {
      if (this.isClosed || buckets.get(bucket.id) !== bucket) return;
      const [next, found] = (await links.call('bulk', keys.snapshots, 'HSCAN', [keys.snapshots, cursor, 'COUNT', String(SNAPSHOTS_AT_ONCE)])) as [Buffer, Buffer[]];
      for (let i = 0; i < found.length; i += 2) {
        const position = decodeValue(found[i + 1]!)?.position ?? 0;
        if (position <= log.trimmed && log.entriesOf(hashBytes(found[i]!)).length === 0) bucket.late.add(found[i]!.toString());
      }
      cursor = next.toString();
      if (cursor === '0') return;
    }
  }

  /** D4 */
  private async failed(bucket: HotBucket, error: unknown): Promise<void> {
    this.failures++;
    const delayMs = Math.min(RETRY_MS * 2 ** this.failures, RETRY_MS_MAX);
    this.parts.warn(`demoting failed, and is tried again in ${delayMs} ms: ${error instanceof Error ? error.message : String(error)}`);
    this.waiting.add(bucket);
    for (let waited = 0; waited < delayMs && !this.isClosed; waited += 50) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  private async demote(bucket: HotBucket, bytes: number): Promise<void> {
    const { links, library, hot, tier, namespace } = this.parts;
    const { log, epoch, keys, incarnation } = bucket;
    const entries = log.oldest(log.bytes - bytes);
    const last = entries.at(-1);
    if (last === undefined) return;
    const first = entries[0]!;
    const records: StoredRecord[] = [];
    for (let i = 0; i < entries.length; i += 256) records.push(...(await hot.readEntries(bucket, entries.slice(i, i + 256))));
    const late = [...bucket.late];
    const { snapshots, idle } = await this.snapshotsOf(bucket, records, late, last.last);
    await this.onStep?.('read');
    const range = await tier.write({ namespace, bucket: bucket.id, incarnation, from: first.before + 1, headBefore: first.headBefore, records, snapshots });
    await this.onStep?.('written');
    const args = [String(epoch), String(first.before), String(last.last), bytesOfHash(last.headAfter), encodeColdRange(range), String(range.from)];
    const [outcome, what] = (await links.callFunction('bulk', library, 'demote', [keys.meta, keys.log, keys.cold], args)) as [number, Buffer?];
    // D2
    if (outcome !== 0) throw new Error(`bucket ${bucket.id.index}: refused (${outcome}${what === undefined ? '' : `, ${String(what)}`}), file ${range.file} is not listed`);
    bucket.cold = [...bucket.cold, range];
    log.forget(last.last);
    for (const actor of late) bucket.late.delete(actor);
    this.demotions++;
    await this.onStep?.('trimmed');
    for (let i = 0; i < idle.length; i += SNAPSHOTS_AT_ONCE) {
      const part = idle.slice(i, i + SNAPSHOTS_AT_ONCE).flatMap(({ actor, position }) => [actor, String(position)]);
      await links.callFunction('bulk', library, 'drop_snapshots', [keys.meta, keys.snapshots], [String(epoch), ...part]);
    }
    await this.onStep?.('dropped');
  }

  /** The stored snapshots of the range's actors and of those that came late; idle are those of actors with no record behind the range. */
  private async snapshotsOf(bucket: HotBucket, records: readonly StoredRecord[], late: readonly string[], last: number): Promise<{ snapshots: SnapshotPut[]; idle: SnapshotPut[] }> {
    const actors = new Map<string, SnapshotPut['actorHash']>(late.map((actor) => [actor, hashText(actor)]));
    for (const { bytes } of records) {
      const at = actorRange(bytes, 0, bytes.length);
      if (at === null) continue;
      const actor = bytes.toString('utf8', at.from, at.to);
      if (!actors.has(actor)) actors.set(actor, hashBytes(bytes.subarray(at.from, at.to)));
    }
    const names = [...actors.keys()];
    const snapshots: SnapshotPut[] = [];
    const idle: SnapshotPut[] = [];
    for (let i = 0; i < names.length; i += SNAPSHOTS_AT_ONCE) {
      const part = names.slice(i, i + SNAPSHOTS_AT_ONCE);
      for (const [k, stored] of (await this.parts.hot.readSnapshots(bucket, part)).entries()) {
        const value = decodeValue(stored);
        if (value === null || value.position > last) continue;
        const actor = part[k]!;
        const put: SnapshotPut = { bucket: bucket.id, actor, actorHash: actors.get(actor)!, ...value };
        snapshots.push(put);
        if (bucket.log.entriesOf(put.actorHash, last + 1).length === 0) idle.push(put);
      }
    }
    return { snapshots, idle };
  }
}
