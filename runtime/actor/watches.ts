/**
 * Watches: each is a pump that hands on the events of an actor's durable records in order, without a gap and without a duplicate.
 *
 * H1  History is read from the journal. What is recorded while it is watched is offered by its commit, when it is durable, so that an event
 *     costs no read.
 * H2  A record names the one before it of its actor. It is taken from its commit only when that one was seen; otherwise the journal is read from
 *     where the watch stands.
 * H3  A record that was encoded before the watch was there is offered by nobody. Until the log is known to have been read that far, each answer
 *     of the actor has it read again.
 */

import type { Journal, StoredRecord } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import { FORMAT_JSON } from '../sandbox/sandbox.ts';
import type { BucketId } from '../codec/address.ts';
import type { Hash64 } from '../codec/hash64.ts';
import { RecordReader } from '../codec/record.ts';
import type { Activation } from './activation.ts';
import { answerErrorOf } from './answer-error.ts';
import type { Bucket } from './bucket.ts';
import type { Bundles } from './bundles.ts';
import type { Calls } from './calls.ts';
import type { AnswerError, Watch, WatchRequest } from './engine.ts';
import { eventsOf, JsonBodies } from './watched-events.ts';

/** Where a watched actor's history lies. */
export interface WatchedActor {
  readonly address: string;
  readonly type: string;
  readonly bucket: Bucket;
  readonly actorHash: Hash64;
}

export interface WatchStart {
  /** Everything up to here is of no interest. */
  readonly position: number;
  /** And nothing behind it was encoded yet. */
  readonly isSettled: boolean;
}

type WatchedRecord = Pick<StoredRecord, 'position' | 'bytes'>;

/** A record of a watched actor, on its way from its commit. */
export interface FreshRecord extends WatchedRecord {
  readonly activation: Activation;
  /** Position of the actor's record before it; 0 for none. */
  readonly before: number;
}

export class WatchPump implements Watch {
  private readonly request: WatchRequest;
  private readonly actor: WatchedActor;
  private readonly journal: Journal;
  private readonly parts: { readonly bundles: Bundles; readonly calls: Calls };
  private readonly ended: (pump: WatchPump) => void;
  private nextPosition: number;
  private nextSeq: number;
  /** Offered, and not handed on yet (H2); `through` is the last position that is seen or among them. */
  private readonly fresh: WatchedRecord[] = [];
  private through: number;
  /** H3 */
  private isSettled: boolean;
  private running = false;
  private woken = false;
  private paused = false;
  private closed = false;
  private readonly record = new RecordReader();
  /** What its bucket had encoded when the watch came (H3). */
  private readonly bornAt: number;

  /** Starts behind `start.position`; hands on events with seq >= `seq`. */
  constructor(
    request: WatchRequest,
    actor: WatchedActor,
    start: WatchStart,
    seq: number,
    parts: { journal: Journal; bundles: Bundles; calls: Calls },
    ended: (pump: WatchPump) => void,
  ) {
    this.request = request;
    this.actor = actor;
    this.journal = parts.journal;
    this.parts = parts;
    this.ended = ended;
    this.nextPosition = start.position + 1;
    this.through = start.position;
    this.isSettled = start.isSettled;
    this.bornAt = actor.bucket.position;
    this.nextSeq = seq;
  }

  get bucketId(): BucketId {
    return this.actor.bucket.id;
  }

  /** New records of the actor may be durable. */
  wake(): void {
    this.woken = true;
    if (this.running || this.paused || this.closed) return;
    this.running = true;
    void this.run();
  }

  /** Something about the actor was answered. */
  answered(): void {
    if (!this.isSettled) this.wake();
  }

  /** The record is durable. */
  offer(record: FreshRecord): void {
    const { position, before } = record;
    if (this.closed || position <= this.through) return;
    if (this.woken || this.paused || before > this.through || this.fresh.length >= limits.watchRecordsPerReadMax) {
      this.wake();
      return;
    }
    this.fresh.push(record);
    this.through = position;
    if (this.running) return;
    this.running = true;
    void this.run();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.wake();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.ended(this);
  }

  fail(error: AnswerError): void {
    if (this.closed) return;
    this.close();
    this.request.failed(error);
  }

  private async run(): Promise<void> {
    try {
      while (!this.paused && !this.closed) {
        if (this.fresh.length > 0) await this.handOnFresh();
        else if (this.woken) {
          this.woken = false;
          await this.pump();
        } else break;
      }
    } catch (error) {
      this.fail(answerErrorOf(error));
    } finally {
      this.running = false;
    }
  }

  private async handOnFresh(): Promise<void> {
    const { fresh } = this;
    while (fresh.length > 0 && fresh[0]!.position < this.nextPosition) fresh.shift();
    fresh.splice(0, await this.handOn([...fresh]));
  }

  private async pump(): Promise<void> {
    const { actor } = this;
    const isBehindBirth = actor.bucket.durablePosition < this.bornAt;
    const records = await this.journal.readActorRecords(actor.bucket.id, actor.address, actor.actorHash, {
      from: this.nextPosition,
      recordsMax: limits.watchRecordsPerReadMax,
    });
    if (records.length === limits.watchRecordsPerReadMax) this.woken = true;
    if ((await this.handOn(records)) < records.length) return;
    this.through = Math.max(this.through, this.nextPosition - 1);
    if (!isBehindBirth && records.length < limits.watchRecordsPerReadMax) this.isSettled = true;
  }

  /** How many of the records were handed on whole: in between, the watch may be paused or closed. */
  private async handOn(records: readonly WatchedRecord[]): Promise<number> {
    const { request, parts, actor } = this;
    const eventsByRecord = records.map(({ bytes }) => eventsOf(this.record, bytes, this.nextSeq));
    const json = request.format === FORMAT_JSON ? new JsonBodies(parts.bundles, parts.calls, actor.type, eventsByRecord.flat()) : null;
    let handedOn = 0;
    for (const [i, events] of eventsByRecord.entries()) {
      for (const { seq, name, data } of events) {
        if (this.closed || this.paused) {
          this.woken = true;
          return i;
        }
        const body = json === null ? { bytes: data } : await json.of(handedOn++);
        if ('error' in body) this.fail(body.error);
        if (this.closed || 'error' in body) return i;
        this.nextSeq = seq + 1;
        if (!request.event(seq, name, body.bytes, 0, body.bytes.length)) this.paused = true;
      }
      this.nextPosition = records[i]!.position + 1;
    }
    return records.length;
  }
}
