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
import { Outage } from '../outage.ts';
import type { Clock, Log, Scheduler } from '../seams.ts';
import type { Journal } from '../../journal/journal.ts';
import type { OutChannel } from './channels.ts';
import { messagesOf } from './message.ts';
import type { Delivery, Message, Receipt } from './message.ts';
import { Outlet } from './outlet.ts';
import type { Box } from './outlet.ts';

/** Takes messages to the owner of the bucket that they are for, another engine as copies. They may get lost on the way, and so may the receipt. */
export interface Courier {
  /** Whether it is there already, and kept, so that a receipt comes without another try. */
  deliver(delivery: Delivery): boolean;
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
  readonly messages: readonly Message[];
}

export class Outbox {
  /** Messages given to the courier, those of them that were sent again, and receipts. */
  delivered = 0;
  redelivered = 0;
  bytes = 0;
  courier: Courier | null = null;
  private readonly parts: OutboxParts;
  /** By bucket, with holes. */
  private readonly boxes: (Box | undefined)[] = [];
  /** Outlets that wait for a receipt, and such that have it since the list was gone through. */
  private listed: Outlet[] = [];
  private readonly touched: Outlet[] = [];
  private isTimed = false;
  private readonly outage: Outage;

  constructor(parts: OutboxParts) {
    this.parts = parts;
    this.outage = new Outage(parts.log, { begins: 'messages cannot be read from the log; they are tried again', over: 'messages can be read from the log again' });
  }

  /** The bucket serves here: asks after every channel that is not known to be taken in as far as it was sent. */
  serves(bucket: Bucket): void {
    this.gone(bucket);
    const box: Box = { bucket, outlets: [], isReading: false, seen: bucket.durablePosition };
    this.boxes[bucket.id.index] = box;
    for (const channel of bucket.channels.all()) {
      if (channel.taken >= channel.sent) continue;
      const outlet = this.outlet(box, channel);
      outlet.behindFrom = Math.max(1, channel.from);
      outlet.isAsked = true;
      this.ask(outlet);
    }
    this.ownersChanged([bucket.id.index]);
  }

  gone(bucket: Bucket): void {
    const box = this.boxes[bucket.id.index];
    if (box === undefined) return;
    this.boxes[bucket.id.index] = undefined;
    for (const outlet of box.outlets) {
      outlet.isWaiting = false;
      outlet.channel.outlet = null;
      this.bytes -= outlet.empty();
    }
  }

  /** O1: these records are durable. */
  sent({ bucket, position, messages }: SentRecord): void {
    const box = this.boxes[bucket.id.index];
    if (box === undefined) return;
    box.seen = position;
    const { touched } = this;
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]!;
      const channel = bucket.channels.outgoing[message.to.bucket];
      if (channel === undefined || message.number <= channel.taken) continue;
      const outlet = this.outlet(box, channel);
      if (!outlet.isTouched) touched.push(outlet);
      outlet.isTouched = true;
      // What is durable may have been read from the log already.
      if (outlet.behindFrom > 0 || message.number <= outlet.queuedThrough) continue;
      if (this.hasRoom(outlet)) this.bytes += outlet.push(message);
      else outlet.behindFrom = position;
    }
    for (let i = 0; i < touched.length; i++) {
      const outlet = touched[i]!;
      outlet.isTouched = false;
      this.pump(outlet);
    }
    touched.length = 0;
  }

  /** O2 */
  taken({ source, incarnationHi, incarnationLo, destination, through, again }: Receipt): void {
    const box = this.boxes[source];
    if (box === undefined) return;
    const channel = box.bucket.channels.outTo(destination, incarnationHi, incarnationLo);
    if (channel === null || channel.outlet === null || channel.outlet.isIdle || through > channel.sent) return;
    const { outlet } = channel;
    if (through < channel.taken && again && !outlet.isDoubted) {
      outlet.isDoubted = outlet.isAsked = true;
      this.ask(outlet);
      return;
    }
    outlet.retryMs = limits.messageRetryMs;
    if (through < channel.taken) {
      // What was under way when the question was put says nothing about it.
      if (!again) return;
      this.rewind(outlet, through);
    } else this.trim(outlet, through);
    outlet.isAsked = outlet.isDoubted = false;
    if (again && through < outlet.delivered) {
      this.redelivered += outlet.delivered - through;
      outlet.again();
    }
    this.settle(outlet);
    this.pump(outlet);
  }

  /** Buckets that messages are for have another owner, or serve again: what was sent to them may be lost. */
  ownersChanged(destinations: readonly number[]): void {
    const changed = new Set(destinations);
    for (const outlet of [...this.listed]) {
      if (!outlet.isWaiting || !changed.has(outlet.channel.destination)) continue;
      outlet.retryMs = limits.messageRetryMs;
      this.resend(outlet);
    }
  }

  private outlet(box: Box, channel: OutChannel): Outlet {
    if (channel.outlet !== null) return channel.outlet;
    const outlet = (channel.outlet = new Outlet(box, channel));
    box.outlets.push(outlet);
    return outlet;
  }

  private hasRoom({ length, bytes }: Outlet): boolean {
    return length < limits.messagesPerChannelMax && bytes < limits.messageBytesPerChannelMax && this.bytes < limits.outboxBytesMax;
  }

  private trim(outlet: Outlet, through: number): void {
    const { channel, box } = outlet;
    this.bytes -= outlet.trim(through);
    box.bucket.channels.takenThrough(channel, through);
    if (through >= channel.sent) channel.from = outlet.behindFrom = 0;
    else channel.from = outlet.first?.position ?? (outlet.behindFrom || box.seen + 1);
  }

  /** What was taken in is gone over there: everything behind it is sent again, out of the log. */
  private rewind(outlet: Outlet, through: number): void {
    this.parts.log.warn({ destination: outlet.channel.destination, taken: outlet.channel.taken, through }, 'a bucket has lost messages that it had taken in; they are sent again');
    this.bytes -= outlet.empty();
    outlet.box.bucket.channels.takenThrough(outlet.channel, through);
    outlet.delivered = through;
    outlet.channel.from = outlet.behindFrom = 1;
  }

  private pump(outlet: Outlet): void {
    if (outlet.isAsked) return;
    const { box, length } = outlet;
    if (outlet.delivered < outlet.queuedThrough) this.deliver(outlet, outlet.takeUndelivered());
    const isReadable = outlet.behindFrom > 0 && outlet.behindFrom <= box.bucket.durablePosition;
    if (isReadable && length * 2 < limits.messagesPerChannelMax) this.readOn(box);
  }

  private deliver(outlet: Outlet, messages: readonly Message[]): void {
    const { destination, incarnationHi, incarnationLo } = outlet.channel;
    this.delivered += messages.length;
    outlet.isWaiting = true;
    if (!outlet.isListed) this.listed.push(outlet);
    outlet.isListed = true;
    this.time();
    const isThere = this.courier!.deliver({ source: outlet.box.bucket.id.index, incarnationHi, incarnationLo, destination, messages });
    outlet.retryAt = Math.ceil(this.parts.clock.monotonic()) + (isThere ? limits.messageRetryMsMax : outlet.retryMs);
  }

  private ask(outlet: Outlet): void {
    this.deliver(outlet, []);
  }

  /** Nothing of it is on its way any more. */
  private settle(outlet: Outlet): void {
    const { box, channel } = outlet;
    if (!outlet.isAsked && outlet.delivered <= channel.taken) outlet.isWaiting = false;
    const { ended } = box.bucket.channels;
    if (ended.length === 0 || !outlet.isIdle) return;
    const at = ended.indexOf(channel);
    if (at < 0) return;
    ended.splice(at, 1);
    box.outlets.splice(box.outlets.indexOf(outlet), 1);
    channel.outlet = null;
  }

  /** Silence: sends again what is not known to be taken in. */
  private resend(outlet: Outlet): void {
    outlet.isWaiting = false;
    this.redelivered += outlet.delivered - outlet.channel.taken;
    outlet.again();
    if (outlet.isAsked || outlet.length === 0) this.ask(outlet);
    else this.pump(outlet);
  }

  private time(): void {
    if (this.isTimed) return;
    this.isTimed = true;
    this.parts.scheduler.later(limits.messageRetryMs / 2, () => {
      this.isTimed = false;
      const now = this.parts.clock.monotonic();
      const { listed } = this;
      let kept = 0;
      // What `resend` lists anew stands behind, and is looked at as well.
      for (let i = 0; i < listed.length; i++) {
        const outlet = listed[i]!;
        if (outlet.isWaiting && outlet.retryAt <= now) {
          outlet.retryMs = Math.min(outlet.retryMs * 2, limits.messageRetryMsMax);
          this.resend(outlet);
        }
        outlet.isListed = outlet.isWaiting;
        if (outlet.isWaiting) listed[kept++] = outlet;
      }
      listed.length = kept;
      if (kept > 0) this.time();
    });
  }

  /** O3: one walk over the log for all channels of a bucket that lag behind. */
  private readOn(box: Box): void {
    if (box.isReading) return;
    box.isReading = true;
    void this.read(box).then(
      () => {
        box.isReading = false;
        this.outage.worked(box);
        if (this.boxes[box.bucket.id.index] !== box) return;
        for (const outlet of [...box.outlets]) {
          this.settle(outlet);
          this.pump(outlet);
        }
      },
      (error: unknown) => {
        box.isReading = false;
        this.outage.again(box, error);
        this.parts.scheduler.later(limits.messageRetryMs, () => {
          if (this.boxes[box.bucket.id.index] === box) this.readOn(box);
          else this.outage.left(box);
        });
      },
    );
  }

  private async read(box: Box): Promise<void> {
    const { bucket } = box;
    const lagging = box.outlets.filter((outlet) => outlet.behindFrom > 0 && !outlet.isAsked && this.hasRoom(outlet));
    if (lagging.length === 0) return;
    const isLagging = new Set(lagging);
    const from = lagging.reduce((least, { behindFrom }) => Math.min(least, behindFrom), Infinity);
    const to = bucket.durablePosition + 1;
    const record = new RecordReader();
    const full = new Set<Outlet>();
    for await (const stored of this.parts.journal.readBucket(bucket.id, from, to)) {
      if (this.boxes[bucket.id.index] !== box) return;
      record.over(stored.bytes);
      for (const message of messagesOf(record, bucket.channels.addressees)) {
        const outlet = bucket.channels.outTo(message.to.bucket, record.incarnationHi, record.incarnationLo)?.outlet ?? null;
        if (outlet === null || !isLagging.has(outlet) || full.has(outlet) || message.number !== outlet.queuedThrough + 1) continue;
        if (this.hasRoom(outlet)) this.bytes += outlet.push(message);
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
