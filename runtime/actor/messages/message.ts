/** Messages between actors, as they stand in the record that sends them and as they travel from bucket to bucket. */

import { bucketIndex, hashText, shardKey, splitAddress } from '../../codec/address.ts';
import type { RecordReader } from '../../codec/record.ts';
import { cursorOf, linkNotesOf, linksOf, sendsOf } from '../../codec/record-messages.ts';

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
  readonly to: string;
  /** SEND: the command, its encoded body, and the sender's command that takes the reply, '' for none. */
  readonly name: string;
  readonly body: Buffer;
  readonly onReply: string;
  /** UNLINK: the number of the link that ends. */
  readonly linkedNumber: number;
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

export interface SentMessage {
  readonly destination: number;
  readonly message: Message;
}

const NO_BYTES = Buffer.alloc(0);

/** The bucket of an actor, of 2^bits. */
export function bucketOf(address: string, bits: number): number {
  return bucketIndex(hashText(shardKey(splitAddress(address))), bits);
}

/** What a record sends, in the order of its channel numbers: links first. Bodies are copied out of the record. */
export function messagesOf(record: RecordReader, bits: number): SentMessage[] {
  const sent: SentMessage[] = [];
  if (record.spans.length === 0) return sent;
  const { position } = record;
  const from = senderOf(record);
  const notes = linkNotesOf(record);
  if (notes.length > 0) {
    for (const [entry, { actor, unlink }] of linksOf(record).entries()) {
      const { number, linkedNumber } = notes[entry]!;
      if (number === 0) continue;
      const kind = unlink ? UNLINK : LINK;
      sent.push({ destination: bucketOf(actor, bits), message: { kind, number, position, entry, from, to: actor, name: '', body: NO_BYTES, onReply: '', linkedNumber } });
    }
  }
  const { sendNumbers } = record;
  if (sendNumbers.length === 0) return sent;
  for (const [entry, send] of sendsOf(record).entries()) {
    const body = Buffer.from(record.buffer.subarray(send.from, send.until));
    const message: Message = { kind: SEND, number: sendNumbers[entry]!, position, entry, from, to: send.to, name: send.name, body, onReply: send.onReply, linkedNumber: 0 };
    sent.push({ destination: bucketOf(send.to, bits), message });
  }
  return sent;
}

/** Records of the bucket itself send for an actor, too: a broadcast goes on, a dropped message is answered. */
function senderOf(record: RecordReader): string {
  return record.actor || record.addressee || (cursorOf(record)?.actor ?? '');
}
