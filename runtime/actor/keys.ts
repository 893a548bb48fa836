/**
 * The window of command keys of one actor: which keys it has answered, and at which position of its bucket's log the
 * answer stands. A duplicate is answered from that record, so the window keeps no replies and costs seventeen bytes a key.
 *
 * K1  A key is remembered until `keysPerActorMax` later keyed commands of the actor are recorded, or until a decision is
 *     recorded more than `keyAgeMaxMs` after it, whichever comes first. Both are counted in the log, never by the clock
 *     of the reader, so the window after a restart is the window before it.
 * K2  A key whose command is still on its way is in the window too, with position 0, so that a duplicate joins it.
 * K3  Commands of one actor finish in the order in which they were sent, so those on their way are the newest entries.
 * K4  An entry is found by a 40-bit hash; whoever uses it compares the key in the record, so a collision costs a read.
 */

import assert from 'node:assert/strict';

import type { Chunk, KeySlab, Row } from './key-slab.ts';
import { ENTRY_WORDS } from './key-slab.ts';

const CAPACITY_MIN = 8;
const POW32 = 0x1_0000_0000;
/** Word 2 of a slot whose command ended without a record. */
const REMOVED = 0xffff_ffff;

/** What a window remembers, the oldest first, in columns: a snapshot takes them as they are, and nothing is made per key. */
export class KeyList {
  count = 0;
  /** Eight bits a key. */
  fingerprints = new Uint8Array(128);
  hashes = new Uint32Array(128);
  positions = new Float64Array(128);
  /** Recorded time. */
  seconds = new Float64Array(128);

  add(fingerprint: number, hash: number, position: number, seconds: number): void {
    const i = this.count++;
    if (i === this.hashes.length) this.grow();
    this.fingerprints[i] = fingerprint;
    this.hashes[i] = hash;
    this.positions[i] = position;
    this.seconds[i] = seconds;
  }

  private grow(): void {
    const { fingerprints, hashes, positions, seconds } = this;
    const capacity = hashes.length * 2;
    this.fingerprints = new Uint8Array(capacity);
    this.fingerprints.set(fingerprints);
    this.hashes = new Uint32Array(capacity);
    this.hashes.set(hashes);
    this.positions = new Float64Array(capacity);
    this.positions.set(positions);
    this.seconds = new Float64Array(capacity);
    this.seconds.set(seconds);
  }
}

/** The scope of a key is (principal, actor, key); the actor is the window's owner. Two lanes over UTF-16 code units. */
export function hashScope(out: { hi: number; lo: number }, principal: string, key: string): void {
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
  out.hi = (a ^ (a >>> 15)) & 0xff;
  out.lo = (b ^ (b >>> 16)) >>> 0;
}

/** A ring of slots numbered 0, 1, 2, ... for ever; `[first, next)` are in the window. */
export class KeyWindow {
  private first = 0;
  private next = 0;
  /** Slots below are finished (K3). */
  private finished = 0;
  private remembered = 0;
  /** Slots in `[first, finished)` whose command ended without a record. */
  private removed = 0;
  // The row, taken apart: these are read for every command.
  private row: Row | null = null;
  private chunk: Chunk | null = null;
  private mask = -1;
  private fingerprints = 0;
  private entriesAt = 0;

  private readonly slab: KeySlab;
  private readonly keysMax: number;
  private readonly ageMaxSeconds: number;

  constructor(slab: KeySlab, keysMax: number, ageMaxMs: number) {
    this.slab = slab;
    this.keysMax = keysMax;
    this.ageMaxSeconds = Math.floor(ageMaxMs / 1_000);
  }

  /**
   * The slot that holds the key, the newest first, or -1. `nowMs` is the recorded time the decision would have.
   * A slot older than the age limit at that time is forgotten (K1). `others` are positions that were looked at and hold
   * another key with the same hash (K4).
   */
  find(hi: number, lo: number, nowMs: number, others: readonly number[] | null = null): number {
    if (this.chunk === null || !this.mayHold(this.chunk.words, hi, lo)) return -1;
    const { mask, fingerprints, first } = this;
    const { bytes, words } = this.chunk;
    for (let slot = this.next - 1; slot >= first; slot--) {
      if (bytes[fingerprints + (slot & mask)] !== hi) continue;
      const at = this.at(slot);
      if (words[at] !== lo || words[at + 2] === REMOVED) continue;
      const position = this.position(slot);
      if (position === 0) return slot;
      if (others !== null && others.includes(position)) continue;
      return words[at + 3]! + this.ageMaxSeconds >= Math.floor(nowMs / 1_000) ? slot : -1;
    }
    return -1;
  }

  /**
   * Whether any entry of the row has this hash, in the window or not: a new key, the common case, is told by four fingerprints
   * at a time. A byte of a word is zero exactly when the borrow of subtracting one from it reaches its top bit.
   */
  private mayHold(words: Uint32Array, hi: number, lo: number): boolean {
    const pattern = Math.imul(hi, 0x01010101);
    const from = this.fingerprints >> 2;
    const count = (this.mask + 1) >> 2;
    for (let i = 0; i < count; i++) {
      const x = words[from + i]! ^ pattern;
      if (((x - 0x01010101) & ~x & 0x80808080) === 0) continue;
      const entry = this.entriesAt + i * 4 * ENTRY_WORDS;
      for (let byte = 0; byte < 4; byte++) {
        if (((x >>> (byte * 8)) & 0xff) === 0 && words[entry + byte * ENTRY_WORDS] === lo) return true;
      }
    }
    return false;
  }

  /** Position of the record that answered the slot's command; 0 while it is on its way (K2). */
  position(slot: number): number {
    const at = this.at(slot);
    const { words } = this.chunk!;
    return words[at + 1]! + words[at + 2]! * POW32;
  }

  /** Enters a key whose command is being sent; finish it with `record` or `remove`, in order. */
  enter(hi: number, lo: number): number {
    if (this.next - this.first > this.mask) this.makeRoom();
    const slot = this.next++;
    const at = this.at(slot);
    const { bytes, words } = this.chunk!;
    bytes[this.fingerprints + (slot & this.mask)] = hi;
    words[at] = lo;
    words[at + 1] = 0;
    words[at + 2] = 0;
    words[at + 3] = 0;
    return slot;
  }

  /** The slot's command was recorded. */
  record(slot: number, position: number, nowMs: number): void {
    if (this.chunk === null) return;
    assert(slot >= this.finished && slot < this.next, 'keyed commands finish in order');
    const at = this.at(slot);
    const { words } = this.chunk;
    words[at + 1] = position % POW32;
    words[at + 2] = Math.floor(position / POW32);
    words[at + 3] = Math.floor(nowMs / 1_000);
    this.finished = slot + 1;
    this.remembered++;
    this.forgetOldest();
  }

  /** The slot's command ended without a record: its key is free again. */
  remove(slot: number): void {
    if (this.chunk === null) return;
    assert(slot >= this.finished && slot < this.next, 'keyed commands finish in order');
    this.chunk.words[this.at(slot) + 2] = REMOVED;
    this.removed++;
    this.finished = slot + 1;
    this.forgetOldest();
  }

  /** Takes over a key from a record; call in the order of positions. `fingerprint` and `hash` are `hi` and `lo` of its scope. */
  restore(fingerprint: number, hash: number, position: number, seconds: number): void {
    this.record(this.enter(fingerprint, hash), position, seconds * 1_000);
  }

  restoreAll(list: KeyList): void {
    for (let i = 0; i < list.count; i++) {
      this.restore(list.fingerprints[i]!, list.hashes[i]!, list.positions[i]!, list.seconds[i]!);
    }
  }

  /** Puts what is remembered into `list`, without what is on its way. */
  listTo(list: KeyList): void {
    list.count = 0;
    for (let slot = this.first; slot < this.finished; slot++) {
      const at = this.at(slot);
      const { words, bytes } = this.chunk!;
      if (words[at + 2] === REMOVED) continue;
      list.add(bytes[this.fingerprints + (slot & this.mask)]!, words[at]!, this.position(slot), words[at + 3]!);
    }
  }

  /** The actor leaves memory: the row goes to somebody else, and whatever still comes for this window is too late. */
  release(): void {
    if (this.row !== null) this.slab.give(this.row);
    this.row = this.chunk = null;
    this.mask = -1;
    this.first = this.next = this.finished = this.remembered = this.removed = 0;
  }

  private at(slot: number): number {
    return this.entriesAt + (slot & this.mask) * ENTRY_WORDS;
  }

  private forgetOldest(): void {
    while (this.first < this.finished) {
      const removed = this.chunk!.words[this.at(this.first) + 2] === REMOVED;
      if (removed) this.removed--;
      else {
        if (this.remembered <= this.keysMax) return;
        this.remembered--;
      }
      this.first++;
    }
  }

  /** Behind a key that stays remembered, commands without a record would otherwise pile up for ever. */
  private makeRoom(): void {
    if (this.removed > 0 && this.removed * 2 > this.mask) this.compact();
    else this.grow();
  }

  /** Moves what is remembered up to the slots on their way. Nobody holds the number of a finished slot. */
  private compact(): void {
    const { words, bytes } = this.chunk!;
    let to = this.finished;
    for (let slot = this.finished - 1; slot >= this.first; slot--) {
      const from = this.at(slot);
      if (words[from + 2] === REMOVED || --to === slot) continue;
      words.copyWithin(this.at(to), from, from + ENTRY_WORDS);
      bytes[this.fingerprints + (to & this.mask)] = bytes[this.fingerprints + (slot & this.mask)]!;
    }
    this.first = to;
    this.removed = 0;
  }

  private grow(): void {
    const old = { chunk: this.chunk, mask: this.mask, fingerprints: this.fingerprints, entriesAt: this.entriesAt, row: this.row };
    const capacity = Math.max(CAPACITY_MIN, (old.mask + 1) * 2);
    const row = this.slab.take(capacity);
    this.row = row;
    this.chunk = row.chunk;
    this.mask = capacity - 1;
    this.fingerprints = row.at * 4;
    this.entriesAt = row.at + (capacity >> 2);
    if (old.chunk === null || old.row === null) return;
    for (let slot = this.first; slot < this.next; slot++) {
      const from = old.entriesAt + (slot & old.mask) * ENTRY_WORDS;
      const to = this.at(slot);
      for (let i = 0; i < ENTRY_WORDS; i++) row.chunk.words[to + i] = old.chunk.words[from + i]!;
      row.chunk.bytes[this.fingerprints + (slot & this.mask)] = old.chunk.bytes[old.fingerprints + (slot & old.mask)]!;
    }
    this.slab.give(old.row);
  }
}
