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

import { WireReader } from '../codec/wire.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import { FORMAT_JSON, PAYLOAD_EVENT } from '../sandbox/sandbox.ts';
import type { BucketId } from '../codec/address.ts';
import type { Hash64 } from '../codec/hash64.ts';
import { RecordReader } from '../codec/record.ts';
import type { Activation } from './activation.ts';
import { answerErrorOf } from './answer-error.ts';
import type { Bucket } from './bucket.ts';
import type { Bundles } from './bundles.ts';
import type { Calls } from './calls.ts';
import type { AnswerError, Watch, WatchRequest } from './engine.ts';

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

interface PendingEvent {
  readonly seq: number;
  readonly name: string;
  readonly data: Buffer;
  readonly bundle: string;
}

export class WatchPump implements Watch {
  private readonly request: WatchRequest;
  private readonly actor: WatchedActor;
  private readonly journal: Journal;
  private readonly bundles: Bundles;
  private readonly calls: Calls;
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
    this.bundles = parts.bundles;
    this.calls = parts.calls;
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
    const record = this.fresh[0]!;
    if (record.position >= this.nextPosition && !(await this.handOn(record))) return;
    this.fresh.shift();
    this.nextPosition = Math.max(this.nextPosition, record.position + 1);
  }

  private async pump(): Promise<void> {
    const { actor } = this;
    const isBehindBirth = actor.bucket.durablePosition < this.bornAt;
    const records = await this.journal.readActorRecords(actor.bucket.id, actor.address, actor.actorHash, {
      from: this.nextPosition,
      recordsMax: limits.watchRecordsPerReadMax,
    });
    if (records.length === limits.watchRecordsPerReadMax) this.woken = true;
    for (const stored of records) {
      if (!(await this.handOn(stored))) return;
      this.nextPosition = stored.position + 1;
    }
    this.through = Math.max(this.through, this.nextPosition - 1);
    if (!isBehindBirth && records.length < limits.watchRecordsPerReadMax) this.isSettled = true;
  }

  /** False when the watch was paused or closed before the record's last event. */
  private async handOn(stored: WatchedRecord): Promise<boolean> {
    for (const event of this.eventsOf(stored)) {
      if (event.seq < this.nextSeq) continue;
      if (this.closed || this.paused) {
        this.woken = true;
        return false;
      }
      const body = await this.bodyOf(event);
      if (this.closed || body === null) return false;
      this.nextSeq = event.seq + 1;
      if (!this.request.event(event.seq, event.name, body, 0, body.length)) this.paused = true;
    }
    return true;
  }

  private async bodyOf(event: PendingEvent): Promise<Buffer | null> {
    if (this.request.format !== FORMAT_JSON) return event.data;
    const bundle = await this.bundles.load(event.bundle);
    const text = await this.calls.toJson(bundle, this.actor.type, PAYLOAD_EVENT, event.name, event.data);
    if (!('error' in text)) return text.bytes;
    this.fail(text.error);
    return null;
  }

  private eventsOf(stored: WatchedRecord): PendingEvent[] {
    const record = this.record.over(stored.bytes);
    if (record.events === 0 || record.firstSeq + record.events <= this.nextSeq) return [];
    return readEvents(stored.bytes).map((event, i) => ({
      ...event,
      seq: record.firstSeq + i,
      bundle: record.bundleHex(),
    }));
  }
}

/** Name and payload of every event of a record. */
export function readEvents(bytes: Buffer): { name: string; data: Buffer }[] {
  const events: { name: string; data: Buffer }[] = [];
  const outer = new WireReader().over(bytes);
  const inner = new WireReader();
  while (outer.next()) {
    if (outer.field !== 33) {
      outer.skip();
      continue;
    }
    outer.span();
    inner.over(bytes, outer.from, outer.to);
    const event = { name: '', data: Buffer.alloc(0) as Buffer };
    while (inner.next()) {
      if (inner.field === 1) event.name = inner.string();
      else if (inner.field === 2) event.data = inner.bytes();
      else inner.skip();
    }
    events.push(event);
  }
  return events;
}
