/**
 * The chain of heads: every record leads from one 64-bit head hash to the next. Two logs with the same head at the same
 * position hold the same records. It tells histories apart (an append that lands late, a restored copy, a cut tail); it
 * does not authenticate them.
 *
 * Source: MurmurHash3_x86_128 by Austin Appleby (public domain), its four lanes started from the previous head, its
 * first 64 bits taken. Plain 32-bit arithmetic: no bigint, no call out of JavaScript per record.
 *
 * Frozen: stored heads depend on it. Golden vectors are in chain.test.ts.
 */

import type { Hash64 } from './hash64.ts';

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

export interface MutableHash64 {
  hi: number;
  lo: number;
}

/** Over the bytes seen last: most records stand in the buffer in which the one before them stood. */
let seen: Uint8Array = new Uint8Array(0);
let words = new DataView(seen.buffer);

/** Writes the head that follows `head` by the record `bytes[from, to)` into `out`; `out` may be `head`. */
export function chain(out: MutableHash64, head: Hash64, bytes: Uint8Array, from = 0, to = bytes.length): void {
  let h1 = head.lo | 0;
  let h2 = head.hi | 0;
  let h3 = h1 ^ C1;
  let h4 = h2 ^ C2;
  const length = to - from;
  const blocksEnd = from + (length & ~15);
  let at = from;
  if (at < blocksEnd && bytes !== seen) {
    seen = bytes;
    words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  const view = words;
  for (; at < blocksEnd; at += 16) {
    h1 = mix1(h1, view.getInt32(at, true));
    h1 = (Math.imul(rotl(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 = mix2(h2, view.getInt32(at + 4, true));
    h2 = (Math.imul(rotl(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 = mix3(h3, view.getInt32(at + 8, true));
    h3 = (Math.imul(rotl(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 = mix4(h4, view.getInt32(at + 12, true));
    h4 = (Math.imul(rotl(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  // The tail: up to fifteen bytes, as four words padded with zeros. A zero word leaves its lane as it is.
  h4 = mix4(h4, tailWord(bytes, at + 12, to));
  h3 = mix3(h3, tailWord(bytes, at + 8, to));
  h2 = mix2(h2, tailWord(bytes, at + 4, to));
  h1 = mix1(h1, tailWord(bytes, at, to));

  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  out.lo = h1 >>> 0;
  out.hi = h2 >>> 0;
}

function rotl(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function mix1(h: number, k: number): number {
  return h ^ Math.imul(rotl(Math.imul(k, C1), 15), C2);
}

function mix2(h: number, k: number): number {
  return h ^ Math.imul(rotl(Math.imul(k, C2), 16), C3);
}

function mix3(h: number, k: number): number {
  return h ^ Math.imul(rotl(Math.imul(k, C3), 17), C4);
}

function mix4(h: number, k: number): number {
  return h ^ Math.imul(rotl(Math.imul(k, C4), 18), C1);
}

function tailWord(bytes: Uint8Array, at: number, to: number): number {
  let value = 0;
  for (let i = Math.min(at + 4, to) - 1; i >= at; i--) value = (value << 8) | bytes[i]!;
  return value;
}

function finish(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
