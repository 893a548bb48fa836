/**
 * Seals a log file into a segment: writes it under a temporary name, synchronises it, and only then gives it its name, which
 * says what is in it (number, incarnation of the log, digest). The log file is removed by the journal afterwards. A crash
 * between any two steps leaves the log file, or both.
 */

import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { crc32, zstdCompressSync } from 'node:zlib';

import type { Hash64 } from '../../codec/hash64.ts';
import { blockMemory } from './block-memory.ts';
import type { Blocks, Disk, DiskFile } from './disk.ts';
import { entryWords, FileImage, padded } from './frame.ts';
import { damaged, openForImage } from './log-file.ts';
import { segmentName } from './names.ts';
import { planSeal, recordsOfBucket } from './seal-plan.ts';
import type { SealPlan, SealSource } from './seal-plan.ts';
import { ActorIndexWriter } from './seal-index.ts';
import {
  BLOCK_BYTES,
  BLOCK_WORDS,
  bytesOfWords,
  compression,
  FOOTER_BYTES,
  FOOTER_RECORD_BLOCKS,
  FOOTER_TABLES,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  TABLE_BLOCKS,
  TABLE_BLOOM,
  TABLE_BUCKETS,
  TABLE_PAGES,
} from './segment-format.ts';

export interface SealRequest extends SealSource {
  readonly directory: string;
  readonly blocks: Blocks;
  readonly number: number;
  readonly incarnation: Hash64;
  readonly sync: boolean;
}

/** Answers the name of the segment. @throws TroupeError JOURNAL_DAMAGED when the log changed on the disk */
export function seal(disk: Disk, request: SealRequest): string {
  const image = readImage(disk, request);
  const plan = planSeal(image, request);
  const temporary = path.join(request.directory, `segment-${request.number}.tmp`);
  const file = disk.open(temporary, 'create');
  let digest: string;
  try {
    digest = new SegmentWriter(file).write(plan, request);
    if (request.sync) file.sync();
  } finally {
    file.close();
  }
  const name = segmentName(request.number, request.incarnation, digest).file;
  disk.rename(temporary, path.join(request.directory, name));
  if (request.sync) disk.syncDirectory(request.directory);
  return name;
}

/** Of the last file that was sealed here: touching fresh memory costs more than reading a file into it. */
let kept: Buffer | null = null;

/** Gives back the memory that sealing keeps for the next file. */
export function forgetMemory(): void {
  kept = null;
}

function readImage(disk: Disk, request: SealRequest): FileImage {
  const { end, blocks } = request;
  const size = padded(end, blocks.bytes);
  if (kept === null || kept.length < size) kept = blockMemory(size);
  const file = openForImage(disk, request.path, blocks);
  try {
    if (file.read(kept.subarray(0, size), 0) < end) throw damaged(request.path, 0, 'the file became shorter');
  } finally {
    file.close();
  }
  return new FileImage(end, kept.subarray(0, padded(end)));
}

class SegmentWriter {
  private readonly file: DiskFile;
  private readonly hash = createHash('sha256');
  private readonly blocks: number[] = [];
  private readonly buckets: number[] = [];
  private at = 0;
  private records = 0;

  constructor(file: DiskFile) {
    this.file = file;
  }

  write(plan: SealPlan, request: SealRequest): string {
    const index = new ActorIndexWriter(plan.records);
    this.put(SEGMENT_MAGIC);
    for (const bucket of plan.buckets) this.writeBucket(plan, bucket, request.path, index);
    const recordBlocks = this.blocks.length / BLOCK_WORDS;
    this.writeSnapshots(plan, index);
    const pages = index.pages((page) => this.put(page));
    const footer = new Uint32Array(FOOTER_BYTES / 4);
    footer.set([SEGMENT_VERSION, request.number, request.incarnation.lo, request.incarnation.hi, this.records]);
    this.writeTable(footer, TABLE_BLOCKS, Uint32Array.from(this.blocks));
    this.writeTable(footer, TABLE_BUCKETS, Uint32Array.from(this.buckets));
    this.writeTable(footer, TABLE_PAGES, pages.directory);
    this.writeTable(footer, TABLE_BLOOM, pages.bloom);
    footer[FOOTER_RECORD_BLOCKS] = recordBlocks;
    footer[footer.length - 1] = crc32(bytesOfWords(footer.subarray(0, -1)));
    this.put(bytesOfWords(footer));
    return this.hash.digest('hex').slice(0, 32);
  }

  private writeBucket(plan: SealPlan, bucket: SealPlan['buckets'][number], path: string, index: ActorIndexWriter): void {
    const { bits, incarnation, position, headBefore, headAfter } = bucket;
    const wide = [position >>> 0, Math.floor(position / 0x1_0000_0000)] as const;
    this.buckets.push(bits, bucket.index, incarnation.lo, incarnation.hi, ...wide, bucket.records, this.records);
    this.buckets.push(headBefore.lo, headBefore.hi, headAfter.lo, headAfter.hi);
    const cells: number[] = [];
    const pieces: Buffer[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (pieces.length === 0) return;
      const head = Uint32Array.from([pieces.length, ...cells]);
      this.writeBlock(Buffer.concat([bytesOfWords(head), ...pieces]), this.records - pieces.length, pieces.length);
      cells.length = pieces.length = bytes = 0;
    };
    for (const record of recordsOfBucket(plan, bucket, path)) {
      bytes += record.to - record.from;
      cells.push(record.headHi, record.headLo, bytes);
      pieces.push(plan.image.bytes.subarray(record.from, record.to));
      index.add(record.actorHi, record.actorLo, this.records++);
      if (bytes >= BLOCK_BYTES) flush();
    }
    flush();
  }

  private writeSnapshots(plan: SealPlan, index: ActorIndexWriter): void {
    const { words, bytes } = plan.image;
    let pieces: Buffer[] = [];
    let size = 0;
    const flush = (): void => {
      if (pieces.length > 0) this.writeBlock(Buffer.concat(pieces), 0, pieces.length);
      pieces = [];
      size = 0;
    };
    for (const w of plan.snapshots.values()) {
      const length = entryWords(words, w) << 2;
      index.addSnapshot(words[w + 7]!, words[w + 6]!, this.blocks.length / BLOCK_WORDS, size);
      pieces.push(bytes.subarray(w << 2, (w << 2) + length));
      size += length;
      if (size >= BLOCK_BYTES) flush();
    }
    flush();
  }

  private writeBlock(raw: Buffer, firstRecord: number, records: number): void {
    const packed = zstdCompressSync(raw, compression);
    this.blocks.push(this.at, packed.length, raw.length, crc32(packed), firstRecord, records);
    this.put(packed);
  }

  private writeTable(footer: Uint32Array, table: number, words: Uint32Array): void {
    const bytes = bytesOfWords(words);
    const f = FOOTER_TABLES + 3 * table;
    footer[f] = this.at;
    footer[f + 1] = bytes.length;
    footer[f + 2] = crc32(bytes);
    this.put(bytes);
  }

  private put(bytes: Uint8Array): number {
    const at = this.at;
    if (bytes.length > 0) this.file.write(bytes, at);
    this.hash.update(bytes);
    this.at += bytes.length;
    return at;
  }
}

