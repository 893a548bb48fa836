/**
 * Holds the logs of all buckets against what is promised between actors: C1–C2 (channels-check.ts), C3 (replies-check.ts), C4
 * (letters-check.ts), C5 (timers-check.ts), C6 (links-check.ts), C7 (shop-check.ts); and
 *
 *  C8  Every command that a client was answered is in its actor's history once, under the seq it was answered with, or as refused.
 *
 * and, since all of it rests on them, L1–L5 of ../log-check.ts. Logs are read on from where they were read last time, so that a record which
 * changed behind somebody's back does not fit to its follower. Nothing is shared with the engine but the hash that chains the records.
 */

import type { BucketId } from '../../codec/address.ts';
import { chain } from '../../codec/chain.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { StoredRecord } from '../../journal/journal.ts';
import type { Findings } from '../book.ts';
import { ChannelsCheck, isOddKind } from './channels-check.ts';
import { LettersCheck } from './letters-check.ts';
import { LinksCheck } from './links-check.ts';
import { DECISION, FAILED, REJECTION, bucketOf, decodeRecord, placeOf } from './log-record.ts';
import type { LogRecord } from './log-record.ts';
import { RepliesCheck } from './replies-check.ts';
import { ShopCheck } from './shop-check.ts';
import { hasCommand, samePayload } from './shop-messages.ts';
import { TimersCheck } from './timers-check.ts';

/** A command that a client was answered. */
export interface AnsweredCommand {
  readonly actor: string;
  readonly key: string;
  /** null when it was refused. */
  readonly seq: number | null;
}

/** The logs at rest: nothing is under way, no client waits. */
export interface AtRest {
  /** By the nodes' clocks. */
  readonly nowMs: number;
  /** How late a timer may be. */
  readonly timerGraceMs: number;
}

interface Standing {
  readonly head: { hi: number; lo: number };
  position: number;
  epoch: number;
  incarnation: string;
  nowMs: number;
}

export interface MessagesFigures {
  readonly records: number;
  readonly sent: number;
  readonly replies: number;
  readonly timersFired: number;
  readonly timersMissed: number;
  readonly links: number;
  readonly broadcasts: number;
  readonly broadcastSends: number;
  readonly parked: number;
  readonly failed: number;
}

export class MessagesCheck {
  readonly channels: ChannelsCheck;
  readonly letters: LettersCheck;
  readonly timers: TimersCheck;
  readonly links: LinksCheck;
  readonly shop: ShopCheck;
  private readonly replies: RepliesCheck;
  private readonly findings: Findings;
  private readonly also: (record: LogRecord) => void;
  private readonly buckets = new Map<number, Standing>();
  private readonly lastSeq = new Map<string, number>();
  /** By actor and key: the seq of the command's answer, null when it was refused. */
  private readonly byKey = new Map<string, number | null>();
  /** Records that took in a message and are to be held against it, once its log was read. */
  private unanswered: LogRecord[] = [];
  private records = 0;

  /** `also` is given every record, too, in the order of its log. */
  constructor(findings: Findings, also: (record: LogRecord) => void = () => undefined) {
    this.findings = findings;
    this.also = also;
    const complain = (rule: string, text: string): void => this.wrong(rule, text);
    this.channels = new ChannelsCheck(complain, samePayload);
    this.replies = new RepliesCheck(complain);
    this.letters = new LettersCheck(complain, this.replies, samePayload);
    this.timers = new TimersCheck(complain, samePayload);
    this.links = new LinksCheck(complain, hasCommand);
    this.shop = new ShopCheck(complain);
  }

  get figures(): MessagesFigures {
    const { channels, replies, timers, links, letters, records } = this;
    return {
      records, sent: channels.sent, replies: replies.replies, timersFired: timers.fired, timersMissed: timers.missed, links: links.linked,
      broadcasts: links.broadcasts, broadcastSends: links.broadcastSends, parked: letters.parked, failed: letters.failed,
    };
  }

  /** Up to where a bucket's log was read. */
  positionOf(bucket: number): number {
    return this.buckets.get(bucket)?.position ?? 0;
  }

  /** Its head there; null when nothing was read. */
  headOf(bucket: number): Hash64 | null {
    return this.buckets.get(bucket)?.head ?? null;
  }

  /** The records behind `positionOf(bucket)`, in order. `origin` is the head of the empty log. */
  async bucket(bucket: BucketId, origin: Hash64, stored: AsyncIterable<StoredRecord>): Promise<void> {
    let standing = this.buckets.get(bucket.index);
    if (standing === undefined) this.buckets.set(bucket.index, (standing = { head: { ...origin }, position: 0, epoch: 0, incarnation: '', nowMs: 0 }));
    for await (const { position, head, bytes } of stored) {
      this.records++;
      const record = decodeRecord(bytes);
      this.place(record, position, bucket, standing);
      chain(standing.head, standing.head, bytes);
      if (!sameHash(standing.head, head)) {
        this.wrong('L3', `${placeOf(record)}: the head does not follow from the record`);
        Object.assign(standing.head, head);
      }
      this.record(record);
    }
  }

  /** What was sent against what was taken in; all logs were read as of one moment, or at rest. */
  match(): void {
    this.channels.match();
    const open: LogRecord[] = [];
    for (const record of this.unanswered) {
      const message = this.channels.messageOf(record);
      if (message === null) open.push(record);
      else this.replies.answers(record, message.from, message.onReply);
    }
    this.unanswered = open;
  }

  /** What holds whatever else is under way: nothing that was sent, or is due, by `byMs` is still to come. */
  late(byMs: number): void {
    this.channels.compareTaken();
    this.channels.settle(byMs);
    this.timers.settle(byMs, 0);
  }

  /** Everything that holds at rest. */
  settle({ nowMs, timerGraceMs }: AtRest, answered: Iterable<AnsweredCommand>): void {
    this.match();
    this.channels.settle();
    this.timers.settle(nowMs, timerGraceMs);
    this.links.settle();
    this.shop.settle();
    for (const { actor, key, seq } of answered) this.answered(actor, key, seq);
  }

  private record(record: LogRecord): void {
    if (isOddKind(record)) this.wrong('C2', `${placeOf(record)}: the record is of kind ${record.kind} without what makes it one, or the other way round`);
    this.channels.record(record);
    this.replies.record(record);
    this.letters.record(record);
    this.timers.record(record);
    this.links.record(record);
    this.shop.record(record);
    this.also(record);
    this.history(record);
    if ((record.cause?.number ?? 0) > 0 && (record.kind === DECISION || record.kind === REJECTION)) this.unanswered.push(record);
  }

  /** L1 and L2, and that recorded time does not go back, on which C5 rests. */
  private place(record: LogRecord, at: number, bucket: BucketId, standing: Standing): void {
    const name = placeOf({ bucketIndex: bucket.index, position: ++standing.position });
    if (at !== standing.position || record.position !== at) this.wrong('L1', `${name}: the record says position ${record.position} and was read at ${at}`);
    if (record.bucketIndex !== bucket.index || record.bucketBits !== bucket.bits) this.wrong('L1', `${name}: the record names bucket ${record.bucketIndex} of ${record.bucketBits} bits`);
    if (record.actor !== '' && bucketOf(record.actor, bucket.bits) !== bucket.index) this.wrong('L1', `${name}: ${record.actor} belongs to another bucket`);
    if (record.epoch < standing.epoch) this.wrong('L2', `${name}: epoch ${record.epoch} after ${standing.epoch}`);
    if (standing.incarnation !== '' && record.incarnation !== standing.incarnation) this.wrong('L2', `${name}: another incarnation`);
    if (record.nowMs > 0 && record.nowMs < standing.nowMs) this.wrong('L2', `${name}: time goes back from ${standing.nowMs} to ${record.nowMs}`);
    standing.epoch = record.epoch;
    standing.incarnation = record.incarnation;
    standing.nowMs = Math.max(standing.nowMs, record.nowMs);
  }

  /** L4 and L5. */
  private history({ kind, actor, key, events, firstSeq, bucketIndex, position }: LogRecord): void {
    if (actor === '') return;
    const place = placeOf({ bucketIndex, position });
    const last = this.lastSeq.get(actor) ?? 0;
    if (events.length > 0 && firstSeq !== last + 1) this.wrong('L4', `${place}: ${actor} has an event with seq ${firstSeq} after ${last}`);
    this.lastSeq.set(actor, last + events.length);
    if (key === '' || (kind !== DECISION && kind !== REJECTION && kind !== FAILED)) return;
    const id = `${actor} ${key}`;
    if (this.byKey.has(id)) this.wrong('L5', `${place}: key ${key} of ${actor} stands in two records`);
    this.byKey.set(id, kind === DECISION ? last + events.length : null);
  }

  /** C8 */
  private answered(actor: string, key: string, seq: number | null): void {
    const recorded = this.byKey.get(`${actor} ${key}`);
    if (recorded === undefined) this.wrong('C8', `command ${key} of ${actor} was answered and is not in the log`);
    else if (recorded !== seq) this.wrong('C8', `command ${key} of ${actor} was answered with seq ${seq ?? 'none, a refusal'}, its record says ${recorded ?? 'refused'}`);
  }

  private wrong(rule: string, text: string): void {
    this.findings.add(`${rule}: ${text}`);
  }
}
