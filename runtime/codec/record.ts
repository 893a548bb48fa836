/**
 * troupe.v1.Record by hand: what the host writes in front of the sandbox's fields, and what a fold reads back. A record is a
 * protobuf message, so the host's fields and the sandbox's simply stand one behind the other. record.test.ts holds both
 * directions against protobufjs and proto/troupe/v1/record.proto.
 */

import type { Hash64 } from './hash64.ts';
import { utf8, WireReader, WireWriter } from './wire.ts';

/** Values of troupe.v1.RecordKind. */
export const KIND_DECISION = 1;
export const KIND_REJECTION = 2;
export const KIND_FAILED = 3;
export const KIND_QUARANTINED = 4;
export const KIND_PARKED = 5;
export const KIND_CONTROL = 6;
export const KIND_MIGRATE = 7;
export const KIND_CURSOR = 8;
export const KIND_LINKED = 9;
export const KIND_DROPPED = 10;

/** The newest record format this code reads. A reader that meets a newer one does not own the bucket. */
export const READER_VERSION = 2;
/** Of records that take part in what goes on between actors (record-messages.ts): a reader of version 1 would miss what they mean. */
export const MESSAGES_VERSION = 2;

/** Field numbers from here on are the sandbox's. */
export const TAIL_FIELD_MIN = 32;

export interface RecordPlace {
  readonly position: number;
  readonly epoch: number;
  readonly incarnation: Hash64;
}

/** Fields 3 to 7: whose record it is, and where it lives. */
export function writeActorFields(
  wire: WireWriter, namespace: string, actor: string, shardHi: number, shardLo: number, bits: number, index: number,
): void {
  if (namespace !== 'main') wire.string(3, namespace);
  wire.string(4, actor);
  wire.fixed64(5, shardHi, shardLo);
  wire.uint(6, bits);
  wire.uint(7, index);
}

/** The fields that are the same for every decision of one type under one bundle. */
export function encodeProvenance(bundle: Uint8Array, foldHash: Hash64, engineHash: Hash64): Buffer {
  const wire = new WireWriter(128);
  wire.bytes(19, bundle);
  wire.fixed64(20, foldHash.hi, foldHash.lo);
  wire.fixed64(21, engineHash.hi, engineHash.lo);
  return wire.copy();
}

/** Fields 8 to 10. */
export function writePlace(wire: WireWriter, position: number, epoch: number, incarnation: Hash64): void {
  wire.uint(8, position);
  wire.uint(9, epoch);
  wire.fixed64(10, incarnation.hi, incarnation.lo);
}

/** Who asked for it: fields 12 to 15. */
export function writeOrigin(wire: WireWriter, key: string, principal: string, name: string, session: string): void {
  wire.string(12, key);
  wire.string(13, principal);
  wire.string(14, name);
  if (session.length > 0) {
    const cause = wire.begin(15);
    wire.string(6, session);
    wire.end(cause);
  }
}

/** What the decision saw beside state and payload: fields 17 and 18. */
export function writeCircumstances(wire: WireWriter, nowMs: number, seedHi: number, seedLo: number): void {
  wire.uint(17, nowMs);
  wire.fixed64(18, seedHi, seedLo);
}

/** What a fold, a duplicate or a watch needs of a record. Spans are offsets into `buffer`; absent is -1. */
export class RecordReader {
  buffer: Buffer = Buffer.alloc(0);
  kind = 0;
  minReaderVersion = 0;
  private actorFrom = 0;
  private actorTo = 0;
  position = 0;
  epoch = 0;
  incarnationHi = 0;
  incarnationLo = 0;
  firstSeq = 0;
  private keyFrom = 0;
  private keyTo = 0;
  private principalFrom = 0;
  private principalTo = 0;
  private nameFrom = 0;
  private nameTo = 0;
  nowMs = 0;
  seedHi = 0;
  seedLo = 0;
  bundleFrom = -1;
  bundleTo = -1;
  foldHi = 0;
  foldLo = 0;
  digestHi = 0;
  digestLo = 0;
  previous = 0;
  events = 0;
  payloadFrom = -1;
  payloadTo = -1;
  replyFrom = -1;
  replyTo = -1;
  rejection: { code: string; message: string } | null = null;
  failure: { code: string; message: string } | null = null;
  activation: DecodedActivation | null = null;
  strike: DecodedStrike | null = null;
  quarantine: DecodedQuarantine | null = null;
  migrationFrom = -1;
  migrationTo = -1;
  sendNumbers: number[] = [];
  /** Position of the record whose message this one takes up again or drops; 0 for none. */
  resumes = 0;
  private onReplyFrom = 0;
  private onReplyTo = 0;
  private addresseeFrom = 0;
  private addresseeTo = 0;
  /** Fields about messages, timers and links, in threes: number, from, to. record-messages.ts reads them. */
  readonly spans: number[] = [];
  /** So much of it is this record's: an array that is emptied gives its memory back. */
  spansLength = 0;
  private spanFields = 0;

  private readonly wire = new WireReader();
  private readonly nested = new WireReader();

  /** Reads a whole record. @throws WireError when the bytes are not one */
  over(buffer: Buffer, from = 0, to = buffer.length): this {
    this.clear(buffer);
    const wire = this.wire.over(buffer, from, to);
    while (wire.next()) this.readField(wire);
    return this;
  }

  private addSpan(field: number, from: number, to: number): void {
    const { spans, spansLength: at } = this;
    spans[at] = field;
    spans[at + 1] = from;
    spans[at + 2] = to;
    this.spansLength = at + 3;
  }

  /** Whether the record has a field of these; every one of them has a bit of its own. */
  hasSpan(field: number): boolean {
    return (this.spanFields & (1 << (field & 31))) !== 0;
  }

  // Texts are decoded when somebody asks: most readers want none of them, or one.

  get actor(): string {
    return utf8(this.buffer, this.actorFrom, this.actorTo);
  }

  get key(): string {
    return utf8(this.buffer, this.keyFrom, this.keyTo);
  }

  get principal(): string {
    return utf8(this.buffer, this.principalFrom, this.principalTo);
  }

  get name(): string {
    return utf8(this.buffer, this.nameFrom, this.nameTo);
  }

  get onReply(): string {
    return utf8(this.buffer, this.onReplyFrom, this.onReplyTo);
  }

  get addressee(): string {
    return utf8(this.buffer, this.addresseeFrom, this.addresseeTo);
  }

  /** SHA-256 of the bundle as hex; '' when the record names none. */
  bundleHex(): string {
    return this.bundleFrom < 0 ? '' : this.buffer.toString('hex', this.bundleFrom, this.bundleTo);
  }

  /** Number of the actor's newest event after this record. */
  get seqAfter(): number {
    return this.firstSeq + this.events - 1;
  }

  private clear(buffer: Buffer): void {
    this.buffer = buffer;
    this.kind = this.minReaderVersion = this.position = this.epoch = this.firstSeq = 0;
    this.actorTo = this.keyTo = this.principalTo = this.nameTo = this.onReplyTo = this.addresseeTo = 0;
    this.actorFrom = this.keyFrom = this.principalFrom = this.nameFrom = this.onReplyFrom = this.addresseeFrom = 0;
    this.nowMs = this.seedHi = this.seedLo = this.foldHi = this.foldLo = 0;
    this.digestHi = this.digestLo = this.previous = this.events = this.incarnationHi = this.incarnationLo = 0;
    this.bundleFrom = this.bundleTo = this.payloadFrom = this.payloadTo = -1;
    this.replyFrom = this.replyTo = this.migrationFrom = this.migrationTo = -1;
    this.rejection = this.failure = null;
    this.activation = null;
    this.strike = null;
    this.quarantine = null;
    if (this.sendNumbers.length > 0) this.sendNumbers = [];
    this.spansLength = this.spanFields = 0;
    this.resumes = 0;
  }

  private readField(wire: WireReader): void {
    switch (wire.field) {
      case 1:
        this.kind = wire.varint();
        return;
      case 2:
        this.minReaderVersion = wire.varint();
        return;
      case 4:
        wire.span();
        this.actorFrom = wire.from;
        this.actorTo = wire.to;
        return;
      case 8:
        this.position = wire.varint();
        return;
      case 9:
        this.epoch = wire.varint();
        return;
      case 10:
        wire.fixed64();
        this.incarnationHi = wire.hi;
        this.incarnationLo = wire.lo;
        return;
      case 11:
        this.firstSeq = wire.varint();
        return;
      case 12:
        wire.span();
        this.keyFrom = wire.from;
        this.keyTo = wire.to;
        return;
      case 13:
        wire.span();
        this.principalFrom = wire.from;
        this.principalTo = wire.to;
        return;
      case 14:
        wire.span();
        this.nameFrom = wire.from;
        this.nameTo = wire.to;
        return;
      case 17:
        this.nowMs = wire.varint();
        return;
      case 18:
        wire.fixed64();
        this.seedHi = wire.hi;
        this.seedLo = wire.lo;
        return;
      case 19:
        wire.span();
        this.bundleFrom = wire.from;
        this.bundleTo = wire.to;
        return;
      case 20:
        wire.fixed64();
        this.foldHi = wire.hi;
        this.foldLo = wire.lo;
        return;
      case 22:
        wire.fixed64();
        this.digestHi = wire.hi;
        this.digestLo = wire.lo;
        return;
      case 23:
        this.previous = wire.varint();
        return;
      case 24:
        this.readSendNumbers(wire);
        return;
      case 28:
        this.resumes = wire.varint();
        return;
      case 29:
        wire.span();
        this.onReplyFrom = wire.from;
        this.onReplyTo = wire.to;
        return;
      case 30:
        wire.span();
        this.addresseeFrom = wire.from;
        this.addresseeTo = wire.to;
        return;
      default:
        this.readLateField(wire);
    }
  }

  private readLateField(wire: WireReader): void {
    switch (wire.field) {
      case 32:
        wire.span();
        this.payloadFrom = this.payloadTo = wire.from;
        this.spanOfData(wire, 1);
        this.payloadFrom = this.dataFrom;
        this.payloadTo = this.dataTo;
        return;
      case 33:
        wire.span();
        this.events++;
        return;
      case 38:
        wire.span();
        this.spanOfData(wire, 1);
        this.replyFrom = this.dataFrom;
        this.replyTo = this.dataTo;
        return;
      case 39:
        wire.span();
        this.rejection = this.codeAndMessage(wire);
        return;
      case 48:
        wire.span();
        this.failure = this.codeAndMessage(wire);
        return;
      case 49:
        wire.span();
        this.activation = decodeActivation(this.buffer, wire.from, wire.to);
        return;
      case 51:
        wire.span();
        this.strike = decodeStrike(this.buffer, wire.from, wire.to);
        return;
      case 52:
        wire.span();
        this.quarantine = decodeQuarantine(this.buffer, wire.from, wire.to);
        return;
      case 53:
        wire.span();
        this.spanOfData(wire, 1);
        this.migrationFrom = this.dataFrom;
        this.migrationTo = this.dataTo;
        return;
      case 15: case 25: case 26: case 27: case 34: case 35: case 36: case 37: case 54: case 55:
        wire.span();
        this.addSpan(wire.field, wire.from, wire.to);
        this.spanFields |= 1 << (wire.field & 31);
        return;
      default:
        wire.skip();
    }
  }

  private readSendNumbers(wire: WireReader): void {
    if (wire.wireType === 0) {
      this.sendNumbers.push(wire.varint());
      return;
    }
    wire.span();
    const packed = this.nested.over(this.buffer, wire.from, wire.to);
    while (packed.at < packed.end) this.sendNumbers.push(packed.varint());
  }

  private dataFrom = 0;
  private dataTo = 0;

  /** Range of the bytes field `field` inside the span just read; empty when it is absent, as proto3 leaves empty bytes out. */
  private spanOfData(wire: WireReader, field: number): void {
    this.dataFrom = this.dataTo = wire.to;
    const nested = this.nested.over(this.buffer, wire.from, wire.to);
    while (nested.next()) {
      if (nested.field === field && nested.wireType === 2) {
        nested.span();
        this.dataFrom = nested.from;
        this.dataTo = nested.to;
      } else nested.skip();
    }
  }

  private codeAndMessage(wire: WireReader): { code: string; message: string } {
    const nested = this.nested.over(this.buffer, wire.from, wire.to);
    const out = { code: '', message: '' };
    while (nested.next()) {
      if (nested.field === 1) out.code = nested.string();
      else if (nested.field === 2) out.message = nested.string();
      else nested.skip();
    }
    return out;
  }
}

export interface DecodedActivation {
  bundle: Buffer;
  types: { type: string; foldHash: Hash64 }[];
}

export interface DecodedStrike {
  actor: string;
  type: string;
  bundle: Buffer;
  code: string;
}

export interface DecodedQuarantine extends DecodedStrike {
  released: boolean;
}

function decodeActivation(buffer: Buffer, from: number, to: number): DecodedActivation {
  const wire = new WireReader().over(buffer, from, to);
  const out: DecodedActivation = { bundle: Buffer.alloc(0), types: [] };
  while (wire.next()) {
    if (wire.field === 1) out.bundle = Buffer.from(wire.bytes());
    else if (wire.field === 2) {
      wire.span();
      out.types.push(decodeTypeAndHash(buffer, wire.from, wire.to));
    } else wire.skip();
  }
  return out;
}

function decodeTypeAndHash(buffer: Buffer, from: number, to: number): { type: string; foldHash: Hash64 } {
  const wire = new WireReader().over(buffer, from, to);
  let type = '';
  let foldHash: Hash64 = { hi: 0, lo: 0 };
  while (wire.next()) {
    if (wire.field === 1) type = wire.string();
    else if (wire.field === 2) {
      wire.fixed64();
      foldHash = { hi: wire.hi, lo: wire.lo };
    } else wire.skip();
  }
  return { type, foldHash };
}

function decodeStrike(buffer: Buffer, from: number, to: number): DecodedStrike {
  const wire = new WireReader().over(buffer, from, to);
  const out = { actor: '', type: '', bundle: Buffer.alloc(0) as Buffer, code: '' };
  while (wire.next()) {
    if (wire.field === 1) out.actor = wire.string();
    else if (wire.field === 2) out.type = wire.string();
    else if (wire.field === 3) out.bundle = Buffer.from(wire.bytes());
    else if (wire.field === 4) out.code = wire.string();
    else wire.skip();
  }
  return out;
}

function decodeQuarantine(buffer: Buffer, from: number, to: number): DecodedQuarantine {
  const wire = new WireReader().over(buffer, from, to);
  const out = { actor: '', type: '', bundle: Buffer.alloc(0) as Buffer, code: '', released: false };
  while (wire.next()) {
    if (wire.field === 1) out.actor = wire.string();
    else if (wire.field === 2) out.type = wire.string();
    else if (wire.field === 3) out.bundle = Buffer.from(wire.bytes());
    else if (wire.field === 4) out.released = wire.varint() !== 0;
    else if (wire.field === 5) out.code = wire.string();
    else wire.skip();
  }
  return out;
}

/** Field 49 of a control record. */
export function writeActivation(
  wire: WireWriter,
  bundle: Uint8Array,
  types: readonly { readonly type: string; readonly foldHash: Hash64 }[],
): void {
  const start = wire.begin(49);
  wire.bytes(1, bundle);
  for (const { type, foldHash } of types) {
    const entry = wire.begin(2);
    wire.string(1, type);
    wire.fixed64(2, foldHash.hi, foldHash.lo);
    wire.end(entry);
  }
  wire.end(start);
}

/** Field 51 of a control record. */
export function writeStrike(wire: WireWriter, actor: string, type: string, bundle: Uint8Array, code: string): void {
  const start = wire.begin(51);
  wire.string(1, actor);
  wire.string(2, type);
  wire.bytes(3, bundle);
  wire.string(4, code);
  wire.end(start);
}

/** Field 52 of a quarantine record: of an actor, or of a type when `actor` is ''. */
export function writeQuarantine(
  wire: WireWriter,
  actor: string,
  type: string,
  bundle: Uint8Array,
  released: boolean,
  reason: string,
): void {
  const start = wire.begin(52);
  wire.string(1, actor);
  wire.string(2, type);
  wire.bytes(3, bundle);
  if (released) wire.uint(4, 1);
  wire.string(5, reason);
  wire.end(start);
}

/** Field 48. */
export function writeFailure(wire: WireWriter, code: string, message: string): void {
  const start = wire.begin(48);
  wire.string(1, code);
  wire.string(2, message);
  wire.end(start);
}

/** Field 53. */
export function writeMigration(wire: WireWriter, state: Uint8Array, fromBundle: Uint8Array): void {
  const start = wire.begin(53);
  wire.bytes(1, state);
  wire.bytes(2, fromBundle);
  wire.end(start);
}
