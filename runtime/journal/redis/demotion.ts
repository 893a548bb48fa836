/**
 * Moves what is no longer hot into the cold tier: the oldest records of a bucket that has more in the hot tier than its share, and the
 * snapshots of their actors.
 *
 * D1  A range is first written to the cold tier and synchronised; then one call notes it and trims the log, under the epoch (L5 of
 *     journal.lua); then snapshots of actors that have nothing hot any more are dropped. A crash between any two steps leaves a file that nobody lists, or
 *     snapshots that cost memory until the next owner's first demotion; never a record that is nowhere.
 * D2  A demotion that is refused changes nothing. Under another epoch the bucket is somebody else's, who does his own.
 * D3  One range at a time, and none longer than `RANGE_BYTES_MAX`, whatever has piled up: what a demotion holds in memory is bounded. Snapshots
 *     that do not fit are late, and go with the next range.
 * D4  A volume that refuses (full, away) costs memory of the hot tier and nothing else: it is tried again, slower and slower.
 * D5  Whether a call of unknown outcome was executed is asked of the store before the next one; and it may be executed after that question. Either way
 *     the store refuses the next one, and says where the log begins. [The connection is lost when the log has been trimmed: its owner looks for
 *     records in Redis that are cold, and takes the journal for damaged.]
 */

import { hashBytes, hashText } from '../../codec/address.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import { encodeColdRange } from '../cold/cold-range.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { SnapshotPut, StoredRecord } from '../journal.ts';
import { actorRange } from '../record-run.ts';
import { bytesOfHash, decodeValue } from './entry.ts';
import { noteDemoted } from './hot-bucket.ts';
import type { BucketTable, HotBucket } from './hot-bucket.ts';
import type { EntryRef } from './hot-log.ts';
import type { HotReader } from './hot-reader.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';
import type { Opening } from './opening.ts';
import { StoreError } from './store-error.ts';

export interface DemotionParts {
  readonly links: StoreLinks;
  readonly library: LuaLibrary;
  readonly opening: Opening;
  readonly hot: HotReader;
  readonly tier: ColdTier;
  readonly buckets: BucketTable;
  readonly namespace: string;
  /** Bytes of one bucket in the hot tier above which it is shortened, to about half. */
  readonly hotBytesPerBucketMax: number;
  readonly warn: (message: string) => void;
}

const RANGE_BYTES_MAX = 16 * 1024 * 1024;
const SNAPSHOT_BYTES_MAX = 32 * 1024 * 1024;
const ENTRIES_PER_READ = 256;
const SNAPSHOTS_PER_READ = 128;
const SNAPSHOTS_PER_DROP = 1_000;
const RETRY_MS = 250;
const RETRY_MS_MAX = 30_000;

const DEMOTED = 0;
const CONFLICT = 2;

/** Steps after which a test may end the process. */
export type DemotionStep = 'read' | 'written' | 'trimmed' | 'dropped';

/** What is to be moved. */
interface Plan {
  readonly first: EntryRef;
  readonly last: EntryRef;
  readonly records: readonly StoredRecord[];
  readonly snapshots: readonly SnapshotPut[];
  /** Of those the ones whose actors have nothing behind the range. */
  readonly idle: readonly SnapshotPut[];
  /** Actors that were late, and are not any more. */
  readonly taken: readonly string[];
}

/** Whether a range is in the list: by this call, by an earlier one whose answer was lost, or not. */
type Listed = 'now' | 'earlier' | 'not';

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

  /** The bucket has more in the hot tier than before. */
  grown(bucket: HotBucket): void {
    if (bucket.log.bytes + bucket.late.bytes <= this.parts.hotBytesPerBucketMax) return;
    this.waiting.add(bucket);
    this.wake();
  }

  /** A former owner may have left too much behind, and snapshots that belong in the cold tier alone. */
  opened(bucket: HotBucket): void {
    this.grown(bucket);
    if (bucket.log.trimmed === 0) return;
    this.unswept.add(bucket);
    this.wake();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await this.running;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.running;
  }

  /**
   * Demotes until about `bytes` of the bucket are hot; the newest entry of the log stays.
   * @throws StoreError, TroupeError of the tier; nothing has changed then that a retry would not do
   */
  async shorten(bucket: HotBucket, bytes: number): Promise<void> {
    const before = bucket.demoting;
    let done: () => void = () => {};
    bucket.demoting = new Promise<void>((resolve) => {
      done = resolve;
    });
    await before;
    try {
      do {
        if (!(await this.demote(bucket, bytes))) return;
      } while (!this.isClosed && bucket.log.bytes > bytes);
    } finally {
      done();
    }
  }

  /** Demotes all that is hot of a bucket that is only looked at, but its newest entry. @throws as `shorten` */
  async compact(bucket: HotBucket): Promise<void> {
    if (bucket.log.trimmed > 0) await this.findLate(bucket, () => true);
    await this.shorten(bucket, 0);
  }

  private wake(): void {
    if (this.isClosed) return;
    this.running ??= this.run().finally(() => {
      this.running = null;
      if (this.waiting.size + this.unswept.size > 0) this.wake();
    });
  }

  private async run(): Promise<void> {
    // Whoever wakes this goes on first: it may be in the middle of opening a bucket.
    await Promise.resolve();
    for (const bucket of this.waiting) {
      this.waiting.delete(bucket);
      if (this.isClosed) return;
      if (!this.isOurs(bucket)) continue;
      try {
        await this.shorten(bucket, this.parts.hotBytesPerBucketMax / 2);
        this.failures = 0;
      } catch (error) {
        await this.failed(bucket, error);
      }
    }
    for (const bucket of this.unswept) {
      if (this.isClosed || this.waiting.size > 0) return;
      this.unswept.delete(bucket);
      try {
        await this.findLate(bucket, () => this.isOurs(bucket) && !this.isClosed);
        this.grown(bucket);
      } catch (error) {
        this.parts.warn(`looking for snapshots that are late failed: ${String(error)}`);
      }
    }
  }

  private isOurs(bucket: HotBucket): boolean {
    return this.parts.buckets.get(bucket.id) === bucket && !bucket.blocked;
  }

  /** Finds the snapshots of actors that have nothing hot. */
  private async findLate(bucket: HotBucket, goesOn: () => boolean): Promise<void> {
    const { links } = this.parts;
    const { keys, log, late } = bucket;
    for (let cursor = '0'; goesOn(); ) {
      const [next, found] = (await links.call('bulk', keys.snapshots, 'HSCAN', [keys.snapshots, cursor, 'COUNT', String(SNAPSHOTS_PER_READ)])) as [Buffer, Buffer[]];
      for (let i = 0; i < found.length; i += 2) {
        const value = found[i + 1]!;
        const position = decodeValue(value)?.position ?? 0;
        if (position <= log.trimmed && log.entriesOf(hashBytes(found[i]!)).length === 0) late.add(found[i]!.toString(), value.length);
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

  /** One range. False when there is none to move, or not by us (D2). */
  private async demote(bucket: HotBucket, bytes: number): Promise<boolean> {
    const { tier, namespace } = this.parts;
    const entries = bucket.log.oldest(Math.min(RANGE_BYTES_MAX, Math.max(1, bucket.log.bytes - bytes)));
    if (entries.length === 0) return false;
    let plan: Plan;
    try {
      plan = await this.planOf(bucket, entries);
    } catch (error) {
      return (await this.without(bucket, entries[0]!, error)) === 'earlier';
    }
    await this.onStep?.('read');
    const { first, records, snapshots, idle } = plan;
    const range = await tier.write({ namespace, bucket: bucket.id, incarnation: bucket.incarnation, from: first.before + 1, headBefore: first.headBefore, records, snapshots });
    await this.onStep?.('written');
    const listed = await this.list(bucket, plan, range);
    if (listed === 'not') return false;
    this.demotions++;
    await this.onStep?.('trimmed');
    // The file that is listed may lack what this one has.
    if (listed === 'earlier') return true;
    await this.drop(bucket, idle);
    await this.onStep?.('dropped');
    return true;
  }

  /** D1: the range is listed and the log trimmed, or neither. */
  private async list(bucket: HotBucket, { first, last, taken }: Plan, range: ColdRange): Promise<Listed> {
    const { links, library, warn } = this.parts;
    const { epoch, keys } = bucket;
    const args = [String(epoch), String(first.before), String(last.last), bytesOfHash(last.headAfter), encodeColdRange(range), String(range.from)];
    let outcome: number;
    let what: Buffer | undefined;
    try {
      [outcome, what] = (await links.callFunction('bulk', library, 'demote', [keys.meta, keys.log, keys.cold], args)) as [number, Buffer?];
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'unknown') return this.without(bucket, first, error);
      throw error;
    }
    if (outcome === DEMOTED) {
      noteDemoted(bucket, [...bucket.cold, range], last.last);
      for (const actor of taken) bucket.late.delete(actor);
      return 'now';
    }
    if (outcome === CONFLICT) {
      const why = `bucket ${bucket.id.index}: the log in the store does not hold position ${last.last}, or begins elsewhere than at ${first.before + 1}`;
      return this.without(bucket, first, new Error(why));
    }
    warn(`bucket ${bucket.id.index} was not demoted by this node (${what === undefined ? outcome : String(what)}); ${range.file} is not listed`);
    return 'not';
  }

  /** D5: a call failed. Whether the entry is cold all the same, or the log a later owner's by now (D2). @throws the error when it is neither */
  private async without(bucket: HotBucket, entry: EntryRef, error: unknown): Promise<'earlier' | 'not'> {
    const found = await this.parts.opening.catchUp(bucket);
    if (bucket.log.trimmed >= entry.last) {
      // What that call would have dropped behind it is still there.
      this.unswept.add(bucket);
      return 'earlier';
    }
    if (found === null || found === bucket) throw error;
    return 'not';
  }

  private async drop({ epoch, keys }: HotBucket, idle: readonly SnapshotPut[]): Promise<void> {
    const { links, library } = this.parts;
    for (let i = 0; i < idle.length; i += SNAPSHOTS_PER_DROP) {
      const part = idle.slice(i, i + SNAPSHOTS_PER_DROP).flatMap(({ actor, position }) => [actor, String(position)]);
      await links.callFunction('bulk', library, 'drop_snapshots', [keys.meta, keys.snapshots], [String(epoch), ...part]);
    }
  }

  private async planOf(bucket: HotBucket, entries: readonly EntryRef[]): Promise<Plan> {
    const [first, last] = [entries[0]!, entries.at(-1)!];
    const records: StoredRecord[] = [];
    for (let i = 0; i < entries.length; i += ENTRIES_PER_READ) records.push(...(await this.parts.hot.readEntries(bucket, entries.slice(i, i + ENTRIES_PER_READ))));
    const actors = new Map<string, Hash64>(bucket.late.actors.map((actor) => [actor, hashText(actor)]));
    for (const { bytes } of records) {
      const at = actorRange(bytes, 0, bytes.length);
      if (at === null) continue;
      const actor = bytes.toString('utf8', at.from, at.to);
      if (!actors.has(actor)) actors.set(actor, hashBytes(bytes.subarray(at.from, at.to)));
    }
    return { first, last, records, ...(await this.snapshotsOf(bucket, actors, last.last)) };
  }

  /** The stored snapshots of these actors that do not name a position behind the range. */
  private async snapshotsOf(bucket: HotBucket, actors: ReadonlyMap<string, Hash64>, last: number): Promise<Pick<Plan, 'snapshots' | 'idle' | 'taken'>> {
    const names = [...actors.keys()];
    const snapshots: SnapshotPut[] = [];
    const idle: SnapshotPut[] = [];
    const taken: string[] = [];
    let bytes = 0;
    for (let i = 0; i < names.length; i += SNAPSHOTS_PER_READ) {
      const part = names.slice(i, i + SNAPSHOTS_PER_READ);
      for (const [k, stored] of (await this.parts.hot.readSnapshots(bucket, part)).entries()) {
        const actor = part[k]!;
        const value = decodeValue(stored);
        if (value !== null && value.position <= last) {
          // D3
          if (bytes + value.bytes.length > SNAPSHOT_BYTES_MAX) {
            bucket.late.add(actor, stored!.length);
            continue;
          }
          bytes += value.bytes.length;
          const put: SnapshotPut = { bucket: bucket.id, actor, actorHash: actors.get(actor)!, ...value };
          snapshots.push(put);
          if (bucket.log.entriesOf(put.actorHash, last + 1).length === 0) idle.push(put);
        }
        taken.push(actor);
      }
    }
    return { snapshots, idle, taken };
  }
}
