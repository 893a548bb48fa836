/**
 * Watches: each is a pump that reads an actor's durable records in order and hands their events on. The journal is the only
 * source, for history and for what comes in now alike, so a watch has no gap, no duplicate, and sees nothing that is not
 * durable. A commit only wakes the pump.
 */

import { WireReader } from '../codec/wire.ts';
import type { Journal, StoredRecord } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import { FORMAT_JSON, PAYLOAD_EVENT } from '../sandbox/sandbox.ts';
import type { BucketId } from '../codec/address.ts';
import type { Hash64 } from '../codec/hash64.ts';
import { RecordReader } from '../codec/record.ts';
import { answerErrorOf } from './answer-error.ts';
import type { Bundles } from './bundles.ts';
import type { Calls } from './calls.ts';
import type { AnswerError, Watch, WatchRequest } from './engine.ts';

/** Where a watched actor's history lies. */
export interface WatchedActor {
  readonly address: string;
  readonly type: string;
  readonly bucketId: BucketId;
  readonly actorHash: Hash64;
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
  private running = false;
  private woken = false;
  private paused = false;
  private closed = false;
  private readonly record = new RecordReader();

  /** Starts behind `position`; hands on events with seq >= `seq`. */
  constructor(
    request: WatchRequest,
    actor: WatchedActor,
    position: number,
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
    this.nextPosition = position + 1;
    this.nextSeq = seq;
  }

  get bucketId(): BucketId {
    return this.actor.bucketId;
  }

  /** New records of the actor may be durable. */
  wake(): void {
    this.woken = true;
    if (this.running || this.paused || this.closed) return;
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
      while (this.woken && !this.paused && !this.closed) {
        this.woken = false;
        await this.pump();
      }
    } catch (error) {
      this.fail(answerErrorOf(error));
    } finally {
      this.running = false;
    }
  }

  private async pump(): Promise<void> {
    const { actor } = this;
    const records = await this.journal.readActorRecords(actor.bucketId, actor.address, actor.actorHash, {
      from: this.nextPosition,
      recordsMax: limits.watchRecordsPerReadMax,
    });
    if (records.length === limits.watchRecordsPerReadMax) this.woken = true;
    for (const stored of records) {
      if (!(await this.handOn(stored))) return;
      this.nextPosition = stored.position + 1;
    }
  }

  /** False when the watch was paused or closed before the record's last event. */
  private async handOn(stored: StoredRecord): Promise<boolean> {
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

  private eventsOf(stored: StoredRecord): PendingEvent[] {
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
