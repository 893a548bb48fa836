/**
 * Holds the whole log against the book of a campaign. Records are decoded by protobufjs from proto/troupe/v1/record.proto, so a
 * mistake in the engine's own reading and writing cannot hide itself.
 *
 *  L1  Positions of a bucket are 1, 2, 3, ...; each record names its own bucket and position.
 *  L2  The epoch never goes back, and the incarnation is one.
 *  L3  Each record leads from the head before it to its own head.
 *  L4  An actor's events have the seqs 1, 2, 3, ... in order of position.
 *  L5  A key stands in at most one record of an actor: nothing was applied twice.
 *  L6  Every acknowledged command is there: the event it must leave, under the seq that was answered; or its refusal.
 *  L7  Nothing else is there: a record of an actor of the campaign belongs to a command that was sent.
 */

import type { BucketId } from '../codec/address.ts';
import { chain } from '../codec/chain.ts';
import { sameHash } from '../codec/hash64.ts';
import type { Hash64 } from '../codec/hash64.ts';
import type { StoredRecord } from '../journal/journal.ts';
import type { Book, Findings } from './book.ts';
import { isEventOf, messages, numberOfKey } from './commands.ts';
import type { FaultActor } from './commands.ts';

const KIND_DECISION = 1;
const KIND_REJECTION = 2;

interface DecodedRecord {
  kind: number;
  actor: string;
  bucketBits: number;
  bucketIndex: number;
  position: number;
  epoch: number;
  incarnation: string;
  firstSeq: number;
  key: string;
  events: { name: string; data: Uint8Array }[];
}

export interface BucketStart {
  readonly bucket: BucketId;
  /** Head of the empty log, which is the incarnation. */
  readonly incarnation: Hash64;
}

export class LogCheck {
  records = 0;
  private readonly book: Book;
  private readonly findings: Findings;
  private readonly actors: Map<string, FaultActor>;
  private readonly lastSeq = new Map<string, number>();
  /** By command number: 1 when its record was seen. */
  private readonly seen: Uint8Array;

  constructor(book: Book, findings = book.findings) {
    this.book = book;
    this.findings = findings;
    this.actors = new Map(book.pages.map(({ actor }) => [actor.address, actor]));
    this.seen = new Uint8Array(book.size + 1);
  }

  async bucket(start: BucketStart, stored: AsyncIterable<StoredRecord>): Promise<void> {
    const name = `bucket ${start.bucket.index}`;
    const head = { hi: start.incarnation.hi, lo: start.incarnation.lo };
    let position = 0;
    let epoch = 0;
    let incarnation: string | null = null;
    for await (const { position: at, head: given, bytes } of stored) {
      this.records++;
      const record = decode(bytes);
      position++;
      if (at !== position || record.position !== position) this.wrong('L1', `${name}: record ${position} says position ${record.position} and was read at ${at}`);
      if (record.bucketIndex !== start.bucket.index || record.bucketBits !== start.bucket.bits) this.wrong('L1', `${name}: record ${position} names bucket ${record.bucketIndex} of ${record.bucketBits} bits`);
      if (record.epoch < epoch) this.wrong('L2', `${name}: epoch ${record.epoch} at ${position} after ${epoch}`);
      epoch = record.epoch;
      incarnation ??= record.incarnation;
      if (record.incarnation !== incarnation) this.wrong('L2', `${name}: another incarnation at ${position}`);
      chain(head, head, bytes);
      if (!sameHash(head, given)) this.wrong('L3', `${name}: the head at ${position} does not follow from the record`);
      this.actorRecord(record);
    }
  }

  private actorRecord(record: DecodedRecord): void {
    const actor = this.actors.get(record.actor);
    if (actor === undefined) return;
    const last = this.lastSeq.get(record.actor) ?? 0;
    if (record.events.length > 0 && record.firstSeq !== last + 1) this.wrong('L4', `${record.actor}: an event with seq ${record.firstSeq} after ${last}`);
    this.lastSeq.set(record.actor, last + record.events.length);
    if (record.kind !== KIND_DECISION && record.kind !== KIND_REJECTION) return;
    const n = numberOfKey(record.key);
    if (n === null || n > this.book.size || this.book.actor(n) !== actor) {
      this.wrong('L7', `${record.actor}: a record with key "${record.key}", which was never sent to it`);
      return;
    }
    if (this.seen[n] === 1) this.wrong('L5', `${record.actor}: key ${record.key} stands in two records`);
    this.seen[n] = 1;
    this.compare(record, actor, n);
  }

  private compare(record: DecodedRecord, actor: FaultActor, n: number): void {
    const where = `${actor.address}: command ${n}`;
    if (record.kind === KIND_REJECTION) {
      if (!this.book.isOpen(n) && !this.book.wasRefused(n)) this.wrong('L6', `${where} was accepted, but is recorded as refused`);
      return;
    }
    const event = record.events[0];
    if (record.events.length !== 1 || event === undefined || !isEventOf(actor.kind, n, event.name, event.data)) {
      this.wrong('L6', `${where} left another event than its behaviour emits`);
    }
    if (this.book.isOpen(n)) return;
    if (!this.book.wasAccepted(n)) this.wrong('L6', `${where} was refused, but is recorded as accepted`);
    else if (this.book.seq(n) !== record.firstSeq) this.wrong('L6', `${where} was answered with seq ${this.book.seq(n)} and recorded with ${record.firstSeq}`);
  }

  /** After the last bucket. */
  finish(): void {
    for (const n of this.missing()) this.wrong('L6', `${this.book.actor(n).address}: command ${n} was acknowledged and is not in the log`);
  }

  /** Commands that were acknowledged and were not in any bucket so far. */
  missing(): number[] {
    const missing: number[] = [];
    for (let n = 1; n <= this.book.size; n++) if (this.seen[n] === 0 && !this.book.isOpen(n)) missing.push(n);
    return missing;
  }

  private wrong(rule: string, text: string): void {
    this.findings.add(`${rule}: ${text}`);
  }
}

function decode(bytes: Uint8Array): DecodedRecord {
  const { record } = messages;
  const fields = record.toObject(record.decode(bytes), { longs: String, defaults: true, bytes: Buffer });
  return {
    ...(fields as DecodedRecord),
    position: Number(fields['position']),
    epoch: Number(fields['epoch']),
    firstSeq: Number(fields['firstSeq']),
  };
}
