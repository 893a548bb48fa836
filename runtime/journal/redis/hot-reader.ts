/** Reads what is hot. Every record that leaves was verified against the chain of heads (J7). */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ActorHistory, ReadActorOptions, StoredRecord } from '../journal.ts';
import { copiesOf, decodeValue, recordsOfEntry } from './entry.ts';
import type { StoredValue } from './entry.ts';
import type { HotBucket } from './hot-bucket.ts';
import type { EntryRef } from './hot-log.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';

const BYTES_PER_READ = 1024 * 1024;
const ENTRIES_PER_READ = 256;

export class HotReader {
  private readonly links: StoreLinks;
  private readonly library: LuaLibrary;

  constructor(links: StoreLinks, library: LuaLibrary) {
    this.links = links;
    this.library = library;
  }

  /** One round trip when the snapshot agrees with the log, or when there is none. */
  async readActor(bucket: HotBucket, actor: string, hash: Hash64): Promise<ActorHistory> {
    const address = Buffer.from(actor);
    const entries = bucket.log.entriesOf(hash);
    const { log, snapshots } = bucket.keys;
    const answer = (await this.links.callFunction('bulk', this.library, 'read_actor', [log, snapshots], [actor, ...entries.map(({ last }) => String(last))], true)) as (Buffer | null)[];
    const snapshot = decodeValue(answer[0] ?? null);
    const skipped = entries.length - (answer.length - 1) / 2;
    const records: StoredRecord[] = [];
    for (let i = skipped; i < entries.length; i++) {
      records.push(...recordsOfEntry(bucket.id, entries[i]!, answer[2 * (i - skipped) + 2] ?? null));
    }
    if (snapshot === null) return { snapshot: null, records: copiesOf(records, address) };
    if (agrees(snapshot, records)) return { snapshot: snapshot.bytes, records: copiesOf(records, address, snapshot.position + 1) };
    return { snapshot: null, records: await this.readActorRecords(bucket, actor, hash, {}) };
  }

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

  private async readEntries(bucket: HotBucket, entries: readonly EntryRef[]): Promise<StoredRecord[]> {
    const args = entries.map(({ last }) => String(last));
    const answer = (await this.links.callFunction('bulk', this.library, 'read_entries', [bucket.keys.log], args, true)) as (Buffer | null)[];
    return entries.flatMap((entry, i) => recordsOfEntry(bucket.id, entry, answer[i] ?? null));
  }
}

/** J8: the log has the record that the snapshot names, and it led to the head that the snapshot names. */
function agrees(snapshot: StoredValue, records: readonly StoredRecord[]): boolean {
  const record = records.find(({ position }) => position === snapshot.position);
  return record !== undefined && sameHash(record.head, snapshot.head);
}
