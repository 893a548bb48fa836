/**
 * The index of a bucket's hot log in bytes, as its owner hands it to the next one: who has it need not read the log to serve the bucket.
 *
 * Words of 32 bits, little-endian: format, incarnation, epoch, the words of the log (`HotLog.words`), and a hash of all that.
 *
 * I1  It is a hint: it gives no epoch, and what is cold is not in it. Whoever opens the bucket finds out whether the log goes on from it (O3).
 * I2  It is knowledge: what the former owner was told is durable must be in the store, as if this process had been told so.
 * I3  Which records are an actor's rests on the former owner, who has read or written them all; so a change of the words is a new format.
 */

import { hashBytes } from '../../codec/address.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { HotLog } from './hot-log.ts';

/** Some 35,000 records: more than a bucket has by default. What is larger is not handed over; it would keep what else goes to that node waiting. */
export const LOG_INDEX_BYTES_MAX = 1024 * 1024;

const FORMAT = 1;
/** Words: format, incarnation, epoch in two halves. */
const HEAD = 5;
/** Words of the hash. */
const TAIL = 2;

/** A log as this process, or the owner before, has known it. */
export interface LogIndex {
  readonly incarnation: Hash64;
  readonly epoch: number;
  readonly log: HotLog;
}

/** Null for one that is too large. */
export function encodeLogIndex({ incarnation, epoch, log }: LogIndex): Buffer | null {
  const length = HEAD + log.wordCount + TAIL;
  if (4 * length > LOG_INDEX_BYTES_MAX) return null;
  const words = new Uint32Array(length);
  words.set([FORMAT, incarnation.hi, incarnation.lo, Math.floor(epoch / 2 ** 32), epoch % 2 ** 32]);
  words.set(log.words(), HEAD);
  const bytes = Buffer.from(words.buffer);
  const hash = hashBytes(bytes.subarray(0, -4 * TAIL));
  words.set([hash.hi, hash.lo], length - TAIL);
  return bytes;
}

/** Null for what is damaged, or of another format. */
export function decodeLogIndex(bytes: Uint8Array): LogIndex | null {
  if (bytes.length % 4 !== 0 || bytes.length < 4 * (HEAD + TAIL) || bytes.length > LOG_INDEX_BYTES_MAX) return null;
  // What came may begin anywhere in memory; words may not.
  const words = new Uint32Array(new Uint8Array(bytes).buffer);
  const [format, hi, lo, epochHigh, epochLow] = words;
  const end = words.length - TAIL;
  const isWhole = sameHash(hashBytes(bytes.subarray(0, 4 * end)), { hi: words[end]!, lo: words[end + 1]! });
  const log = isWhole && format === FORMAT ? HotLog.from(words.subarray(HEAD, end)) : null;
  return log === null ? null : { incarnation: { hi: hi!, lo: lo! }, epoch: epochHigh! * 2 ** 32 + epochLow!, log };
}
