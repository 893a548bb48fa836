/**
 * Opens buckets: takes the next epoch, then reads the part of the log that is hot, verifies that it leads from head to head, and
 * finds where each actor's records are.
 *
 * O1  The epoch comes first, the log is read after it: what a former owner has still on its way can no longer land behind our
 *     back (E3).
 * O2  A log that is behind what this process, or who handed it over, knows to have been acknowledged, or leads elsewhere, went back. It is noted in the store, so that
 *     nobody else opens it either, until the loss is accepted.
 * O3  What is known already is not read again: a bucket that was stopped for a moment, or came with the index of its log, costs the entries that are
 *     new. What is known counts when the store's chain of heads goes on from it.
 */

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { actorHashesOf, bytesOfHash, damaged, decodeValue, hashOfBytes, recordsOfEntry } from './entry.ts';
import type { StoredValue } from './entry.ts';
import { checkList, decodeColdRange, isInStore } from '../cold/cold-range.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import { newPipeline, noteDemoted } from './hot-bucket.ts';
import type { HotBucket, KnownStanding } from './hot-bucket.ts';
import { HotLog } from './hot-log.ts';
import { bucketKeys } from './keys.ts';
import type { BucketKeys } from './keys.ts';
import { LateSnapshots } from './late-snapshots.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';
import type { LogIndex } from './log-index.ts';
import { isGiven, metaOf } from './metas.ts';
import type { FoundMeta } from './metas.ts';
import type { TieredHistory } from './tiered-history.ts';
import { missingNote, noteOf, rolledBack } from './note.ts';

/** Entries read at once. */
const ENTRIES_PER_READ = 256;

const OPENED = 0;
const SETTLED: Promise<void> = Promise.resolve();

export interface OpeningParts {
  readonly links: StoreLinks;
  readonly library: LuaLibrary;
  readonly history: TieredHistory;
  /** Records may be in the folder of a cold tier. */
  readonly hasFolder: boolean;
  readonly namespace: string;
  /** Who opens, for the operator's eyes. */
  readonly node: string;
  /** The name under which epochs are taken: no two journals have the same, those of one node included. */
  readonly owner: string;
}

export interface OpenedBucket {
  readonly bucket: HotBucket;
  /** Agrees with the log (J8). */
  readonly checkpoint: StoredValue | null;
}

/** Where the store's log begins and ends. */
interface Standing {
  readonly position: number;
  readonly head: Hash64;
  readonly trimmed: number;
  readonly trimmedHead: Hash64;
}

type OpenAnswer = [number, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer | null];

export class Opening {
  private readonly parts: OpeningParts;

  constructor(parts: OpeningParts) {
    this.parts = parts;
  }

  /**
   * Each bucket's epoch is taken, or the reason why not is given.
   * @throws StoreError when it is not known whether any was
   */
  async takeEpochs(ids: readonly BucketId[], known: (id: BucketId) => KnownStanding | undefined): Promise<(OpenAnswer | TroupeError)[]> {
    const { links, library, namespace, node, owner } = this.parts;
    const answers: (OpenAnswer | TroupeError)[] = [];
    const bySlot = new Map<number, number[]>();
    const keysOf = ids.map((id) => bucketKeys(namespace, id));
    keysOf.forEach(({ meta }, i) => {
      const slot = links.slotOf(meta);
      const list = bySlot.get(slot);
      if (list === undefined) bySlot.set(slot, [i]);
      else list.push(i);
    });
    const calls = [...bySlot.values()].map(async (list) => {
      const keys = list.flatMap((i) => [keysOf[i]!.meta, keysOf[i]!.checkpoint]);
      const args = list.flatMap((i) => standingArguments(known(ids[i]!), node));
      const opened = (await links.callFunction('bulk', library, 'open', keys, [owner, ...args])) as OpenAnswer[];
      list.forEach((i, k) => {
        const answer = opened[k]!;
        answers[i] = answer[0] === OPENED ? answer : rolledBack(ids[i]!, String(answer[1]));
      });
    });
    await Promise.all(calls);
    return answers;
  }

  /** Reads what is hot. `before` is its log as it was known (O3). @throws TroupeError ROLLED_BACK, JOURNAL_DAMAGED; StoreError */
  async read(id: BucketId, answer: OpenAnswer, before: LogIndex | HotBucket | undefined, known: KnownStanding | undefined): Promise<OpenedBucket> {
    const [, epoch, incarnation, origin, position, head, trimmed, trimmedHead, given, checkpoint] = answer;
    const keys = bucketKeys(this.parts.namespace, id);
    const stands = { position: Number(position), head: hashOfBytes(head), trimmed: Number(trimmed), trimmedHead: hashOfBytes(trimmedHead) };
    const minted = hashOfBytes(incarnation);
    const isReusable = before !== undefined && sameHash(before.incarnation, minted) && (await this.isContinued(keys, before.log, stands));
    const log = isReusable ? before.log : new HotLog(stands.trimmed, stands.trimmedHead);
    await this.follow(id, keys, log, stands.position);
    if (!sameHash(log.head, stands.head)) throw damaged(id, stands.position, 'the log does not lead to its head');
    const cold = isReusable && 'cold' in before ? before.cold : await this.coldRanges(id, keys, stands.trimmed, stands.trimmedHead);
    const bucket: HotBucket = { id, keys, incarnation: minted, origin: hashOfBytes(origin), epoch: Number(epoch), log, blocked: false, cold, late: new LateSnapshots(), demoting: SETTLED, pipeline: newPipeline(log) };
    if (known !== undefined && !isGiven(given, known.incarnation)) await this.mustHold(bucket, known);
    return { bucket, checkpoint: await this.agreeing(bucket, decodeValue(checkpoint)) };
  }

  /** J8 */
  private async agreeing(bucket: HotBucket, checkpoint: StoredValue | null): Promise<StoredValue | null> {
    if (checkpoint === null) return null;
    const head = await this.headAt(bucket, checkpoint.position);
    return head !== null && sameHash(head, checkpoint.head) ? checkpoint : null;
  }

  /** A bucket as it stands, without taking its epoch: for whoever only reads. @throws TroupeError ROLLED_BACK, JOURNAL_DAMAGED; StoreError */
  look(id: BucketId): Promise<HotBucket> {
    const keys = bucketKeys(this.parts.namespace, id);
    return this.unmoved(keys, (meta) => this.asFound(id, keys, meta));
  }

  /** What takes several calls to read is read again as long as its owner demotes meanwhile: the calls then do not fit together. */
  private async unmoved<T>(keys: BucketKeys, read: (meta: FoundMeta) => Promise<T>): Promise<T> {
    for (let meta = await this.metaAt(keys); ; ) {
      try {
        return await read(meta);
      } catch (error) {
        const now = await this.metaAt(keys);
        if (now.trimmed === meta.trimmed) throw error;
        meta = now;
      }
    }
  }

  private async asFound(id: BucketId, keys: BucketKeys, { epoch, incarnation, origin, position, head, trimmed, trimmedHead, note }: FoundMeta): Promise<HotBucket> {
    if (note !== null) throw rolledBack(id, note);
    // Every bucket was made with the journal.
    if (incarnation === null || position === null) throw rolledBack(id, missingNote(this.parts.node));
    const log = new HotLog(trimmed, trimmedHead);
    await this.follow(id, keys, log, position);
    if (!sameHash(log.head, head)) throw damaged(id, position, 'the log does not lead to its head');
    const cold = await this.coldRanges(id, keys, trimmed, trimmedHead);
    return { id, keys, incarnation, origin, epoch, log, blocked: true, cold, late: new LateSnapshots(), demoting: SETTLED, pipeline: newPipeline(log) };
  }

  /**
   * What was demoted behind this process's back, by the owner of a bucket that is only read here, or by a call of our own whose answer was
   * lost, is noted. Null when nothing was; another bucket than the given one when its view of the log is too old to be put right. What is missing
   * because the log went back is no damage (O2).
   * @throws TroupeError, StoreError as `look`
   */
  catchUp(bucket: HotBucket): Promise<HotBucket | null> {
    const { log } = bucket;
    const before = log.trimmed;
    // As it is before the store is asked: an append may be acknowledged meanwhile.
    const known: KnownStanding = { incarnation: bucket.incarnation, epoch: bucket.epoch, position: log.position, head: { hi: log.head.hi, lo: log.head.lo } };
    return this.unmoved(bucket.keys, (meta) => this.caughtUp(bucket, before, known, meta));
  }

  private async caughtUp(bucket: HotBucket, before: number, known: KnownStanding, { incarnation, position, trimmed, trimmedHead, note }: FoundMeta): Promise<HotBucket | null> {
    const { id, keys, log } = bucket;
    if (note !== null) throw rolledBack(id, note);
    if (incarnation !== null && position !== null && sameHash(incarnation, known.incarnation) && position < known.position) {
      throw rolledBack(id, await this.noteLoss(keys.meta, known));
    }
    if (log.trimmed > before) return bucket;
    if (incarnation === null || trimmed <= before) return null;
    const head = log.headAt(trimmed);
    if (head === null || !sameHash(head, trimmedHead) || !sameHash(incarnation, bucket.incarnation)) return this.look(id);
    noteDemoted(bucket, await this.coldRanges(id, keys, trimmed, trimmedHead), trimmed);
    return bucket;
  }

  private async metaAt({ meta }: BucketKeys): Promise<FoundMeta> {
    const { links, library } = this.parts;
    const [found] = (await links.callFunction('bulk', library, 'look', [meta], [], true)) as (Buffer | null)[][];
    return metaOf(found!);
  }

  /** O3: whether the store's log goes on behind what is known. One that went back and grew again does not, and is read from its beginning. */
  private async isContinued(keys: BucketKeys, log: HotLog, stands: Standing): Promise<boolean> {
    const { position, head } = log;
    if (log.trimmed !== stands.trimmed || position > stands.position) return false;
    if (position === stands.position) return sameHash(head, stands.head);
    if (position === log.trimmed) return sameHash(head, stands.trimmedHead);
    const name = `${position}-0`;
    const [entry] = (await this.parts.links.call('bulk', keys.log, 'XRANGE', [keys.log, name, name])) as [Buffer, Buffer[]][];
    return entry !== undefined && sameHash(hashOfBytes(entry[1][1]!), head);
  }

  /** Takes the entries behind what the log knows, up to `position`. */
  private async follow(id: BucketId, keys: BucketKeys, log: HotLog, position: number): Promise<void> {
    const hashes: number[] = [];
    while (log.position < position) {
      const args = [keys.log, `${log.position + 1}-0`, `${position}-0`, 'COUNT', String(ENTRIES_PER_READ)];
      const entries = (await this.parts.links.call('bulk', keys.log, 'XRANGE', args)) as [Buffer, Buffer[]][];
      if (entries.length === 0) throw damaged(id, log.position + 1, 'the log ends before its head');
      for (const [name, [, head, , bytes]] of entries) {
        const last = Number.parseInt(name.toString('latin1'), 10);
        // The answer to an append that was on its way came first.
        if (last <= log.position) continue;
        const ref = { before: log.position, last, headBefore: log.head, headAfter: hashOfBytes(head!) };
        const records = recordsOfEntry(id, ref, bytes!);
        actorHashesOf(records, hashes);
        log.add(records.length, bytes!.length, ref.headAfter, hashes, 0);
      }
    }
  }

  /** O2 */
  private async mustHold(bucket: HotBucket, known: KnownStanding): Promise<void> {
    const { id } = bucket;
    const head = await this.headAt(bucket, known.position);
    // What was demoted meanwhile was in the log before.
    if (head === null || sameHash(head, known.head)) return;
    throw rolledBack(id, await this.noteLoss(bucket.keys.meta, known));
  }

  /** Notes in the store that the log went back; the note that stands then. @throws StoreError */
  async noteLoss(meta: string, known: KnownStanding): Promise<string> {
    const { links, library, node } = this.parts;
    const [incarnation, epoch, position, note] = standingArguments(known, node);
    const stands = await links.callFunction('bulk', library, 'note_rolled_back', [meta], [note!, incarnation!, epoch!, position!]);
    return stands === null ? noteOf(known, node) : String(stands);
  }

  /** What was demoted, as the store lists it. @throws TroupeError JOURNAL_DAMAGED, CONFIG_INVALID without the folder of a cold tier; StoreError */
  private async coldRanges(id: BucketId, keys: BucketKeys, trimmed: number, trimmedHead: Hash64): Promise<readonly ColdRange[]> {
    if (trimmed === 0) return [];
    const listed = (await this.parts.links.call('bulk', keys.cold, 'HVALS', [keys.cold])) as Buffer[];
    const ranges = listed.map(decodeColdRange).sort((a, b) => a.from - b.from);
    if (!this.parts.hasFolder && !ranges.every(isInStore)) {
      throw new TroupeError('CONFIG_INVALID', `bucket ${id.index}/${2 ** id.bits} has records in a cold tier, and this node has none`, {
        hint: 'Start it with --cold and the folder that the other nodes have.',
      });
    }
    checkList(ranges);
    const last = ranges.at(-1);
    if (last === undefined || last.to !== trimmed + 1 || !sameHash(last.headAfter, trimmedHead)) {
      throw damaged(id, trimmed, 'the list of what was demoted does not lead to where the log begins');
    }
    return ranges;
  }

  /** The head after `position`; null behind the end of the log. @throws TroupeError JOURNAL_DAMAGED; StoreError */
  headAt(bucket: HotBucket, position: number): Promise<Hash64 | null> {
    return this.parts.history.headAt(bucket, position);
  }
}

function standingArguments(known: KnownStanding | undefined, node: string): (string | Buffer)[] {
  if (known === undefined) return ['', '0', '0', missingNote(node)];
  return [bytesOfHash(known.incarnation), String(known.epoch), String(known.position), noteOf(known, node)];
}

