/**
 * A sealed segment, read by ranges. The tables stand at its end, so that of most files one read gets all of them; what is used
 * often is kept in caches that all files of a reader share, by the file's name: a file never changes.
 */

import { crc32 } from 'node:zlib';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { StoredRecord } from '../journal.ts';
import { isRecordOf } from '../record-run.ts';
import { damaged } from './damaged.ts';
import type { ReadableFile, Reading } from './reading.ts';
import { pieceOf } from './segment-caches.ts';
import type { Piece, SegmentCaches } from './segment-caches.ts';
import {
  BLOCK_WORDS,
  BUCKET_WORDS,
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
} from './segment-format.ts';
import type { Table } from './segment-format.ts';
import { readSnapshotEntry } from './snapshot-entry.ts';
import type { LoadedSnapshot } from './snapshot-entry.ts';
import { bytesOfWords, hashAt, wide, wordsOfBytes } from './words.ts';

/** Read at once from the end of a file; all tables of a file of some MiB are in it. */
const TAIL_BYTES = 32 * 1024;

/** What is known of a file before it is read. A file that holds something else is damage. */
export interface SegmentIdentity {
  readonly file: string;
  /** As in the footer. */
  readonly number: number;
  readonly incarnation: Hash64;
  /** The only run of the file, where that is known. */
  readonly run?: SegmentRunIdentity;
}

export interface SegmentRunIdentity {
  readonly bucket: BucketId;
  readonly position: number;
  readonly records: number;
  readonly headBefore: Hash64;
  readonly headAfter: Hash64;
}

/** Whose records are wanted. */
export interface RunOwner {
  readonly id: BucketId;
  readonly incarnation: Hash64;
}

export interface SegmentTables {
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

export interface RecordBlock extends Piece {
  readonly firstRecord: number;
  readonly records: number;
}

/** What a segment has under one hash. */
export interface ActorCell {
  readonly snapshotBlock: number;
  readonly snapshotOffset: number;
  readonly records: Uint32Array;
}

/** The end of a file, which begins at `from` of it, and the footer in it. */
interface Tail {
  readonly from: number;
  readonly bytes: Buffer;
  readonly footer: Uint32Array;
}

export class SegmentFile {
  readonly identity: SegmentIdentity;
  readonly path: string;
  readonly bytes: number;
  private readonly file: ReadableFile;
  private readonly caches: SegmentCaches;

  /** `bytes`: how long the file is. */
  constructor(file: ReadableFile, bytes: number, identity: SegmentIdentity, caches: SegmentCaches) {
    this.identity = identity;
    this.path = file.path;
    this.file = file;
    this.bytes = bytes;
    this.caches = caches;
  }

  /** The bucket's run here, or null. @throws TroupeError JOURNAL_DAMAGED, as every reading of this class */
  *runOf(bucket: RunOwner): Reading<SegmentRun | null> {
    const { buckets } = yield* this.tables();
    const b = wordOfBucket(buckets, bucket.id);
    if (b < 0 || !sameHash(hashAt(buckets, b + 2), bucket.incarnation)) return null;
    return { position: wide(buckets, b + 4), records: buckets[b + 6]!, firstRecord: buckets[b + 7]!, headBefore: hashAt(buckets, b + 8) };
  }

  *headAt(bucket: RunOwner, position: number): Reading<Hash64 | null> {
    const run = yield* this.runOf(bucket);
    if (run === null || position < run.position - 1 || position >= run.position + run.records) return null;
    if (position === run.position - 1) return run.headBefore;
    const number = run.firstRecord + position - run.position;
    const block = yield* this.blockOf(number);
    return headIn(block, number - block.firstRecord);
  }

  /** Where the segment has the records and the snapshot under this hash; null when it has none. */
  *cellOf(hash: Hash64): Reading<ActorCell | null> {
    if (!mayBeInBloom(yield* this.bloom(), hash.hi, hash.lo)) return null;
    const { pages } = yield* this.tables();
    const page = lastPageAtOrBefore(pages, hash);
    if (page < 0) return null;
    const words = yield* this.keptPage(pages, page);
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
      const { bytes, words } = yield* this.keptBlock(cell.snapshotBlock - 1);
      snapshot = readSnapshotEntry(words, cell.snapshotOffset >> 2, bytes, cell.snapshotOffset);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      warn(`a snapshot was passed over: ${error.message}`);
    }
    return snapshot?.actor === actor ? snapshot : null;
  }

  /** The actor's records with position in `[from, to)`, the oldest first, at most `recordsMax`. */
  *recordsOf(cell: ActorCell, bucket: RunOwner, actor: Buffer, from: number, to: number, recordsMax: number): Reading<StoredRecord[]> {
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
  *recordsFrom(bucket: RunOwner, position: number, to: number): Reading<StoredRecord[]> {
    const run = yield* this.runOf(bucket);
    if (run === null || position >= run.position + run.records) return [];
    const from = Math.max(position, run.position);
    const block = yield* this.blockOf(run.firstRecord + from - run.position);
    const found: StoredRecord[] = [];
    const first = run.firstRecord + from - run.position - block.firstRecord;
    for (let i = first; i < block.records && from + i - first < to; i++) found.push(recordIn(block, i, from + i - first));
    return found;
  }

  *bloom(): Reading<Uint32Array> {
    const { file } = this.identity;
    const known = this.caches.blooms.get(file);
    if (known !== undefined) return known;
    const magic = yield { file: this.file, position: 0, bytes: SEGMENT_MAGIC.length };
    if (!magic.equals(SEGMENT_MAGIC)) throw damaged(this.path, 0, 'it does not begin as a segment');
    const tail = yield* this.tail();
    yield* this.tables(tail);
    const bloom = yield* this.table(tail, TABLE_BLOOM);
    this.caches.blooms.set(file, bloom);
    return bloom;
  }

  *tables(tail: Tail | null = null): Reading<SegmentTables> {
    const { file } = this.identity;
    const known = this.caches.tables.get(file);
    if (known !== undefined) return known;
    const end = tail ?? (yield* this.tail());
    const buckets = yield* this.table(end, TABLE_BUCKETS);
    this.checkRun(buckets, end.footer[FOOTER_TABLES + 3 * TABLE_BUCKETS]!);
    const blocks = yield* this.table(end, TABLE_BLOCKS);
    const pages = yield* this.table(end, TABLE_PAGES);
    const tables = { blocks, recordBlocks: end.footer[FOOTER_RECORD_BLOCKS]!, buckets, pages };
    this.caches.tables.set(file, tables);
    return tables;
  }

  /** The actor page whose entry in the directory is at word `p`, past the cache. */
  *page(pages: Uint32Array, p: number): Reading<Uint32Array> {
    return wordsOfBytes(yield* this.checked(pages[p + 2]!, pages[p + 3]!, pages[p + 4]!, 'an actor page'));
  }

  /** The i-th record block, past the cache. */
  *recordBlock(i: number): Reading<RecordBlock> {
    const { blocks } = yield* this.tables();
    const bytes = yield* this.rawBlock(i);
    const b = i * BLOCK_WORDS;
    return { bytes, words: wordsOfBytes(bytes), firstRecord: blocks[b + 4]!, records: blocks[b + 5]! };
  }

  private *tail(): Reading<Tail> {
    if (this.bytes < FOOTER_BYTES) throw damaged(this.path, this.bytes, 'the file is too short');
    const size = Math.min(this.bytes, TAIL_BYTES);
    const from = this.bytes - size;
    const bytes = yield { file: this.file, position: from, bytes: size };
    if (bytes.length !== size) throw damaged(this.path, from + bytes.length, 'the file is too short');
    const at = this.bytes - FOOTER_BYTES;
    const footer = wordsOfBytes(bytes.subarray(size - FOOTER_BYTES));
    if (footer.at(-1) !== crc32(bytesOfWords(footer.subarray(0, -1)))) throw damaged(this.path, at, 'the footer does not fit its checksum');
    if (footer[0]! > SEGMENT_VERSION) throw new TroupeError('JOURNAL_VERSION', `${this.path} has format ${footer[0]}`);
    const { number, incarnation } = this.identity;
    if (footer[1] !== number || !sameHash(hashAt(footer, 2), incarnation)) throw damaged(this.path, at, 'the footer names another segment');
    return { from, bytes, footer };
  }

  private *table(tail: Tail, table: Table): Reading<Uint32Array> {
    const f = FOOTER_TABLES + 3 * table;
    const at = tail.footer[f]!;
    const size = tail.footer[f + 1]!;
    const checksum = tail.footer[f + 2]!;
    if (at < tail.from) return wordsOfBytes(yield* this.checked(at, size, checksum, 'a table'));
    const there = tail.bytes.subarray(at - tail.from, at - tail.from + size);
    if (there.length !== size || crc32(there) !== checksum) throw damaged(this.path, at, 'a table does not fit its checksum');
    // Copied, or a table that is kept would keep the whole tail.
    const words = new Uint32Array(size >> 2);
    there.copy(bytesOfWords(words));
    return words;
  }

  private checkRun(buckets: Uint32Array, offset: number): void {
    const { run, incarnation } = this.identity;
    if (run === undefined) return;
    const same =
      buckets.length === BUCKET_WORDS &&
      buckets[0] === run.bucket.bits &&
      buckets[1] === run.bucket.index &&
      sameHash(hashAt(buckets, 2), incarnation) &&
      wide(buckets, 4) === run.position &&
      buckets[6] === run.records &&
      sameHash(hashAt(buckets, 8), run.headBefore) &&
      sameHash(hashAt(buckets, 10), run.headAfter);
    if (!same) throw damaged(this.path, offset, 'it holds another run than it is listed with');
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
    const b = low * BLOCK_WORDS;
    const { bytes, words } = yield* this.keptBlock(low);
    return { bytes, words, firstRecord: blocks[b + 4]!, records: blocks[b + 5]! };
  }

  /** A block before anything in it is looked at, past the cache; behind the record blocks are those of snapshots. */
  *rawBlock(i: number): Reading<Buffer> {
    const { blocks } = yield* this.tables();
    const packed = yield* this.packed(blocks, i);
    return yield { packed, rawBytes: blocks[i * BLOCK_WORDS + 2]! };
  }

  private *packed(blocks: Uint32Array, i: number): Reading<Buffer> {
    const b = i * BLOCK_WORDS;
    return yield* this.checked(blocks[b]!, blocks[b + 1]!, blocks[b + 3]!, 'a block');
  }

  private *keptBlock(i: number): Reading<Piece> {
    const { pieces } = this.caches;
    const key = `${this.identity.file}/${i}`;
    const known = pieces.get(key);
    if (known !== undefined) return known;
    const { blocks } = yield* this.tables();
    const packed = yield* this.packed(blocks, i);
    // Of several that waited for the same bytes one has to unpack them.
    const unpacked = pieces.get(key);
    if (unpacked !== undefined) return unpacked;
    const bytes = yield { packed, rawBytes: blocks[i * BLOCK_WORDS + 2]! };
    return this.keep(key, bytes);
  }

  private *keptPage(pages: Uint32Array, p: number): Reading<Uint32Array> {
    const key = `${this.identity.file}@${pages[p + 2]}`;
    const known = this.caches.pieces.get(key);
    if (known !== undefined) return known.words;
    const bytes = yield* this.checked(pages[p + 2]!, pages[p + 3]!, pages[p + 4]!, 'an actor page');
    return this.keep(key, bytes).words;
  }

  private keep(key: string, bytes: Buffer): Piece {
    const piece = pieceOf(bytes);
    this.caches.pieces.set(key, piece);
    return piece;
  }
}

/** Word of the bucket's entry in the table, which is in order of (bits, index); -1 when it has none. */
function wordOfBucket(buckets: Uint32Array, { bits, index }: BucketId): number {
  for (let low = 0, high = buckets.length / BUCKET_WORDS - 1; low <= high; ) {
    const middle = (low + high) >>> 1;
    const b = middle * BUCKET_WORDS;
    const order = buckets[b]! - bits || buckets[b + 1]! - index;
    if (order === 0) return b;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
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

export function startIn(block: RecordBlock, i: number): number {
  const data = 4 * (1 + 3 * block.records);
  return i === 0 ? data : data + block.words[3 * i]!;
}

export function endIn(block: RecordBlock, i: number): number {
  return 4 * (1 + 3 * block.records) + block.words[3 * i + 3]!;
}

export function headIn(block: RecordBlock, i: number): Hash64 {
  return { hi: block.words[3 * i + 1]!, lo: block.words[3 * i + 2]! };
}

function recordIn(block: RecordBlock, i: number, position: number): StoredRecord {
  return { position, head: headIn(block, i), bytes: Buffer.from(block.bytes.subarray(startIn(block, i), endIn(block, i))) };
}
