/** Collects which actor has which records and which snapshot, and writes the pages, the directory and the bloom filter of a segment. */

import { crc32 } from 'node:zlib';

import { addToBloom, CELL_WORDS, newBloom, PAGE_BYTES } from './segment-format.ts';
import { bytesOfWords } from './words.ts';

/** More than the records of one file, so that hash and number fit one double exactly: 32 + 21 bits. */
const RECORDS_MAX = 2 ** 21;

export interface ActorPages {
  readonly directory: Uint32Array;
  readonly bloom: Uint32Array;
}

interface SnapshotPlace {
  readonly hi: number;
  readonly lo: number;
  readonly block: number;
  readonly offset: number;
}

export class ActorIndexWriter {
  private readonly hi: Uint32Array;
  private readonly lo: Uint32Array;
  private readonly snapshots: SnapshotPlace[] = [];

  constructor(records: number) {
    this.hi = new Uint32Array(records);
    this.lo = new Uint32Array(records);
  }

  add(hi: number, lo: number, record: number): void {
    this.hi[record] = hi;
    this.lo[record] = lo;
  }

  addSnapshot(hi: number, lo: number, block: number, offset: number): void {
    this.snapshots.push({ hi, lo, block, offset });
  }

  /** `write` puts a page into the file and answers its offset. */
  pages(write: (page: Buffer) => number): ActorPages {
    const records = this.recordsByActor();
    this.snapshots.sort((a, b) => a.hi - b.hi || a.lo - b.lo);
    const page = new PageWriter(write);
    const actors: number[] = [];
    let s = 0;
    for (let r = 0; r < records.length || s < this.snapshots.length; ) {
      const snapshot = this.snapshots[s];
      const isSnapshot = snapshot !== undefined && (r === records.length || this.compare(snapshot.hi, snapshot.lo, records[r]!) <= 0);
      const hi = isSnapshot ? snapshot.hi : this.hi[records[r]!]!;
      const lo = isSnapshot ? snapshot.lo : this.lo[records[r]!]!;
      const first = r;
      while (r < records.length && this.hi[records[r]!] === hi && this.lo[records[r]!] === lo) r++;
      page.add(hi, lo, isSnapshot ? snapshot.block + 1 : 0, isSnapshot ? snapshot.offset : 0, records.subarray(first, r));
      if (isSnapshot) s++;
      actors.push(hi, lo);
    }
    page.flush();
    const bloom = newBloom(actors.length / 2);
    for (let i = 0; i < actors.length; i += 2) addToBloom(bloom, actors[i]!, actors[i + 1]!);
    return { directory: Uint32Array.from(page.directory), bloom };
  }

  private compare(hi: number, lo: number, record: number): number {
    return hi - this.hi[record]! || lo - this.lo[record]!;
  }

  /** Record numbers in order of (hash, number), without those of the buckets themselves. */
  private recordsByActor(): Uint32Array {
    const { hi, lo } = this;
    const numbers = Array.prototype.filter.call(Uint32Array.from(hi.keys()), (r: number) => hi[r] !== 0 || lo[r] !== 0) as number[];
    if (hi.length > RECORDS_MAX) {
      return Uint32Array.from(numbers.sort((a, b) => hi[a]! - hi[b]! || lo[a]! - lo[b]! || a - b));
    }
    // Plain numbers are sorted natively, several times faster than by a function. Equal high halves are put right after.
    const keys = Float64Array.from(numbers, (r) => hi[r]! * RECORDS_MAX + r).sort();
    const records = Uint32Array.from(keys, (key) => key % RECORDS_MAX);
    for (let from = 0; from < records.length; ) {
      let to = from + 1;
      let mixed = false;
      for (; to < records.length && hi[records[to]!] === hi[records[from]!]; to++) mixed ||= lo[records[to]!] !== lo[records[from]!];
      if (mixed) records.subarray(from, to).sort((a, b) => lo[a]! - lo[b]! || a - b);
      from = to;
    }
    return records;
  }
}

class PageWriter {
  readonly directory: number[] = [];
  private readonly write: (page: Buffer) => number;
  private cells: number[] = [];
  private numbers: number[] = [];

  constructor(write: (page: Buffer) => number) {
    this.write = write;
  }

  add(hi: number, lo: number, snapshotBlock: number, snapshotOffset: number, records: Uint32Array): void {
    this.cells.push(hi, lo, snapshotBlock, snapshotOffset, this.numbers.length, records.length);
    for (const record of records) this.numbers.push(record);
    if (4 * (1 + this.cells.length + this.numbers.length) >= PAGE_BYTES) this.flush();
  }

  flush(): void {
    const { cells, numbers } = this;
    if (cells.length === 0) return;
    const words = new Uint32Array(1 + cells.length + numbers.length);
    words[0] = cells.length / CELL_WORDS;
    words.set(cells, 1);
    words.set(numbers, 1 + cells.length);
    const page = bytesOfWords(words);
    this.directory.push(cells[0]!, cells[1]!, this.write(page), page.length, crc32(page));
    this.cells = [];
    this.numbers = [];
  }
}

