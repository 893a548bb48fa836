/**
 * XXH64 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md) with seed 0, in plain JavaScript. Nodes hash with WebAssembly; this is for
 * the client, which runs in pages that may forbid WebAssembly (a Content-Security-Policy without 'wasm-unsafe-eval') and should
 * need no package. The two are held against each other by xxh64.test.ts: a client that hashed otherwise would find no owner.
 *
 * Numbers of 64 bits are two halves of 32: a bigint costs an object per step.
 */

const encoder = new TextEncoder();

/** The factors of the algorithm, high half first. */
const P1 = [0x9e3779b1, 0x85ebca87] as const;
const P2 = [0xc2b2ae3d, 0x27d4eb4f] as const;
const P3 = [0x165667b1, 0x9e3779f9] as const;
const P4 = [0x85ebca77, 0xc2b2ae63] as const;
const P5 = [0x27d4eb2f, 0x165667c5] as const;
type Factor = readonly [hi: number, lo: number];

/** The number that is worked on. Shared: a hash is made in one go. */
let hi = 0;
let lo = 0;

/** The low 32 bits of the hash of a text's UTF-8 bytes, unsigned: as many as the number of a bucket can need. */
export function hashTextLow32(text: string): number {
  const bytes = encoder.encode(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  if (bytes.length < 32) set(P5[0], P5[1]);
  else at = stripes(view);
  add(0, bytes.length);
  for (; at + 8 <= bytes.length; at += 8) {
    const [high, low] = [hi, lo];
    round(0, 0, view.getUint32(at + 4, true), view.getUint32(at, true));
    xor(high, low);
    rotate(27);
    multiply(P1);
    add(P4[0], P4[1]);
  }
  if (at + 4 <= bytes.length) {
    const [high, low] = [hi, lo];
    set(0, view.getUint32(at, true));
    multiply(P1);
    xor(high, low);
    rotate(23);
    multiply(P2);
    add(P3[0], P3[1]);
    at += 4;
  }
  for (; at < bytes.length; at++) {
    const [high, low] = [hi, lo];
    set(0, bytes[at]!);
    multiply(P5);
    xor(high, low);
    rotate(11);
    multiply(P1);
  }
  // x ^= x >> 33, 29, 32; of the last only the low half is wanted.
  xor(0, hi >>> 1);
  multiply(P2);
  xor(hi >>> 29, (hi << 3) | (lo >>> 29));
  multiply(P3);
  return (lo ^ hi) >>> 0;
}

/** Blocks of 32 bytes go through four accumulators; returns how far they reach, and leaves what they come to. */
function stripes(view: DataView): number {
  const accumulators = new Int32Array(8);
  set(P1[0], P1[1]);
  add(P2[0], P2[1]);
  keep(accumulators, 0);
  set(P2[0], P2[1]);
  keep(accumulators, 1);
  set(0, 0);
  keep(accumulators, 2);
  // -P1
  set(~P1[0], ~P1[1]);
  add(0, 1);
  keep(accumulators, 3);
  let at = 0;
  for (; at + 32 <= view.byteLength; at += 32) {
    for (let i = 0; i < 4; i++) {
      round(accumulators[2 * i]!, accumulators[2 * i + 1]!, view.getUint32(at + 8 * i + 4, true), view.getUint32(at + 8 * i, true));
      keep(accumulators, i);
    }
  }
  let [sumHi, sumLo] = [0, 0];
  for (const [i, bits] of [1, 7, 12, 18].entries()) {
    set(accumulators[2 * i]!, accumulators[2 * i + 1]!);
    rotate(bits);
    add(sumHi, sumLo);
    [sumHi, sumLo] = [hi, lo];
  }
  for (let i = 0; i < 4; i++) {
    [sumHi, sumLo] = [hi, lo];
    round(0, 0, accumulators[2 * i]!, accumulators[2 * i + 1]!);
    xor(sumHi, sumLo);
    multiply(P1);
    add(P4[0], P4[1]);
  }
  return at;
}

/** accumulator + lane * P2, rotated by 31, * P1 */
function round(accumulatorHi: number, accumulatorLo: number, laneHi: number, laneLo: number): void {
  set(laneHi, laneLo);
  multiply(P2);
  add(accumulatorHi, accumulatorLo);
  rotate(31);
  multiply(P1);
}

function set(high: number, low: number): void {
  hi = high | 0;
  lo = low | 0;
}

function keep(accumulators: Int32Array, i: number): void {
  accumulators[2 * i] = hi;
  accumulators[2 * i + 1] = lo;
}

function xor(high: number, low: number): void {
  hi ^= high;
  lo ^= low;
}

function add(high: number, low: number): void {
  const sum = (lo >>> 0) + (low >>> 0);
  hi = (hi + high + (sum > 0xffff_ffff ? 1 : 0)) | 0;
  lo = sum | 0;
}

/** To the left, by 1 to 31. */
function rotate(bits: number): void {
  const high = (hi << bits) | (lo >>> (32 - bits));
  lo = (lo << bits) | (hi >>> (32 - bits));
  hi = high;
}

/** Modulo 2^64; the low halves are multiplied in parts of 16 bits, whose products a number holds exactly. */
function multiply([factorHi, factorLo]: Factor): void {
  const a = lo & 0xffff;
  const b = lo >>> 16;
  const c = factorLo & 0xffff;
  const d = factorLo >>> 16;
  const ac = a * c;
  const ad = a * d;
  const bc = b * c;
  const middle = (ac >>> 16) + (ad & 0xffff) + (bc & 0xffff);
  const carried = b * d + (ad >>> 16) + (bc >>> 16) + (middle >>> 16);
  hi = (carried + Math.imul(lo, factorHi) + Math.imul(hi, factorLo)) | 0;
  lo = (middle << 16) | (ac & 0xffff);
}
