/**
 * The fields of troupe.v1.Record about what goes on between actors: where a message came from, what is sent, which links
 * change; timers are in record-timers.ts. Most records have none of them, so RecordReader only notes where they are. record-messages.test.ts holds both directions
 * against protobufjs and proto/troupe/v1/record.proto.
 */

import type { RecordReader } from './record.ts';
import type { WireWriter } from './wire.ts';
import { utf8, WireReader } from './wire.ts';

const CAUSE = 15;
const LINK_NOTE = 26;
const SEND = 34;
const LINK = 36;
const BROADCAST = 37;
const LINK_TAKEN = 54;
const CURSOR = 55;

/** The message that a record took in: the record that sent it, and its number on the channel between the two buckets. */
export interface Cause {
  readonly incarnationHi: number;
  readonly incarnationLo: number;
  readonly bits: number;
  readonly index: number;
  readonly position: number;
  readonly entry: number;
  /** 0: not a message. */
  readonly number: number;
  readonly session: string;
}

export interface SentCommand {
  readonly to: string;
  readonly name: string;
  /** Range in the record's buffer. */
  readonly from: number;
  readonly until: number;
  readonly onReply: string;
}

/** A send as ranges in the record's buffer, each empty when there is nothing. */
export interface SendSpans {
  toFrom: number;
  toUntil: number;
  nameFrom: number;
  nameUntil: number;
  from: number;
  until: number;
  onReplyFrom: number;
  onReplyUntil: number;
}

export interface LinkChange {
  readonly actor: string;
  readonly unlink: boolean;
}

export interface LinkNote {
  /** On the channel to the other actor's bucket; 0 when nothing is sent. */
  readonly number: number;
  /** Of the link that an unlink ends. */
  readonly linkedNumber: number;
}

export interface LinkTaken {
  readonly target: string;
  readonly actor: string;
  readonly unlink: boolean;
  readonly linkedNumber: number;
}

export interface RecordedBroadcast {
  readonly name: string;
  /** Range in the record's buffer. */
  readonly from: number;
  readonly until: number;
}

export interface BroadcastCursor {
  readonly position: number;
  readonly index: number;
  readonly through: number;
  readonly done: boolean;
  readonly actor: string;
}

const wire = new WireReader();

/** null when no other record and no session has caused it. */
export function causeOf(record: RecordReader): Cause | null {
  return first(record, CAUSE, readCause);
}

function readCause(buffer: Buffer, from: number, to: number): Cause {
  let incarnationHi = 0;
  let incarnationLo = 0;
  let bits = 0;
  let index = 0;
  let position = 0;
  let entry = 0;
  let number = 0;
  let session = '';
  wire.over(buffer, from, to);
  while (wire.next()) {
    switch (wire.field) {
      case 1:
        wire.fixed64();
        incarnationHi = wire.hi;
        incarnationLo = wire.lo;
        break;
      case 2: bits = wire.varint(); break;
      case 3: index = wire.varint(); break;
      case 4: position = wire.varint(); break;
      case 5: entry = wire.varint(); break;
      case 6: session = wire.string(); break;
      case 7: number = wire.varint(); break;
      default: wire.skip();
    }
  }
  return { incarnationHi, incarnationLo, bits, index, position, entry, number, session };
}

export function writeCause(out: WireWriter, cause: Omit<Cause, 'session'>): void {
  const { incarnationHi, incarnationLo, bits, index, position, entry, number } = cause;
  writeCauseFields(out, incarnationHi, incarnationLo, bits, index, position, entry, number);
}

/** As `writeCause`, without an object for it. */
export function writeCauseFields(
  out: WireWriter, incarnationHi: number, incarnationLo: number, bits: number, index: number, position: number, entry: number, number: number,
): void {
  const start = out.begin(CAUSE);
  out.fixed64(1, incarnationHi, incarnationLo);
  out.uint(2, bits);
  out.uint(3, index);
  out.uint(4, position);
  out.uint(5, entry);
  out.uint(7, number);
  out.end(start);
}

export function sendsOf(record: RecordReader): readonly SentCommand[] {
  const sends: SentCommand[] = [];
  const { buffer } = record;
  eachSend(record, ({ toFrom, toUntil, nameFrom, nameUntil, from, until, onReplyFrom, onReplyUntil }) => {
    sends.push({ to: utf8(buffer, toFrom, toUntil), name: utf8(buffer, nameFrom, nameUntil), from, until, onReply: utf8(buffer, onReplyFrom, onReplyUntil) });
  });
  return sends;
}

const send: SendSpans = { toFrom: 0, toUntil: 0, nameFrom: 0, nameUntil: 0, from: 0, until: 0, onReplyFrom: 0, onReplyUntil: 0 };

/** Calls `take` for every send with its index; the object is the same each time. */
export function eachSend(record: RecordReader, take: (send: SendSpans, entry: number) => void): void {
  if (!record.hasSpan(SEND)) return;
  const { spans, spansLength, buffer } = record;
  let entry = 0;
  for (let i = 0; i < spansLength; i += 3) {
    if (spans[i] !== SEND) continue;
    readSend(buffer, spans[i + 1]!, spans[i + 2]!);
    take(send, entry++);
  }
}

/** From the first send to the last one. */
export function sendsSpan({ spans, spansLength }: RecordReader): { readonly from: number; readonly until: number } {
  let from = 0;
  let until = 0;
  for (let i = 0; i < spansLength; i += 3) {
    if (spans[i] !== SEND) continue;
    if (until === 0) from = spans[i + 1]!;
    until = spans[i + 2]!;
  }
  return { from, until };
}

function readSend(buffer: Buffer, from: number, to: number): void {
  send.toFrom = send.toUntil = send.nameFrom = send.nameUntil = 0;
  send.from = send.until = send.onReplyFrom = send.onReplyUntil = 0;
  wire.over(buffer, from, to);
  while (wire.next()) {
    switch (wire.field) {
      case 1:
        wire.span();
        send.toFrom = wire.from;
        send.toUntil = wire.to;
        break;
      case 2:
        wire.span();
        send.nameFrom = wire.from;
        send.nameUntil = wire.to;
        break;
      case 3:
        wire.span();
        send.from = wire.from;
        send.until = wire.to;
        break;
      case 5:
        wire.span();
        send.onReplyFrom = wire.from;
        send.onReplyUntil = wire.to;
        break;
      default: wire.skip();
    }
  }
}

/** `body` writes the fields of the command's message. */
export function writeSend(out: WireWriter, to: string, name: string, onReply: string, body: (out: WireWriter) => void): void {
  const start = out.begin(SEND);
  out.string(1, to);
  out.string(2, name);
  const data = out.begin(3);
  body(out);
  out.end(data);
  out.string(5, onReply);
  out.end(start);
}

export function linksOf(record: RecordReader): readonly LinkChange[] {
  return each(record, LINK, readLink);
}

function readLink(buffer: Buffer, from: number, to: number): LinkChange {
  const change = { actor: '', unlink: false };
  wire.over(buffer, from, to);
  while (wire.next()) {
    if (wire.field === 1) change.actor = wire.string();
    else if (wire.field === 2) change.unlink = wire.varint() !== 0;
    else wire.skip();
  }
  return change;
}

export function linkNotesOf(record: RecordReader): readonly LinkNote[] {
  return each(record, LINK_NOTE, readLinkNote);
}

function readLinkNote(buffer: Buffer, from: number, to: number): LinkNote {
  const note = { number: 0, linkedNumber: 0 };
  wire.over(buffer, from, to);
  while (wire.next()) {
    if (wire.field === 1) note.number = wire.varint();
    else if (wire.field === 2) note.linkedNumber = wire.varint();
    else wire.skip();
  }
  return note;
}

export function writeLinkNote(out: WireWriter, note: LinkNote): void {
  const start = out.begin(LINK_NOTE);
  out.uint(1, note.number);
  out.uint(2, note.linkedNumber);
  out.end(start);
}

export function linkTakenOf(record: RecordReader): LinkTaken | null {
  return first(record, LINK_TAKEN, readLinkTaken);
}

function readLinkTaken(buffer: Buffer, from: number, to: number): LinkTaken {
  const found = { target: '', actor: '', unlink: false, linkedNumber: 0 };
  wire.over(buffer, from, to);
  while (wire.next()) {
    switch (wire.field) {
      case 1: found.target = wire.string(); break;
      case 2: found.actor = wire.string(); break;
      case 3: found.unlink = wire.varint() !== 0; break;
      case 4: found.linkedNumber = wire.varint(); break;
      default: wire.skip();
    }
  }
  return found;
}

export function writeLinkTaken(out: WireWriter, taken: LinkTaken): void {
  const start = out.begin(LINK_TAKEN);
  out.string(1, taken.target);
  out.string(2, taken.actor);
  if (taken.unlink) out.uint(3, 1);
  out.uint(4, taken.linkedNumber);
  out.end(start);
}

export function broadcastsOf(record: RecordReader): readonly RecordedBroadcast[] {
  return each(record, BROADCAST, readBroadcast);
}

function readBroadcast(buffer: Buffer, from: number, to: number): RecordedBroadcast {
  const broadcast = { name: '', from: 0, until: 0 };
  wire.over(buffer, from, to);
  while (wire.next()) {
    if (wire.field === 1) broadcast.name = wire.string();
    else if (wire.field === 2) {
      wire.span();
      broadcast.from = wire.from;
      broadcast.until = wire.to;
    } else wire.skip();
  }
  return broadcast;
}

export function cursorOf(record: RecordReader): BroadcastCursor | null {
  return first(record, CURSOR, readCursor);
}

function readCursor(buffer: Buffer, from: number, to: number): BroadcastCursor {
  const found = { position: 0, index: 0, through: 0, done: false, actor: '' };
  wire.over(buffer, from, to);
  while (wire.next()) {
    switch (wire.field) {
      case 1: found.position = wire.varint(); break;
      case 2: found.index = wire.varint(); break;
      case 3: found.through = wire.varint(); break;
      case 4: found.done = wire.varint() !== 0; break;
      case 5: found.actor = wire.string(); break;
      default: wire.skip();
    }
  }
  return found;
}

export function writeCursor(out: WireWriter, cursor: BroadcastCursor): void {
  const start = out.begin(CURSOR);
  out.uint(1, cursor.position);
  out.uint(2, cursor.index);
  out.uint(3, cursor.through);
  if (cursor.done) out.uint(4, 1);
  out.string(5, cursor.actor);
  out.end(start);
}

/** What `read` makes of each field of this number. It closes over nothing: a closure each time costs as much as the rest. */
export function each<T>(record: RecordReader, field: number, read: (buffer: Buffer, from: number, to: number) => T): readonly T[] {
  if (!record.hasSpan(field)) return NONE as readonly T[];
  const { spans, spansLength, buffer } = record;
  const found: T[] = [];
  for (let i = 0; i < spansLength; i += 3) if (spans[i] === field) found.push(read(buffer, spans[i + 1]!, spans[i + 2]!));
  return found;
}

/** What `read` makes of the first field of this number; null when there is none. */
export function first<T>(record: RecordReader, field: number, read: (buffer: Buffer, from: number, to: number) => T): T | null {
  if (!record.hasSpan(field)) return null;
  const { spans, spansLength, buffer } = record;
  for (let i = 0; i < spansLength; i += 3) if (spans[i] === field) return read(buffer, spans[i + 1]!, spans[i + 2]!);
  return null;
}

const NONE: readonly unknown[] = Object.freeze([]);
