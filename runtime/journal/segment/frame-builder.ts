/**
 * Builds one frame in a buffer that is used again and again: each run's bytes are copied once, the checksum is taken once
 * over the whole, and nothing is allocated per record.
 */

import { crc32 } from 'node:zlib';

import type { BucketId } from '../../codec/address.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { Append, CheckpointPut, SnapshotPut } from '../journal.ts';
import { blockMemory } from '../sealed/block-memory.ts';
import { ENTRY_SNAPSHOT, SNAPSHOT_WORDS, writeSnapshotEntry } from '../sealed/snapshot-entry.ts';
import { bytesToWords, setHash, setWide } from '../sealed/words.ts';
import {
  CHECKPOINT_WORDS,
  ENTRY_CHECKPOINT,
  ENTRY_HEAD,
  ENTRY_RUN,
  FRAME_HEADER_BYTES,
  FRAME_VERSION,
  frameChecksum,
  HEAD_WORDS,
  padded,
  RUN_WORDS,
} from './frame.ts';

const INITIAL_BYTES = 256 * 1024;

export interface FramePlace {
  /** Of the file, see checksumSeed. */
  readonly seed: number;
  readonly previous: number;
  readonly offset: number;
  readonly syncedTo: number;
  /** Where the frame ends is a multiple of this (F5). */
  readonly blockBytes: number;
}

export class FrameBuilder {
  bytes: Buffer;
  words: Uint32Array;
  private readonly allocate: (bytes: number) => Buffer;
  /** Bytes of the frame so far, header included. */
  length = FRAME_HEADER_BYTES;
  entries = 0;
  records = 0;
  /** Whether something in it is waited for; a frame of snapshots alone can wait for company. */
  urgent = false;

  /** `allocate`: other memory for a frame that is not written directly; each block memory takes a wide range of addresses. */
  constructor(bytes = INITIAL_BYTES, allocate: (bytes: number) => Buffer = blockMemory) {
    this.allocate = allocate;
    this.bytes = allocate(bytes);
    this.words = new Uint32Array(this.bytes.buffer);
  }

  reset(): void {
    this.length = FRAME_HEADER_BYTES;
    this.entries = 0;
    this.records = 0;
    this.urgent = false;
  }

  run(append: Append): void {
    const { count, from, to, actorHashes, hashesFrom } = append;
    const w = this.entry(ENTRY_RUN, append.bucket, RUN_WORDS + 2 * count, to - from);
    const { words } = this;
    setWide(words, w + 2, append.epoch);
    setWide(words, w + 4, append.position);
    words[w + 6] = count;
    words[w + 7] = to - from;
    setHash(words, w + 8, append.headBefore);
    setHash(words, w + 10, append.headAfter);
    let at = w + RUN_WORDS;
    const hashesTo = hashesFrom + 2 * count;
    for (let i = hashesFrom; i < hashesTo; i += 2) {
      words[at++] = actorHashes[i + 1]!;
      words[at++] = actorHashes[i]!;
    }
    append.bytes.copy(this.bytes, at << 2, from, to);
    this.records += count;
  }

  snapshot(put: SnapshotPut, incarnation: Hash64): void {
    const actorBytes = Buffer.byteLength(put.actor);
    const w = this.entry(ENTRY_SNAPSHOT, put.bucket, SNAPSHOT_WORDS, actorBytes + put.bytes.length);
    writeSnapshotEntry(this.words, this.bytes, w, put, actorBytes, incarnation);
  }

  checkpoint(put: CheckpointPut): void {
    const w = this.entry(ENTRY_CHECKPOINT, put.bucket, CHECKPOINT_WORDS, put.bytes.length);
    const { words } = this;
    setWide(words, w + 2, put.position);
    setHash(words, w + 4, put.head);
    words[w + 6] = put.bytes.length;
    words[w + 7] = crc32(put.bytes);
    this.bytes.set(put.bytes, (w + CHECKPOINT_WORDS) << 2);
  }

  head(bucket: BucketId, epoch: number, incarnation: Hash64, position: number, head: Hash64): void {
    const w = this.entry(ENTRY_HEAD, bucket, HEAD_WORDS, 0);
    const { words } = this;
    setWide(words, w + 2, epoch);
    setHash(words, w + 4, incarnation);
    setWide(words, w + 6, position);
    setHash(words, w + 8, head);
  }

  /** Entries of a frame that is already on a disk, as they are. */
  copyEntries(source: Uint8Array, entries: number, records: number): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
    this.entries += entries;
    this.records += records;
  }

  /** Fills in the header; answers the checksum, which the next frame names as its previous one (F2). */
  finish(kind: number, place: FramePlace): number {
    this.padTo(padded(place.offset + this.length, place.blockBytes) - place.offset);
    const { words, length } = this;
    words[1] = length;
    words[2] = FRAME_VERSION | (kind << 8);
    words[3] = place.previous;
    words[4] = place.offset;
    words[5] = place.syncedTo;
    words[6] = this.entries;
    words[7] = this.records;
    return (words[0] = frameChecksum(this.bytes, 0, length, place.seed));
  }

  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for an entry and answers the word it begins at. */
  private entry(kind: number, bucket: BucketId, words: number, bytes: number): number {
    const size = (words + bytesToWords(bytes)) << 2;
    this.reserve(size);
    const w = this.length >> 2;
    this.length += size;
    this.entries++;
    this.words[w] = kind | (bucket.bits << 8);
    this.words[w + 1] = bucket.index;
    // The padding is under the checksum and must not be what an earlier frame left there.
    if (bytes % 8 !== 0) {
      const last = this.length >> 2;
      this.words[last - 1] = 0;
      this.words[last - 2] = 0;
    }
    return w;
  }

  private padTo(length: number): void {
    this.reserve(length - this.length);
    this.bytes.fill(0, this.length, length);
    this.length = length;
  }

  private reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < needed) size *= 2;
    const grown = this.allocate(size);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.words = new Uint32Array(grown.buffer);
  }
}
