/** What bounds the memory, the descriptors and the time at once of a cold tier, whatever the number of its files. */

import assert from 'node:assert/strict';

const KIB = 1024;
const MIB = 1024 * KIB;

export const coldBounds = {
  /** Descriptors that stay open for the next read. */
  openFilesMax: 64,
  /** Reads of the volume that are under way at once: of the four threads of the pool one is left to everybody else. */
  readsAtOnceMax: 3,
  /** Of the files used last: bloom filters (about 6 KiB for a range of 4 MiB), tables (about 8 KiB), and single blocks and pages of the index. */
  bloomBytesMax: 32 * MIB,
  tableBytesMax: 16 * MIB,
  pieceBytesMax: 16 * MIB,
  /** One range: offsets in a file are words of 32 bits, and a writer holds all of it in memory. */
  rangeBytesMax: 256 * MIB,
  recordsPerRangeMax: 2 ** 24,
  /** What waits for nothing is done in pieces; the event loop has its turn behind each. */
  pieceBytes: 512 * KIB,
  pieceRecords: 2_048,
  /** Read at once where a whole file is read. */
  digestPieceBytes: 256 * KIB,
  /** No writer takes this long: what has a temporary name for longer was left behind. */
  leftoverAgeMinMs: 3_600_000,
} as const;

// Every read under way holds a descriptor.
assert(coldBounds.readsAtOnceMax <= coldBounds.openFilesMax);
