/**
 * Intake: takes messages of other buckets into the logs of this node's buckets.
 *
 * N1  A message is taken in when its record is durable, in the order of its channel: only the one behind the channel's mark enters a batch, and
 *     its record moves the mark (M2). Whatever happens in between, the mark is where it goes on.
 * N2  Intake never waits for an actor: one whose history is being read holds up its channel as long as that takes, and the next ones are
 *     read ahead meanwhile; who cannot take a message has it parked, or failed.
 * N3  What waits here is bounded by dropping it: the sender has it in its log, and sends it again.
 */

import type { CommitGroup } from '../output-gate.ts';
import type { Bucket } from '../bucket.ts';
import { Job, JOB_COMMAND, JOB_NOTE } from '../job.ts';
import { limits } from '../../limits.ts';
import { IncomingMessage } from './incoming.ts';
import type { IncomingChannel } from './incoming.ts';
import { SEND } from './message.ts';
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
  private readonly byBucket = new Map<Bucket, Map<number, Inlet>>();
  /** Messages that wait here or are on their way. */
  waiting = 0;
  /** Channels that had nothing here, and whose messages were dropped because there was no room (N3). */
  readonly turnedAway = new Set<Inlet>();
  /** Messages whose records became durable. */
  taken = 0;

  constructor(routing: MessageRouting) {
    this.routing = routing;
  }

  /** Takes what it can; the sender is told how far it came. `bucket` is the delivery's destination. */
  take(bucket: Bucket, delivery: Delivery, acknowledge: Acknowledge): void {
    if (!bucket.owned || bucket.isHeld) return;
    this.inlet(bucket, delivery).take(delivery.messages, acknowledge);
  }

  /** What was under way is gone; what is not durable enters again with `resume`. The marks of the bucket stand where they will go on. */
  interrupt(): void {
    for (const inlets of this.byBucket.values()) for (const inlet of inlets.values()) inlet.interrupt();
  }

  resume(): void {
    for (const inlets of this.byBucket.values()) for (const inlet of inlets.values()) inlet.pump();
  }

  /** What waited in front of the sandbox was taken out of the queue; the bucket serves on. */
  again(bucket: Bucket): void {
    for (const inlet of this.byBucket.get(bucket)?.values() ?? []) {
      inlet.interrupt();
      inlet.pump();
    }
  }

  /** The bucket is opened anew, or somebody else's: what waits for it is dropped (N3). The senders are told where it stands, if it serves here again. */
  restart(bucket: Bucket): void {
    const inlets = this.byBucket.get(bucket);
    if (inlets === undefined) return;
    this.byBucket.delete(bucket);
    for (const inlet of inlets.values()) inlet.drop();
    if (bucket.isHeld) return;
    for (const inlet of inlets.values()) inlet.tell(true);
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
    let inlets = this.byBucket.get(bucket);
    if (inlets === undefined) this.byBucket.set(bucket, (inlets = new Map()));
    let inlet = inlets.get(source);
    if (inlet === undefined || inlet.incarnationHi !== incarnationHi || inlet.incarnationLo !== incarnationLo) {
      // A source has one incarnation after the other; what is left of the former one comes again when this one rests.
      inlet?.drop();
      inlets.set(source, (inlet = new Inlet(this, this.routing, bucket, source, incarnationHi, incarnationLo)));
    }
    return inlet;
  }
}

/** One channel into one bucket. */
class Inlet implements IncomingChannel {
  readonly bucket: Bucket;
  readonly source: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  private readonly intake: Intake;
  private readonly routing: MessageRouting;
  /** Not durable yet, in the order of their numbers, which have no gap. What is heard of any other job is about one that was sent in anew since. */
  private queue: Job[] = [];
  /** The last in the queue that was ever sent on its way: those up to it go as copies. */
  private sentIn: number;
  /** Number of the first in the queue. */
  private first: number;
  /** The last that was sent on its way, the last that stands in the queue for the sandbox, and the last that entered a batch. */
  private routed: number;
  private queued: number;
  private admitted: number;
  /** The last whose record is durable. */
  private durable: number;
  private acknowledge: Acknowledge = () => {};
  /** Groups under way that hold records of this channel, with the last of them. */
  private readonly recordings: { readonly group: CommitGroup; number: number; position: number }[] = [];
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
    this.first = this.durable + 1;
  }

  take(messages: readonly Message[], acknowledge: Acknowledge): void {
    this.acknowledge = acknowledge;
    let isTurnedAway = false;
    for (const message of messages) {
      const next = this.first + this.queue.length;
      if (message.number < next) continue;
      isTurnedAway = this.intake.waiting >= limits.messagesWaitingMax;
      if (isTurnedAway || message.number > next || this.queue.length >= limits.messagesPerChannelMax) break;
      this.queue.push(this.jobOf(message));
      this.intake.waiting++;
    }
    if (this.queue.length > 0) this.pump();
    // Asked for them now, the sender would bring them now, and again, for as long as there is no room.
    else if (isTurnedAway) this.intake.turnedAway.add(this);
    else this.tell(true);
  }

  /** There is room for what was turned away. */
  callBack(): void {
    if (!this.isDropped && this.queue.length === 0) this.tell(true);
  }

  tell(again: boolean): void {
    const { source, incarnationHi, incarnationLo, bucket, durable } = this;
    this.acknowledge({ source, incarnationHi, incarnationLo, destination: bucket.id.index, through: durable, again });
  }

  /** Sends on their way as many as can go, one behind the other. */
  pump(): void {
    if (this.isPumping || this.isDropped || this.routing.isHeld || this.bucket.isHeld) return;
    this.isPumping = true;
    let job: Job | null;
    while (this.routed === this.queued && (job = this.following()) !== null) {
      this.routed++;
      if (this.routing.enter(job)) continue;
      this.routed--;
      break;
    }
    this.isPumping = false;
    if (this.routed > this.queued) this.readAhead();
  }

  /** The one to be sent on its way now. */
  private following(): Job | null {
    const number = this.routed + 1;
    const at = number - this.first;
    const job = this.queue[at];
    if (job === undefined) return null;
    if (number > this.sentIn) {
      this.sentIn = number;
      return job;
    }
    return (this.queue[at] = job.again());
  }

  private isOld(number: number, job: Job): boolean {
    return this.isDropped || this.queue[number - this.first] !== job;
  }

  isNext(number: number, job: Job): boolean {
    if (this.isOld(number, job) || number > this.routed || number !== this.admitted + 1) return false;
    this.admitted = number;
    return true;
  }

  entered(number: number, job: Job): void {
    if (this.isOld(number, job) || number !== this.routed) return;
    this.queued = number;
    this.pump();
  }

  recorded(number: number, position: number, group: CommitGroup): void {
    const last = this.recordings.at(-1);
    if (last?.group === group) {
      last.number = number;
      last.position = position;
      return;
    }
    this.recordings.push({ group, number, position });
    group.released.push(() => this.released());
  }

  lost(number: number, job: Job): void {
    if (this.isOld(number, job) || number > this.routed) return;
    this.routed = this.queued = number - 1;
    this.admitted = Math.min(this.admitted, number - 1);
    this.routing.soon(() => this.pump());
  }

  refused(number: number, job: Job, code: string, message: string): void {
    if (this.isOld(number, job)) return;
    const note = new Job(JOB_NOTE, null, job.command, job.origin);
    note.verdict = { kind: 'parked', code, message };
    this.queue[number - this.first] = note;
    this.lost(number, note);
  }

  interrupt(): void {
    const { mark } = this;
    this.routed = this.queued = this.admitted = mark;
  }

  drop(): void {
    this.isDropped = true;
    this.intake.left(this.queue.length);
    this.queue = [];
    this.durable = this.mark;
  }

  private get mark(): number {
    return this.bucket.channels.mark(this.source, this.incarnationHi, this.incarnationLo);
  }

  private jobOf(message: Message): Job {
    const incoming = new IncomingMessage(message, this);
    if (message.kind === SEND) return new Job(JOB_COMMAND, null, incoming, incoming);
    const job = new Job(JOB_NOTE, null, incoming, incoming);
    job.verdict = { kind: 'linked' };
    return job;
  }

  /** N2 */
  private readAhead(): void {
    const from = this.routed + 1 - this.first;
    const to = Math.min(this.queue.length, from + limits.messagesReadAheadMax);
    for (let i = from; i < to; i++) {
      const job = this.queue[i]!;
      if (job.kind === JOB_COMMAND) this.routing.warm(job.command!.to.text, this.bucket);
    }
  }

  private released(): void {
    const { number, position } = this.recordings.shift()!;
    if (this.isDropped || this.bucket.stopped || this.bucket.durablePosition < position) return;
    this.durable = number;
    const done = number + 1 - this.first;
    this.queue.splice(0, done);
    this.intake.left(done);
    this.intake.taken += done;
    this.first += done;
    this.tell(false);
    this.pump();
  }
}
