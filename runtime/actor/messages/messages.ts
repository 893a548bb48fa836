/**
 * What goes on between actors, of one engine: the outbox, the intake, the way between them where both are of this node, and timers,
 * which are messages of an actor to itself.
 *
 *   decision -> record (message-records.ts) -> durable -> outbox.ts -> courier -> intake.ts -> turn of the other actor -> its record
 *
 * What could not be taken, or failed, is taken up again by resumption.ts and, for operators, by letter-desk.ts.
 */

import type { Bucket, MessageCounts } from '../bucket.ts';
import type { SentRecord } from './outbox.ts';
import { BroadcastService } from '../links/broadcast-service.ts';
import type { BroadcastParts, BroadcastStat } from '../links/broadcast-service.ts';
import { Outbox } from './outbox.ts';
import type { Courier, OutboxParts } from './outbox.ts';
import { Intake } from './intake.ts';
import type { Acknowledge, MessageRouting } from './intake.ts';
import type { Delivery, Receipt } from './message.ts';
import { PendingTimers } from '../timers/pending-timers.ts';
import type { PendingTimersParts } from '../timers/pending-timers.ts';
import { TimerService } from '../timers/timer-service.ts';
import { LetterDesk } from './letter-desk.ts';
import type { LetterView } from './letter-view.ts';
import { Resumption } from './resumption.ts';
import type { Bundles } from '../bundles.ts';

export interface MessagesParts extends OutboxParts, BroadcastParts, PendingTimersParts {
  readonly bundles: Bundles;
  readonly view: LetterView;
  readonly buckets: readonly Bucket[];
  readonly routing: MessageRouting;
  /** Takes what is for buckets of other nodes; null where there is no other. */
  readonly elsewhere: Courier | null;
}

/** Messages of the buckets of this node; what counts, counts since start. */
export interface MessagesStat extends MessageCounts {
  readonly delivered: number;
  readonly redelivered: number;
  readonly taken: number;
  /** On their way into buckets of this node. */
  readonly waiting: number;
  readonly outboxBytes: number;
  readonly broadcasts: BroadcastStat;
}

/** What has something to do for a bucket as long as it serves here; see Messages. */
interface MessageService {
  serves?(bucket: Bucket): void;
  gone(bucket: Bucket): void;
  interrupt?(): void;
  resume?(): void;
  again?(bucket: Bucket): void;
}

export class Messages implements Courier {
  readonly outbox: Outbox;
  readonly intake: Intake;
  readonly broadcasts: BroadcastService;
  readonly timers: TimerService;
  readonly resumption: Resumption;
  readonly desk: LetterDesk;
  readonly pending: PendingTimers;
  private readonly services: readonly MessageService[];
  private readonly parts: MessagesParts;
  /** Of this node's own intake. They take effect in a turn of their own: what the outbox does about one may lead to the next. */
  private receipts: Receipt[] = [];

  constructor(parts: MessagesParts) {
    this.parts = parts;
    this.outbox = new Outbox(parts);
    this.intake = new Intake(parts.routing);
    this.broadcasts = new BroadcastService(parts);
    this.timers = new TimerService(parts);
    this.resumption = new Resumption(parts);
    this.desk = new LetterDesk({ ...parts, resumption: this.resumption });
    this.pending = new PendingTimers(parts);
    // The intake first: what the outbox asks when a bucket is opened is for inlets that begin anew.
    this.services = [this.intake, this.outbox, this.broadcasts, this.timers, this.resumption, this.desk];
    this.outbox.courier = this;
  }

  /** The bucket was opened and serves from now on. */
  serves(bucket: Bucket): void {
    for (const service of this.services) service.serves?.(bucket);
  }

  /** It has stopped, or is somebody else's. */
  gone(bucket: Bucket): void {
    for (const service of this.services) service.gone(bucket);
  }

  /** The sandbox is gone, and with it what was on its way through; what is not durable enters again with `resume`. */
  interrupt(): void {
    for (const service of this.services) service.interrupt?.();
  }

  resume(): void {
    for (const service of this.services) service.resume?.();
  }

  /** What waited in front of the sandbox was taken out of the queue; the bucket serves on. */
  again(bucket: Bucket): void {
    for (const service of this.services) service.again?.(bucket);
  }

  stat(): MessagesStat {
    const { delivered, redelivered, bytes } = this.outbox;
    let backlog = 0;
    let parked = 0;
    let failed = 0;
    for (const { owned, messageCounts } of this.parts.buckets) {
      if (!owned) continue;
      backlog += messageCounts.backlog;
      parked += messageCounts.parked;
      failed += messageCounts.failed;
    }
    const { taken, waiting } = this.intake;
    return { delivered, redelivered, taken, waiting, backlog, outboxBytes: bytes, parked, failed, broadcasts: this.broadcasts.stat() };
  }

  /** What is not finished between actors of this node's buckets: broadcasts, messages that are not known to be taken in, and such that wait here. */
  underWay(): { readonly running: number; readonly backlog: number; readonly waiting: number } {
    let running = 0;
    let backlog = 0;
    for (const { owned, linked, channels } of this.parts.buckets) {
      if (!owned) continue;
      running += linked.running.size;
      backlog += channels.backlog;
    }
    return { running, backlog, waiting: this.intake.waiting };
  }

  sent(record: SentRecord): void {
    this.outbox.sent(record);
  }

  /** From another node. What is for a bucket that does not serve here is dropped: its sender finds the owner. */
  receive(delivery: Delivery, acknowledge: Acknowledge): void {
    const bucket = this.parts.buckets[delivery.destination];
    if (bucket !== undefined) this.intake.take(bucket, delivery, acknowledge);
  }

  received(receipt: Receipt): void {
    this.outbox.taken(receipt);
  }

  private readonly acknowledge: Acknowledge = (receipt) => {
    this.receipts.push(receipt);
    if (this.receipts.length > 1) return;
    this.parts.scheduler.soon(() => {
      const { receipts } = this;
      this.receipts = [];
      for (const each of receipts) this.outbox.taken(each);
    });
  };

  deliver(delivery: Delivery): boolean {
    const bucket = this.parts.buckets[delivery.destination]!;
    if (bucket.owned) return this.intake.take(bucket, delivery, this.acknowledge);
    return this.parts.elsewhere?.deliver(delivery) ?? false;
  }
}
