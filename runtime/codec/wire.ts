/**
 * Protobuf wire format by hand, for the paths where a library's object per message costs more than the work itself:
 * records, sandbox batches and gateway frames. Everything else uses protobufjs. The tests hold every message that is
 * written or read here against protobufjs and the files in proto/.
 *
 * Numbers are JavaScript numbers up to 2^53; 64-bit hashes are two 32-bit halves.
 */

declare global {
  // Node has these fast paths on every Buffer; its published types leave them out.
  interface Buffer {
    utf8Write(text: string, offset: number, length: number): number;
    latin1Slice(from: number, to: number): string;
  }
}

const INITIAL_BYTES = 64 * 1024;
const POW28 = 0x1000_0000;
const POW32 = 0x1_0000_0000;

/** Appends fields to one growing buffer. Reset and reuse it: steady state allocates nothing. */
export class WireWriter {
  buffer: Buffer;
  length = 0;

  constructor(bytes = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
  }

  reset(): void {
    this.length = 0;
  }

  /** A view on what was written; valid until the next write or reset. */
  view(from = 0): Buffer {
    return this.buffer.subarray(from, this.length);
  }

  /** A copy of what was written. */
  copy(from = 0): Buffer {
    return Buffer.from(this.buffer.subarray(from, this.length));
  }

  /** Small enough to be inlined wherever it is called. */
  reserve(bytes: number): void {
    if (this.length + bytes > this.buffer.length) this.grow(this.length + bytes);
  }

  private grow(needed: number): void {
    let size = this.buffer.length * 2;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  varint(value: number): void {
    this.reserve(10);
    if (value < 0x80) this.buffer[this.length++] = value;
    else this.longVarint(value);
  }

  private longVarint(value: number): void {
    const buffer = this.buffer;
    let at = this.length;
    // Times are as long as this. One division for four bytes: divisions of numbers that are no small integers are slow.
    while (value > 0x7fff_ffff) {
      const high = Math.floor(value / POW28);
      const low = value - high * POW28;
      buffer[at] = low | 0x80;
      buffer[at + 1] = (low >>> 7) | 0x80;
      buffer[at + 2] = (low >>> 14) | 0x80;
      buffer[at + 3] = (low >>> 21) | 0x80;
      at += 4;
      value = high;
    }
    while (value > 0x7f) {
      buffer[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    buffer[at++] = value;
    this.length = at;
  }

  /** Field of type uint32, uint64, bool or enum; zero is left out, as proto3 does. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.varint(field << 3);
    this.varint(value);
  }

  /** Field of type fixed64; zero is left out. */
  fixed64(field: number, hi: number, lo: number): void {
    if (hi === 0 && lo === 0) return;
    this.varint((field << 3) | 1);
    this.rawFixed64(hi, lo);
  }

  rawFixed64(hi: number, lo: number): void {
    this.reserve(8);
    const buffer = this.buffer;
    const at = this.length;
    buffer[at] = lo;
    buffer[at + 1] = lo >>> 8;
    buffer[at + 2] = lo >>> 16;
    buffer[at + 3] = lo >>> 24;
    buffer[at + 4] = hi;
    buffer[at + 5] = hi >>> 8;
    buffer[at + 6] = hi >>> 16;
    buffer[at + 7] = hi >>> 24;
    this.length = at + 8;
  }

  rawFixed32(value: number): void {
    this.reserve(4);
    const buffer = this.buffer;
    const at = this.length;
    buffer[at] = value & 0xff;
    buffer[at + 1] = (value >>> 8) & 0xff;
    buffer[at + 2] = (value >>> 16) & 0xff;
    buffer[at + 3] = value >>> 24;
    this.length = at + 4;
  }

  /** Field of type string; the empty string is left out. */
  string(field: number, value: string): void {
    if (value.length === 0) return;
    this.varint((field << 3) | 2);
    this.rawString(value);
  }

  /** Length and UTF-8 bytes. */
  rawString(value: string): void {
    const length = value.length;
    if (length < 128) {
      // Short and ASCII is the common case: written byte by byte, without a call out of JavaScript.
      this.reserve(length + 2);
      const buffer = this.buffer;
      const start = this.length;
      let at = start + 1;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        buffer[at++] = code;
      }
      if (i === length) {
        buffer[start] = length;
        this.length = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(value, 'utf8');
    this.varint(bytes);
    this.reserve(bytes);
    this.buffer.utf8Write(value, this.length, bytes);
    this.length += bytes;
  }

  /** Field of type bytes or message; written even when empty. */
  bytes(field: number, source: Uint8Array, from = 0, to = source.length): void {
    this.varint((field << 3) | 2);
    this.varint(to - from);
    this.raw(source, from, to);
  }

  /** Bytes as they are, without tag and length. */
  raw(source: Uint8Array, from = 0, to = source.length): void {
    const size = to - from;
    this.reserve(size);
    const buffer = this.buffer;
    let at = this.length;
    if (size < 48) {
      for (let i = from; i < to; i++) buffer[at++] = source[i]!;
    } else {
      buffer.set(from === 0 && to === source.length ? source : source.subarray(from, to), at);
      at += size;
    }
    this.length = at;
  }

  /** Opens a message field; give what it returns to `end`. */
  begin(field: number): number {
    this.varint((field << 3) | 2);
    return this.beginRaw();
  }

  /** Opens a length-prefixed run. */
  beginRaw(): number {
    this.reserve(1);
    return this.length++;
  }

  /** Closes what `begin` opened; moves the body when its length needs more than one byte, so the result stays canonical. */
  end(start: number): void {
    const size = this.length - start - 1;
    if (size < 128) {
      this.buffer[start] = size;
      return;
    }
    const extra = varintSize(size) - 1;
    this.reserve(extra);
    this.buffer.copyWithin(start + 1 + extra, start + 1, this.length);
    this.length = start;
    this.varint(size);
    this.length += size;
  }
}

export function varintSize(value: number): number {
  let size = 1;
  while (value > 0x7f) {
    value = Math.floor(value / 128);
    size++;
  }
  return size;
}

/** Thrown by WireReader on bytes that are not protobuf; callers turn it into their own typed error. */
export class WireError extends Error {}

/** Walks fields of one buffer. Set a range with `over`, then `next()` and read by `field` and `wireType`. */
export class WireReader {
  buffer: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  field = 0;
  wireType = 0;
  /** Halves of the last `fixed64()`. */
  hi = 0;
  lo = 0;
  /** Range of the last `span()`. */
  from = 0;
  to = 0;

  over(buffer: Buffer, from = 0, to = buffer.length): this {
    this.buffer = buffer;
    this.at = from;
    this.end = to;
    return this;
  }

  /** Moves to the next field; false at the end of the range. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag & 7;
    if (this.field === 0) throw new WireError('field number 0');
    return true;
  }

  varint(): number {
    const buffer = this.buffer;
    let at = this.at;
    const end = this.end;
    let byte = at < end ? buffer[at++]! : -1;
    if (byte < 0) throw new WireError('truncated varint');
    if (byte < 0x80) {
      this.at = at;
      return byte;
    }
    let value = byte & 0x7f;
    let scale = 128;
    for (let i = 1; i < 10; i++) {
      if (at >= end) throw new WireError('truncated varint');
      byte = buffer[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new WireError('varint above 2^53');
        this.at = at;
        return value;
      }
      scale *= 128;
    }
    throw new WireError('varint of more than ten bytes');
  }

  fixed64(): void {
    const at = this.at;
    if (at + 8 > this.end) throw new WireError('truncated fixed64');
    this.lo = this.buffer.readUInt32LE(at);
    this.hi = this.buffer.readUInt32LE(at + 4);
    this.at = at + 8;
  }

  /** Sets `from` and `to` to the range of a length-delimited field and steps over it. */
  span(): void {
    const size = this.varint();
    const from = this.at;
    if (size > this.end - from) throw new WireError('truncated field');
    this.from = from;
    this.to = from + size;
    this.at = this.to;
  }

  /** A view on a length-delimited field. */
  bytes(): Buffer {
    this.span();
    return this.buffer.subarray(this.from, this.to);
  }

  string(): string {
    this.span();
    return utf8(this.buffer, this.from, this.to);
  }

  skip(): void {
    switch (this.wireType) {
      case 0:
        this.skipVarint();
        return;
      case 1:
        this.advance(8);
        return;
      case 2:
        this.span();
        return;
      case 5:
        this.advance(4);
        return;
      default:
        throw new WireError(`wire type ${this.wireType}`);
    }
  }

  private skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) break;
      if (this.buffer[this.at++]! < 0x80) return;
    }
    throw new WireError('truncated varint');
  }

  private advance(bytes: number): void {
    if (bytes > this.end - this.at) throw new WireError('truncated field');
    this.at += bytes;
  }
}

/** UTF-8 bytes to a string; invalid bytes throw. Short ASCII is decoded without leaving JavaScript's fast path. */
export function utf8(buffer: Buffer, from: number, to: number): string {
  if (from === to) return '';
  for (let i = from; i < to; i++) {
    if (buffer[i]! > 0x7f) return strictUtf8(buffer.subarray(from, to));
  }
  return buffer.latin1Slice(from, to);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function strictUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new WireError('not UTF-8');
  }
}

/** `hi` and `lo` of a number below 2^53, for fixed64 fields. */
export function halves(value: number): { hi: number; lo: number } {
  return { hi: Math.floor(value / POW32), lo: value >>> 0 };
}
