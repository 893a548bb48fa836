/** Reads what is hot. Every record that leaves was verified against the chain of heads (J7). */

import type { Hash64 } from '../../codec/hash64.ts';
import type { ReadActorOptions, StoredRecord } from '../journal.ts';
import { copiesOf, recordsOfEntry } from './entry.ts';
import type { HotBucket } from './hot-bucket.ts';
import type { EntryRef } from './hot-log.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';

const BYTES_PER_READ = 1024 * 1024;
const ENTRIES_PER_READ = 256;

/** What Redis has of an actor, in one round trip. */
export interface HotActor {
  /** As stored, not yet compared with the log. */
  readonly snapshot: Buffer | null;
  /** Entries with records of the actor, from the one on that the snapshot names. */
  readonly entries: readonly { readonly entry: EntryRef; readonly bytes: Buffer | null }[];
  /** These are all that are hot. */
  readonly isWhole: boolean;
}

export class HotReader {
  private readonly links: StoreLinks;
  private readonly library: LuaLibrary;

  constructor(links: StoreLinks, library: LuaLibrary) {
    this.links = links;
    this.library = library;
  }

  async readActor(bucket: HotBucket, actor: string, hash: Hash64): Promise<HotActor> {
    const entries = bucket.log.entriesOf(hash);
    const { log, snapshots } = bucket.keys;
    const args = [actor, ...entries.map(({ last }) => String(last))];
    const answer = (await this.links.callFunction('bulk', this.library, 'read_actor', [log, snapshots], args, true)) as (Buffer | null)[];
    const skipped = entries.length - (answer.length - 1) / 2;
    return {
      snapshot: answer[0] ?? null,
      entries: entries.slice(skipped).map((entry, i) => ({ entry, bytes: answer[2 * i + 2] ?? null })),
      isWhole: skipped === 0,
    };
  }

  /** The actor's records that are hot. */
  async readActorRecords(bucket: HotBucket, actor: string, hash: Hash64, options: ReadActorOptions): Promise<StoredRecord[]> {
    const { from = 1, to = Infinity, recordsMax = Infinity } = options;
    const address = Buffer.from(actor);
    const entries = bucket.log.entriesOf(hash, from, to);
    const found: StoredRecord[] = [];
    for (let i = 0; i < entries.length && found.length < recordsMax; i += ENTRIES_PER_READ) {
      found.push(...copiesOf(await this.readEntries(bucket, entries.slice(i, i + ENTRIES_PER_READ)), address, from, to));
    }
    return found.length > recordsMax ? found.slice(0, recordsMax) : found;
  }

  /** The bucket's records from `from` on and before `to`, at least one, not all when they are many. */
  async readRange(bucket: HotBucket, from: number, to: number): Promise<StoredRecord[]> {
    const entries = bucket.log.entriesIn(from, to, BYTES_PER_READ).slice(0, ENTRIES_PER_READ);
    const records = await this.readEntries(bucket, entries);
    return records.filter(({ position }) => position >= from && position < to).map((record) => ({ ...record, bytes: Buffer.from(record.bytes) }));
  }

  /** The head after a position inside of an entry; null when it is not hot. */
  async headIn(bucket: HotBucket, position: number): Promise<Hash64 | null> {
    const entry = bucket.log.entryAt(position);
    if (entry === null) return null;
    return (await this.readEntries(bucket, [entry]))[position - entry.before - 1]!.head;
  }

  /** The records of these entries, views on what came. */
  async readEntries(bucket: HotBucket, entries: readonly EntryRef[]): Promise<StoredRecord[]> {
    if (entries.length === 0) return [];
    const args = entries.map(({ last }) => String(last));
    const answer = (await this.links.callFunction('bulk', this.library, 'read_entries', [bucket.keys.log], args, true)) as (Buffer | null)[];
    return entries.flatMap((entry, i) => recordsOfEntry(bucket.id, entry, answer[i] ?? null));
  }

  /** What is stored as snapshots of these actors, in their order. */
  async readSnapshots(bucket: HotBucket, actors: readonly string[]): Promise<(Buffer | null)[]> {
    const { snapshots } = bucket.keys;
    return (await this.links.call('bulk', snapshots, 'HMGET', [snapshots, ...actors])) as (Buffer | null)[];
  }
}
