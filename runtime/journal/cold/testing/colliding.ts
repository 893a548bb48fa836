/**
 * Two addresses with the same XXH64. The hash takes 32 bytes at a time into four lanes, and a lane's step can be undone: what another
 * text in the first stripe changes in its lane is taken back by eight bytes of the second stripe. One in some thousand trials gives
 * eight bytes that may stand in an address.
 */

import assert from 'node:assert/strict';

import { hashText } from '../../../codec/address.ts';
import { sameHash } from '../../../codec/hash64.ts';

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const MASK = 0xffff_ffff_ffff_ffffn;
const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

export function collidingAddresses(below: (n: number) => number): [string, string] {
  const eight = (): string => Array.from({ length: 8 }, () => letters[below(letters.length)]).join('');
  const [one, two] = [eight(), eight()];
  for (;;) {
    const other = eight();
    const fixed = (numberOf(two) + (step(numberOf(one)) - step(numberOf(other))) * inverse(P2)) & MASK;
    const text = textOf(fixed);
    if (other === one || !/^[\x21-\x7e]{8}$/.test(text)) continue;
    const addresses: [string, string] = [joined(one, two), joined(other, text)];
    assert(sameHash(hashText(addresses[0]), hashText(addresses[1])) && addresses[0] !== addresses[1]);
    return addresses;
  }
}

/** The second lane begins at P2. */
function step(lane: bigint): bigint {
  const sum = (P2 + lane * P2) & MASK;
  return ((((sum << 31n) | (sum >> 33n)) & MASK) * P1) & MASK;
}

/** Of an odd number modulo 2^64, by Newton's method. */
function inverse(odd: bigint): bigint {
  let x = odd;
  for (let i = 0; i < 6; i++) x = (x * (2n - odd * x)) & MASK;
  return x;
}

/** Two stripes, with the second lane of each to be filled in. */
function joined(first: string, second: string): string {
  return `a.A:same${first}-middle-of-the-text-here${second}-end-of-the-text`;
}

function numberOf(text: string): bigint {
  return Buffer.from(text, 'latin1').readBigUInt64LE();
}

function textOf(number: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(number);
  return bytes.toString('latin1');
}
