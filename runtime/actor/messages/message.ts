/** Messages between actors, as they stand in the record that sends them and as they travel from bucket to bucket. */

import { bucketIndex, hashText, shardKey, splitAddress } from '../../codec/address.ts';
import { Address, Names } from '../../codec/names.ts';
import type { RecordReader } from '../../codec/record.ts';
import { cursorOf, eachSend, linkNotesOf, linksOf, sendsSpan } from '../../codec/record-messages.ts';
import type { LinkNote } from '../../codec/record-messages.ts';

/** A command for an actor. */
export const SEND = 0;
/** The sender is linked to the addressee from here on, */
export const LINK = 1;
/** or no longer. */
export const UNLINK = 2;
export type MessageKind = typeof SEND | typeof LINK | typeof UNLINK;

export interface Message {
  readonly kind: MessageKind;
  /** On the channel from the sending bucket to the receiving one: 1, 2, 3, ... */
  readonly number: number;
  /** The record that sends it, and its index among that record's sends, or links. */
  readonly position: number;
  readonly entry: number;
  /** Address of the actor that sends. */
  readonly from: string;
  readonly to: Address;
  /** SEND: the command, its encoded body `body[bodyFrom, bodyTo)`, and the sender's command that takes the reply, '' for none. */
  readonly name: string;
  readonly body: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;
  readonly onReply: string;
  /** UNLINK: the number of the link that ends. */
  readonly linkedNumber: number;
  /** The one behind it in its outlet. */
  next: Message | null;
}

/** Messages of one channel in order, on their way to the bucket that receives them. */
export interface Delivery {
  /** The sending bucket, and the incarnation of its log in which they were numbered. */
  readonly source: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  readonly destination: number;
  /** May be empty: a question how far the channel was taken in. */
  readonly messages: readonly Message[];
}

/** How far a channel was taken in, durably. */
export interface Receipt {
  readonly source: number;
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  readonly destination: number;
  readonly through: number;
  /** Nothing behind that is on its way over there: whatever was sent has to come again. */
  readonly again: boolean;
}

const NO_BYTES = Buffer.alloc(0);

/** So many bytes of a record's sends may be kept alive by one message of them: as many as Node keeps in one piece for small buffers. */
const SHARED_BYTES_MAX = 4_096;

/** The bucket of an actor, of 2^bits. */
export function bucketOf(address: string, bits: number): number {
  return bucketIndex(hashText(shardKey(splitAddress(address))), bits);
}

/** Addresses and command names of messages: the same object again for what was met before (names.ts). */
export class Addressees {
  private readonly names = new Names();
  private readonly bits: number;

  constructor(bits: number) {
    this.bits = bits;
  }

  /** The address of `buffer[from, to)`, with its bucket. @throws WireError */
  at(buffer: Buffer, from: number, to: number): Address {
    return this.located(this.names.address(buffer, from, to));
  }

  of(text: string): Address {
    return this.located(new Address(text));
  }

  text(buffer: Buffer, from: number, to: number): string {
    return this.names.text(buffer, from, to);
  }

  private located(address: Address): Address {
    if (address.bucket < 0) address.bucket = bucketOf(address.text, this.bits);
    return address;
  }
}

/** What a record sends, in the order of its channel numbers: links first. Bodies are copied out of the record. */
export function messagesOf(record: RecordReader, addressees: Addressees): readonly Message[] {
  if (record.spansLength === 0) return NOTHING;
  const notes = linkNotesOf(record);
  const { sendNumbers } = record;
  if (notes.length === 0 && sendNumbers.length === 0) return NOTHING;
  const sent: Message[] = [];
  const from = senderOf(record);
  if (notes.length > 0) addLinks(sent, record, notes, from, addressees);
  if (sendNumbers.length > 0) addSends(sent, record, from, addressees);
  return sent;
}

function addLinks(sent: Message[], record: RecordReader, notes: readonly LinkNote[], from: string, addressees: Addressees): void {
  const links = linksOf(record);
  for (let entry = 0; entry < links.length; entry++) {
    const { number, linkedNumber } = notes[entry]!;
    if (number === 0) continue;
    const { actor, unlink } = links[entry]!;
    const kind = unlink ? UNLINK : LINK;
    sent.push({ kind, number, position: record.position, entry, from, to: addressees.of(actor), name: '', body: NO_BYTES, bodyFrom: 0, bodyTo: 0, onReply: '', linkedNumber, next: null });
  }
}

function addSends(sent: Message[], record: RecordReader, from: string, addressees: Addressees): void {
  const { buffer, sendNumbers, position } = record;
  const { from: first, until } = sendsSpan(record);
  const isShared = until - first <= SHARED_BYTES_MAX;
  const shared = isShared ? Buffer.from(buffer.subarray(first, until)) : NO_BYTES;
  eachSend(record, (send, entry) => {
    sent.push({
      kind: SEND,
      number: sendNumbers[entry]!,
      position,
      entry,
      from,
      to: addressees.at(buffer, send.toFrom, send.toUntil),
      name: addressees.text(buffer, send.nameFrom, send.nameUntil),
      body: isShared ? shared : Buffer.from(buffer.subarray(send.from, send.until)),
      bodyFrom: isShared ? send.from - first : 0,
      bodyTo: isShared ? send.until - first : send.until - send.from,
      onReply: send.onReplyFrom === send.onReplyUntil ? '' : addressees.text(buffer, send.onReplyFrom, send.onReplyUntil),
      linkedNumber: 0,
      next: null,
    });
  });
}

const NOTHING: readonly Message[] = [];

/** Records of the bucket itself send for an actor, too: a broadcast goes on, a dropped message is answered. */
function senderOf(record: RecordReader): string {
  return record.actor || record.addressee || (cursorOf(record)?.actor ?? '');
}
