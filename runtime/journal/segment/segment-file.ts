/**
 * A sealed segment, read by ranges. Only the bloom filter stays in memory for good, so that an actor that is not in the
 * segment costs no disk read; the other tables are kept for the segments that were used last.
 */

import * as path from 'node:path';
import { crc32, zstdDecompressSync } from 'node:zlib';

import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { StoredRecord } from '../journal.ts';
import { isRecordOf } from '../record-run.ts';
import type { BucketState } from './bucket-table.ts';
import type { Disk, DiskFile } from './disk.ts';
import { damaged } from './log-file.ts';
import { readSnapshotEntry } from './log-reader.ts';
import type { LoadedSnapshot } from './log-reader.ts';
import type { SegmentName } from './names.ts';
import { Recent } from './recent.ts';
import type { Reading } from './reading.ts';
import {
  BLOCK_WORDS,
  BUCKET_WORDS,
  bytesOfWords,
  CELL_WORDS,
  FOOTER_BYTES,
  FOOTER_RECORD_BLOCKS,
  FOOTER_TABLES,
  mayBeInBloom,
  PAGE_WORDS,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  TABLE_BLOCKS,
  TABLE_BLOOM,
  TABLE_BUCKETS,
  TABLE_PAGES,
  wordsOfBytes,
} from './segment-format.ts';
import type { Table } from './segment-format.ts';
import { wide } from './frame.ts';

/** Kept over all segments of a journal: tables of the last ones used, and the last blocks decompressed. */
export interface SegmentCaches {
  readonly tables: Recent<SegmentFile, SegmentTables>;
  readonly blocks: Recent<string, RecordBlock>;
}

export function newSegmentCaches(): SegmentCaches {
  return { tables: new Recent(128), blocks: new Recent(64) };
}

interface SegmentTables {
  readonly blocks: Uint32Array;
  readonly recordBlocks: number;
  readonly buckets: Uint32Array;
  readonly pages: Uint32Array;
}

/** What a segment holds of one bucket: positions `[position, position + records)`. */
export interface SegmentRun {
  readonly position: number;
  readonly records: number;
  readonly firstRecord: number;
  readonly headBefore: Hash64;
}

interface RecordBlock {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly firstRecord: number;
  readonly records: number;
}

/** What a segment has under one hash. */
export interface ActorCell {
  readonly snapshotBlock: number;
  readonly snapshotOffset: number;
  readonly records: Uint32Array;
}

export class SegmentFile {
  readonly name: SegmentName;
  readonly path: string;
  readonly bytes: number;
  private readonly file: DiskFile;
  private readonly caches: SegmentCaches;
  private bloom: Uint32Array | null = null;

  constructor(disk: Disk, directory: string, name: SegmentName, caches: SegmentCaches) {
    this.name = name;
    this.path = path.join(directory, name.file);
    this.caches = caches;
    this.file = disk.open(this.path, 'read');
    this.bytes = this.file.size();
  }

  close(): void {
    this.file.close();
  }

  /** The bucket's run here, or null. @throws TroupeError JOURNAL_DAMAGED, as every reading of this class */
  *runOf(bucket: BucketState): Reading<SegmentRun | null> {
    const { buckets } = yield* this.tables();
    for (let b = 0; b < buckets.length; b += BUCKET_WORDS) {
      if (buckets[b] !== bucket.id.bits || buckets[b + 1] !== bucket.id.index) continue;
      if (!sameHash({ lo: buckets[b + 2]!, hi: buckets[b + 3]! }, bucket.incarnation)) return null;
      const headBefore = { lo: buckets[b + 8]!, hi: buckets[b + 9]! };
      return { position: wide(buckets, b + 4), records: buckets[b + 6]!, firstRecord: buckets[b + 7]!, headBefore };
    }
    return null;
  }

  *headAt(bucket: BucketState, position: number): Reading<Hash64 | null> {
    const run = yield* this.runOf(bucket);
    if (run === null || position < run.position - 1 || position >= run.position + run.records) return null;
    if (position === run.position - 1) return run.headBefore;
    const number = run.firstRecord + position - run.position;
    const block = yield* this.blockOf(number);
    return headIn(block, number - block.firstRecord);
  }

  /** Where the segment has the records and the snapshot under this hash; null when it has none. */
  *cellOf(hash: Hash64): Reading<ActorCell | null> {
    this.bloom ??= yield* this.readBloom();
    if (!mayBeInBloom(this.bloom, hash.hi, hash.lo)) return null;
    const { pages } = yield* this.tables();
    const page = lastPageAtOrBefore(pages, hash);
    if (page < 0) return null;
    const words = wordsOfBytes(yield* this.checked(pages[page + 2]!, pages[page + 3]!, pages[page + 4]!, 'an actor page'));
    const numbers = 1 + words[0]! * CELL_WORDS;
    for (let low = 0, high = words[0]! - 1; low <= high; ) {
      const middle = (low + high) >>> 1;
      const c = 1 + middle * CELL_WORDS;
      const order = words[c]! - hash.hi || words[c + 1]! - hash.lo;
      if (order === 0) {
        const first = numbers + words[c + 4]!;
        return { snapshotBlock: words[c + 2]!, snapshotOffset: words[c + 3]!, records: words.subarray(first, first + words[c + 5]!) };
      }
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return null;
  }

  /** The actor's snapshot in this segment; null also when its block is damaged, since it is only a cache (J8). */
  *snapshotOf(cell: ActorCell, actor: string, warn: (message: string) => void): Reading<LoadedSnapshot | null> {
    if (cell.snapshotBlock === 0) return null;
    let snapshot: LoadedSnapshot | null = null;
    try {
      const raw = yield* this.readBlock(cell.snapshotBlock - 1);
      snapshot = readSnapshotEntry(wordsOfBytes(raw), cell.snapshotOffset >> 2, raw, cell.snapshotOffset);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      warn(`a snapshot was passed over: ${error.message}`);
    }
    return snapshot?.actor === actor ? snapshot : null;
  }

  /** The actor's records with position in `[from, to)`, the oldest first, at most `recordsMax`. */
  *recordsOf(cell: ActorCell, bucket: BucketState, actor: Buffer, from: number, to: number, recordsMax: number): Reading<StoredRecord[]> {
    const found: StoredRecord[] = [];
    const run = yield* this.runOf(bucket);
    if (run === null) return found;
    let block: RecordBlock | null = null;
    for (const number of cell.records) {
      const position = run.position + number - run.firstRecord;
      // The actor's hash may have records in other buckets' runs, when two actors share it.
      if (number < run.firstRecord || number >= run.firstRecord + run.records || position < from) continue;
      if (position >= to || found.length >= recordsMax) break;
      if (block === null || number >= block.firstRecord + block.records) block = yield* this.blockOf(number);
      const i = number - block.firstRecord;
      if (isRecordOf(block.bytes, startIn(block, i), endIn(block, i), actor)) found.push(recordIn(block, i, position));
    }
    return found;
  }

  /** The bucket's records of one block, from `position` on and before `to`; empty behind the run. */
  *recordsFrom(bucket: BucketState, position: number, to: number): Reading<StoredRecord[]> {
    const run = yield* this.runOf(bucket);
    if (run === null || position >= run.position + run.records) return [];
    const from = Math.max(position, run.position);
    const block = yield* this.blockOf(run.firstRecord + from - run.position);
    const found: StoredRecord[] = [];
    const first = run.firstRecord + from - run.position - block.firstRecord;
    for (let i = first; i < block.records && from + i - first < to; i++) found.push(recordIn(block, i, from + i - first));
    return found;
  }

  private *readBloom(): Reading<Uint32Array> {
    const footer = yield* this.footer();
    return yield* this.table(footer, TABLE_BLOOM);
  }

  private *tables(): Reading<SegmentTables> {
    const known = this.caches.tables.get(this);
    if (known !== undefined) return known;
    const footer = yield* this.footer();
    const blocks = yield* this.table(footer, TABLE_BLOCKS);
    const buckets = yield* this.table(footer, TABLE_BUCKETS);
    const pages = yield* this.table(footer, TABLE_PAGES);
    const tables = { blocks, recordBlocks: footer[FOOTER_RECORD_BLOCKS]!, buckets, pages };
    this.caches.tables.set(this, tables);
    return tables;
  }

  private *footer(): Reading<Uint32Array> {
    const magic = yield { file: this.file, position: 0, bytes: SEGMENT_MAGIC.length };
    if (!magic.equals(SEGMENT_MAGIC)) throw damaged(this.path, 0, 'it does not begin as a segment');
    const at = this.bytes - FOOTER_BYTES;
    if (at < 0) throw damaged(this.path, this.bytes, 'the file is too short');
    const bytes = yield { file: this.file, position: at, bytes: FOOTER_BYTES };
    const footer = wordsOfBytes(bytes);
    const whole = bytes.length === FOOTER_BYTES && footer.at(-1) === crc32(bytesOfWords(footer.subarray(0, -1)));
    if (!whole) throw damaged(this.path, at, 'the footer does not fit its checksum');
    if (footer[0]! > SEGMENT_VERSION) throw new TroupeError('JOURNAL_VERSION', `${this.path} has format ${footer[0]}`);
    const { number, incarnation } = this.name;
    if (footer[1] !== number || footer[2] !== incarnation.lo || footer[3] !== incarnation.hi) {
      throw damaged(this.path, at, 'the footer names another segment');
    }
    return footer;
  }

  private *table(footer: Uint32Array, table: Table): Reading<Uint32Array> {
    const f = FOOTER_TABLES + 3 * table;
    return wordsOfBytes(yield* this.checked(footer[f]!, footer[f + 1]!, footer[f + 2]!, 'a table'));
  }

  private *checked(position: number, bytes: number, checksum: number, what: string): Reading<Buffer> {
    if (bytes === 0) return Buffer.alloc(0);
    const there = yield { file: this.file, position, bytes };
    if (there.length !== bytes || crc32(there) !== checksum) throw damaged(this.path, position, `${what} does not fit its checksum`);
    return there;
  }

  /** The block that holds the record with this number. */
  private *blockOf(number: number): Reading<RecordBlock> {
    const { blocks, recordBlocks } = yield* this.tables();
    let low = 0;
    let high = recordBlocks - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (blocks[middle * BLOCK_WORDS + 4]! <= number) low = middle;
      else high = middle - 1;
    }
    const key = `${this.name.file}/${low}`;
    const known = this.caches.blocks.get(key);
    if (known !== undefined) return known;
    const bytes = yield* this.readBlock(low);
    const b = low * BLOCK_WORDS;
    const block = { bytes, words: wordsOfBytes(bytes), firstRecord: blocks[b + 4]!, records: blocks[b + 5]! };
    this.caches.blocks.set(key, block);
    return block;
  }

  private *readBlock(i: number): Reading<Buffer> {
    const { blocks } = yield* this.tables();
    const b = i * BLOCK_WORDS;
    const packed = yield* this.checked(blocks[b]!, blocks[b + 1]!, blocks[b + 3]!, 'a block');
    // In one piece: the default of 16 KiB a step copies everything once more.
    const raw = Math.max(64, blocks[b + 2]!);
    return zstdDecompressSync(packed, { chunkSize: raw, maxOutputLength: raw });
  }
}

/** Word of the directory's last page whose first actor is not behind the hash; -1 when all are. */
function lastPageAtOrBefore(pages: Uint32Array, hash: Hash64): number {
  let low = -1;
  let high = pages.length / PAGE_WORDS - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const p = middle * PAGE_WORDS;
    if ((pages[p]! - hash.hi || pages[p + 1]! - hash.lo) <= 0) low = middle;
    else high = middle - 1;
  }
  return low * PAGE_WORDS;
}

function startIn(block: RecordBlock, i: number): number {
  const data = 4 * (1 + 3 * block.records);
  return i === 0 ? data : data + block.words[3 * i]!;
}

function endIn(block: RecordBlock, i: number): number {
  return 4 * (1 + 3 * block.records) + block.words[3 * i + 3]!;
}

function headIn(block: RecordBlock, i: number): Hash64 {
  return { hi: block.words[3 * i + 1]!, lo: block.words[3 * i + 2]! };
}

function recordIn(block: RecordBlock, i: number, position: number): StoredRecord {
  return { position, head: headIn(block, i), bytes: Buffer.from(block.bytes.subarray(startIn(block, i), endIn(block, i))) };
}
