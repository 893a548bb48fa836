/**
 * One channel on its way: what of it is not known to be taken in, as far as it is kept in memory. Outlets stay as long as their bucket serves here,
 * and their messages are chained through themselves: with all buckets on one node most channels have one message at a time, and whatever is made for
 * each of them and thrown away again costs more than its delivery.
 */

import type { Bucket } from '../bucket.ts';
import { limits } from '../../limits.ts';
import type { OutChannel } from './channels.ts';
import type { Message } from './message.ts';

/** The outlets of one bucket. */
export interface Box {
  readonly bucket: Bucket;
  readonly outlets: Outlet[];
  isReading: boolean;
  /** Position of the last record whose messages were given to the outbox. */
  seen: number;
}

export class Outlet {
  readonly box: Box;
  readonly channel: OutChannel;
  /** Not known to be taken in, from `channel.taken + 1` on without a gap; what is behind the last stands in the log alone. */
  first: Message | null = null;
  private last: Message | null = null;
  /** The first that was not given to the courier: the one behind `delivered`. */
  private undelivered: Message | null = null;
  length = 0;
  bytes = 0;
  /** The last that was given to the courier. */
  delivered: number;
  /** How far the other side has come is not known: it was not heard since the bucket was opened. */
  isAsked = false;
  /** It is said to have gone back, by somebody who may not be its owner any more. */
  isDoubted = false;
  /** It waits for a receipt until `retryAt`; it stands in the outbox's list of those that do, or did. */
  isWaiting = false;
  isListed = false;
  /** It has messages of the record that is being looked at. */
  isTouched = false;
  /** Of the last record whose messages were looked at; 0 while nothing is missing here. */
  behindFrom = 0;
  retryAt = 0;
  retryMs: number = limits.messageRetryMs;

  constructor(box: Box, channel: OutChannel) {
    this.box = box;
    this.channel = channel;
    this.delivered = channel.taken;
  }

  get queuedThrough(): number {
    return this.channel.taken + this.length;
  }

  get isIdle(): boolean {
    return this.length === 0 && this.behindFrom === 0 && !this.isAsked;
  }

  /** Answers how many bytes it keeps in memory. */
  push(message: Message): number {
    if (this.last === null) this.first = message;
    else this.last.next = message;
    this.last = message;
    this.undelivered ??= message;
    this.length++;
    const bytes = sizeOf(message);
    this.bytes += bytes;
    return bytes;
  }

  /** Those that were not given to the courier; they count as given from here on. */
  takeUndelivered(): Message[] {
    const { undelivered } = this;
    if (undelivered === null) return [];
    // Mostly there is one, and an array that grows takes room for sixteen.
    const messages = [undelivered];
    for (let at = undelivered.next; at !== null; at = at.next) messages.push(at);
    this.undelivered = null;
    this.delivered = this.queuedThrough;
    return messages;
  }

  /** They are taken in up to a number, of which the channel is told behind this. Answers how many bytes are free. */
  trim(through: number): number {
    let bytes = 0;
    let at = this.first;
    while (at !== null && at.number <= through) {
      const { next } = at;
      // What was taken in may be old, and must not keep alive what comes behind it.
      at.next = null;
      if (at === this.undelivered) this.undelivered = next;
      bytes += sizeOf(at);
      this.length--;
      at = next;
    }
    this.first = at;
    if (at === null) this.last = null;
    this.bytes -= bytes;
    this.delivered = Math.max(this.delivered, through);
    return bytes;
  }

  /** All of it is to be given to the courier once more. */
  again(): void {
    this.delivered = this.channel.taken;
    this.undelivered = this.first;
  }

  /** Nothing is kept in memory any more. Answers how many bytes are free. */
  empty(): number {
    const { bytes } = this;
    this.first = this.last = this.undelivered = null;
    this.length = this.bytes = 0;
    return bytes;
  }
}

function sizeOf({ bodyFrom, bodyTo, to, from }: Message): number {
  return bodyTo - bodyFrom + to.text.length + from.length + 64;
}
