/**
 * A short way in for the frames that are nearly all frames: whole, unfragmented, small. `ws` makes half a dozen buffer
 * objects for each; here its bytes are unmasked where they lie and handed on as a range. Everything else (fragments, control
 * frames, large or broken ones, those that a chunk of the stream cuts) goes to `ws` byte for byte, in order.
 *
 * T1  The stream is followed frame by frame, so a frame is either taken here whole or passed on whole: `ws` always finds itself
 *     at the beginning of a frame, or further on in one it has begun.
 * T2  Nothing that breaks a rule of RFC 6455 is taken here; judging it, and closing for it, stays with `ws`.
 * T3  Nothing is held back: what was not taken has been passed on when `data` returns. A connection that is lost has no bytes here
 *     that `ws` does not know of.
 */

import { isUtf8 } from 'node:buffer';

/** Beyond this, unmasking in JavaScript is no longer the shorter way. */
export const TAKEN_BYTES_MAX = 1_024;

const TEXT = 0x81;
const BINARY = 0x82;
const MASKED = 0x80;
/** Of the four bytes of a word: none is set in ASCII. */
const TOP_BITS = 0x8080_8080 | 0;
const NO_WORDS = new DataView(new ArrayBuffer(0));

export class Intake {
  private readonly onFrame: (buffer: Buffer, from: number, to: number, isBinary: boolean) => void;
  private readonly passOn: (chunk: Buffer) => void;
  /** Header of the frame that is being passed on, as far as it has come. */
  private readonly header = new Uint8Array(14);
  private headerBytes = 0;
  /** Bytes of its payload still to be passed on. */
  private owed = 0;
  /** The chunk, four bytes a time. */
  private words: DataView = NO_WORDS;
  /** Between the first fragment of a message and its last. */
  private isFragmented = false;

  constructor(
    onFrame: (buffer: Buffer, from: number, to: number, isBinary: boolean) => void, passOn: (chunk: Buffer) => void,
  ) {
    this.onFrame = onFrame;
    this.passOn = passOn;
  }

  data(chunk: Buffer): void {
    const end = chunk.length;
    this.words = new DataView(chunk.buffer, chunk.byteOffset, end);
    let at = 0;
    // Where the bytes begin that are to be passed on; they end at `at`.
    let kept = 0;
    while (at < end) {
      if (this.owed > 0) {
        const size = Math.min(this.owed, end - at);
        this.owed -= size;
        at += size;
        continue;
      }
      const next = this.headerBytes === 0 && !this.isFragmented ? takenUpTo(chunk, at, end) : -1;
      if (next < 0) {
        at = this.follow(chunk, at, end);
        continue;
      }
      if (at > kept) this.passOn(chunk.subarray(kept, at));
      this.take(chunk, at, next);
      at = kept = next;
    }
    if (at > kept) this.passOn(kept === 0 ? chunk : chunk.subarray(kept, at));
    // An idle connection must not keep its last chunk.
    this.words = NO_WORDS;
  }

  private take(chunk: Buffer, at: number, next: number): void {
    const isBinary = chunk[at] === BINARY;
    const payload = at + ((chunk[at + 1]! & 0x7f) < 126 ? 6 : 8);
    const bits = unmask(chunk, this.words, payload, next);
    if (isBinary || bits === 0 || isUtf8(chunk.subarray(payload, next))) {
      this.onFrame(chunk, payload, next, isBinary);
      return;
    }
    // Not UTF-8: masked again, it is for ws to close the connection with 1007.
    unmask(chunk, this.words, payload, next);
    this.passOn(chunk.subarray(at, next));
  }

  /** Follows the header of a frame that is passed on; returns how far it has come. */
  private follow(chunk: Buffer, from: number, end: number): number {
    const { header } = this;
    let at = from;
    while (at < end) {
      header[this.headerBytes++] = chunk[at++]!;
      if (this.headerBytes < headerSize(header, this.headerBytes)) continue;
      this.owed = payloadSize(header);
      this.headerBytes = 0;
      const opcode = header[0]! & 0x0f;
      // Control frames may come between fragments and change nothing.
      if (opcode < 8) this.isFragmented = (header[0]! & 0x80) === 0;
      break;
    }
    return at;
  }
}

/** Where the frame at `at` ends, if it is one to be taken, else -1. */
function takenUpTo(chunk: Buffer, at: number, end: number): number {
  if (end - at < 6) return -1;
  const first = chunk[at]!;
  const second = chunk[at + 1]!;
  if ((first !== TEXT && first !== BINARY) || second < MASKED) return -1;
  const short = second & 0x7f;
  let next = at + 6 + short;
  if (short === 126) next = at + 8 + (chunk[at + 2]! << 8 | chunk[at + 3]!);
  if (short === 127 || next > end || next - at > TAKEN_BYTES_MAX) return -1;
  return next;
}

/** Applies the mask that lies before `from`; returns a number with the top bit of a byte if any byte has it. */
function unmask(chunk: Buffer, words: DataView, from: number, to: number): number {
  const mask = words.getInt32(from - 4, true);
  let bits = 0;
  let i = from;
  for (; i + 3 < to; i += 4) {
    const word = words.getInt32(i, true) ^ mask;
    words.setInt32(i, word, true);
    bits |= word;
  }
  for (let shift = 0; i < to; i++, shift += 8) {
    const byte = (chunk[i]! ^ (mask >>> shift)) & 0xff;
    chunk[i] = byte;
    bits |= byte;
  }
  return bits & TOP_BITS;
}

/** Bytes of a header of which `known` have come. */
function headerSize(header: Uint8Array, known: number): number {
  if (known < 2) return 2;
  const short = header[1]! & 0x7f;
  const mask = (header[1]! & MASKED) === 0 ? 0 : 4;
  return 2 + mask + (short < 126 ? 0 : short === 126 ? 2 : 8);
}

function payloadSize(header: Uint8Array): number {
  const short = header[1]! & 0x7f;
  if (short < 126) return short;
  const bytes = short === 126 ? 2 : 8;
  let size = 0;
  for (let i = 0; i < bytes; i++) size = size * 256 + header[2 + i]!;
  return size;
}
