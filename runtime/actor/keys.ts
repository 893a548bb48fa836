/**
 * The window of command keys of one actor: which keys it has answered, and at which position of its bucket's log the
 * answer stands. A duplicate is answered from that record, so the window keeps no replies and costs nine bytes a key.
 *
 * K1  A key is remembered until `keysPerActorMax` later keyed commands of the actor are recorded. That is counted in the log,
 *     so the window after a restart is the window before it. Whoever finds a key here reads its record, and forgets it when
 *     that is older than `keyAgeMaxMs` (duplicates.ts).
 * K2  A key whose command is still on its way is in the window too, with position 0, so that a duplicate joins it.
 * K3  Commands of one actor finish in the order in which they were sent, so those on their way are the newest entries.
 * K4  An entry is found by a 32-bit hash; whoever uses it compares the key in the record, so a collision costs a read.
 */

import assert from 'node:assert/strict';

import type { Chunk, KeySlab, Row } from './key-slab.ts';
import { ENTRY_WORDS, fingerprintWords } from './key-slab.ts';

const CAPACITY_MIN = 8;
const CAPACITY_MIDDLE = 32;
/** Room for commands on their way beside what is remembered. */
const ON_THEIR_WAY = 16;
const POW32 = 0x1_0000_0000;
/** Words in a line of the processor's cache. */
const LINE_WORDS = 16;
/** An entry has five bytes for the position: at ten thousand records of one bucket a second, three years. */
const POSITION_MAX = 2 ** 40;

/** What a window remembers, the oldest first, in columns: a snapshot takes them as they are, and nothing is made per key. */
export class KeyList {
  count = 0;
  /** As `hashScope` gives them. */
  hashes = new Int32Array(CAPACITY_MIN);
  positions = new Float64Array(CAPACITY_MIN);

  add(hash: number, position: number): void {
    const i = this.count++;
    if (i === this.hashes.length) this.grow();
    this.hashes[i] = hash;
    this.positions[i] = position;
  }

  private grow(): void {
    const { hashes, positions } = this;
    const capacity = hashes.length * 2;
    this.hashes = new Int32Array(capacity);
    this.hashes.set(hashes);
    this.positions = new Float64Array(capacity);
    this.positions.set(positions);
  }
}

/** The scope of a key is (principal, actor, key); the actor is the window's owner. Over UTF-16 code units; signed. */
export function hashScope(principal: string, key: string): number {
  let a = 0x9e3779b9 ^ principal.length;
  let b = 0x85ebca6b ^ key.length;
  for (let i = 0; i < principal.length; i++) {
    const code = principal.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b, 0xcc9e2d51) + code;
  }
  a = Math.imul(a ^ 0xff, 0x85ebca6b);
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = (Math.imul((b << 13) | (b >>> 19), 5) + Math.imul(code, 0xcc9e2d51)) | 0;
  }
  a ^= a >>> 16;
  b ^= b >>> 15;
  a = Math.imul(a, 0x7feb352d) ^ b;
  b = Math.imul(b, 0x846ca68b) ^ (a >>> 13);
  return b ^ (b >>> 16) ^ (a >>> 15);
}

/** A ring of slots numbered 0, 1, 2, ... for ever; `[first, next)` are in the window. */
export class KeyWindow {
  // The row, taken apart: these are read for every command. Both numbers are words of the chunk.
  private chunk: Chunk | null = null;
  private rowAt = 0;
  private entriesAt = 0;
  private first = 0;
  private next = 0;
  /** The slot whose place in the row is the first one: at most one lap behind the slots of the window. */
  private origin = 0;
  private capacity = 0;
  /** Slots below are finished (K3). */
  private finished = 0;
  private readonly slab: KeySlab;
  private readonly keysMax: number;

  constructor(slab: KeySlab, keysMax: number) {
    this.slab = slab;
    this.keysMax = keysMax;
  }

  /**
   * The slot that holds the key, the newest first, or -1. `others` are positions that were looked at and hold another key with
   * the same hash, or one that is too old (K1, K4).
   *
   * A new key, the common case, is told by four fingerprints at a time: a byte of a word is zero exactly when the borrow of
   * subtracting one from it reaches its top bit.
   */
  find(hash: number, others: readonly number[] | null = null): number {
    if (this.chunk === null) return -1;
    const { words } = this.chunk;
    const pattern = Math.imul(hash >>> 24, 0x01010101);
    const from = this.rowAt;
    let found = -1;
    for (let i = from; i < this.entriesAt; i++) {
      const x = words[i]! ^ pattern;
      if (((x - 0x01010101) & ~x & 0x80808080) === 0) continue;
      for (let byte = 0; byte < 4; byte++) {
        if (((x >>> (byte * 8)) & 0xff) !== 0) continue;
        const slot = this.slotAt((i - from) * 4 + byte);
        if (slot > found && this.holds(slot, hash, others)) found = slot;
      }
    }
    return found;
  }

  // For touch.ts: each reads what a step will need, and returns something that comes of it.

  touch(): number {
    return this.first;
  }

  touchRow(): number {
    const { chunk, entriesAt } = this;
    if (chunk === null) return 0;
    const { words } = chunk;
    let sum = words[this.at(this.next)]!;
    for (let at = this.rowAt; at < entriesAt; at += LINE_WORDS) sum |= words[at]!;
    return sum;
  }

  touchEntry(slot: number): number {
    return this.chunk === null ? 0 : this.chunk.words[this.at(slot)]!;
  }

  /** Position of the record that answered the slot's command; 0 while it is on its way (K2). */
  position(slot: number): number {
    const { words } = this.chunk!;
    const at = this.at(slot);
    return words[at]! + (words[at + 1]! & 0xff) * POW32;
  }

  /** Position of the oldest record whose key is remembered; Infinity when there is none. */
  get oldest(): number {
    return this.finished > this.first ? this.position(this.first) : Infinity;
  }

  /** Enters a key whose command is being sent; finish it with `record` or `remove`, in order. */
  enter(hash: number): number {
    if (this.next - this.first === this.capacity) this.grow();
    if (this.next - this.origin >= 2 * this.capacity) this.origin += this.capacity;
    const slot = this.next++;
    const { words, bytes } = this.chunk!;
    const index = this.indexOf(slot);
    const at = this.entriesAt + index * ENTRY_WORDS;
    bytes[this.rowAt * 4 + index] = hash >>> 24;
    words[at] = 0;
    words[at + 1] = hash << 8;
    return slot;
  }

  /** The slot's command was recorded. */
  record(slot: number, position: number): void {
    if (this.chunk === null) return;
    assert(slot === this.finished, 'keyed commands finish in order');
    assert(position < POSITION_MAX);
    const { words } = this.chunk;
    const at = this.at(slot);
    words[at] = position % POW32;
    words[at + 1] = (words[at + 1]! & 0xffff_ff00) | Math.floor(position / POW32);
    this.finished = slot + 1;
    if (this.finished - this.first > this.keysMax) this.first++;
  }

  /** The slot's command ended without a record: its key is free again. What is remembered moves up to close the gap. */
  remove(slot: number): void {
    if (this.chunk === null) return;
    assert(slot === this.finished, 'keyed commands finish in order');
    const { words, bytes } = this.chunk;
    const fingerprints = this.rowAt * 4;
    for (let to = slot; to > this.first; to--) {
      const from = this.at(to - 1);
      words.copyWithin(this.at(to), from, from + ENTRY_WORDS);
      bytes[fingerprints + this.indexOf(to)] = bytes[fingerprints + this.indexOf(to - 1)]!;
    }
    this.first++;
    this.finished = slot + 1;
  }

  /** Takes over a key from a record; call in the order of positions. */
  restore(hash: number, position: number): void {
    this.record(this.enter(hash), position);
  }

  restoreAll(list: KeyList): void {
    for (let i = 0; i < list.count; i++) this.restore(list.hashes[i]!, list.positions[i]!);
  }

  /** Puts what is remembered into `list`, without what is on its way. */
  listTo(list: KeyList): void {
    list.count = 0;
    for (let slot = this.first; slot < this.finished; slot++) list.add(this.hashOf(slot), this.position(slot));
  }

  /** The actor leaves memory: the row goes to somebody else, and whatever still comes for this window is too late. */
  release(): void {
    if (this.chunk !== null) this.slab.give(this.row(this.chunk));
    this.chunk = null;
    this.first = this.finished = this.next = this.origin = this.capacity = 0;
  }

  private holds(slot: number, hash: number, others: readonly number[] | null): boolean {
    if (slot < this.first || slot >= this.next || this.hashOf(slot) !== hash) return false;
    return others === null || !others.includes(this.position(slot));
  }

  private hashOf(slot: number): number {
    const { words, bytes } = this.chunk!;
    const index = this.indexOf(slot);
    return (bytes[this.rowAt * 4 + index]! << 24) | (words[this.entriesAt + index * ENTRY_WORDS + 1]! >>> 8);
  }

  /** The newest slot that this place of the row may have. */
  private slotAt(index: number): number {
    const slot = this.origin + index;
    return slot + this.capacity < this.next ? slot + this.capacity : slot;
  }

  private indexOf(slot: number): number {
    const index = slot - this.origin;
    return index < this.capacity ? index : index - this.capacity;
  }

  private at(slot: number): number {
    return this.entriesAt + this.indexOf(slot) * ENTRY_WORDS;
  }

  private row(chunk: Chunk): Row {
    return { chunk, at: this.rowAt, capacity: this.capacity };
  }

  /** A small row for the actors with few commands, then at once one that holds all that is remembered. */
  private capacityNext(): number {
    if (this.capacity < CAPACITY_MIN) return CAPACITY_MIN;
    const whole = fingerprintWords(this.keysMax + ON_THEIR_WAY) * 4;
    if (this.capacity < CAPACITY_MIDDLE && CAPACITY_MIDDLE < whole) return CAPACITY_MIDDLE;
    return this.capacity < whole ? whole : this.capacity * 2;
  }

  private grow(): void {
    const old = this.chunk === null ? null : this.row(this.chunk);
    const row = this.slab.take(this.capacityNext());
    const { words, bytes } = row.chunk;
    const entriesAt = row.at + fingerprintWords(row.capacity);
    for (let slot = this.first; slot < this.next; slot++) {
      const index = slot - this.first;
      const from = this.at(slot);
      words[entriesAt + index * ENTRY_WORDS] = old!.chunk.words[from]!;
      words[entriesAt + index * ENTRY_WORDS + 1] = old!.chunk.words[from + 1]!;
      bytes[row.at * 4 + index] = old!.chunk.bytes[old!.at * 4 + this.indexOf(slot)]!;
    }
    this.chunk = row.chunk;
    this.rowAt = row.at;
    this.entriesAt = entriesAt;
    this.capacity = row.capacity;
    this.origin = this.first;
    if (old !== null) this.slab.give(old);
  }
}
