/**
 * Which records an actor has among those of a bucket's log that are hot: a chain per actor from its newest record to its oldest. Plain
 * typed arrays, because it is written once per record on the path of every append.
 *
 * A record is known by its ordinal, 0 for the first that is hot. Two actors may share a 64-bit hash: a chain then holds the
 * records of both, and the reader compares addresses.
 */

import type { Hash64 } from '../../codec/hash64.ts';

/** Per actor: hash (hi, lo), newest record plus one. A cell whose last is 0 is free. */
const CELL = 3;

export class ActorChains {
  records = 0;
  /** Ordinal of the same actor's record before, plus one; 0 ends the chain. */
  private previousOf = new Uint32Array(64);
  private cells = new Uint32Array(CELL * 32);
  private cellMask = 31;
  private actors = 0;

  get wordCount(): number {
    return 2 + this.records + CELL * this.actors;
  }

  /** As words that `from` takes: records, actors, the record before of each record, the cells in use. */
  words(): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(this.wordCount);
    words[0] = this.records;
    words[1] = this.actors;
    words.set(this.previousOf.subarray(0, this.records), 2);
    let to = 2 + this.records;
    for (let at = 0; at < this.cells.length; at += CELL) {
      if (this.cells[at + 2] === 0) continue;
      words.set(this.cells.subarray(at, at + CELL), to);
      to += CELL;
    }
    return words;
  }

  /** Null for what are no such words. */
  static from(words: Uint32Array): ActorChains | null {
    const [records, actors] = words;
    if (records === undefined || actors === undefined || words.length !== 2 + records + CELL * actors) return null;
    const chains = new ActorChains();
    chains.records = records;
    chains.previousOf = new Uint32Array(Math.max(64, records));
    for (let i = 0; i < records; i++) {
      const before = words[2 + i]!;
      if (before > i) return null;
      chains.previousOf[i] = before;
    }
    for (let at = 2 + records; at < words.length; at += CELL) {
      const [hi, lo, last] = words.subarray(at, at + CELL);
      if (last === 0 || last! > records) return null;
      const cell = chains.takeCell(hi!, lo!);
      chains.cells[cell + 2] = last!;
    }
    return chains.actors === actors && chains.areApart() ? chains : null;
  }

  /** The next record; both halves 0 for one of the bucket itself, which is in no chain. */
  add(hi: number, lo: number): void {
    if (this.records === this.previousOf.length) this.previousOf = grown(this.previousOf);
    const ordinal = this.records++;
    if (hi === 0 && lo === 0) {
      this.previousOf[ordinal] = 0;
      return;
    }
    const cell = this.takeCell(hi, lo);
    this.previousOf[ordinal] = this.cells[cell + 2]!;
    this.cells[cell + 2] = ordinal + 1;
  }

  /** Ordinals of the records under this hash, the newest first, down to `from`. */
  *of(hash: Hash64, from = 0): Generator<number> {
    for (let next = this.cells[this.findCell(hash.hi, hash.lo) + 2]!; next > from; next = this.previousOf[next - 1]!) yield next - 1;
  }

  /** Forgets the oldest records: what had the ordinal `count` is 0 afterwards. */
  forget(count: number): void {
    const kept = this.records - count;
    const previous = new Uint32Array(Math.max(64, kept));
    for (let i = 0; i < kept; i++) {
      const before = this.previousOf[count + i]!;
      previous[i] = before > count ? before - count : 0;
    }
    this.previousOf = previous;
    this.records = kept;
    const old = this.cells;
    this.actors = 0;
    let size = 32;
    for (let at = 0; at < old.length; at += CELL) if (old[at + 2]! > count) this.actors++;
    while (size < 2 * this.actors + 2) size *= 2;
    this.cells = new Uint32Array(CELL * size);
    this.cellMask = size - 1;
    for (let at = 0; at < old.length; at += CELL) {
      if (old[at + 2]! <= count) continue;
      const cell = this.findCell(old[at]!, old[at + 1]!);
      this.cells[cell] = old[at]!;
      this.cells[cell + 1] = old[at + 1]!;
      this.cells[cell + 2] = old[at + 2]! - count;
    }
  }

  /** No record is in two chains. */
  private areApart(): boolean {
    const seen = new Uint8Array(this.records);
    for (let at = 2; at < this.cells.length; at += CELL) {
      for (let next = this.cells[at]!; next > 0; next = this.previousOf[next - 1]!) {
        if (seen[next - 1] === 1) return false;
        seen[next - 1] = 1;
      }
    }
    return true;
  }

  /** The hash's cell, or the free one where it would go. The hash is good as it is: its bits choose the cell, but not those of the bucket. */
  private findCell(hi: number, lo: number): number {
    const { cells, cellMask } = this;
    let i = ((lo >>> 8) ^ hi) & cellMask;
    for (;;) {
      const cell = i * CELL;
      if (cells[cell + 2] === 0 || (cells[cell] === hi && cells[cell + 1] === lo)) return cell;
      i = (i + 1) & cellMask;
    }
  }

  private takeCell(hi: number, lo: number): number {
    const cell = this.findCell(hi, lo);
    const { cells } = this;
    if (cells[cell + 2] !== 0) return cell;
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
      if (old[at + 2] !== 0) this.cells.set(old.subarray(at, at + CELL), this.findCell(old[at]!, old[at + 1]!));
    }
  }
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(words.length * 2);
  bigger.set(words);
  return bigger;
}
