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
import type { ColdTier } from '../cold/cold-tier.ts';
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
import { Demotion } from './demotion.ts';
import { bytesOfHash } from './entry.ts';
import { BucketTable } from './hot-bucket.ts';
import type { HotBucket } from './hot-bucket.ts';
import { FoldCaches } from './fold-caches.ts';
import { foundJournal } from './founding.ts';
import { HotReader } from './hot-reader.ts';
import { bucketKeys } from './keys.ts';
import { gatherKnowledge } from './knowledge.ts';
import { journalSource, luaLibrary } from './library.ts';
import type { LuaLibrary } from './library.ts';
import { StoreLinks } from './links.ts';
import type { StoreOptions } from './links.ts';
import { decodeLogIndex, encodeLogIndex } from './log-index.ts';
import { lookAtAll } from './metas.ts';
import { Opening } from './opening.ts';
import type { OpenedBucket } from './opening.ts';
import { Promotions } from './promotions.ts';
import { tierOf } from './redis-tier.ts';
import { SettingsWatch } from './settings-watch.ts';
import { asTroupeError } from './store-error.ts';
import { SyncWatch } from './sync-watch.ts';
import { TieredHistory } from './tiered-history.ts';
import { Witness } from './witness.ts';

export interface RedisJournalOptions {
  readonly store: StoreOptions;
  readonly namespace?: string;
  readonly bucketBits: number;
  /** Who opens buckets, for the operator's eyes. */
  readonly node: string;
  /** A folder for what this node remembers of the store over its own end, see witness.ts; null for none. */
  readonly witness?: string | null;
  /** A cold tier with a folder: what is demoted goes there; null: into sealed ranges in Redis itself (redis-tier.ts). The journal closes it. */
  readonly tier?: ColdTier | null;
  /** Bytes of one bucket's hot log above which it is shortened to about half; Infinity: all of it stays hot. */
  readonly hotBytesPerBucketMax?: number;
  /** Take a server that keeps nothing. */
  readonly memoryAllowed?: boolean;
  readonly onWarning?: (message: string) => void;
  /** What cannot wait: the servers were set in a way that no journal opens with. Left out: a warning. */
  readonly onAlarm?: (message: string) => void;
}

/** What a test puts in the place of a part, to show what that part is for. */
export interface JournalSeams {
  readonly library?: LuaLibrary;
  readonly buckets?: BucketTable;
}

const BUCKETS_READ_AT_ONCE = 16;
const HOT_BYTES_PER_BUCKET_MAX = 2 * 1024 * 1024;

export function createRedisJournal(options: RedisJournalOptions, seams: JournalSeams = {}): Journal {
  return new RedisJournal(options, seams);
}

class RedisJournal implements Journal {
  onCheckpointWanted: (() => void) | null = null;
  onFatal: ((error: Error) => void) | null = null;
  private readonly options: RedisJournalOptions;
  private readonly namespace: string;
  /** Two nodes may have one name, and one node two journals, one after the other. */
  private readonly owner: string;
  private readonly links: StoreLinks;
  private readonly library: LuaLibrary;
  private readonly opening: Opening;
  private readonly history: TieredHistory;
  /** The folder's, or null. */
  private readonly folder: ColdTier | null;
  private readonly tier: ColdTier;
  private readonly demotion: Demotion;
  private readonly promotions: Promotions;
  private readonly buckets: BucketTable;
  private readonly appending: Appending;
  private readonly caches: FoldCaches;
  private readonly witness: Witness | null;
  private readonly syncWatch: SyncWatch;
  private readonly settingsWatch: SettingsWatch;
  private state: 'new' | 'open' | 'closed' = 'new';

  constructor(options: RedisJournalOptions, seams: JournalSeams) {
    this.options = options;
    this.library = seams.library ?? luaLibrary(journalSource(), 'journal');
    this.buckets = seams.buckets ?? new BucketTable();
    this.namespace = options.namespace ?? 'main';
    this.links = new StoreLinks(options.store);
    const { links, library, namespace } = this;
    const { node } = options;
    this.owner = `${node} ${randomBytes(8).toString('hex')}`;
    const { owner } = this;
    const warn = options.onWarning ?? (() => undefined);
    const { tier: folder = null, hotBytesPerBucketMax = HOT_BYTES_PER_BUCKET_MAX } = options;
    const hot = new HotReader(links, library);
    this.folder = folder;
    this.tier = tierOf(links, library, folder, warn);
    const { tier } = this;
    this.history = new TieredHistory({ hot, tier, onColdSnapshot: (bucket, actor, snapshot) => this.promotions.promote(bucket, actor, snapshot) });
    const { history, buckets } = this;
    this.opening = new Opening({ links, library, history, hasFolder: folder !== null, namespace, node, owner });
    const { opening } = this;
    this.appending = new Appending({ links, library, opening, buckets, node, owner });
    this.appending.onCheckpointWanted = () => this.onCheckpointWanted?.();
    this.promotions = new Promotions({ links, library, buckets });
    this.demotion = new Demotion({ links, library, opening, hot, tier, buckets, namespace, hotBytesPerBucketMax, warn });
    const grown = (bucket: HotBucket): void => this.demotion.grown(bucket);
    this.appending.onGrown = grown;
    this.caches = new FoldCaches({ links, library, opening, buckets, warn });
    this.caches.onLate = grown;
    this.syncWatch = new SyncWatch(links, warn);
    this.settingsWatch = new SettingsWatch({ links, memoryAllowed: options.memoryAllowed ?? false, warn, alarm: options.onAlarm ?? warn });
    const { witness = null } = options;
    this.witness = witness === null ? null : new Witness(witness, namespace, warn);
  }

  get durability(): DurabilityClass {
    return this.settingsWatch.durability;
  }

  async open(): Promise<void> {
    if (this.state !== 'new') throw new TroupeError('JOURNAL_FAILED', 'a journal is opened once');
    const { links, library, namespace } = this;
    const { bucketBits: bits } = this.options;
    const witnessed = (await this.witness?.read()) ?? null;
    try {
      await links.connect();
      await this.settingsWatch.start();
      const id = await foundJournal({ links, library, namespace, bits, knownId: witnessed?.id ?? null });
      const metas = await lookAtAll(links, library, namespace, bits);
      for (const { bucket, known } of await gatherKnowledge(metas, witnessed?.standings ?? [], this.folder, namespace)) this.buckets.learn(bucket, known);
      await this.witness?.follow(id, bits, this.buckets);
    } catch (error) {
      this.links.close();
      throw asTroupeError(error);
    }
    this.syncWatch.follow();
    this.settingsWatch.follow();
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
          const opened = await this.opening.read(id, answer, this.buckets.lastSeen(id), this.buckets.known(id));
          this.buckets.set(opened.bucket);
          this.demotion.opened(opened.bucket);
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
      const known = list.flatMap((i) => {
        const { position, head } = this.buckets.get(owned[i]!.bucket)!.log;
        return [String(owned[i]!.epoch), String(position), bytesOfHash(head)];
      });
      const held = (await this.links.callFunction('log', this.library, 'confirm', keys, [this.owner, ...known], true)) as number[];
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
    return this.reading(id, (bucket) => this.history.readActor(bucket, actor, actorHash));
  }

  async readActorRecords(id: BucketId, actor: string, actorHash: Hash64, options: ReadActorOptions = {}): Promise<StoredRecord[]> {
    return this.reading(id, (bucket) => this.history.readActorRecords(bucket, actor, actorHash, options));
  }

  async *readBucket(id: BucketId, from: number, to = Infinity): AsyncIterable<StoredRecord> {
    const bucket = await this.reading(id, async (found) => found);
    const end = Math.min(to, bucket.log.position + 1);
    for (let position = Math.max(1, from); position < end; ) {
      const records = await this.reading(id, (current) => this.history.readRange(current, position, end), bucket);
      position += records.length;
      yield* records;
    }
  }

  logIndexOf(id: BucketId): Buffer | null {
    const bucket = this.buckets.get(id);
    return bucket === undefined || bucket.blocked ? null : encodeLogIndex(bucket);
  }

  takeLogIndex(id: BucketId, bytes: Uint8Array): void {
    const index = decodeLogIndex(bytes);
    if (index !== null) this.buckets.keepHanded(id, index);
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
    let coldBytes = 0;
    let segments = 0;
    for (const { log, cold } of this.buckets.all()) {
      records += log.position;
      hotBytes += log.bytes;
      segments += cold.length;
      for (const { bytes } of cold) coldBytes += bytes;
    }
    const { delayed: delayedSyncs } = this.syncWatch;
    return {
      records, hotBytes, coldBytes, segments,
      appendsInFlight: this.appending.inFlight,
      syncs: this.appending.calls,
      unsafeSettings: this.settingsWatch.refusals.length > 0,
      ...(delayedSyncs === undefined ? {} : { delayedSyncs }),
    };
  }

  sizesOf(id: BucketId): BucketSizes {
    const bucket = this.buckets.get(id);
    if (bucket === undefined) return {};
    const hotBytes = bucket.log.bytes;
    return this.tier === null ? { hotBytes } : { hotBytes, coldBytes: bucket.cold.reduce((total, { bytes }) => total + bytes, 0) };
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.syncWatch.close();
    this.settingsWatch.close();
    this.appending.isClosed = true;
    while (this.appending.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await this.demotion.close();
    this.links.close();
    await this.tier.close();
    await this.witness?.close();
  }

  private headOf({ bucket, checkpoint }: OpenedBucket): BucketHead {
    const { id, incarnation, epoch, log } = bucket;
    return { bucket: id, incarnation, epoch, position: log.position, head: log.head, checkpoint: checkpoint && { position: checkpoint.position, bytes: checkpoint.bytes } };
  }

  /** A bucket that is not opened here is looked at as it stands, or as it stood; its owner may demote what is being read. */
  private async reading<T>(id: BucketId, read: (bucket: HotBucket) => Promise<T>, looked?: HotBucket): Promise<T> {
    this.mustBeOpen();
    try {
      let bucket = this.buckets.get(id) ?? looked ?? (await this.opening.look(id));
      for (;;) {
        try {
          return await read(bucket);
        } catch (error) {
          const next = isDamage(error) ? await this.opening.catchUp(bucket) : null;
          if (next === null) throw error;
          bucket = next;
        }
      }
    } catch (error) {
      throw asTroupeError(error);
    }
  }

  private mustBeOpen(): void {
    if (this.state !== 'open') throw new TroupeError('JOURNAL_FAILED', 'the journal is not open');
  }
}

/** What the store does not hold may be damage, or cold by now. */
function isDamage(error: unknown): boolean {
  return error instanceof TroupeError && error.code === 'JOURNAL_DAMAGED';
}
