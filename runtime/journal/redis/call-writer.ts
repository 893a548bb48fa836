/**
 * Writes calls of a function as the bytes that go to the server, into memory that is used again: a tick's append has eight arguments a
 * bucket, and an object for each costs more than everything else about them.
 *
 * Source: the request side of the Redis serialization protocol: `*<count>` and for each argument `$<bytes>`, then the bytes, all lines ended by CR LF.
 */

import type { Hash64 } from '../../codec/hash64.ts';

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
const ZERO = 48;
/** "$", up to ten digits, and two line ends. */
const HEADER_BYTES_MAX = 15;
/** Digits of the largest position. */
const DIGITS_MAX = 16;
const CAPACITY_MIN = 64 * 1024;
const KEPT_MAX = 4;

export class CallWriter {
  private readonly free: Buffer[] = [];
  private buffer: Buffer = Buffer.alloc(0);
  private length = 0;

  /** Begins a call of so many arguments, the command itself included, and of about so many bytes. */
  begin(count: number, bytes: number): void {
    const wanted = Math.max(CAPACITY_MIN, bytes);
    const found = this.free.findIndex((buffer) => buffer.length >= wanted);
    this.buffer = found < 0 ? Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(wanted))) : this.free.splice(found, 1)[0]!;
    this.length = 0;
    this.head(STAR, count);
  }

  text(text: string): void {
    this.reserve(text.length * 3 + HEADER_BYTES_MAX);
    this.head(DOLLAR, Buffer.byteLength(text));
    this.length += this.buffer.write(text, this.length);
    this.end();
  }

  /** A whole number, not negative, as decimal text. */
  decimal(value: number): void {
    this.reserve(DIGITS_MAX + HEADER_BYTES_MAX);
    this.head(DOLLAR, digitsOf(value));
    this.digits(value);
    this.end();
  }

  hash({ hi, lo }: Hash64): void {
    this.reserve(8 + HEADER_BYTES_MAX);
    this.head(DOLLAR, 8);
    const { buffer, length } = this;
    buffer.writeUInt32LE(lo, length);
    buffer.writeUInt32LE(hi, length + 4);
    this.length += 8;
    this.end();
  }

  /** `bytes[from, to)`. */
  bytes(bytes: Buffer, from: number, to: number): void {
    this.reserve(to - from + HEADER_BYTES_MAX);
    this.head(DOLLAR, to - from);
    bytes.copy(this.buffer, this.length, from, to);
    this.length += to - from;
    this.end();
  }

  /** Arguments that were written before, as `packed` gives them. */
  raw(packed: Buffer): void {
    this.reserve(packed.length);
    packed.copy(this.buffer, this.length);
    this.length += packed.length;
  }

  /** What was written since `begin`: the caller's until it is given back. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** The server has answered, so it has read all of it. Memory of a call whose outcome is unknown is not given back: some of it may still be on its way. */
  giveBack(call: Buffer): void {
    if (this.free.length < KEPT_MAX) this.free.push(Buffer.from(call.buffer, call.byteOffset, call.buffer.byteLength));
  }

  private head(mark: number, value: number): void {
    this.buffer[this.length++] = mark;
    this.digits(value);
    this.end();
  }

  private end(): void {
    this.buffer[this.length++] = CR;
    this.buffer[this.length++] = LF;
  }

  private digits(value: number): void {
    const { buffer } = this;
    let at = (this.length += digitsOf(value));
    do {
      buffer[--at] = ZERO + (value % 10);
      value = Math.floor(value / 10);
    } while (value > 0);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(this.length + bytes)));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}

/** Arguments as `CallWriter.raw` takes them. */
export function packed(...texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`).join(''));
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}
