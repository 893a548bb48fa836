/**
 * The frames of a log file. A frame is what one group commit writes: a header of 32 bytes and entries, all little-endian
 * 32-bit words, padded to 8 bytes.
 *
 * F1  The checksum (CRC-32) covers all of the frame behind it, and starts from the file's incarnation: a frame of another
 *     file, or of an earlier life of this one, never verifies.
 * F2  `previous` is the checksum of the frame before it. A frame is part of the log only behind the very frame it was
 *     written behind: an old intact frame behind a cut does not come back to life when the cut is filled.
 * F3  `offset` is where the frame stands, so that a search for later frames finds frames and not look-alikes.
 * F4  `syncedTo` is how far the file was known to be durable when the frame was built: damage below the highest
 *     `syncedTo` of any later frame is damage to what was acknowledged, and never a torn tail.
 * F5  A frame ends where a block of the disk does (its logical block; a page, where writes go through the page cache), and what
 *     is written is whole frames: no block that holds acknowledged bytes is ever written again, so that a power cut in the
 *     middle of a write has nothing to spoil but that write.
 *
 * Words of the header: checksum, length, version | kind << 8, previous, offset, syncedTo, entries, records.
 */

import { crc32 } from 'node:zlib';

import type { Hash64 } from '../../codec/hash64.ts';
import { ENTRY_SNAPSHOT, SNAPSHOT_WORDS } from '../sealed/snapshot-entry.ts';
import { bytesToWords } from '../sealed/words.ts';

export const FRAME_VERSION = 1;
export const FRAME_HEADER_BYTES = 32;
export const FRAME_ALIGN = 8;

/** Runs, snapshots, checkpoints and opened buckets; without entries it is a mark, which only closes what is before it. */
export const KIND_COMMIT = 1;
/** First in every file: the head and the newest checkpoint of every bucket, so that recovery needs no earlier file. */
export const KIND_TABLE = 2;

/** Word 0 of an entry is its kind | bits of its bucket << 8, word 1 the index of its bucket. */
export const ENTRY_RUN = 1;
// 2 is ENTRY_SNAPSHOT, which sealed files hold, too: sealed/snapshot-entry.ts.
export const ENTRY_CHECKPOINT = 3;
export const ENTRY_HEAD = 4;

/** Run: epoch (2 words), position (2), count, bytes, head before (2), head after (2), count times the actor's hash (2), bytes. */
export const RUN_WORDS = 12;
/** Checkpoint: position (2), head (2), bytes, checksum; bytes. */
export const CHECKPOINT_WORDS = 8;
/** Head: epoch (2), incarnation (2), position (2), head (2). */
export const HEAD_WORDS = 10;

/** Where the checksums of a file start (F1). */
export function checksumSeed(incarnation: Hash64): number {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(incarnation.lo, 0);
  bytes.writeUInt32LE(incarnation.hi, 4);
  return crc32(bytes);
}

export function frameChecksum(bytes: Uint8Array, at: number, length: number, seed: number): number {
  return crc32(bytes.subarray(at + 4, at + length), seed);
}

/** Bytes of a file with both views that frames are read through. */
export class FileImage {
  readonly bytes: Buffer;
  readonly words: Uint32Array;

  /** `memory` begins at a multiple of 4 and is as long as a frame's alignment wants it. */
  constructor(size: number, memory: Buffer = Buffer.alloc(padded(size))) {
    this.bytes = memory;
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length >> 2);
  }
}

/** Length of the frame at `at` if it verifies by itself (F1, F3), else 0. Says nothing about what is before it (F2). */
export function verifiedLength(image: FileImage, at: number, seed: number): number {
  const { words, bytes } = image;
  const word = at >> 2;
  const length = words[word + 1]!;
  if (length < FRAME_HEADER_BYTES || length % FRAME_ALIGN !== 0 || length > bytes.length - at) return 0;
  if (words[word + 4] !== at) return 0;
  return words[word] === frameChecksum(bytes, at, length, seed) ? length : 0;
}

export function frameVersion(image: FileImage, at: number): number {
  return image.words[(at >> 2) + 2]! & 0xff;
}

export function frameKind(image: FileImage, at: number): number {
  return (image.words[(at >> 2) + 2]! >>> 8) & 0xff;
}

export function frameSyncedTo(image: FileImage, at: number): number {
  return image.words[(at >> 2) + 5]!;
}

export function framePrevious(image: FileImage, at: number): number {
  return image.words[(at >> 2) + 3]!;
}

/** Words of the entry at word `w`, its bytes and padding included. */
export function entryWords(words: Uint32Array, w: number): number {
  switch (words[w]! & 0xff) {
    case ENTRY_RUN:
      return RUN_WORDS + 2 * words[w + 6]! + bytesToWords(words[w + 7]!);
    case ENTRY_SNAPSHOT:
      return SNAPSHOT_WORDS + bytesToWords(words[w + 10]! + words[w + 11]!);
    case ENTRY_CHECKPOINT:
      return CHECKPOINT_WORDS + bytesToWords(words[w + 6]!);
    case ENTRY_HEAD:
      return HEAD_WORDS;
    default:
      throw new Error(`an entry of kind ${words[w]! & 0xff}`);
  }
}

export function entryBits(words: Uint32Array, w: number): number {
  return words[w]! >>> 8;
}

export function padded(bytes: number, align = FRAME_ALIGN): number {
  return Math.ceil(bytes / align) * align;
}
