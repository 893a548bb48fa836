/**
 * The sealed segment: an immutable file with runs of records, each of one bucket, compressed and indexed. A full log file of the
 * segment journal becomes one with a run for every bucket in it; a file of the cold tier has one run.
 *
 * Layout: magic of 8 bytes; record blocks; snapshot blocks; actor pages; block table; bucket table; page directory; bloom
 * filter; footer of 128 bytes. All numbers are little-endian 32-bit words, offsets count from the start of the file.
 *
 * Every byte is under a checksum that is checked before it is used: blocks by the block table, pages by the directory, tables
 * by the footer, the footer by itself (J7).
 *
 * Record block, after decompression: count; per record head (hi, lo) and the end of its bytes; the bytes. A block holds
 * records of one bucket, in order of position.
 * Snapshot block: entries as in snapshot-entry.ts.
 * Actor page: count; per actor its cell; record numbers. An actor's cell: hash (hi, lo), snapshot's block plus one, snapshot's
 * offset in the block, first record number in this page, how many. A record's number is its ordinal in the segment, in order
 * of bucket and position.
 */

import { constants } from 'node:zlib';

export const SEGMENT_VERSION = 1;
export const SEGMENT_MAGIC = Buffer.from('TRUPSEG1');
export const FOOTER_BYTES = 128;

/** Records of a block before compression. A reader decompresses one to get one record: small costs ratio, large costs reads. */
export const BLOCK_BYTES = 16 * 1024;
export const PAGE_BYTES = 4 * 1024;

/** Words per entry of the tables. Block: offset, compressed bytes, raw bytes, checksum, first record, records. */
export const BLOCK_WORDS = 6;
/** Bucket: bits, index, incarnation (2), first position (2), records, first record, head before (2), head after (2). */
export const BUCKET_WORDS = 12;
/** Page: hash of its first actor (hi, lo), offset, bytes, checksum. */
export const PAGE_WORDS = 5;
/** Cell of an actor in a page. */
export const CELL_WORDS = 6;

/** Words of the footer: version, number (0 in the cold tier), incarnation (2), records, then offset, bytes and checksum of each table; last its own checksum. */
export const FOOTER_TABLES = 5;
export type Table = 0 | 1 | 2 | 3;
export const TABLE_BLOCKS: Table = 0;
export const TABLE_BUCKETS: Table = 1;
export const TABLE_PAGES: Table = 2;
export const TABLE_BLOOM: Table = 3;
/** How many of the blocks hold records; the others hold snapshots. */
export const FOOTER_RECORD_BLOCKS = 17;

// Seven probes over ten bits an actor let one in a hundred strangers through.
const BLOOM_BITS = 10;
const BLOOM_PROBES = 7;

export const compression = {
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
};

export function newBloom(actors: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(Math.max(2, Math.ceil((actors * BLOOM_BITS) / 32)));
}

export function addToBloom(bloom: Uint32Array, hi: number, lo: number): void {
  const bits = bloom.length * 32;
  for (let i = 0; i < BLOOM_PROBES; i++) {
    const bit = probe(hi, lo, i, bits);
    bloom[bit >>> 5]! |= 1 << (bit & 31);
  }
}

export function mayBeInBloom(bloom: Uint32Array, hi: number, lo: number): boolean {
  const bits = bloom.length * 32;
  for (let i = 0; i < BLOOM_PROBES; i++) {
    const bit = probe(hi, lo, i, bits);
    if ((bloom[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
  }
  return true;
}

function probe(hi: number, lo: number, i: number, bits: number): number {
  return ((lo + Math.imul(i, hi | 1)) >>> 0) % bits;
}
