/**
 * A snapshot as it stands in a frame of a log file and in a block of a sealed one: a head of words, the actor's address in UTF-8,
 * the snapshot's bytes. It is copied from the one into the other as it is.
 *
 * Words of the head: kind | bits of the bucket << 8, index of the bucket, position (2), head (2), actor's hash (2), incarnation (2),
 * bytes of the actor, bytes, checksum of both, 0.
 */

import { crc32 } from 'node:zlib';

import type { Hash64 } from '../../codec/hash64.ts';
import type { SnapshotPut } from '../journal.ts';
import { bytesToWords, hashAt, setHash, setWide, wide } from './words.ts';

export const ENTRY_SNAPSHOT = 2;
export const SNAPSHOT_WORDS = 14;

/** A snapshot as it was put. */
export interface LoadedSnapshot {
  readonly actor: string;
  readonly incarnation: Hash64;
  readonly position: number;
  readonly head: Hash64;
  readonly bytes: Buffer;
}

/** Words of the entry, its bytes and padding included. `actorBytes`: the length of the address in UTF-8. */
export function snapshotEntryWords(put: SnapshotPut, actorBytes: number): number {
  return SNAPSHOT_WORDS + bytesToWords(actorBytes + put.bytes.length);
}

/** Fills in an entry at word `w`; `words` is a view on `bytes` from its beginning. What pads the entry is the caller's to clear. */
export function writeSnapshotEntry(
  words: Uint32Array,
  bytes: Buffer,
  w: number,
  put: SnapshotPut,
  actorBytes: number,
  incarnation: Hash64,
): void {
  words[w] = ENTRY_SNAPSHOT | (put.bucket.bits << 8);
  words[w + 1] = put.bucket.index;
  setWide(words, w + 2, put.position);
  setHash(words, w + 4, put.head);
  setHash(words, w + 6, put.actorHash);
  setHash(words, w + 8, incarnation);
  words[w + 10] = actorBytes;
  words[w + 11] = put.bytes.length;
  words[w + 13] = 0;
  const at = (w + SNAPSHOT_WORDS) << 2;
  bytes.write(put.actor, at);
  bytes.set(put.bytes, at + actorBytes);
  words[w + 12] = crc32(bytes.subarray(at, at + actorBytes + put.bytes.length));
}

/** The snapshot whose entry is at word `w` and byte `at`; null when its checksum does not fit. */
export function readSnapshotEntry(words: Uint32Array, w: number, bytes: Buffer, at: number): LoadedSnapshot | null {
  if ((words[w]! & 0xff) !== ENTRY_SNAPSHOT) return null;
  const actorStart = at + (SNAPSHOT_WORDS << 2);
  const actorEnd = actorStart + words[w + 10]!;
  const end = actorEnd + words[w + 11]!;
  if (end > bytes.length || crc32(bytes.subarray(actorStart, end)) !== words[w + 12]) return null;
  return {
    actor: bytes.toString('utf8', actorStart, actorEnd),
    incarnation: hashAt(words, w + 8),
    position: wide(words, w + 2),
    head: hashAt(words, w + 4),
    bytes: Buffer.from(bytes.subarray(actorEnd, end)),
  };
}
