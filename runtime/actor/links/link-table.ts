/**
 * Who is linked to one actor, in the order in which the links were recorded. A million of them must be fine: a link is two numbers in one
 * typed array, and no object.
 *
 * A1  A link is known by the bucket of the linked actor and the link's number on the channel from there. Both are in its key, so that an unlink
 *     finds it exactly.
 * A2  A link stands for the positions [linkedAt, unlinkedAt). One that has ended stays as long as a running broadcast from within needs it.
 * A3  Numbers begin anew when an operator has accepted the loss of the end of the linked actor's log (M3 of messages/channels.ts). Links that are
 *     made from then on have the name of their actor beside them, or an unlink might end somebody else's.
 */

/** A bucket's index is smaller. */
const BUCKETS_MAX = 65_536;
const FIRST_ROWS = 2;
/** So many rows are looked through faster than an index is built. */
const UNINDEXED_MAX = 24;
/** Of a row whose link has gone. */
const GONE = 0;

/** A1 */
export function keyOfLink(number: number, bucketIndex: number): number {
  return number * BUCKETS_MAX + bucketIndex;
}

/** Whether somebody still needs a link that stood for the positions [linkedAt, unlinkedAt). */
export type IsNeeded = (linkedAt: number, unlinkedAt: number) => boolean;

export class LinkTable {
  /** Position of the link's record and key, row by row. */
  private rows = new Float64Array(2 * FIRST_ROWS);
  private length = 0;
  /** Position of the unlink by row, 0 for none; null as long as no ended link is kept (A2). */
  private ends: Float64Array | null = null;
  /** Row plus one by key: open addressing, 0 is free. Built when an unlink looks for a key among many. */
  private index: Int32Array | null = null;
  /** A3: actor by position of the link's record. */
  private names: Map<number, string> | null = null;
  /** Links that stand, */
  standing = 0;
  /** and those that have ended and are kept. */
  kept = 0;

  get isEmpty(): boolean {
    return this.standing + this.kept === 0;
  }

  /** Bytes of the arrays. */
  get bytes(): number {
    return this.rows.byteLength + (this.ends?.byteLength ?? 0) + (this.index?.byteLength ?? 0);
  }

  /** Positions grow from link to link. `actor` is '' where its channel has had one incarnation only, so that no other link can have its key (A3). */
  add(position: number, key: number, actor: string): void {
    if (actor !== '') (this.names ??= new Map()).set(position, actor);
    if (this.length * 2 === this.rows.length) this.grow();
    const row = this.length++;
    this.rows[row * 2] = position;
    this.rows[row * 2 + 1] = key;
    this.standing++;
    if (this.index === null) return;
    if (this.length * 2 > this.index.length) this.index = null;
    else this.enter(this.index, row);
  }

  /** The link ends at `position`; it stays when it is needed until `sweep`. False: there is no such link. */
  end(key: number, actor: string, position: number, isNeeded: IsNeeded): boolean {
    const row = this.find(key, actor);
    if (row < 0) return false;
    this.standing--;
    if (isNeeded(this.rows[row * 2]!, position)) {
      this.ends ??= new Float64Array(this.rows.length / 2);
      this.ends[row] = position;
      this.kept++;
    } else this.remove(row);
    this.tidy();
    return true;
  }

  /** Drops ended links that nobody needs any more. */
  sweep(isNeeded: IsNeeded): void {
    const { rows, ends } = this;
    if (ends === null) return;
    for (let row = 0; row < this.length && this.kept > 0; row++) {
      if (ends[row] === 0 || isNeeded(rows[row * 2]!, ends[row]!)) continue;
      ends[row] = 0;
      this.kept--;
      this.remove(row);
    }
    if (this.kept === 0) this.ends = null;
    this.tidy();
  }

  /** Positions of at most `max` links that were made behind `after` and stood at `at`, the oldest first. */
  standingAt(at: number, after: number, max: number): number[] {
    const { rows, ends } = this;
    const found: number[] = [];
    for (let row = this.firstBehind(after); row < this.length && found.length < max; row++) {
      const position = rows[row * 2]!;
      if (position >= at) break;
      if (rows[row * 2 + 1] === GONE) continue;
      const end = ends === null ? 0 : ends[row]!;
      if (end === 0 || end > at) found.push(position);
    }
    return found;
  }

  /** How many links were made behind `after` and in front of `at`; those that have ended may count. */
  madeBetween(after: number, at: number): number {
    return Math.max(0, this.firstBehind(at - 1) - this.firstBehind(after));
  }

  /** Every link in order: position, key, and position of the unlink or 0. */
  each(visit: (position: number, key: number, end: number) => void): void {
    const { rows, ends, length } = this;
    for (let row = 0; row < length; row++) {
      const key = rows[row * 2 + 1]!;
      if (key !== GONE) visit(rows[row * 2]!, key, ends === null ? 0 : ends[row]!);
    }
  }

  /** Who is linked, by position of the link, where A3 needs it. */
  get named(): Iterable<readonly [position: number, actor: string]> {
    return this.names ?? [];
  }

  /** Takes over a link that stood in a checkpoint. */
  restore(position: number, key: number, end: number, actor: string): void {
    this.add(position, key, actor);
    if (end === 0) return;
    this.ends ??= new Float64Array(this.rows.length / 2);
    this.ends[this.length - 1] = end;
    this.standing--;
    this.kept++;
  }

  /** Row of the link that stands under the key; of several the one of `actor`, or the one without a name. -1: there is none. */
  private find(key: number, actor: string): number {
    let unnamed = -1;
    for (const row of this.rowsOf(key)) {
      if (this.rows[row * 2 + 1] !== key || (this.ends !== null && this.ends[row] !== 0)) continue;
      const name = this.nameAt(this.rows[row * 2]!);
      if (name === actor) return row;
      if (name === '') unnamed = row;
    }
    return unnamed;
  }

  /** Rows among which all those with the key are. */
  private *rowsOf(key: number): Generator<number> {
    if (this.length <= UNINDEXED_MAX) {
      for (let row = 0; row < this.length; row++) yield row;
      return;
    }
    const index = (this.index ??= this.buildIndex());
    const mask = index.length - 1;
    for (let at = hashOf(key) & mask; index[at] !== 0; at = (at + 1) & mask) yield index[at]! - 1;
  }

  private nameAt(position: number): string {
    return this.names?.get(position) ?? '';
  }

  /** The first row whose link was made behind the position. */
  private firstBehind(position: number): number {
    let from = 0;
    let to = this.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.rows[middle * 2]! > position) to = middle;
      else from = middle + 1;
    }
    return from;
  }

  private remove(row: number): void {
    this.names?.delete(this.rows[row * 2]!);
    this.rows[row * 2 + 1] = GONE;
  }

  /** Closes the gaps when they are more than half. */
  private tidy(): void {
    const left = this.standing + this.kept;
    if (this.length - left <= Math.max(left, FIRST_ROWS)) return;
    const { rows, ends } = this;
    this.rows = new Float64Array(2 * Math.max(FIRST_ROWS, left));
    this.ends = ends === null ? null : new Float64Array(this.rows.length / 2);
    let next = 0;
    for (let row = 0; row < this.length; row++) {
      if (rows[row * 2 + 1] === GONE) continue;
      this.rows[next * 2] = rows[row * 2]!;
      this.rows[next * 2 + 1] = rows[row * 2 + 1]!;
      if (ends !== null) this.ends![next] = ends[row]!;
      next++;
    }
    this.length = next;
    this.index = null;
  }

  private grow(): void {
    const size = Math.ceil(this.length * 1.5) + 1;
    const rows = new Float64Array(2 * size);
    rows.set(this.rows);
    this.rows = rows;
    if (this.ends === null) return;
    const ends = new Float64Array(size);
    ends.set(this.ends);
    this.ends = ends;
  }

  private buildIndex(): Int32Array {
    const index = new Int32Array(2 ** Math.ceil(Math.log2(this.length * 2 + 2)));
    for (let row = 0; row < this.length; row++) if (this.rows[row * 2 + 1] !== GONE) this.enter(index, row);
    return index;
  }

  private enter(index: Int32Array, row: number): void {
    const mask = index.length - 1;
    let at = hashOf(this.rows[row * 2 + 1]!) & mask;
    while (index[at] !== 0) at = (at + 1) & mask;
    index[at] = row + 1;
  }
}

function hashOf(key: number): number {
  const mixed = Math.imul((key >>> 0) ^ Math.imul(Math.floor(key / 0x1_0000_0000), 0x85eb_ca6b), 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
}
