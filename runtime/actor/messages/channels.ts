/**
 * Channels of one bucket: what its records have sent to each other bucket, and what they have taken in from each. A fold of the
 * bucket's log.
 *
 * M1  Messages from one bucket to another have the numbers 1, 2, 3, ... without a gap, given out by the records that send them.
 * M2  A record that takes a message in names its channel and number; the mark of the channel is the number of the newest such record. Only
 *     the message behind the mark is taken in, so that each has its effect once, whatever is sent twice, lost or late.
 * M3  A channel belongs to one incarnation of the sending log. [An operator accepts the loss of a log's end: what it sends from then on
 *     has numbers that were given out before.]
 */

import type { RecordReader } from '../../codec/record.ts';
import { causeOf } from '../../codec/record-messages.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { WireReader, WireWriter } from '../../codec/wire.ts';
import { WireReader as Reader } from '../../codec/wire.ts';
import { Addressees, messagesOf } from './message.ts';
import type { Message } from './message.ts';
import type { Outlet } from './outlet.ts';

/** To one other bucket. */
export class OutChannel {
  readonly destination: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  /** The last number given out. */
  sent = 0;
  /** The last number that is known to be taken in. */
  taken = 0;
  /** Position of the oldest record with a message that is not known to be taken in; 0 when all are. */
  from = 0;
  /** The outbox's own: what of it is on its way. */
  outlet: Outlet | null = null;

  constructor(destination: number, incarnation: Hash64) {
    this.destination = destination;
    this.incarnationHi = incarnation.hi;
    this.incarnationLo = incarnation.lo;
  }
}

/** How far a channel from another bucket was taken in. */
export interface TakenMark {
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  number: number;
  /** The marks of other incarnations of the same source, if it had any. */
  readonly older: TakenMark | null;
}

export class Channels {
  /** By destination, with holes; of the log's incarnation as it is. Arrays: with all buckets on one node a map's entries cost a cache miss each. */
  readonly outgoing: OutChannel[] = [];
  /** Messages that are not known to be taken in. */
  backlog = 0;
  /** Of earlier incarnations, as long as not all of them is known to be taken in. */
  readonly ended: OutChannel[] = [];
  /** By source, with holes. */
  private readonly incoming: TakenMark[] = [];
  private readonly bits: number;
  readonly addressees: Addressees;
  private incarnation: Hash64 = { hi: 0, lo: 0 };
  private readonly nested = new Reader();

  constructor(bits: number, addressees = new Addressees(bits)) {
    this.bits = bits;
    this.addressees = addressees;
  }

  clear(): void {
    this.outgoing.length = this.ended.length = this.incoming.length = 0;
    this.incarnation = { hi: 0, lo: 0 };
    this.backlog = 0;
  }

  /** The log has this incarnation from here on (M3). */
  begin(incarnation: Hash64): void {
    const { hi, lo } = this.incarnation;
    if (incarnation.hi === hi && incarnation.lo === lo) return;
    this.incarnation = { hi: incarnation.hi, lo: incarnation.lo };
    this.outgoing.forEach((channel) => {
      if (channel.taken < channel.sent) this.ended.push(channel);
    });
    this.outgoing.length = 0;
  }

  /** The next number to a bucket, given out (M1). */
  next(destination: number): number {
    this.backlog++;
    return ++this.to(destination).sent;
  }

  /** The other side has taken a channel in that far, or stands there again. */
  takenThrough(channel: OutChannel, through: number): void {
    this.backlog -= through - channel.taken;
    channel.taken = through;
  }

  /** What a source's messages were taken in up to, by the records that were encoded so far. */
  mark(source: number, incarnationHi: number, incarnationLo: number): number {
    return this.find(source, incarnationHi, incarnationLo)?.number ?? 0;
  }

  /** Takes a record in; answers what it sends. */
  fold(record: RecordReader): readonly Message[] {
    if (record.incarnationHi !== this.incarnation.hi || record.incarnationLo !== this.incarnation.lo) {
      this.begin({ hi: record.incarnationHi, lo: record.incarnationLo });
    }
    if (record.spansLength === 0) return NOTHING;
    const cause = causeOf(record);
    if (cause !== null && cause.number > 0) this.take(cause.index, cause.incarnationHi, cause.incarnationLo, cause.number);
    const sent = messagesOf(record, this.addressees);
    for (let i = 0; i < sent.length; i++) {
      const { to, number } = sent[i]!;
      const channel = this.to(to.bucket);
      this.backlog += number - channel.sent;
      channel.sent = number;
      if (channel.from === 0 && number > channel.taken) channel.from = record.position;
    }
    return sent;
  }

  *all(): Generator<OutChannel> {
    yield* this.ended;
    for (const channel of this.outgoing) if (channel !== undefined) yield channel;
  }

  /** The channel of one incarnation, as long as it is known. */
  outTo(destination: number, incarnationHi: number, incarnationLo: number): OutChannel | null {
    const channel = this.outgoing[destination];
    if (channel !== undefined && channel.incarnationHi === incarnationHi && channel.incarnationLo === incarnationLo) return channel;
    return this.ended.find((old) => old.destination === destination && old.incarnationHi === incarnationHi && old.incarnationLo === incarnationLo) ?? null;
  }

  /** Whether messages of more than one incarnation of a source were taken in (M3). */
  hasEnded(source: number): boolean {
    return (this.incoming[source]?.older ?? null) !== null;
  }

  find(source: number, incarnationHi: number, incarnationLo: number): TakenMark | null {
    let mark: TakenMark | null = this.incoming[source] ?? null;
    while (mark !== null && (mark.incarnationHi !== incarnationHi || mark.incarnationLo !== incarnationLo)) mark = mark.older;
    return mark;
  }

  private take(source: number, incarnationHi: number, incarnationLo: number, number: number): void {
    const mark = this.find(source, incarnationHi, incarnationLo);
    if (mark !== null) mark.number = number;
    else this.incoming[source] = { incarnationHi, incarnationLo, number, older: this.incoming[source] ?? null };
  }

  private to(destination: number): OutChannel {
    return (this.outgoing[destination] ??= new OutChannel(destination, this.incarnation));
  }

  // Fields 7 and 10 of troupe.v1.BucketCheckpoint.

  encode(wire: WireWriter): void {
    this.ended.forEach((channel) => this.encodeChannel(wire, channel));
    this.outgoing.forEach((channel) => this.encodeChannel(wire, channel));
    this.incoming.forEach((newest, source) => this.encodeMarks(wire, source, newest));
  }

  private encodeChannel(wire: WireWriter, channel: OutChannel): void {
    const start = wire.begin(7);
    wire.uint(1, this.bits);
    wire.uint(2, channel.destination);
    wire.uint(3, channel.sent);
    wire.uint(4, channel.taken);
    wire.uint(5, channel.from);
    wire.fixed64(6, channel.incarnationHi, channel.incarnationLo);
    wire.end(start);
  }

  /** Takes over what a checkpoint of this incarnation has in [from, to). */
  restore(field: number, buffer: Buffer, from: number, to: number, incarnation: Hash64): void {
    const wire = this.nested.over(buffer, from, to);
    if (field === 10) this.restoreMark(wire);
    else this.restoreChannel(wire, incarnation);
  }

  /** The oldest first, so that restoring makes the same list. */
  private encodeMarks(wire: WireWriter, source: number, mark: TakenMark): void {
    if (mark.older !== null) this.encodeMarks(wire, source, mark.older);
    const start = wire.begin(10);
    wire.uint(1, source);
    wire.fixed64(2, mark.incarnationHi, mark.incarnationLo);
    wire.uint(3, mark.number);
    wire.end(start);
  }

  private restoreMark(wire: WireReader): void {
    let source = 0;
    let hi = 0;
    let lo = 0;
    let number = 0;
    while (wire.next()) {
      if (wire.field === 1) source = wire.varint();
      else if (wire.field === 2) {
        wire.fixed64();
        ({ hi, lo } = wire);
      } else if (wire.field === 3) number = wire.varint();
      else wire.skip();
    }
    this.take(source, hi, lo, number);
  }

  private restoreChannel(wire: WireReader, incarnation: Hash64): void {
    let destination = 0;
    let sent = 0;
    let taken = 0;
    let from = 0;
    let hi = 0;
    let lo = 0;
    while (wire.next()) {
      switch (wire.field) {
        case 2: destination = wire.varint(); break;
        case 3: sent = wire.varint(); break;
        case 4: taken = wire.varint(); break;
        case 5: from = wire.varint(); break;
        case 6:
          wire.fixed64();
          ({ hi, lo } = wire);
          break;
        default: wire.skip();
      }
    }
    const channel = new OutChannel(destination, { hi, lo });
    Object.assign(channel, { sent, taken, from });
    this.backlog += sent - taken;
    this.incarnation = incarnation;
    if (hi === incarnation.hi && lo === incarnation.lo) this.outgoing[destination] = channel;
    else this.ended.push(channel);
  }
}

const NOTHING: readonly Message[] = [];
