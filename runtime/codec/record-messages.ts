/**
 * The fields of troupe.v1.Record about what goes on between actors: where a message came from, what is sent, which links
 * change; timers are in record-timers.ts. Most records have none of them, so RecordReader only notes where they are. record-messages.test.ts holds both directions
 * against protobufjs and proto/troupe/v1/record.proto.
 */

import type { RecordReader } from './record.ts';
import type { WireWriter } from './wire.ts';
import { WireReader } from './wire.ts';

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
  const [cause] = each(record, CAUSE, (from, to) => readCause(record, from, to));
  return cause ?? null;
}

function readCause(record: RecordReader, from: number, to: number): Cause {
  let incarnationHi = 0;
  let incarnationLo = 0;
  let bits = 0;
  let index = 0;
  let position = 0;
  let entry = 0;
  let number = 0;
  let session = '';
  wire.over(record.buffer, from, to);
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
  const start = out.begin(CAUSE);
  out.fixed64(1, cause.incarnationHi, cause.incarnationLo);
  out.uint(2, cause.bits);
  out.uint(3, cause.index);
  out.uint(4, cause.position);
  out.uint(5, cause.entry);
  out.uint(7, cause.number);
  out.end(start);
}

export function sendsOf(record: RecordReader): SentCommand[] {
  return each(record, SEND, (from, to) => {
    const send = { to: '', name: '', from: 0, until: 0, onReply: '' };
    wire.over(record.buffer, from, to);
    while (wire.next()) {
      switch (wire.field) {
        case 1: send.to = wire.string(); break;
        case 2: send.name = wire.string(); break;
        case 3:
          wire.span();
          send.from = wire.from;
          send.until = wire.to;
          break;
        case 5: send.onReply = wire.string(); break;
        default: wire.skip();
      }
    }
    return send;
  });
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

export function linksOf(record: RecordReader): LinkChange[] {
  return each(record, LINK, (from, to) => {
    const change = { actor: '', unlink: false };
    wire.over(record.buffer, from, to);
    while (wire.next()) {
      if (wire.field === 1) change.actor = wire.string();
      else if (wire.field === 2) change.unlink = wire.varint() !== 0;
      else wire.skip();
    }
    return change;
  });
}

export function linkNotesOf(record: RecordReader): LinkNote[] {
  return each(record, LINK_NOTE, (from, to) => {
    const note = { number: 0, linkedNumber: 0 };
    wire.over(record.buffer, from, to);
    while (wire.next()) {
      if (wire.field === 1) note.number = wire.varint();
      else if (wire.field === 2) note.linkedNumber = wire.varint();
      else wire.skip();
    }
    return note;
  });
}

export function writeLinkNote(out: WireWriter, note: LinkNote): void {
  const start = out.begin(LINK_NOTE);
  out.uint(1, note.number);
  out.uint(2, note.linkedNumber);
  out.end(start);
}

export function linkTakenOf(record: RecordReader): LinkTaken | null {
  const [taken] = each(record, LINK_TAKEN, (from, to) => {
    const found = { target: '', actor: '', unlink: false, linkedNumber: 0 };
    wire.over(record.buffer, from, to);
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
  });
  return taken ?? null;
}

export function writeLinkTaken(out: WireWriter, taken: LinkTaken): void {
  const start = out.begin(LINK_TAKEN);
  out.string(1, taken.target);
  out.string(2, taken.actor);
  if (taken.unlink) out.uint(3, 1);
  out.uint(4, taken.linkedNumber);
  out.end(start);
}

export function broadcastsOf(record: RecordReader): RecordedBroadcast[] {
  return each(record, BROADCAST, (from, to) => {
    const broadcast = { name: '', from: 0, until: 0 };
    wire.over(record.buffer, from, to);
    while (wire.next()) {
      if (wire.field === 1) broadcast.name = wire.string();
      else if (wire.field === 2) {
        wire.span();
        broadcast.from = wire.from;
        broadcast.until = wire.to;
      } else wire.skip();
    }
    return broadcast;
  });
}

export function cursorOf(record: RecordReader): BroadcastCursor | null {
  const [cursor] = each(record, CURSOR, (from, to) => {
    const found = { position: 0, index: 0, through: 0, done: false, actor: '' };
    wire.over(record.buffer, from, to);
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
  });
  return cursor ?? null;
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

/** What `read` makes of each field of this number. */
export function each<T>(record: RecordReader, field: number, read: (from: number, to: number) => T): T[] {
  const { spans } = record;
  const found: T[] = [];
  for (let i = 0; i < spans.length; i += 3) if (spans[i] === field) found.push(read(spans[i + 1]!, spans[i + 2]!));
  return found;
}
