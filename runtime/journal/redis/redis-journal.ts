/**
 * The journal on Redis: the hot tier of a cluster. See journal.ts for the contract, journal.lua for what the server checks.
 *
 * A call of `append` becomes one call of a function for each slot. Nothing is queued while the store is away and nothing is sent
 * again: what could not be sent is refused, what was sent and not answered is of unknown outcome, and the owner takes a new epoch
 * and reads the log before it goes on.
 */

import { randomBytes } from 'node:crypto';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type {
  ActorHistory,
  Append,
  AppendOutcome,
  BucketHead,
  BucketSizes,
  CheckpointPut,
  DurabilityClass,
  Journal,
  JournalStat,
  ReadActorOptions,
  SnapshotPut,
  StoredRecord,
} from '../journal.ts';
import { Appending } from './appending.ts';
import { findDurability } from './durability.ts';
import { BucketTable } from './hot-bucket.ts';
import type { HotBucket } from './hot-bucket.ts';
import { FoldCaches } from './fold-caches.ts';
import { HotReader } from './hot-reader.ts';
import { GROUPS, bucketKeys, journalKey } from './keys.ts';
import { journalSource, luaLibrary } from './library.ts';
import type { LuaLibrary } from './library.ts';
import { StoreLinks } from './links.ts';
import type { StoreOptions } from './links.ts';
import { Opening } from './opening.ts';
import type { OpenedBucket } from './opening.ts';
import { StoreError } from './store-error.ts';

export interface RedisJournalOptions {
  readonly store: StoreOptions;
  readonly namespace?: string;
  readonly bucketBits: number;
  /** Who opens buckets, for the operator's eyes. */
  readonly node: string;
  /** Take a server that keeps nothing. */
  readonly memoryAllowed?: boolean;
  readonly onWarning?: (message: string) => void;
}

/** What a test puts in the place of a part, to show what that part is for. */
export interface JournalSeams {
  readonly library?: LuaLibrary;
  readonly buckets?: BucketTable;
}

const LAYOUT = 1;
const BUCKETS_READ_AT_ONCE = 16;

export function createRedisJournal(options: RedisJournalOptions, seams: JournalSeams = {}): Journal {
  return new RedisJournal(options, seams);
}

class RedisJournal implements Journal {
  durability: DurabilityClass = 'memory';
  onCheckpointWanted: (() => void) | null = null;
  onFatal: ((error: Error) => void) | null = null;
  private readonly options: RedisJournalOptions;
  private readonly namespace: string;
  private readonly links: StoreLinks;
  private readonly library: LuaLibrary;
  private readonly opening: Opening;
  private readonly reader: HotReader;
  private readonly buckets: BucketTable;
  private readonly appending: Appending;
  private readonly caches: FoldCaches;
  private state: 'new' | 'open' | 'closed' = 'new';

  constructor(options: RedisJournalOptions, seams: JournalSeams) {
    this.options = options;
    this.library = seams.library ?? luaLibrary(journalSource(), 'journal');
    this.buckets = seams.buckets ?? new BucketTable();
    this.namespace = options.namespace ?? 'main';
    this.links = new StoreLinks(options.store);
    const { links, library, namespace } = this;
    this.opening = new Opening({ links, library, namespace, node: options.node });
    this.reader = new HotReader(links, library);
    const { opening, buckets } = this;
    this.appending = new Appending({ links, library, opening, buckets, node: options.node });
    this.appending.onCheckpointWanted = () => this.onCheckpointWanted?.();
    const warn = options.onWarning ?? (() => undefined);
    this.caches = new FoldCaches({ links, library, opening, buckets, warn });
  }

  async open(): Promise<void> {
    if (this.state !== 'new') throw new TroupeError('JOURNAL_FAILED', 'a journal is opened once');
    await this.links.connect();
    try {
      this.durability = await findDurability(this.links, this.options.memoryAllowed ?? false);
      await this.found();
    } catch (error) {
      this.links.close();
      throw asTroupeError(error);
    }
    this.state = 'open';
  }

  async openBucket(bucket: BucketId): Promise<BucketHead> {
    return (await this.openBuckets([bucket]))[0]!;
  }

  async openBuckets(ids: readonly BucketId[]): Promise<BucketHead[]> {
    this.mustBeOpen();
    await this.caches.settled();
    try {
      const answers = await this.opening.takeEpochs(ids, (id) => this.buckets.known(id));
      const heads: BucketHead[] = [];
      for (let from = 0; from < ids.length; from += BUCKETS_READ_AT_ONCE) {
        const part = ids.slice(from, from + BUCKETS_READ_AT_ONCE).map(async (id, i) => {
          const answer = answers[from + i]!;
          if (answer instanceof TroupeError) throw answer;
          const opened = await this.opening.read(id, answer, this.buckets.get(id), this.buckets.known(id));
          this.buckets.set(opened.bucket);
          return this.headOf(opened);
        });
        heads.push(...(await Promise.all(part)));
      }
      return heads;
    } catch (error) {
      throw asTroupeError(error);
    }
  }

  append(batch: readonly Append[]): Promise<AppendOutcome[]> {
    if (this.state === 'new') this.mustBeOpen();
    return this.appending.append(batch);
  }

  async confirm(owned: readonly { readonly bucket: BucketId; readonly epoch: number }[]): Promise<boolean[]> {
    const answers: boolean[] = owned.map(() => false);
    const bySlot = new Map<number, number[]>();
    owned.forEach(({ bucket: id }, i) => {
      const bucket = this.buckets.get(id);
      if (bucket === undefined || bucket.blocked) return;
      const slot = this.links.slotOf(bucket.keys.meta);
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), i]);
    });
    const calls = [...bySlot.values()].map(async (list) => {
      const keys = list.map((i) => bucketKeys(this.namespace, owned[i]!.bucket).meta);
      const epochs = list.map((i) => String(owned[i]!.epoch));
      const held = (await this.links.callFunction('log', this.library, 'confirm', keys, epochs, true)) as number[];
      list.forEach((i, k) => {
        answers[i] = held[k] === 1;
      });
    });
    try {
      await Promise.all(calls);
    } catch (error) {
      throw asTroupeError(error);
    }
    return answers;
  }

  async readActor(id: BucketId, actor: string, actorHash: Hash64): Promise<ActorHistory> {
    return this.reading(id, { snapshot: null, records: [] }, (bucket) => this.reader.readActor(bucket, actor, actorHash));
  }

  async readActorRecords(id: BucketId, actor: string, actorHash: Hash64, options: ReadActorOptions = {}): Promise<StoredRecord[]> {
    return this.reading(id, [], (bucket) => this.reader.readActorRecords(bucket, actor, actorHash, options));
  }

  async *readBucket(id: BucketId, from: number, to = Infinity): AsyncIterable<StoredRecord> {
    const bucket = await this.reading(id, null, async (found) => found);
    if (bucket === null) return;
    const end = Math.min(to, bucket.log.position + 1);
    for (let position = Math.max(1, from); position < end; ) {
      const records = await this.reading(id, [], () => this.reader.readRange(bucket, position, end));
      position += records.length;
      yield* records;
    }
  }

  forgetBucket(id: BucketId): void {
    this.buckets.forget(id);
  }

  putSnapshots(snapshots: readonly SnapshotPut[]): void {
    if (this.state === 'open') this.caches.putSnapshots(snapshots);
  }

  putCheckpoints(checkpoints: readonly CheckpointPut[]): void {
    if (this.state === 'open') this.caches.putCheckpoints(checkpoints);
  }

  stat(): JournalStat {
    let records = 0;
    let hotBytes = 0;
    for (const { log } of this.buckets.all()) {
      records += log.position;
      hotBytes += log.bytes;
    }
    return { records, hotBytes, coldBytes: 0, segments: 0, appendsInFlight: this.appending.inFlight, syncs: this.appending.calls };
  }

  sizesOf(id: BucketId): BucketSizes {
    const bucket = this.buckets.get(id);
    return bucket === undefined ? {} : { hotBytes: bucket.log.bytes };
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.appending.isClosed = true;
    while (this.appending.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    this.links.close();
  }

  /** Makes what a namespace needs, once: a bucket that is missing later was lost (L2). */
  private async found(): Promise<void> {
    const { bucketBits: bits } = this.options;
    const key = journalKey(this.namespace);
    await this.links.call('bulk', key, 'HSETNX', [key, 'bits', String(bits)]);
    await this.links.call('bulk', key, 'HSETNX', [key, 'layout', String(LAYOUT)]);
    const [made, foundBits, layout] = (await this.links.call('bulk', key, 'HMGET', [key, 'made', 'bits', 'layout'])) as (Buffer | null)[];
    if (Number(layout) > LAYOUT) throw new TroupeError('JOURNAL_VERSION', `the store's journal has layout ${String(layout)}`);
    if (Number(foundBits) !== bits) {
      throw new TroupeError('CONFIG_INVALID', `the store has ${2 ** Number(foundBits)} buckets, the settings say ${2 ** bits}`);
    }
    if (made !== null) return;
    const groups = Array.from({ length: GROUPS }, async (_, group) => {
      const keys: string[] = [];
      for (let index = group; index < 2 ** bits; index += GROUPS) keys.push(bucketKeys(this.namespace, { bits, index }).meta);
      if (keys.length > 0) await this.links.callFunction('bulk', this.library, 'create', keys, keys.map(() => randomBytes(8)));
    });
    await Promise.all(groups);
    await this.links.call('bulk', key, 'HSET', [key, 'made', '1']);
  }

  private headOf({ bucket, checkpoint }: OpenedBucket): BucketHead {
    const { id, incarnation, epoch, log } = bucket;
    return { bucket: id, incarnation, epoch, position: log.position, head: log.head, checkpoint: checkpoint && { position: checkpoint.position, bytes: checkpoint.bytes } };
  }

  /** A bucket that is not opened here is looked at as it stands. */
  private async reading<T>(id: BucketId, empty: T, read: (bucket: HotBucket) => Promise<T>): Promise<T> {
    this.mustBeOpen();
    try {
      const bucket = this.buckets.get(id) ?? (await this.opening.look(id));
      return bucket === null ? empty : await read(bucket);
    } catch (error) {
      throw asTroupeError(error);
    }
  }

  private mustBeOpen(): void {
    if (this.state !== 'open') throw new TroupeError('JOURNAL_FAILED', 'the journal is not open');
  }
}

function asTroupeError(error: unknown): unknown {
  return error instanceof StoreError ? new TroupeError('STORE_UNAVAILABLE', error.message, { cause: error }) : error;
}

