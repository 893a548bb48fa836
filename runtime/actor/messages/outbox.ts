/**
 * The outbox: brings what this node's buckets have sent to the buckets that it is for. The log is the outbox; here is what is not yet known to be
 * taken in, in part.
 *
 * O1  Nothing leaves before the record that sends it is durable.
 * O2  A message is sent until its channel is known to be taken in that far; the other side's word counts, also when it goes back. [The
 *     other side accepts the loss of its log's end: what it had taken in there comes again.]
 * O3  What is kept in memory is bounded; a channel with more is read from the log again, from the oldest message that is not taken in. So does
 *     every channel of a bucket that was just opened.
 * O4  A channel that nobody takes in holds up no other one.
 */

import { RecordReader } from '../../codec/record.ts';
import { limits } from '../../limits.ts';
import type { Bucket } from '../bucket.ts';
import type { Clock, Log, Scheduler } from '../seams.ts';
import type { Journal } from '../../journal/journal.ts';
import type { OutChannel } from './channels.ts';
import { messagesOf } from './message.ts';
import type { Delivery, Message, Receipt, SentMessage } from './message.ts';

/** Takes messages to the owner of the bucket that they are for. They may get lost on the way, and so may the receipt. */
export interface Courier {
  deliver(delivery: Delivery): void;
}

export interface OutboxParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

/** One record's messages, behind its commit. */
export interface SentRecord {
  readonly bucket: Bucket;
  readonly position: number;
  readonly messages: readonly SentMessage[];
}

/** One channel on its way. */
class Outlet {
  readonly channel: OutChannel;
  /** Not known to be taken in, from `channel.taken + 1` on without a gap; what is behind it stands in the log alone. */
  queue: Message[] = [];
  bytes = 0;
  /** The last that was given to the courier. */
  delivered: number;
  /** How far the other side has come is not known: it was not heard since the bucket was opened. */
  isAsked = false;
  /** It is said to have gone back, by somebody who may not be its owner any more. */
  isDoubted = false;
  /** Of the last record whose messages were looked at; 0 while nothing is missing from the queue. */
  behindFrom = 0;
  retryAt = 0;
  retryMs: number = limits.messageRetryMs;

  constructor(channel: OutChannel) {
    this.channel = channel;
    this.delivered = channel.taken;
  }

  get queuedThrough(): number {
    return this.channel.taken + this.queue.length;
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && this.behindFrom === 0 && !this.isAsked;
  }
}

interface Box {
  readonly bucket: Bucket;
  readonly outlets: Map<OutChannel, Outlet>;
  isReading: boolean;
  /** Position of the last record whose messages were given to `sent`. */
  seen: number;
}

export class Outbox {
  /** Messages given to the courier, those of them that were sent again, and receipts. */
  delivered = 0;
  redelivered = 0;
  bytes = 0;
  courier: Courier | null = null;
  private readonly parts: OutboxParts;
  private readonly boxes = new Map<number, Box>();
  /** Outlets that wait for a receipt. */
  private readonly waiting = new Map<Outlet, Box>();
  private isTimed = false;

  constructor(parts: OutboxParts) {
    this.parts = parts;
  }

  /** The bucket serves here: asks after every channel that is not known to be taken in as far as it was sent. */
  open(bucket: Bucket): void {
    const box: Box = { bucket, outlets: new Map(), isReading: false, seen: bucket.durablePosition };
    this.boxes.set(bucket.id.index, box);
    for (const channel of bucket.channels.all()) {
      if (channel.taken >= channel.sent) continue;
      const outlet = new Outlet(channel);
      outlet.behindFrom = Math.max(1, channel.from);
      outlet.isAsked = true;
      box.outlets.set(channel, outlet);
      this.ask(box, outlet);
    }
  }

  close(bucket: Bucket): void {
    const box = this.boxes.get(bucket.id.index);
    if (box === undefined) return;
    this.boxes.delete(bucket.id.index);
    for (const outlet of box.outlets.values()) {
      this.waiting.delete(outlet);
      this.bytes -= outlet.bytes;
    }
  }

  /** O1: these records are durable. */
  sent({ bucket, position, messages }: SentRecord): void {
    const box = this.boxes.get(bucket.id.index);
    if (box === undefined) return;
    box.seen = position;
    const touched = new Set<Outlet>();
    for (const { destination, message } of messages) {
      const channel = bucket.channels.outgoing.get(destination);
      if (channel === undefined || message.number <= channel.taken) continue;
      const outlet = this.outlet(box, channel);
      touched.add(outlet);
      // What is durable may have been read from the log already.
      if (outlet.behindFrom > 0 || message.number <= outlet.queuedThrough) continue;
      if (this.hasRoom(outlet)) this.queue(outlet, message);
      else outlet.behindFrom = position;
    }
    for (const outlet of touched) this.pump(box, outlet);
  }

  /** O2 */
  taken({ source, incarnationHi, incarnationLo, destination, through, again }: Receipt): void {
    const box = this.boxes.get(source);
    if (box === undefined) return;
    const channel = find(box.bucket, destination, incarnationHi, incarnationLo);
    const outlet = channel === null ? undefined : box.outlets.get(channel);
    if (channel === null || outlet === undefined || through > channel.sent) return;
    if (through < channel.taken && again && !outlet.isDoubted) {
      outlet.isDoubted = outlet.isAsked = true;
      this.ask(box, outlet);
      return;
    }
    outlet.retryMs = limits.messageRetryMs;
    if (through < channel.taken) {
      // What was under way when the question was put says nothing about it.
      if (!again) return;
      this.rewind(box, outlet, through);
    } else this.trim(box, outlet, through);
    outlet.isAsked = outlet.isDoubted = false;
    if (again && through < outlet.delivered) {
      this.redelivered += outlet.delivered - through;
      outlet.delivered = outlet.channel.taken;
    }
    this.settle(box, outlet);
    this.pump(box, outlet);
  }

  /** Buckets that messages are for have another owner, or serve again: what was sent to them may be lost. */
  ownersChanged(destinations: readonly number[]): void {
    const changed = new Set(destinations);
    for (const [outlet, box] of [...this.waiting]) {
      if (!changed.has(outlet.channel.destination)) continue;
      outlet.retryMs = limits.messageRetryMs;
      this.again(box, outlet);
    }
  }

  private outlet(box: Box, channel: OutChannel): Outlet {
    let outlet = box.outlets.get(channel);
    if (outlet === undefined) box.outlets.set(channel, (outlet = new Outlet(channel)));
    return outlet;
  }

  private hasRoom({ queue, bytes }: Outlet): boolean {
    return queue.length < limits.messagesPerChannelMax && bytes < limits.messageBytesPerChannelMax && this.bytes < limits.outboxBytesMax;
  }

  private queue(outlet: Outlet, message: Message): void {
    outlet.queue.push(message);
    const bytes = sizeOf(message);
    outlet.bytes += bytes;
    this.bytes += bytes;
  }

  private trim(box: Box, outlet: Outlet, through: number): void {
    const { channel } = outlet;
    const done = Math.min(through - channel.taken, outlet.queue.length);
    let bytes = 0;
    for (let i = 0; i < done; i++) bytes += sizeOf(outlet.queue[i]!);
    outlet.queue.splice(0, done);
    outlet.bytes -= bytes;
    this.bytes -= bytes;
    box.bucket.channels.takenThrough(channel, through);
    outlet.delivered = Math.max(outlet.delivered, through);
    if (through >= channel.sent) channel.from = outlet.behindFrom = 0;
    else channel.from = outlet.queue[0]?.position ?? (outlet.behindFrom || box.seen + 1);
  }

  /** What was taken in is gone over there: everything behind it is sent again, out of the log. */
  private rewind(box: Box, outlet: Outlet, through: number): void {
    this.parts.log.warn({ destination: outlet.channel.destination, taken: outlet.channel.taken, through }, 'a bucket has lost messages that it had taken in; they are sent again');
    this.bytes -= outlet.bytes;
    outlet.queue = [];
    outlet.bytes = 0;
    box.bucket.channels.takenThrough(outlet.channel, through);
    outlet.delivered = through;
    outlet.channel.from = outlet.behindFrom = 1;
  }

  private pump(box: Box, outlet: Outlet): void {
    if (outlet.isAsked) return;
    const { channel, queue } = outlet;
    const from = outlet.delivered - channel.taken;
    if (from < queue.length) {
      outlet.delivered = outlet.queuedThrough;
      this.deliver(box, outlet, from === 0 ? queue.slice() : queue.slice(from));
    }
    const isReadable = outlet.behindFrom > 0 && outlet.behindFrom <= box.bucket.durablePosition;
    if (isReadable && queue.length * 2 < limits.messagesPerChannelMax) this.readOn(box);
  }

  private deliver(box: Box, outlet: Outlet, messages: readonly Message[]): void {
    const { destination, incarnationHi, incarnationLo } = outlet.channel;
    this.delivered += messages.length;
    outlet.retryAt = this.parts.clock.monotonic() + outlet.retryMs;
    this.waiting.set(outlet, box);
    this.time();
    this.courier!.deliver({ source: box.bucket.id.index, incarnationHi, incarnationLo, destination, messages });
  }

  private ask(box: Box, outlet: Outlet): void {
    this.deliver(box, outlet, []);
  }

  /** Nothing of it is on its way any more. */
  private settle(box: Box, outlet: Outlet): void {
    if (!outlet.isAsked && outlet.delivered <= outlet.channel.taken) this.waiting.delete(outlet);
    if (!outlet.isIdle) return;
    box.outlets.delete(outlet.channel);
    const { ended } = box.bucket.channels;
    const at = ended.indexOf(outlet.channel);
    if (at >= 0) ended.splice(at, 1);
  }

  /** Silence: sends again what is not known to be taken in. */
  private again(box: Box, outlet: Outlet): void {
    this.waiting.delete(outlet);
    this.redelivered += outlet.delivered - outlet.channel.taken;
    outlet.delivered = outlet.channel.taken;
    if (outlet.isAsked || outlet.queue.length === 0) this.ask(box, outlet);
    else this.pump(box, outlet);
  }

  private time(): void {
    if (this.isTimed) return;
    this.isTimed = true;
    this.parts.scheduler.later(limits.messageRetryMs / 2, () => {
      this.isTimed = false;
      const now = this.parts.clock.monotonic();
      for (const [outlet, box] of [...this.waiting]) {
        if (outlet.retryAt > now) continue;
        outlet.retryMs = Math.min(outlet.retryMs * 2, limits.messageRetryMsMax);
        this.again(box, outlet);
      }
      if (this.waiting.size > 0) this.time();
    });
  }

  /** O3: one walk over the log for all channels of a bucket that lag behind. */
  private readOn(box: Box): void {
    if (box.isReading) return;
    box.isReading = true;
    void this.read(box).then(
      () => {
        box.isReading = false;
        if (this.boxes.get(box.bucket.id.index) !== box) return;
        for (const outlet of [...box.outlets.values()]) {
          this.settle(box, outlet);
          this.pump(box, outlet);
        }
      },
      (error: unknown) => {
        box.isReading = false;
        this.parts.log.warn({ bucket: box.bucket.name, err: error }, 'messages cannot be read from the log yet');
        this.parts.scheduler.later(limits.messageRetryMs, () => {
          if (this.boxes.get(box.bucket.id.index) === box) this.readOn(box);
        });
      },
    );
  }

  private async read(box: Box): Promise<void> {
    const { bucket } = box;
    const lagging = [...box.outlets.values()].filter((outlet) => outlet.behindFrom > 0 && !outlet.isAsked && this.hasRoom(outlet));
    if (lagging.length === 0) return;
    const byChannel = new Map(lagging.map((outlet) => [outlet.channel, outlet]));
    const from = lagging.reduce((least, { behindFrom }) => Math.min(least, behindFrom), Infinity);
    const to = bucket.durablePosition + 1;
    const record = new RecordReader();
    const full = new Set<Outlet>();
    for await (const stored of this.parts.journal.readBucket(bucket.id, from, to)) {
      if (this.boxes.get(bucket.id.index) !== box) return;
      record.over(stored.bytes);
      for (const { destination, message } of messagesOf(record, bucket.id.bits)) {
        const channel = find(bucket, destination, record.incarnationHi, record.incarnationLo);
        const outlet = channel === null ? undefined : byChannel.get(channel);
        if (outlet === undefined || full.has(outlet) || message.number !== outlet.queuedThrough + 1) continue;
        if (this.hasRoom(outlet)) this.queue(outlet, message);
        else {
          full.add(outlet);
          outlet.behindFrom = stored.position;
        }
      }
      if (full.size === lagging.length) return;
    }
    // What became durable while this was read stands behind it; what becomes so from now on comes by `sent`.
    const isWhole = bucket.durablePosition < to;
    for (const outlet of lagging) if (!full.has(outlet)) outlet.behindFrom = isWhole ? 0 : to;
  }
}

/** The channel of one incarnation, as long as the bucket knows it. */
function find(bucket: Bucket, destination: number, incarnationHi: number, incarnationLo: number): OutChannel | null {
  const { channels } = bucket;
  const channel = channels.outgoing.get(destination);
  if (channel !== undefined && channel.incarnationHi === incarnationHi && channel.incarnationLo === incarnationLo) return channel;
  return channels.ended.find((old) => old.destination === destination && old.incarnationHi === incarnationHi && old.incarnationLo === incarnationLo) ?? null;
}

function sizeOf({ body, to, from }: Message): number {
  return body.length + to.length + from.length + 64;
}
