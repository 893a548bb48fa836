/**
 * What an operator does about a store that went back in time: looks at what is lost, and accepts the loss, of one bucket or of all. The
 * bucket then has a new incarnation and goes on behind what is left, under an epoch above all that were known. Nodes that are
 * running take it up when they open the bucket the next time.
 *
 * Looking changes nothing. Beside what the store's notes say, it takes what the witness of this node knows (witness.ts).
 */

import { randomBytes } from 'node:crypto';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import { bytesOfHash, hashOfBytes } from './entry.ts';
import { findJournal, LAYOUT, newJournalId } from './founding.ts';
import type { FoundJournal } from './founding.ts';
import type { KnownStanding } from './hot-bucket.ts';
import { bucketKeys, GROUPS, journalKey } from './keys.ts';
import { journalSource, luaLibrary } from './library.ts';
import { StoreLinks } from './links.ts';
import { missingNote, noteOf } from './note.ts';
import { asTroupeError } from './store-error.ts';
import type { RedisJournalOptions } from './redis-journal.ts';
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
}

export interface Losses {
  /** What is wrong with the journal as a whole: it is missing, or another one. null when it is the one. */
  readonly journal: string | null;
  /** In the order of their indices. */
  readonly buckets: readonly Loss[];
}

/** For the operator's eyes, one line. */
export function describeLoss({ positionFound, positionKnown, note }: Loss): string {
  const found = positionFound ?? 0;
  const last = found + 1 === positionKnown ? `position ${positionKnown} is` : `positions ${found + 1} to ${positionKnown} are`;
  if (positionKnown > found) return `${last} lost`;
  if (positionFound === null) return 'it is missing; nothing is known of its records';
  return `it leads elsewhere than what was acknowledged up to position ${positionKnown}${note === null ? '' : `: ${note}`}`;
}

interface FoundMeta {
  readonly epoch: number;
  readonly incarnation: Buffer | null;
  readonly position: number | null;
  readonly given: Buffer;
  readonly note: string | null;
  /** The highest that the nodes knew which noted the loss. */
  readonly positionNoted: number;
}

const EMPTY = Buffer.alloc(0);

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

  /** Not connected yet; use `connectOperations`. */
  constructor(options: RedisJournalOptions, witnessed: Witnessed | null) {
    this.options = options;
    this.namespace = options.namespace ?? 'main';
    this.links = new StoreLinks(options.store);
    this.witnessed = witnessed;
  }

  async connect(): Promise<void> {
    try {
      await this.links.connect();
    } catch (error) {
      this.links.close();
      throw error;
    }
  }

  /** What is lost; nothing is changed. @throws TroupeError STORE_UNAVAILABLE */
  async losses(): Promise<Losses> {
    return asTroupeErrors(async () => {
      const found = await findJournal(this.links, this.namespace);
      const metas = await this.lookAtAll(this.bitsOf(found));
      const buckets = metas.flatMap(({ bucket, meta }) => this.lossOf(bucket, meta) ?? []);
      return { journal: this.complaintAbout(found), buckets };
    });
  }

  /**
   * Accepts these losses, as `losses` gave them, and what is wrong with the journal as a whole. Every bucket has been accepted when it resolves.
   * @throws TroupeError ROLLED_BACK when a note has changed since: more is lost than was shown; STORE_UNAVAILABLE
   */
  async accept(losses: Losses, which: readonly Loss[] = losses.buckets): Promise<void> {
    await asTroupeErrors(async () => {
      if (losses.journal !== null) await this.acceptJournal();
      for (const loss of which) await this.acceptBucket(loss);
    });
  }

  close(): void {
    this.links.close();
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

  private lossOf(bucket: BucketId, meta: FoundMeta): Loss | null {
    const known = this.knownOf(bucket);
    const loss = { bucket, note: meta.note, positionFound: meta.position, positionKnown: Math.max(meta.positionNoted, known?.position ?? 0) };
    if (meta.note !== null || meta.incarnation === null) return loss;
    if (known === undefined || isGiven(meta.given, known)) return null;
    const isSame = sameHash(hashOfBytes(meta.incarnation), known.incarnation);
    return isSame && meta.position! >= known.position && meta.epoch >= known.epoch ? null : loss;
  }

  private knownOf({ bits, index }: BucketId): KnownStanding | undefined {
    return this.witnessed?.standings.find(({ bucket }) => bucket.bits === bits && bucket.index === index)?.known;
  }

  private async lookAtAll(bits: number): Promise<{ bucket: BucketId; meta: FoundMeta }[]> {
    const groups = Array.from({ length: Math.min(GROUPS, 2 ** bits) }, async (_, group) => {
      const ids: BucketId[] = [];
      for (let index = group; index < 2 ** bits; index += GROUPS) ids.push({ bits, index });
      const keys = ids.map((id) => bucketKeys(this.namespace, id).meta);
      const answers = (await this.links.callFunction('bulk', this.library, 'look', keys, [], true)) as (Buffer | null)[][];
      return ids.map((bucket, i) => ({ bucket, meta: metaOf(answers[i]!) }));
    });
    return (await Promise.all(groups)).flat().sort((a, b) => a.bucket.index - b.bucket.index);
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

  private async acceptBucket({ bucket, note }: Loss): Promise<void> {
    const { meta, log, snapshots, checkpoint, cold } = bucketKeys(this.namespace, bucket);
    const known = this.knownOf(bucket);
    const noted = note ?? (await this.noteLoss(bucket, meta));
    const nothing = Buffer.alloc(8);
    const args = [noted, randomBytes(8), '0', nothing, nothing, String(known?.epoch ?? 0), known === undefined ? EMPTY : bytesOfHash(known.incarnation)];
    const [isAccepted, stands] = (await this.links.callFunction('bulk', this.library, 'accept_loss', [meta, log, snapshots, checkpoint, cold], args)) as [number, Buffer?];
    if (isAccepted !== 1) throw changed(bucket, stands === undefined || stands === null ? 'there is no loss any more' : String(stands));
  }

  private async noteLoss(bucket: BucketId, meta: string): Promise<string | Buffer> {
    const known = this.knownOf(bucket);
    const { node } = this.options;
    const args = known === undefined ? [missingNote(node), EMPTY, '0', '0'] : [noteOf(known, node), bytesOfHash(known.incarnation), String(known.epoch), String(known.position)];
    return ((await this.links.callFunction('bulk', this.library, 'note_rolled_back', [meta], args)) as Buffer | null) ?? args[0]!;
  }
}

function metaOf([epoch, incarnation, , position, , , , given, note, , , positionNoted]: (Buffer | null)[]): FoundMeta {
  return {
    epoch: Number(epoch ?? 0),
    incarnation: incarnation ?? null,
    position: position ? Number(position) : null,
    given: given ?? EMPTY,
    note: note?.toString() ?? null,
    positionNoted: Number(positionNoted ?? 0),
  };
}

function isGiven(given: Buffer, known: KnownStanding): boolean {
  for (let at = 0; at < given.length; at += 8) if (sameHash(hashOfBytes(given, at), known.incarnation)) return true;
  return false;
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
