/**
 * The bytes on a connection behind its handshake: frames, each a length (uint32, little-endian) and that many bytes, which
 * are the messages of one turn one behind the other. A message is
 *
 *   type, number of the request (where it has one), method (where it has one), length of the value, value, length of the body, body
 *
 * with numbers as varints, the value in msgpack, the body as it is. A message without content ends before the value. One byte
 * each for type, method and two lengths, and three for the number, is all that is added to value and body.
 *
 * Z1  A length is compared with the limit before memory is taken for it.
 * Z2  A frame is read whole before anything of it is acted on: messages that make no sense take the good ones with them (X6).
 * Z3  Nothing is kept between two messages: records of msgpackr are off, so that a frame can be read by itself.
 */

import { Packr, REUSE_BUFFER_MODE, RESET_BUFFER_MODE, Unpackr } from 'msgpackr';

import { WireReader, WireWriter } from '../../runtime/codec/wire.ts';

// From the one who asks.
export const REQUEST = 1;
export const MESSAGE = 2;
export const OPEN = 3;
export const PAUSE = 4;
export const RESUME = 5;
export const CANCEL = 6;
// From the one who serves.
export const ANSWER = 7;
/** Of a request or a stream; the value is [code, message, reason or null]. */
export const FAILED = 8;
export const EVENT = 9;
export const END = 10;
// From both.
export const PING = 11;
export const PONG = 12;

const set = (...types: number[]): number => types.reduce((bits, type) => bits | (1 << type), 0);
const has = (bits: number, type: number): boolean => ((bits >>> type) & 1) === 1;

const withNumber = set(REQUEST, OPEN, PAUSE, RESUME, CANCEL, ANSWER, FAILED, EVENT, END);
const withMethod = set(REQUEST, MESSAGE, OPEN);
const withContent = set(REQUEST, MESSAGE, OPEN, ANSWER, FAILED, EVENT);
/** What may come from the side that asks, and from the side that serves. */
export const FROM_ASKER = set(REQUEST, MESSAGE, OPEN, PAUSE, RESUME, CANCEL, PING, PONG);
export const FROM_SERVER = set(ANSWER, FAILED, EVENT, END, PING, PONG);

const LENGTH_BYTES = 4;
/** Type, number, method and lengths at their longest. */
export const MESSAGE_HEAD_BYTES_MAX = 32;
/** A frame that has this much is closed, and the next message begins another: a reader holds a frame until it is whole. */
export const FRAME_BYTES_FULL = 64 * 1_024;
const INITIAL_BYTES = 16 * 1_024;
/** A buffer that grew beyond this for one burst is given back. */
const KEEP_BYTES = 1_024 * 1_024;

export interface Message {
  readonly type: number;
  /** 0 where the type has none; likewise `method`. */
  readonly number: number;
  readonly method: number;
  readonly value: unknown;
  /** Of the body. */
  readonly from: number;
  readonly to: number;
  /** Of value and body. */
  readonly bytes: number;
}

/** These bytes are no frame of ours; the connection they came on has no future. */
export class BadFrame extends Error {
  override readonly name = 'BadFrame';
}

/** A message is larger than the limit; nothing of it was written. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });
const NONE = Object.assign(Buffer.alloc(0), { start: 0, end: 0 });

/** Bytes that msgpackr leaves in its own buffer until it is used again. */
function pack(value: unknown): Buffer & { start: number; end: number } {
  if (value === undefined) return NONE;
  return packr.pack(value, REUSE_BUFFER_MODE | RESET_BUFFER_MODE) as Buffer & { start: number; end: number };
}

/** What one connection has to say in this turn, as finished frames in one buffer. */
export class FrameWriter extends WireWriter {
  private readonly messageBytesMax: number;
  /** Where the open frame begins, -1 when none is open. */
  private frame = -1;

  constructor(messageBytesMax: number) {
    super(INITIAL_BYTES);
    this.messageBytesMax = messageBytesMax;
  }

  /**
   * Appends a message; its content is `value` and `source[from, to)`.
   * @throws TooLarge; what msgpackr throws on a value that it cannot carry. Nothing was written then.
   */
  message(type: number, number: number, method: number, value: unknown, source: Buffer, from: number, to: number): void {
    const packed = pack(value);
    const size = packed.end - packed.start + (to - from);
    if (size > this.messageBytesMax) throw new TooLarge(`a message of ${size} bytes; at most ${this.messageBytesMax} fit`);
    this.head(type, number, size);
    if (has(withMethod, type)) this.varint(method);
    this.varint(packed.end - packed.start);
    this.raw(packed, packed.start, packed.end);
    this.varint(to - from);
    this.raw(source, from, to);
    if (this.length - this.frame >= FRAME_BYTES_FULL) this.finish();
  }

  /** Appends a message without content. */
  signal(type: number, number = 0): void {
    this.head(type, number, 0);
  }

  /** Closes the open frame, if any: the buffer then holds whole frames only. */
  finish(): void {
    if (this.frame < 0) return;
    this.buffer.writeUInt32LE(this.length - this.frame - LENGTH_BYTES, this.frame);
    this.frame = -1;
  }

  /** After a write that the socket has passed on in full: the buffer is free for the next turn. */
  override reset(): void {
    this.length = 0;
    this.frame = -1;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** After a write that the socket still holds: the bytes belong to it until they are sent. */
  replace(): void {
    this.length = 0;
    this.frame = -1;
    this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  private head(type: number, number: number, size: number): void {
    this.reserve(LENGTH_BYTES + MESSAGE_HEAD_BYTES_MAX + size);
    if (this.frame < 0) {
      this.frame = this.length;
      this.length += LENGTH_BYTES;
    }
    this.buffer[this.length++] = type;
    if (has(withNumber, type)) this.varint(number);
  }
}

/** Cuts what a socket delivers into frames. Those that lie whole in a chunk are not copied. */
export class FrameReader {
  private readonly frameBytesMax: number;
  private readonly head = Buffer.alloc(LENGTH_BYTES);
  private headBytes = 0;
  private partial: Buffer | null = null;
  private partialBytes = 0;

  /** Of a connection whose messages have at most `messageBytesMax` bytes of content. */
  constructor(messageBytesMax: number) {
    this.frameBytesMax = messageBytesMax + MESSAGE_HEAD_BYTES_MAX + FRAME_BYTES_FULL;
  }

  /**
   * Gives each frame that is complete to `take`, without its length; false from it ends the reading for good.
   * @throws BadFrame on a length of zero or over the limit (Z1); what `take` throws
   */
  push(chunk: Buffer, take: (buffer: Buffer, from: number, to: number) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.partial === null) {
        if (this.headBytes > 0 || chunk.length - at < LENGTH_BYTES) {
          const taken = Math.min(LENGTH_BYTES - this.headBytes, chunk.length - at);
          chunk.copy(this.head, this.headBytes, at, at + taken);
          this.headBytes += taken;
          at += taken;
          if (this.headBytes < LENGTH_BYTES) return;
          this.headBytes = 0;
          this.partial = Buffer.allocUnsafeSlow(this.checked(this.head.readUInt32LE(0)));
        } else {
          const size = this.checked(chunk.readUInt32LE(at));
          at += LENGTH_BYTES;
          if (size <= chunk.length - at) {
            if (!take(chunk, at, at + size)) return;
            at += size;
            continue;
          }
          this.partial = Buffer.allocUnsafeSlow(size);
        }
      }
      const { partial } = this;
      const taken = Math.min(partial.length - this.partialBytes, chunk.length - at);
      chunk.copy(partial, this.partialBytes, at, at + taken);
      this.partialBytes += taken;
      at += taken;
      if (this.partialBytes < partial.length) return;
      this.partial = null;
      this.partialBytes = 0;
      if (!take(partial, 0, partial.length)) return;
    }
  }

  private checked(size: number): number {
    if (size === 0 || size > this.frameBytesMax) throw new BadFrame(`a frame of ${size} bytes; 1 to ${this.frameBytesMax} are possible`);
    return size;
  }
}

const wire = new WireReader();
const range = { start: 0, end: 0 };

/**
 * The messages of the frame `buffer[from, to)`, which all come from the side that `allowed` stands for.
 * @throws BadFrame
 */
export function readFrame(buffer: Buffer, from: number, to: number, allowed: number): Message[] {
  const messages: Message[] = [];
  try {
    wire.over(buffer, from, to);
    while (wire.at < to) messages.push(readMessage(buffer, allowed));
  } catch (error) {
    // What a decoder says about bytes can hold some of them, and they are nothing for a log.
    throw error instanceof BadFrame ? error : new BadFrame('a frame that cannot be read', { cause: error });
  }
  return messages;
}

function readMessage(buffer: Buffer, allowed: number): Message {
  const type = buffer[wire.at++]!;
  if (type > PONG || !has(allowed, type)) throw new BadFrame(`a message of type ${type}`);
  const number = has(withNumber, type) ? wire.varint() : 0;
  const method = has(withMethod, type) ? wire.varint() : 0;
  if (!has(withContent, type)) return { type, number, method, value: undefined, from: 0, to: 0, bytes: 0 };
  wire.span();
  const valueBytes = wire.to - wire.from;
  let value: unknown;
  if (valueBytes > 0) {
    range.start = wire.from;
    range.end = wire.to;
    value = unpackr.unpack(buffer, range);
  }
  wire.span();
  return { type, number, method, value, from: wire.from, to: wire.to, bytes: valueBytes + wire.to - wire.from };
}
