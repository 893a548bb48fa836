/**
 * Actor addresses, shard keys and buckets.
 *
 * An address is "<actor type>:<actor id>", for example shop.v1.Order:o-1. Its shard key (shard-key.ts) decides the bucket.
 */

import xxhash from 'xxhash-wasm';

import { TroupeError } from './errors.ts';
import type { Hash64 } from './hash64.ts';
import { limits } from '../limits.ts';
import type { ActorAddress } from './shard-key.ts';

export { shardKey, splitAddress } from './shard-key.ts';
export type { ActorAddress } from './shard-key.ts';

/** A bucket's id is (bits, index): it can later be split in two while it serves. `index < 2 ** bits`. */
export interface BucketId {
  readonly bits: number;
  readonly index: number;
}

const { h64Raw } = await xxhash();
const typePattern = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$/;
// Control characters of C0 and C1, line and paragraph separator, and code points that change how a line reads.
// eslint-disable-next-line no-control-regex
const forbiddenInId = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
const encoder = new TextEncoder();
const scratch = new Uint8Array(2_048);

/**
 * Takes an address apart.
 * @throws TroupeError BAD_ADDRESS with what is wrong with it
 */
export function parseAddress(text: string): ActorAddress {
  const colon = text.indexOf(':');
  if (colon < 0) throw bad(text, 'it has no colon between type and id');
  const type = text.slice(0, colon);
  const id = text.slice(colon + 1);
  if (type.length > limits.actorTypeBytesMax || !typePattern.test(type)) {
    throw bad(text, 'the type must be a package-qualified name such as shop.v1.Order');
  }
  if (id.length === 0) throw bad(text, 'the id is empty');
  if (id.length > limits.actorIdBytesMax || Buffer.byteLength(id) > limits.actorIdBytesMax) {
    throw bad(text, `the id is longer than ${limits.actorIdBytesMax} bytes`);
  }
  if (!id.isWellFormed()) throw bad(text, 'the id holds half a surrogate pair');
  if (forbiddenInId.test(id)) throw bad(text, 'the id holds a control character, a line break or a direction mark');
  return { type, id };
}

/** XXH64 with seed 0 of the exact UTF-8 bytes. Frozen; golden vectors are in address.test.ts. */
export function hashText(text: string): Hash64 {
  // UTF-8 has at most three bytes for a UTF-16 unit. An array for every text would cost six times the hash.
  if (text.length * 3 > scratch.length) return hashBytes(encoder.encode(text));
  const { written } = encoder.encodeInto(text, scratch);
  return hashBytes(scratch.subarray(0, written));
}

export function hashBytes(bytes: Uint8Array): Hash64 {
  const value = h64Raw(bytes, 0n);
  return { hi: Number(value >> 32n), lo: Number(value & 0xffff_ffffn) };
}

/** The bucket of a shard hash: its low `bits` bits. */
export function bucketIndex(hash: Hash64, bits: number): number {
  return hash.lo & ((1 << bits) - 1);
}

function bad(text: string, why: string): TroupeError {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
  return new TroupeError('BAD_ADDRESS', `${shown} is not an address: ${why}`);
}
