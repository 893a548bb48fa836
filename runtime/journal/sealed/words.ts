/** Numbers and hashes in files: little-endian words of 32 bits, written and read through typed arrays. */

import assert from 'node:assert/strict';
import { endianness } from 'node:os';

import type { Hash64 } from '../../codec/hash64.ts';

// Words are written through typed arrays, in the order of the machine.
assert.equal(endianness(), 'LE');

const POW32 = 0x1_0000_0000;

/** A number below 2^53 from two words. */
export function wide(words: Uint32Array, w: number): number {
  return words[w]! + words[w + 1]! * POW32;
}

export function setWide(words: Uint32Array, w: number, value: number): void {
  words[w] = value >>> 0;
  words[w + 1] = (value / POW32) >>> 0;
}

/** Hashes are stored low half first. */
export function hashAt(words: Uint32Array, w: number): Hash64 {
  return { lo: words[w]!, hi: words[w + 1]! };
}

export function setHash(words: Uint32Array, w: number, hash: Hash64): void {
  words[w] = hash.lo;
  words[w + 1] = hash.hi;
}

/** Entries end at a multiple of eight bytes. */
export function bytesToWords(bytes: number): number {
  return ((bytes + 7) >>> 3) << 1;
}

/** Words as the bytes of a file, and back; a buffer from a pool need not be aligned. */
export function bytesOfWords(words: Uint32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength);
}

export function wordsOfBytes(bytes: Buffer): Uint32Array {
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const copy = Buffer.alloc(bytes.length);
  bytes.copy(copy);
  return new Uint32Array(copy.buffer, copy.byteOffset, copy.length >> 2);
}
