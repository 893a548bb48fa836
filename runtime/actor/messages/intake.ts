/**
 * Intake: takes messages of other buckets into the logs of this node's buckets.
 *
 * N1  A message is taken in when its record is durable, in the order of its channel: only the one behind the channel's mark enters a batch, and
 *     its record moves the mark (M2). Whatever happens in between, the mark is where it goes on.
 * N2  Intake never waits for an actor: one whose history is being read holds up its channel as long as that takes, and the next ones are
 *     read ahead meanwhile; who cannot take a message has it parked, or failed.
 * N3  What waits here is bounded by dropping it: the sender has it in its log, and sends it again.
 */

import type { CommitGroup, Receiver } from '../output-gate.ts';
import type { Bucket } from '../bucket.ts';
import { JOB_COMMAND } from '../job.ts';
import type { Job } from '../job.ts';
import { limits } from '../../limits.ts';
import { IncomingMessage } from './incoming.ts';
import type { IncomingChannel } from './incoming.ts';
import type { Delivery, Message, Receipt } from './message.ts';

/** How jobs get to their actors. */
export interface MessageRouting {
  /** Sends a job on its way; `entered` of its origin is called when it stands in the queue. False: not now. */
  enter(job: Job): boolean;
  /** Has an actor's history read, if it is not in memory. */
  warm(address: string, bucket: Bucket): void;
  /** Nobody may enter at present. */
  readonly isHeld: boolean;
  /** Runs `task` in a later turn of the event loop. */
  soon(task: () => void): void;
}

/** Tells the sender how far its channel was taken in. */
export type Acknowledge = (receipt: Receipt) => void;

export class Intake {
  private readonly routing: MessageRouting;
  /** By bucket, then by source, with holes. */
  private readonly byBucket: (Inlet[] | undefined)[] = [];
  /** Messages that wait here or are on their way. */
  waiting = 0;
  /** Channels that had nothing here, and whose messages were dropped because there was no room (N3). */
  readonly turnedAway = new Set<Inlet>();
  /** Messages whose records became durable. */
  taken = 0;

  constructor(routing: MessageRouting) {
    this.routing = routing;
  }

  /** Takes what it can; the sender is told how far it came. `bucket` is the delivery's destination. Whether all of it waits here. */
  take(bucket: Bucket, delivery: Delivery, acknowledge: Acknowledge): boolean {
    return bucket.owned && !bucket.isHeld && this.inlet(bucket, delivery).take(delivery.messages, acknowledge);
  }

  /** What was under way is gone; what is not durable enters again with `resume`. The marks of the bucket stand where they will go on. */
  interrupt(): void {
    for (const inlets of this.byBucket) inlets?.forEach((inlet) => inlet.interrupt());
  }

  resume(): void {
    for (const inlets of this.byBucket) inlets?.forEach((inlet) => inlet.pump());
  }

  /** What waited in front of the sandbox was taken out of the queue; the bucket serves on. */
  again(bucket: Bucket): void {
    this.byBucket[bucket.id.index]?.forEach((inlet) => {
      inlet.interrupt();
      inlet.pump();
    });
  }

  serves(bucket: Bucket): void {
    this.restart(bucket);
  }

  gone(bucket: Bucket): void {
    this.restart(bucket);
  }

  /** The bucket is opened anew, or somebody else's: what waits for it is dropped (N3). The senders are told where it stands, if it serves here again. */
  private restart(bucket: Bucket): void {
    const inlets = this.byBucket[bucket.id.index];
    if (inlets === undefined) return;
    this.byBucket[bucket.id.index] = undefined;
    inlets.forEach((inlet) => inlet.drop());
    if (bucket.isHeld) return;
    inlets.forEach((inlet) => inlet.tell(true));
  }

  /** So many wait no longer. */
  left(count: number): void {
    this.waiting -= count;
    if (this.turnedAway.size === 0 || this.waiting * 2 > limits.messagesWaitingMax) return;
    const inlets = [...this.turnedAway];
    this.turnedAway.clear();
    this.routing.soon(() => {
      for (const inlet of inlets) inlet.callBack();
    });
  }

  private inlet(bucket: Bucket, { source, incarnationHi, incarnationLo }: Delivery): Inlet {
    const inlets = (this.byBucket[bucket.id.index] ??= []);
    let inlet = inlets[source];
    if (inlet === undefined || inlet.incarnationHi !== incarnationHi || inlet.incarnationLo !== incarnationLo) {
      // A source has one incarnation after the other; what is left of the former one comes again when this one rests.
      inlet?.drop();
      inlets[source] = inlet = new Inlet(this, this.routing, bucket, source, incarnationHi, incarnationLo);
    }
    return inlet;
  }
}

/** One channel into one bucket. */
class Inlet implements IncomingChannel, Receiver {
  readonly bucket: Bucket;
  readonly source: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  private readonly intake: Intake;
  private readonly routing: MessageRouting;
  /** Not durable yet, in the order of their numbers, which have no gap. */
  private first: IncomingMessage | null = null;
  private last: IncomingMessage | null = null;
  private length = 0;
  /** The first that is not on its way: the one behind `routed`. */
  private unrouted: IncomingMessage | null = null;
  /** The last that was ever sent on its way: those up to it go as copies. */
  private sentIn: number;
  /** The last that was sent on its way, the last that stands in the queue for the sandbox, and the last that entered a batch. */
  private routed: number;
  private queued: number;
  private admitted: number;
  /** The last whose record is durable. */
  private durable: number;
  private acknowledge: Acknowledge = () => {};
  /** The newest group under way that holds records of this channel, and its place there. */
  private group: CommitGroup | null = null;
  private placeInGroup = 0;
  private isDropped = false;
  private isPumping = false;

  constructor(intake: Intake, routing: MessageRouting, bucket: Bucket, source: number, incarnationHi: number, incarnationLo: number) {
    this.intake = intake;
    this.routing = routing;
    this.bucket = bucket;
    this.source = source;
    this.incarnationHi = incarnationHi;
    this.incarnationLo = incarnationLo;
    // Records that are encoded and not durable yet would be acknowledged too early: a new inlet asks for what is behind them only.
    this.durable = this.routed = this.queued = this.admitted = this.sentIn = this.mark;
  }

  take(messages: readonly Message[], acknowledge: Acknowledge): boolean {
    this.acknowledge = acknowledge;
    let isTurnedAway = false;
    let isWhole = messages.length > 0;
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]!;
      const next = this.durable + this.length + 1;
      if (message.number < next) continue;
      isTurnedAway = this.intake.waiting >= limits.messagesWaitingMax;
      isWhole = !isTurnedAway && message.number <= next && this.length < limits.messagesPerChannelMax;
      if (!isWhole) break;
      this.push(new IncomingMessage(message, this));
    }
    if (this.length > 0) this.pump();
    // Asked for them now, the sender would bring them now, and again, for as long as there is no room.
    else if (isTurnedAway) this.intake.turnedAway.add(this);
    else this.tell(true);
    return isWhole;
  }

  private push(incoming: IncomingMessage): void {
    if (this.last === null) this.first = incoming;
    else this.last.next = incoming;
    this.last = incoming;
    this.unrouted ??= incoming;
    this.length++;
    this.intake.waiting++;
  }

  /** There is room for what was turned away. */
  callBack(): void {
    if (!this.isDropped && this.length === 0) this.tell(true);
  }

  tell(again: boolean): void {
    const { source, incarnationHi, incarnationLo, bucket, durable } = this;
    this.acknowledge({ source, incarnationHi, incarnationLo, destination: bucket.id.index, through: durable, again });
  }

  /** Sends on their way as many as can go, one behind the other. */
  pump(): void {
    if (this.isPumping || this.isDropped || this.routing.isHeld || this.bucket.isHeld) return;
    this.isPumping = true;
    let incoming: IncomingMessage | null;
    while (this.routed === this.queued && (incoming = this.unrouted) !== null) {
      const job = this.jobOf(incoming);
      this.routed++;
      this.unrouted = incoming.next;
      if (this.routing.enter(job)) continue;
      this.routed--;
      this.unrouted = incoming;
      break;
    }
    this.isPumping = false;
    if (this.routed > this.queued) this.readAhead();
  }

  private jobOf(incoming: IncomingMessage): Job {
    if (incoming.number <= this.sentIn) return incoming.again();
    this.sentIn = incoming.number;
    return incoming.job;
  }

  isNext({ number }: IncomingMessage): boolean {
    if (this.isDropped || number > this.routed || number !== this.admitted + 1) return false;
    this.admitted = number;
    return true;
  }

  entered({ number }: IncomingMessage): void {
    if (this.isDropped || number !== this.routed) return;
    this.queued = number;
    this.pump();
  }

  recorded(number: number, position: number, group: CommitGroup): void {
    if (this.group !== group) {
      this.group = group;
      this.placeInGroup = group.received.receivers.push(this) - 1;
    }
    group.received.numbers[this.placeInGroup] = number;
    group.received.positions[this.placeInGroup] = position;
  }

  lost(incoming: IncomingMessage): void {
    const { number } = incoming;
    if (this.isDropped || number > this.routed) return;
    this.routed = this.queued = number - 1;
    this.unrouted = incoming;
    this.admitted = Math.min(this.admitted, number - 1);
    this.routing.soon(() => this.pump());
  }

  interrupt(): void {
    const { mark } = this;
    this.routed = this.queued = this.admitted = mark;
    this.unrouted = this.first;
    while (this.unrouted !== null && this.unrouted.number <= mark) this.unrouted = this.unrouted.next;
  }

  drop(): void {
    this.isDropped = true;
    this.intake.left(this.length);
    this.first = this.last = this.unrouted = null;
    this.length = 0;
    this.durable = this.mark;
  }

  private get mark(): number {
    return this.bucket.channels.mark(this.source, this.incarnationHi, this.incarnationLo);
  }

  /** N2 */
  private readAhead(): void {
    let left = limits.messagesReadAheadMax;
    for (let at = this.unrouted; at !== null && left > 0; at = at.next) {
      left--;
      if (at.job.kind === JOB_COMMAND) this.routing.warm(at.to.text, this.bucket);
    }
  }

  released(number: number, position: number, group: CommitGroup): void {
    if (this.group === group) this.group = null;
    if (this.isDropped || this.bucket.stopped || this.bucket.durablePosition < position) return;
    this.durable = number;
    const done = this.shift(number);
    this.intake.left(done);
    this.intake.taken += done;
    this.tell(false);
    this.pump();
  }

  /** Takes out those up to a number. */
  private shift(through: number): number {
    const before = this.length;
    while (this.first !== null && this.first.number <= through) {
      const { next } = this.first;
      // What is done may be old, and must not keep alive what comes behind it.
      this.first.next = null;
      this.first = next;
      this.length--;
    }
    if (this.first === null) this.last = null;
    return before - this.length;
  }
}
