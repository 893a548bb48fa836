/**
 * Writes a segment (segment-format.ts) from a stream: the runs one after the other, then the snapshots, then the index of both. It
 * holds one block of records and the index in memory, never the file. The same input gives the same bytes, and so the same digest.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32, zstdCompressSync } from 'node:zlib';

import type { Hash64 } from '../../codec/hash64.ts';
import { ActorIndexWriter } from './actor-index.ts';
import {
  BLOCK_BYTES,
  BLOCK_WORDS,
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
import { bytesOfWords } from './words.ts';

/** Where the bytes go, from the first to the last; they are not the sink's once it has returned. */
export interface SegmentSink {
  write(bytes: Uint8Array, position: number): void;
}

/** A bucket's records with the positions `[position, position + records)`. */
export interface PlannedRun {
  readonly bits: number;
  readonly index: number;
  readonly incarnation: Hash64;
  readonly position: number;
  readonly headBefore: Hash64;
  readonly headAfter: Hash64;
  readonly records: number;
}

/** One record on its way into a block: `source[from, to)`, the head behind it, the hash of its actor (both 0: of the bucket itself). */
export interface PlannedRecord {
  from: number;
  to: number;
  headHi: number;
  headLo: number;
  actorHi: number;
  actorLo: number;
}

/** An entry as in snapshot-entry.ts, and the hash of its actor. No two of one file have the same hash. */
export interface PlannedSnapshot {
  readonly hi: number;
  readonly lo: number;
  readonly entry: Buffer;
}

export interface WrittenSegment {
  /** SHA-256 of the file, its first 32 hex digits. */
  readonly digest: string;
  readonly bytes: number;
}

export class SegmentWriter {
  private readonly file: SegmentSink;
  private readonly index: ActorIndexWriter;
  private readonly hash = createHash('sha256');
  private readonly blocks: number[] = [];
  private readonly buckets: number[] = [];
  /** How many blocks there were when the first snapshot came. */
  private recordBlocks = -1;
  private at = 0;
  private records = 0;

  /** `records`: of all runs together. */
  constructor(file: SegmentSink, records: number) {
    this.file = file;
    this.index = new ActorIndexWriter(records);
    this.put(SEGMENT_MAGIC);
  }

  /** Runs come in order of (bits, index), their records in order of position; the same object may come for every record. */
  run(run: PlannedRun, source: Buffer, records: Iterable<PlannedRecord>): void {
    assert.equal(this.recordBlocks, -1, 'runs come before snapshots');
    const { bits, index, incarnation, position, headBefore, headAfter } = run;
    const wide = [position >>> 0, Math.floor(position / 0x1_0000_0000)] as const;
    this.buckets.push(bits, index, incarnation.lo, incarnation.hi, ...wide, run.records, this.records);
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
    for (const record of records) {
      bytes += record.to - record.from;
      cells.push(record.headHi, record.headLo, bytes);
      pieces.push(source.subarray(record.from, record.to));
      this.index.add(record.actorHi, record.actorLo, this.records++);
      if (bytes >= BLOCK_BYTES) flush();
    }
    flush();
  }

  snapshots(snapshots: Iterable<PlannedSnapshot>): void {
    this.recordBlocks = this.blocks.length / BLOCK_WORDS;
    let pieces: Buffer[] = [];
    let size = 0;
    const flush = (): void => {
      if (pieces.length > 0) this.writeBlock(Buffer.concat(pieces), 0, pieces.length);
      pieces = [];
      size = 0;
    };
    for (const { hi, lo, entry } of snapshots) {
      this.index.addSnapshot(hi, lo, this.blocks.length / BLOCK_WORDS, size);
      pieces.push(entry);
      size += entry.length;
      if (size >= BLOCK_BYTES) flush();
    }
    flush();
  }

  /** Index and footer. The file is the caller's to synchronise and to close. */
  finish(number: number, incarnation: Hash64): WrittenSegment {
    const pages = this.index.pages((page) => this.put(page));
    const footer = new Uint32Array(FOOTER_BYTES / 4);
    footer.set([SEGMENT_VERSION, number, incarnation.lo, incarnation.hi, this.records]);
    this.writeTable(footer, TABLE_BLOCKS, Uint32Array.from(this.blocks));
    this.writeTable(footer, TABLE_BUCKETS, Uint32Array.from(this.buckets));
    this.writeTable(footer, TABLE_PAGES, pages.directory);
    this.writeTable(footer, TABLE_BLOOM, pages.bloom);
    footer[FOOTER_RECORD_BLOCKS] = this.recordBlocks;
    footer[footer.length - 1] = crc32(bytesOfWords(footer.subarray(0, -1)));
    this.put(bytesOfWords(footer));
    return { digest: this.hash.digest('hex').slice(0, 32), bytes: this.at };
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
