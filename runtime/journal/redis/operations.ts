/**
 * What an operator does about a store that went back in time: looks at what is lost, and accepts the loss, of one bucket or of all. The
 * bucket then has a new incarnation and goes on behind what is left, under an epoch above all that were known. Nodes that are
 * running take it up when they open the bucket the next time.
 *
 * Looking changes nothing. Beside what the store's notes say, it takes what the witness of this node knows (witness.ts), and what lies in the
 * cold tier: of that nothing is given up.
 */

import { randomBytes } from 'node:crypto';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import { decodeColdRange, encodeColdRange } from '../cold/cold-range.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import { reachOf } from './cold-reach.ts';
import type { ColdReach } from './cold-reach.ts';
import { bytesOfHash } from './entry.ts';
import { findJournal, LAYOUT, newJournalId } from './founding.ts';
import type { FoundJournal } from './founding.ts';
import type { KnownStanding } from './hot-bucket.ts';
import { bucketKeys, journalKey } from './keys.ts';
import { gatherKnowledge } from './knowledge.ts';
import { journalSource, luaLibrary } from './library.ts';
import { StoreLinks } from './links.ts';
import { isGiven, lookAtAll } from './metas.ts';
import type { FoundMeta } from './metas.ts';
import { missingNote, noteOf } from './note.ts';
import { asTroupeError } from './store-error.ts';
import type { RedisJournalOptions } from './redis-journal.ts';
import { tierOf } from './redis-tier.ts';
import { Witness } from './witness.ts';
import type { Witnessed } from './witness.ts';

/** A bucket that went back. */
export interface Loss {
  readonly bucket: BucketId;
  /** Why nobody may open it, as the store has it; null when only this node knows. */
  readonly note: string | null;
  /** Where the log ends in the store; null when nothing is left of the bucket. */
  readonly positionFound: number | null;
  /** Up to where it was acknowledged, as far as is known. */
  readonly positionKnown: number;
  /** What the cold tier has of it; empty without one. */
  readonly cold: ColdReach;
  /** What the store has leads elsewhere than the cold tier, which reaches farther, and is given up for it. */
  readonly isForked: boolean;
}

export interface Losses {
  /** What is wrong with the journal as a whole: it is missing, or another one. null when it is the one. */
  readonly journal: string | null;
  /** In the order of their indices. */
  readonly buckets: readonly Loss[];
  /** Files of the cold tier that cannot be read; what they hold counts as lost. */
  readonly unreadable: readonly string[];
}

/** For the operator's eyes, one line. */
export function describeLoss(loss: Loss): string {
  const { positionFound, isForked } = loss;
  return isForked ? `${lossText(loss)}; the store's own ${positionFound} records lead elsewhere, and are given up` : lossText(loss);
}

function lossText({ positionFound, positionKnown, note, cold }: Loss): string {
  const found = Math.max(positionFound ?? 0, cold.position);
  const last = found + 1 === positionKnown ? `position ${positionKnown} is` : `positions ${found + 1} to ${positionKnown} are`;
  if (positionKnown > found) return `${last} lost`;
  if (cold.position > (positionFound ?? 0)) return `nothing is lost, as far as is known here: the cold tier holds positions 1 to ${cold.position}`;
  if (positionFound === null) return 'it is missing; nothing is known of its records';
  return `it leads elsewhere than what was acknowledged up to position ${positionKnown}${note === null ? '' : `: ${note}`}`;
}

const NOTHING = Buffer.alloc(8);

/** Connects, and founds nothing. @throws TroupeError STORE_UNAVAILABLE, CONFIG_INVALID, JOURNAL_DAMAGED for an unreadable witness */
export async function connectOperations(options: RedisJournalOptions): Promise<JournalOperations> {
  const namespace = options.namespace ?? 'main';
  const folder = options.witness ?? null;
  const known = folder === null ? null : await new Witness(folder, namespace, () => undefined).read();
  const operations = new JournalOperations(options, known);
  await operations.connect();
  return operations;
}

export class JournalOperations {
  private readonly links: StoreLinks;
  private readonly library = luaLibrary(journalSource(), 'journal');
  private readonly options: RedisJournalOptions;
  private readonly namespace: string;
  private readonly witnessed: Witnessed | null;
  /** What is cold, in the folder or in Redis itself. */
  private readonly tier: ColdTier;

  /** Not connected yet; use `connectOperations`. */
  constructor(options: RedisJournalOptions, witnessed: Witnessed | null) {
    this.options = options;
    this.namespace = options.namespace ?? 'main';
    this.links = new StoreLinks(options.store);
    this.witnessed = witnessed;
    this.tier = tierOf(this.links, this.library, options.tier ?? null, options.onWarning ?? (() => undefined));
  }

  async connect(): Promise<void> {
    try {
      await this.links.connect();
    } catch (error) {
      this.links.close();
      throw error;
    }
  }

  /** What is lost; nothing is changed. @throws TroupeError STORE_UNAVAILABLE, CONFIG_INVALID when the cold tier is missing; those of the tier */
  async losses(): Promise<Losses> {
    return asTroupeErrors(async () => {
      const { namespace, witnessed } = this;
      const { tier = null } = this.options;
      const found = await findJournal(this.links, namespace);
      const metas = await lookAtAll(this.links, this.library, namespace, this.bitsOf(found));
      const knowledge = new Map((await gatherKnowledge(metas, witnessed?.standings ?? [], tier, namespace)).map(({ bucket, known }) => [bucket.index, known]));
      const lost = metas.filter(({ bucket, meta }) => isLost(meta, knowledge.get(bucket.index)));
      const cold = lost.length === 0 ? { ranges: [], unreadable: [] } : await this.coldRanges();
      const buckets: Loss[] = [];
      for (const { bucket, meta } of lost) {
        const known = knowledge.get(bucket.index);
        const reach = reachOf(bucket, meta, cold.ranges, await this.listedRanges(bucket));
        const positionKnown = Math.max(meta.positionNoted, known?.position ?? 0);
        buckets.push({ bucket, note: meta.note, positionFound: meta.position, positionKnown, cold: reach, isForked: await this.isForked(meta, reach) });
      }
      return { journal: this.complaintAbout(found), buckets, unreadable: cold.unreadable };
    });
  }

  /**
   * Accepts these losses, as `losses` gave them, and what is wrong with the journal as a whole. Every bucket has been accepted when it resolves.
   * @throws TroupeError ROLLED_BACK when a note has changed since: more is lost than was shown; STORE_UNAVAILABLE
   */
  async accept(losses: Pick<Losses, 'journal' | 'buckets'>, which: readonly Loss[] = losses.buckets): Promise<void> {
    await asTroupeErrors(async () => {
      if (losses.journal !== null) await this.acceptJournal();
      for (const loss of which) await this.acceptBucket(loss);
    });
  }

  close(): void {
    this.links.close();
    void this.tier.close();
  }

  private bitsOf(found: FoundJournal | null): number {
    return found?.bits ?? this.witnessed?.bits ?? this.options.bucketBits;
  }

  private complaintAbout(found: FoundJournal | null): string | null {
    if (found === null) return 'the store has no journal';
    const known = this.witnessed?.id;
    if (known === undefined || known === found.id || found.former.includes(known)) return null;
    return `the store has journal ${found.id}; this node has written to ${known}`;
  }

  private knownOf({ bits, index }: BucketId): KnownStanding | undefined {
    return this.witnessed?.standings.find(({ bucket }) => bucket.bits === bits && bucket.index === index)?.known;
  }

  private async isForked({ position, head }: FoundMeta, { ranges, position: reach }: ColdReach): Promise<boolean> {
    if (position === null || position === 0 || reach <= position) return false;
    return !sameHash((await this.tier.headAt(ranges, position))!, head);
  }

  private async coldRanges(): Promise<{ ranges: ColdRange[]; unreadable: string[] }> {
    const ranges: ColdRange[] = [];
    const unreadable: string[] = [];
    for await (const found of this.tier.scan(this.namespace)) {
      if (found.kind === 'range') ranges.push(found.range);
      else unreadable.push(found.file);
    }
    return { ranges, unreadable };
  }

  private async listedRanges(bucket: BucketId): Promise<ColdRange[]> {
    const { cold } = bucketKeys(this.namespace, bucket);
    return ((await this.links.call('bulk', cold, 'HVALS', [cold])) as Buffer[]).map(decodeColdRange);
  }

  /** In an empty store the journal is again the one that this node knows. Another one that is there goes on, and is this node's from now on. */
  private async acceptJournal(): Promise<void> {
    const key = journalKey(this.namespace);
    const found = await findJournal(this.links, this.namespace);
    const known = this.witnessed?.id;
    if (found === null) {
      const fields = ['bits', String(this.bitsOf(null)), 'layout', String(LAYOUT), 'id', known ?? newJournalId(), 'made', '1'];
      await this.links.call('bulk', key, 'HSET', [key, ...fields]);
    } else if (known !== undefined && !found.former.includes(known)) {
      await this.links.call('bulk', key, 'HSET', [key, 'former', [...found.former, known].join(' ').trim()]);
    }
  }

  private async acceptBucket({ bucket, note, cold: { ranges, position, incarnations } }: Loss): Promise<void> {
    const { meta, log, snapshots, checkpoint, cold } = bucketKeys(this.namespace, bucket);
    const known = this.knownOf(bucket);
    const noted = note ?? (await this.noteLoss(bucket, meta));
    const [first, last] = [ranges[0], ranges.at(-1)];
    const head = last === undefined ? NOTHING : bytesOfHash(last.headAfter);
    const origin = first === undefined ? NOTHING : bytesOfHash(first.headBefore);
    const given = Buffer.concat([...(known === undefined ? [] : [known.incarnation]), ...incarnations].map(bytesOfHash));
    const list = ranges.flatMap((range) => [String(range.from), encodeColdRange(range)]);
    const args = [noted, randomBytes(8), String(position), head, origin, String(known?.epoch ?? 0), given, ...list];
    const [isAccepted, stands] = (await this.links.callFunction('bulk', this.library, 'accept_loss', [meta, log, snapshots, checkpoint, cold], args)) as [number, Buffer?];
    if (isAccepted !== 1) throw changed(bucket, stands === undefined || stands === null ? 'there is no loss any more' : String(stands));
  }

  private async noteLoss(bucket: BucketId, meta: string): Promise<string | Buffer> {
    const known = this.knownOf(bucket);
    const { node } = this.options;
    const args = known === undefined ? [missingNote(node), '', '0', '0'] : [noteOf(known, node), bytesOfHash(known.incarnation), String(known.epoch), String(known.position)];
    return ((await this.links.callFunction('bulk', this.library, 'note_rolled_back', [meta], args)) as Buffer | null) ?? args[0]!;
  }
}

/** `known`: what the log must not be behind of, by anybody's knowledge that counts. */
function isLost({ note, incarnation, given, position, epoch }: FoundMeta, known: KnownStanding | undefined): boolean {
  if (note !== null || incarnation === null) return true;
  if (known === undefined || isGiven(given, known.incarnation)) return false;
  return !sameHash(incarnation, known.incarnation) || position! < known.position || epoch < known.epoch;
}

function changed(bucket: BucketId, what: string): TroupeError {
  return new TroupeError('ROLLED_BACK', `bucket ${bucket.index}/${2 ** bucket.bits} is not what was shown: ${what}`, { hint: 'Look at the losses again before accepting them.' });
}

async function asTroupeErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asTroupeError(error);
  }
}
