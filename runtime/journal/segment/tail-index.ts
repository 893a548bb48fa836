/**
 * The index of one log file that is not sealed yet: where each bucket's runs stand, and which records and which snapshot an
 * actor has in it. Plain typed arrays, because it is written once per record on the path of every append.
 *
 * A record is known by its ordinal in the file. `previousOf[ordinal]` leads to the same actor's record before it, plus one;
 * 0 ends the chain. The bytes are found through the run that holds the ordinal.
 *
 * Two actors may share a 64-bit hash: a chain then holds the records of both, and the reader compares addresses.
 */

import type { Hash64 } from '../../codec/hash64.ts';
import { ENTRY_SNAPSHOT } from '../sealed/snapshot-entry.ts';
import { wide } from '../sealed/words.ts';
import { ENTRY_RUN, entryWords, FRAME_HEADER_BYTES, RUN_WORDS } from './frame.ts';

/** Per run: offset of its entry in the file, bytes of the entry, ordinal of its first record, position (2 words), bucket slot. */
const RUN = 6;
/** Per actor: hash (hi, lo), last record plus one, snapshot plus one. A cell whose last two are 0 is free. */
const CELL = 4;
/** Per snapshot: offset of its entry, bytes of the entry, position (2 words). */
const SNAPSHOT = 4;

export interface RunRef {
  readonly entryOffset: number;
  readonly entryBytes: number;
  readonly firstRecord: number;
  readonly count: number;
  readonly position: number;
  readonly slot: number;
}

export class TailIndex {
  records = 0;
  runs = 0;
  private runWords = new Uint32Array(RUN * 1024);
  private previousOf = new Uint32Array(4096);
  private cells = new Uint32Array(CELL * 4096);
  private cellMask = 4095;
  private actors = 0;
  private snapshots = 0;
  private snapshotWords = new Uint32Array(SNAPSHOT * 64);
  /** Each bucket's runs, as far as somebody has asked: appending does not need them. */
  private readonly runsOf: IntList[] = [];
  private runsListed = 0;

  /**
   * Takes in the entries of a frame whose header is at word `frameWord` of `words` and at `frameOffset` of the file.
   * `slotOf` names the slot of a bucket.
   */
  add(words: Uint32Array, frameWord: number, frameOffset: number, slotOf: (bits: number, index: number) => number): void {
    const entries = words[frameWord + 6]!;
    this.reserveRecords(this.records + words[frameWord + 7]!);
    let w = frameWord + (FRAME_HEADER_BYTES >> 2);
    for (let i = 0; i < entries; i++) {
      const size = entryWords(words, w);
      const entryOffset = frameOffset + ((w - frameWord) << 2);
      const kind = words[w]! & 0xff;
      if (kind === ENTRY_RUN) this.addRun(words, w, entryOffset, size << 2, slotOf(words[w]! >>> 8, words[w + 1]!));
      else if (kind === ENTRY_SNAPSHOT) this.addSnapshot(words, w, entryOffset, size << 2);
      w += size;
    }
  }

  run(i: number): RunRef {
    const r = i * RUN;
    const { runWords } = this;
    const firstRecord = runWords[r + 2]!;
    const next = i + 1 < this.runs ? runWords[r + RUN + 2]! : this.records;
    return {
      entryOffset: runWords[r]!,
      entryBytes: runWords[r + 1]!,
      firstRecord,
      count: next - firstRecord,
      position: wide(runWords, r + 3),
      slot: runWords[r + 5]!,
    };
  }

  /** The run that holds the record with this ordinal. */
  runOfRecord(ordinal: number): RunRef {
    let low = 0;
    let high = this.runs - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.runWords[middle * RUN + 2]! <= ordinal) low = middle;
      else high = middle - 1;
    }
    return this.run(low);
  }

  /** The bucket's run that holds `position`, or the first one behind it; -1 when there is none. As a number for `nextRunOf`. */
  findRunOf(slot: number, position: number): number {
    const list = this.listOf(slot);
    if (list === undefined) return -1;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = this.run(list.items[middle]!);
      if (run.position + run.count <= position) low = middle + 1;
      else high = middle;
    }
    return low < list.length ? low : -1;
  }

  /** The bucket's i-th run in this file, or null. */
  runOf(slot: number, i: number): RunRef | null {
    const list = this.listOf(slot);
    return list !== undefined && i < list.length ? this.run(list.items[i]!) : null;
  }

  /** Ordinal of the newest record under this hash plus one; 0 when there is none. */
  lastRecord(hash: Hash64): number {
    const cell = this.findCell(hash.hi, hash.lo);
    return this.cells[cell + 2]!;
  }

  /** As `lastRecord`, for the record before the one with this ordinal. */
  recordBefore(ordinal: number): number {
    return this.previousOf[ordinal]!;
  }

  /** Where the newest snapshot under this hash stands. */
  snapshotOf(hash: Hash64): { readonly entryOffset: number; readonly entryBytes: number } | null {
    const number = this.cells[this.findCell(hash.hi, hash.lo) + 3]!;
    if (number === 0) return null;
    const s = (number - 1) * SNAPSHOT;
    return { entryOffset: this.snapshotWords[s]!, entryBytes: this.snapshotWords[s + 1]! };
  }

  private listOf(slot: number): IntList | undefined {
    for (; this.runsListed < this.runs; this.runsListed++) {
      (this.runsOf[this.runWords[this.runsListed * RUN + 5]!] ??= new IntList()).push(this.runsListed);
    }
    return this.runsOf[slot];
  }

  private addRun(words: Uint32Array, w: number, entryOffset: number, entryBytes: number, slot: number): void {
    const count = words[w + 6]!;
    if ((this.runs + 1) * RUN > this.runWords.length) this.runWords = grown(this.runWords);
    const r = this.runs * RUN;
    const { runWords } = this;
    runWords[r] = entryOffset;
    runWords[r + 1] = entryBytes;
    runWords[r + 2] = this.records;
    runWords[r + 3] = words[w + 4]!;
    runWords[r + 4] = words[w + 5]!;
    runWords[r + 5] = slot;
    this.runs++;
    let at = w + RUN_WORDS;
    for (let i = 0; i < count; i++, at += 2) this.addRecord(words[at + 1]!, words[at]!);
  }

  private addRecord(hi: number, lo: number): void {
    const ordinal = this.records++;
    // A record of the bucket itself has no actor and no chain.
    if (hi === 0 && lo === 0) {
      this.previousOf[ordinal] = 0;
      return;
    }
    const cell = this.takeCell(hi, lo);
    const { cells } = this;
    this.previousOf[ordinal] = cells[cell + 2]!;
    cells[cell + 2] = ordinal + 1;
  }

  private addSnapshot(words: Uint32Array, w: number, entryOffset: number, entryBytes: number): void {
    const cell = this.takeCell(words[w + 7]!, words[w + 6]!);
    const known = this.cells[cell + 3]!;
    const position = wide(words, w + 2);
    if (known !== 0 && wide(this.snapshotWords, (known - 1) * SNAPSHOT + 2) > position) return;
    if ((this.snapshots + 1) * SNAPSHOT > this.snapshotWords.length) this.snapshotWords = grown(this.snapshotWords);
    const s = this.snapshots * SNAPSHOT;
    this.snapshotWords[s] = entryOffset;
    this.snapshotWords[s + 1] = entryBytes;
    this.snapshotWords[s + 2] = words[w + 2]!;
    this.snapshotWords[s + 3] = words[w + 3]!;
    this.cells[cell + 3] = ++this.snapshots;
  }

  /** The hash's cell, or the free one where it would go. The hash is good as it is: its bits choose the cell. */
  private findCell(hi: number, lo: number): number {
    const { cells, cellMask } = this;
    let i = (lo ^ (hi >>> 7)) & cellMask;
    for (;;) {
      const cell = i * CELL;
      if (cells[cell] === hi && cells[cell + 1] === lo) return cell;
      if (cells[cell + 2] === 0 && cells[cell + 3] === 0) return cell;
      i = (i + 1) & cellMask;
    }
  }

  private takeCell(hi: number, lo: number): number {
    const cell = this.findCell(hi, lo);
    const { cells } = this;
    if (cells[cell + 2] !== 0 || cells[cell + 3] !== 0) return cell;
    if (2 * (this.actors + 1) > this.cellMask) {
      this.growCells();
      return this.takeCell(hi, lo);
    }
    this.actors++;
    cells[cell] = hi;
    cells[cell + 1] = lo;
    return cell;
  }

  private growCells(): void {
    const old = this.cells;
    this.cells = new Uint32Array(old.length * 2);
    this.cellMask = this.cellMask * 2 + 1;
    for (let at = 0; at < old.length; at += CELL) {
      if (old[at + 2] === 0 && old[at + 3] === 0) continue;
      const cell = this.findCell(old[at]!, old[at + 1]!);
      this.cells.set(old.subarray(at, at + CELL), cell);
    }
  }

  private reserveRecords(count: number): void {
    while (count > this.previousOf.length) this.previousOf = grown(this.previousOf);
  }
}

class IntList {
  items = new Uint32Array(8);
  length = 0;

  push(value: number): void {
    if (this.length === this.items.length) this.items = grown(this.items);
    this.items[this.length++] = value;
  }
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(words.length * 2);
  bigger.set(words);
  return bigger;
}
