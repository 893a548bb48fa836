/**
 * Conservation of messages, over the logs of all buckets.
 *
 *  C1  On each channel (sending bucket, incarnation of its log, receiving bucket) the numbers given out are 1, 2, 3, ... in order of position,
 *      a record's links before its sends.
 *  C2  Each number is taken in once, in order, by a record that names the record and the entry that sent it, and has the same actor, command
 *      and payload; nothing is taken in that was not sent. What was sent and not taken in is on its way; at rest, nothing is, and nothing is ever
 *      on its way for long. A number that was passed over is on its way no more.
 */

import { CURSOR, DECISION, DROPPED, FAILED, LINKED, PARKED, REJECTION, bucketOf, placeOf, typeOf } from './log-record.ts';
import type { Complain, LogRecord } from './log-record.ts';

export interface SentMessage {
  readonly kind: 'send' | 'link' | 'unlink';
  readonly source: number;
  readonly position: number;
  readonly entry: number;
  readonly from: string;
  readonly to: string;
  readonly name: string;
  readonly data: Buffer;
  readonly onReply: string;
  readonly linkedNumber: number;
  /** By the node's clock. */
  readonly sentMs: number;
}

interface TakenMessage {
  readonly record: LogRecord;
  readonly destination: number;
}

interface Channel {
  readonly name: string;
  /** The message with number n stands at n - 1, */
  readonly sent: SentMessage[];
  /** and so does what took it in. */
  readonly taken: (TakenMessage | undefined)[];
  /** How many of both were held against each other. */
  matched: number;
}

/** Up to where each bucket's log had come at some moment, by its index. */
export type Cut = readonly number[];

/** Whether two payloads of a command mean the same. */
export type SamePayload = (actorType: string, command: string, a: Buffer, b: Buffer) => boolean;

export class ChannelsCheck {
  /** Handed out, and taken in. */
  sent = 0;
  taken = 0;
  private readonly channels = new Map<string, Channel>();
  private readonly complain: Complain;
  private readonly samePayload: SamePayload;

  constructor(complain: Complain, samePayload: SamePayload) {
    this.complain = complain;
    this.samePayload = samePayload;
  }

  record(record: LogRecord): void {
    this.sending(record);
    const { cause } = record;
    if (cause !== null && cause.number > 0) this.taking(record);
  }

  /** The message that a record took in, if it is known by now. */
  messageOf({ cause, bucketIndex }: LogRecord): SentMessage | null {
    if (cause === null || cause.number === 0) return null;
    return this.channels.get(keyOf(cause.bucketIndex, cause.incarnation, bucketIndex))?.sent[cause.number - 1] ?? null;
  }

  /** C2. All logs were read as they stood in one moment, or the receiving ones before the sending ones. */
  match(): void {
    this.compareTaken();
    for (const { sent, taken, name } of this.channels.values()) {
      const unsent = taken.slice(sent.length).filter((end) => end !== undefined);
      if (unsent.length > 0) this.complain('C2', `${name}: ${unsent.length} messages were taken in that were not sent, the first at ${placeOf(unsent[0]!.record)}`);
    }
  }

  /** C2, as far as both ends were read. The logs may have been read one behind the other. */
  compareTaken(): void {
    for (const channel of this.channels.values()) {
      const { sent, taken, name } = channel;
      for (; channel.matched < Math.min(sent.length, taken.length); channel.matched++) {
        const message = sent[channel.matched]!;
        const end = taken[channel.matched];
        if (end !== undefined) this.compare(channel, message, end);
        else {
          const next = taken.findIndex((later, i) => i > channel.matched && later !== undefined);
          const behind = `${placeOf(taken[next]!.record)} takes in number ${next + 1}`;
          this.complain('C2', `${name}: message ${channel.matched + 1} was passed over and never arrives, ${behind}: ${shown(message)}`);
        }
      }
    }
  }

  /** C2, of what was sent by `sentByMs`: at rest, everything. */
  settle(sentByMs = Infinity): void {
    for (const { sent, taken, name } of this.channels.values()) {
      const number = taken.length + 1;
      const missing = sent[taken.length];
      if (missing === undefined || missing.sentMs > sentByMs) continue;
      const behind = sent.length - number;
      this.complain('C2', `${name}: message ${number} has not arrived: ${shown(missing)}${behind === 0 ? '' : `; nor have ${behind} behind it`}`);
    }
  }

  get inFlight(): number {
    return this.sent - this.taken;
  }

  /** Of what was sent up to the cut, how much was taken in behind it only, or never. */
  inFlightAt(cut: Cut): number {
    let count = 0;
    for (const { sent, taken } of this.channels.values()) {
      for (const [i, message] of sent.entries()) {
        if (message.position > cut[message.source]!) break;
        const end = taken[i];
        if (end === undefined || end.record.position > cut[end.destination]!) count++;
      }
    }
    return count;
  }

  private sending(record: LogRecord): void {
    const { links, linkNotes, sends, sendNumbers } = record;
    const place = placeOf(record);
    if (sendNumbers.length !== sends.length) this.complain('C1', `${place}: ${sends.length} sends with ${sendNumbers.length} numbers`);
    if (linkNotes.length !== links.length) this.complain('C1', `${place}: ${links.length} links with ${linkNotes.length} notes`);
    const from = record.actor || record.addressee || (record.cursor?.actor ?? '');
    const common = { source: record.bucketIndex, position: record.position, from, sentMs: record.nowMs };
    for (const [entry, { actor: to, unlink }] of links.entries()) {
      const { number, linkedNumber } = linkNotes[entry] ?? { number: 0, linkedNumber: 0 };
      if (number > 0) this.give(record, number, { ...common, kind: unlink ? 'unlink' : 'link', entry, to, name: '', data: NO_BYTES, onReply: '', linkedNumber });
    }
    for (const [entry, { to, name, data, onReply }] of sends.entries()) {
      this.give(record, sendNumbers[entry] ?? 0, { ...common, kind: 'send', entry, to, name, data, onReply, linkedNumber: 0 });
    }
  }

  /** C1 */
  private give(record: LogRecord, number: number, message: SentMessage): void {
    const channel = this.channel(record.bucketIndex, record.incarnation, bucketOf(message.to, record.bucketBits));
    channel.sent.push(message);
    this.sent++;
    if (number !== channel.sent.length) this.complain('C1', `${channel.name}: ${placeOf(record)} gives out number ${number} behind ${channel.sent.length - 1}`);
  }

  private taking(record: LogRecord): void {
    const cause = record.cause!;
    const channel = this.channel(cause.bucketIndex, cause.incarnation, record.bucketIndex);
    // One that goes too far is told of when it is known what it has passed over.
    if (cause.number <= channel.taken.length) {
      this.complain('C2', `${channel.name}: ${placeOf(record)} takes in number ${cause.number} behind ${channel.taken.length}`);
    }
    channel.taken[cause.number - 1] ??= { record, destination: record.bucketIndex };
    this.taken++;
  }

  private compare(channel: Channel, sent: SentMessage, { record }: TakenMessage): void {
    const wrong = this.difference(sent, record);
    if (wrong !== null) this.complain('C2', `${channel.name}: ${placeOf(record)} took in ${shown(sent)} with another ${wrong}`);
  }

  private difference(sent: SentMessage, record: LogRecord): string | null {
    const { cause, kind, linkTaken } = record;
    if (cause!.position !== sent.position || cause!.index !== sent.entry) return 'cause';
    if (sent.kind !== 'send') {
      if (kind !== LINKED || linkTaken === null) return 'kind of record';
      if (linkTaken.target !== sent.to || linkTaken.actor !== sent.from) return 'actor';
      return linkTaken.unlink === (sent.kind === 'unlink') && linkTaken.linkedNumber === sent.linkedNumber ? null : 'link';
    }
    if (kind !== DECISION && kind !== REJECTION && kind !== FAILED && kind !== PARKED) return 'kind of record';
    if ((record.actor || record.addressee) !== sent.to) return 'actor';
    if (record.name !== sent.name) return 'command';
    if (record.principal !== sent.from) return 'sender';
    if ((kind === FAILED || kind === PARKED) && record.onReply !== sent.onReply) return 'command for the reply';
    return this.samePayload(typeOf(sent.to), sent.name, sent.data, record.payload?.data ?? NO_BYTES) ? null : 'payload';
  }

  private channel(source: number, incarnation: string, destination: number): Channel {
    const key = keyOf(source, incarnation, destination);
    let channel = this.channels.get(key);
    if (channel === undefined) this.channels.set(key, (channel = { name: `channel ${source} to ${destination}`, sent: [], taken: [], matched: 0 }));
    return channel;
  }
}

const NO_BYTES = Buffer.alloc(0);

function keyOf(source: number, incarnation: string, destination: number): string {
  return `${source} ${incarnation} ${destination}`;
}

function shown({ kind, source, position, entry, from, to, name }: SentMessage): string {
  return `${name === '' ? kind : `${kind} ${name}`} of ${from} to ${to}, entry ${entry} of ${source}/${position}`;
}

/** Kinds that only a record with the fields they need may have. */
export function isOddKind({ kind, linkTaken, cursor, resumes }: LogRecord): boolean {
  return (kind === LINKED) !== (linkTaken !== null) || (kind === CURSOR) !== (cursor !== null) || (kind === DROPPED && resumes === 0);
}
