/**
 * Memory for key windows: rows of one size class each, cut from a few large arrays. A window of its own arrays would cost
 * several objects per actor, and with ten thousand actors in turn every one of them is a miss in the processor's caches.
 *
 * A row of capacity n holds n fingerprints of one byte, so that a search reads two cache lines instead of many, and then n
 * entries of two words.
 */

const CHUNK_WORDS = 1 << 20;
export const ENTRY_WORDS = 2;

export interface Chunk {
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Where a row lies: words `[at, at + rowWords(capacity))` of its chunk. */
export interface Row {
  readonly chunk: Chunk;
  readonly at: number;
  readonly capacity: number;
}

export class KeySlab {
  private readonly free = new Map<number, Row[]>();
  private chunk: Chunk | null = null;
  private used = 0;

  /** A row of a multiple of four entries; its contents are whatever was there. */
  take(capacity: number): Row {
    const free = this.free.get(capacity)?.pop();
    if (free !== undefined) return free;
    const words = rowWords(capacity);
    if (words > CHUNK_WORDS) return { chunk: makeChunk(words), at: 0, capacity };
    if (this.chunk === null || this.used + words > CHUNK_WORDS) {
      this.chunk = makeChunk(CHUNK_WORDS);
      this.used = 0;
    }
    const at = this.used;
    this.used += words;
    return { chunk: this.chunk, at, capacity };
  }

  give(row: Row): void {
    let rows = this.free.get(row.capacity);
    if (rows === undefined) {
      rows = [];
      this.free.set(row.capacity, rows);
    }
    rows.push(row);
  }
}

/** Words for so many fingerprints, four a word. */
export function fingerprintWords(capacity: number): number {
  return (capacity + 3) >> 2;
}

function rowWords(capacity: number): number {
  return fingerprintWords(capacity) + capacity * ENTRY_WORDS;
}

function makeChunk(words: number): Chunk {
  const buffer = new ArrayBuffer(words * 4);
  return { words: new Uint32Array(buffer), bytes: new Uint8Array(buffer) };
}
