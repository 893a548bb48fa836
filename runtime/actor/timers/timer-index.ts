/**
 * All timers of one bucket that are still to fire, and when each is due next. A fold of the bucket's log: what stands here live is what a
 * restart makes of it. About 32 bytes a timer in columns, and no object of its own: a node holds a million of them.
 *
 * I1  A timer's key is (position of the record that armed it) * 128 + (index among that record's timers): exact, and in the order in which
 *     timers were armed.
 * I2  Which of them are taken (on their way to their actors) is not part of the fold, and no checkpoint holds it.
 */

import type { RecordReader } from '../../codec/record.ts';
import { firingOf, timerNotesOf } from '../../codec/record-timers.ts';
import type { TimerRef } from '../../codec/record-timers.ts';
import type { WireWriter } from '../../codec/wire.ts';
import { WireError, WireReader } from '../../codec/wire.ts';

/** More than one decision can arm (limits.ts). */
const INDEXES = 128;
const EMPTY = -1;
/** `heapAt` of a timer that is taken. */
const TAKEN = -1;
const CAPACITY_MIN = 16;

export function timerKey({ position, index }: TimerRef): number {
  return position * INDEXES + index;
}

export function timerRef(key: number): TimerRef {
  return { position: Math.floor(key / INDEXES), index: key % INDEXES };
}

export class TimerIndex {
  size = 0;
  // By slot. Free slots are chained through `heapAt`.
  private keys = new Float64Array(0);
  private dues = new Float64Array(0);
  private heapAt = new Int32Array(0);
  private free = EMPTY;
  private used = 0;
  /** Slots of those that are not taken, a binary heap by due time. */
  private heap = new Int32Array(0);
  private heaped = 0;
  /** Slots by key: open addressing, at most half full. */
  private table = new Int32Array(0);

  constructor() {
    this.clear();
  }

  clear(): void {
    this.size = this.used = this.heaped = 0;
    this.free = EMPTY;
    this.allot(CAPACITY_MIN);
  }

  /** When the first of those that are not taken is due; Infinity when there is none. */
  get firstDueMs(): number {
    return this.heaped === 0 ? Infinity : this.dues[this.heap[0]!]!;
  }

  /** 0 when there is no such timer. */
  dueOf(key: number): number {
    const slot = this.find(key);
    return slot === EMPTY ? 0 : this.dues[slot]!;
  }

  /** Takes the first one out of the order; it stays here. Call only when `firstDueMs` says that there is one. */
  take(): number {
    const slot = this.heap[0]!;
    this.leaveHeap(slot);
    return this.keys[slot]!;
  }

  /** It has not fired, and is due as before. */
  giveBack(key: number): void {
    const slot = this.find(key);
    if (slot !== EMPTY && this.heapAt[slot] === TAKEN) this.enterHeap(slot);
  }

  /** @returns false when nothing of the record is about timers */
  fold(record: RecordReader): boolean {
    if (record.spansLength === 0) return false;
    const firing = firingOf(record);
    // A firing that was parked or failed has had its effect on the timer by then.
    if (firing !== null && record.resumes === 0) this.set(timerKey(firing.timer), firing.nextDueMs);
    const notes = timerNotesOf(record);
    for (let i = 0; i < notes.length; i++) {
      const { replaces, dueMs } = notes[i]!;
      if (replaces !== null) this.remove(timerKey(replaces));
      if (dueMs > 0) this.arm(record.position * INDEXES + i, dueMs);
    }
    return firing !== null || notes.length > 0;
  }

  arm(key: number, dueMs: number): void {
    if (this.find(key) !== EMPTY) {
      this.set(key, dueMs);
      return;
    }
    if (this.size === this.keys.length) this.allot(this.keys.length * 2);
    const slot = this.takeSlot();
    this.keys[slot] = key;
    this.dues[slot] = dueMs;
    this.size++;
    this.enter(slot);
    this.enterHeap(slot);
  }

  /** A timer that is known is due at another time; with 0 it is over. */
  set(key: number, dueMs: number): void {
    const slot = this.find(key);
    if (slot === EMPTY) return;
    if (dueMs === 0) {
      this.remove(key);
      return;
    }
    this.leaveHeap(slot);
    this.dues[slot] = dueMs;
    this.enterHeap(slot);
  }

  remove(key: number): void {
    const at = this.placeOf(key);
    const slot = this.table[at]!;
    if (slot === EMPTY) return;
    this.leaveHeap(slot);
    this.leave(at);
    this.heapAt[slot] = this.free;
    this.free = slot;
    this.keys[slot] = -1;
    this.size--;
    // What one burst needed is given back.
    if (this.size === 0 && this.keys.length > CAPACITY_MIN) this.clear();
  }

  /** Keys in the order in which the timers were armed. */
  sortedKeys(): Float64Array {
    return Float64Array.from(this.sortedSlots(), (slot) => this.keys[slot]!);
  }

  /** They stand in that order already, as long as no slot was used twice. */
  private sortedSlots(): Int32Array {
    const { keys } = this;
    const slots = new Int32Array(this.size);
    let at = 0;
    let before = -1;
    let isSorted = true;
    for (let slot = 0; slot < this.used; slot++) {
      const key = keys[slot]!;
      if (key < 0) continue;
      slots[at++] = slot;
      isSorted &&= key > before;
      before = key;
    }
    return isSorted ? slots : slots.sort((a, b) => keys[a]! - keys[b]!);
  }

  // Fields 11 and 12 of troupe.v1.BucketCheckpoint.

  encode(wire: WireWriter): void {
    if (this.size === 0) return;
    const slots = this.sortedSlots();
    const steps = wire.begin(11);
    let before = 0;
    for (const slot of slots) {
      const key = this.keys[slot]!;
      wire.varint(key - before);
      before = key;
    }
    wire.end(steps);
    const dues = wire.begin(12);
    for (const slot of slots) wire.varint(this.dues[slot]!);
    wire.end(dues);
  }

  /**
   * The columns come one after the other, into an index in which nothing stands yet. A node starts with a million of them: no look-up, no growth,
   * and the heap is made of all of them at once.
   * @throws WireError when the columns differ in length, and when keys do not rise
   */
  restore(field: number, buffer: Buffer, from: number, to: number): void {
    const wire = new WireReader().over(buffer, from, to);
    if (field === 11) this.restoreKeys(wire);
    else this.restoreDues(wire);
  }

  private restoreKeys(wire: WireReader): void {
    const count = varintsIn(wire.buffer, wire.at, wire.end);
    let capacity = CAPACITY_MIN;
    while (capacity < count) capacity *= 2;
    this.used = 0;
    this.allot(capacity);
    const { keys, table } = this;
    const mask = table.length - 1;
    let key = 0;
    for (let slot = 0; slot < count; slot++) {
      const step = wire.varint();
      if (step === 0) throw new WireError('keys do not rise');
      keys[slot] = key += step;
      let at = hashOf(key) & mask;
      while (table[at] !== EMPTY) at = (at + 1) & mask;
      table[at] = slot;
    }
    this.used = this.size = count;
  }

  private restoreDues(wire: WireReader): void {
    const { dues, heap, heapAt, size } = this;
    if (varintsIn(wire.buffer, wire.at, wire.end) !== size) throw new WireError('columns differ in length');
    for (let slot = 0; slot < size; slot++) {
      dues[slot] = wire.varint();
      heap[slot] = heapAt[slot] = slot;
    }
    this.heaped = size;
    for (let at = (size >> 1) - 1; at >= 0; at--) this.sink(at, heap[at]!);
  }

  // The table. Deleting moves what stands behind it back, so that nothing is left of who went.

  private find(key: number): number {
    return this.table[this.placeOf(key)]!;
  }

  /** Where the key stands, or where it would be put. */
  private placeOf(key: number): number {
    const { table, keys } = this;
    const mask = table.length - 1;
    let at = hashOf(key) & mask;
    for (let slot = table[at]!; slot !== EMPTY && keys[slot] !== key; slot = table[at]!) at = (at + 1) & mask;
    return at;
  }

  private enter(slot: number): void {
    this.table[this.placeOf(this.keys[slot]!)] = slot;
  }

  private leave(at: number): void {
    const { table, keys } = this;
    const mask = table.length - 1;
    let hole = at;
    for (let next = (hole + 1) & mask; table[next] !== EMPTY; next = (next + 1) & mask) {
      const home = hashOf(keys[table[next]!]!) & mask;
      // It may go no further back than to where it would have been put.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      table[hole] = table[next]!;
      hole = next;
    }
    table[hole] = EMPTY;
  }

  // Slots.

  private takeSlot(): number {
    if (this.free === EMPTY) return this.used++;
    const slot = this.free;
    this.free = this.heapAt[slot]!;
    return slot;
  }

  private allot(capacity: number): void {
    const keys = new Float64Array(capacity);
    const dues = new Float64Array(capacity);
    const heapAt = new Int32Array(capacity);
    const heap = new Int32Array(capacity);
    if (this.used > 0) {
      keys.set(this.keys);
      dues.set(this.dues);
      heapAt.set(this.heapAt);
      heap.set(this.heap);
    }
    Object.assign(this, { keys, dues, heapAt, heap, table: new Int32Array(capacity * 2).fill(EMPTY) });
    for (let slot = 0; slot < this.used; slot++) if (keys[slot]! >= 0) this.enter(slot);
  }

  // The heap: by due time, those that are due at once in the order in which they were armed.

  private enterHeap(slot: number): void {
    this.rise(this.heaped++, slot);
  }

  private leaveHeap(slot: number): void {
    const at = this.heapAt[slot]!;
    if (at === TAKEN) return;
    this.heapAt[slot] = TAKEN;
    const last = this.heap[--this.heaped]!;
    if (at === this.heaped) return;
    if (at > 0 && this.isBefore(last, this.heap[(at - 1) >> 1]!)) this.rise(at, last);
    else this.sink(at, last);
  }

  private rise(at: number, slot: number): void {
    const { heap, heapAt } = this;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (!this.isBefore(slot, above)) break;
      heap[at] = above;
      heapAt[above] = at;
      at = parent;
    }
    heap[at] = slot;
    heapAt[slot] = at;
  }

  private sink(at: number, slot: number): void {
    const { heap, heapAt, heaped } = this;
    for (let child = at * 2 + 1; child < heaped; child = at * 2 + 1) {
      if (child + 1 < heaped && this.isBefore(heap[child + 1]!, heap[child]!)) child++;
      const below = heap[child]!;
      if (!this.isBefore(below, slot)) break;
      heap[at] = below;
      heapAt[below] = at;
      at = child;
    }
    heap[at] = slot;
    heapAt[slot] = at;
  }

  private isBefore(a: number, b: number): boolean {
    const difference = this.dues[a]! - this.dues[b]!;
    return difference < 0 || (difference === 0 && this.keys[a]! < this.keys[b]!);
  }
}

function varintsIn(buffer: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) if (buffer[at]! < 0x80) count++;
  return count;
}

function hashOf(key: number): number {
  const high = key < 0x1_0000_0000 ? 0 : Math.imul((key / 0x1_0000_0000) | 0, 0x85eb_ca6b);
  const mixed = Math.imul((key >>> 0) ^ high, 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
}
