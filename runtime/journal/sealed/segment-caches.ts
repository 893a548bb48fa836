/**
 * What readers of segments keep in memory, over all files. Actors that were written together have their records, their snapshots and their
 * places in the index in the same few pieces: of each bucket a block, of the index of their segment any page. Where fewer pieces than that
 * are kept, actors that are read in the order in which they were written, as a broadcast does, find none of them (limits.segmentPieceBytesMax).
 */

import { Recent } from './recent.ts';
import type { SegmentTables } from './segment-file.ts';
import { wordsOfBytes } from './words.ts';

/** By the name of the file; pieces by name, and number of the block or offset of the page. */
export interface SegmentCaches {
  readonly blooms: Recent<string, Uint32Array>;
  readonly tables: Recent<string, SegmentTables>;
  readonly pieces: Recent<string, Piece>;
}

/** What one lookup reads and the next one is likely to need again: a block, unpacked, or a page of the index. Its checksum has been checked. */
export interface Piece {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}

export function piecesUpTo(bytesMax: number): Recent<string, Piece> {
  return new Recent(bytesMax, ({ bytes }) => bytes.length);
}

/** What came out of a pool would keep all of it, several times its own size. */
export function pieceOf(bytes: Buffer): Piece {
  let own = bytes;
  if (bytes.buffer.byteLength > bytes.length) {
    own = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(own);
  }
  return { bytes: own, words: wordsOfBytes(own) };
}
