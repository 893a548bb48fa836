/**
 * The window of command keys of one actor: which keys it has answered, and at which position of its bucket's log the
 * answer stands. A duplicate is answered from that record, so the window keeps no replies and costs twenty bytes a key.
 *
 * K1  A key is remembered until `keysPerActorMax` later keyed commands of the actor are recorded, or until a decision is
 *     recorded more than `keyAgeMaxMs` after it, whichever comes first. Both are counted in the log, never by the clock
 *     of the reader, so the window after a restart is the window before it.
 * K2  A key whose command is still on its way is in the window too, with position 0, so that a duplicate joins it.
 * K3  Commands of one actor finish in the order in which they were sent, so those on their way are the newest entries.
 * K4  An entry is found by a 64-bit hash; whoever uses it compares the key in the record, so a collision costs a read.
 */

import assert from 'node:assert/strict';

const CAPACITY_MIN = 4;
const WORDS = 4;
const POW32 = 0x1_0000_0000;
/** Marks a slot whose command ended without a record. */
const REMOVED = 0xffff_ffff;

export interface RememberedKey {
  readonly hi: number;
  readonly lo: number;
  readonly position: number;
  readonly nowSeconds: number;
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
  out.hi = (a ^ (a >>> 15)) >>> 0;
  out.lo = (b ^ (b >>> 16)) >>> 0;
}

/** A ring of slots numbered 0, 1, 2, ... for ever; `[first, next)` are in the window. */
export class KeyWindow {
  private first = 0;
  private next = 0;
  /** Slots below are finished (K3). */
  private finished = 0;
  private remembered = 0;
  private los = new Uint32Array(CAPACITY_MIN);
  private rest = new Uint32Array(CAPACITY_MIN * WORDS);

  private readonly keysMax: number;
  private readonly ageMaxSeconds: number;

  constructor(keysMax: number, ageMaxMs: number) {
    this.keysMax = keysMax;
    this.ageMaxSeconds = Math.floor(ageMaxMs / 1_000);
  }

  /**
   * The slot that holds the key, the newest first, or -1. `nowMs` is the recorded time the decision would have.
   * A slot older than the age limit at that time is forgotten (K1).
   */
  find(hi: number, lo: number, nowMs: number): number {
    const { los, rest } = this;
    const mask = los.length - 1;
    for (let slot = this.next - 1; slot >= this.first; slot--) {
      const at = slot & mask;
      if (los[at] !== lo || rest[at * WORDS] !== hi) continue;
      if (rest[at * WORDS + 2] === REMOVED) continue;
      if (this.position(slot) === 0) return slot;
      return rest[at * WORDS + 3]! + this.ageMaxSeconds >= Math.floor(nowMs / 1_000) ? slot : -1;
    }
    return -1;
  }

  /** Position of the record that answered the slot's command; 0 while it is on its way (K2). */
  position(slot: number): number {
    const at = (slot & (this.los.length - 1)) * WORDS;
    return this.rest[at + 1]! + this.rest[at + 2]! * POW32;
  }

  /** Enters a key whose command is being sent; finish it with `record` or `remove`, in order. */
  enter(hi: number, lo: number): number {
    if (this.next - this.first === this.los.length) this.grow();
    const slot = this.next++;
    const at = slot & (this.los.length - 1);
    this.los[at] = lo;
    this.rest[at * WORDS] = hi;
    this.rest[at * WORDS + 1] = 0;
    this.rest[at * WORDS + 2] = 0;
    this.rest[at * WORDS + 3] = 0;
    return slot;
  }

  /** The slot's command was recorded. */
  record(slot: number, position: number, nowMs: number): void {
    assert(slot >= this.finished && slot < this.next, 'keyed commands finish in order');
    const at = (slot & (this.los.length - 1)) * WORDS;
    this.rest[at + 1] = position % POW32;
    this.rest[at + 2] = Math.floor(position / POW32);
    this.rest[at + 3] = Math.floor(nowMs / 1_000);
    this.finished = slot + 1;
    this.remembered++;
    this.forgetOldest();
  }

  /** The slot's command ended without a record: its key is free again. */
  remove(slot: number): void {
    assert(slot >= this.finished && slot < this.next, 'keyed commands finish in order');
    this.rest[(slot & (this.los.length - 1)) * WORDS + 2] = REMOVED;
    this.finished = slot + 1;
    this.forgetOldest();
  }

  /** Takes over a key from a snapshot or a record; call in the order of positions. */
  restore(key: RememberedKey): void {
    this.record(this.enter(key.hi, key.lo), key.position, key.nowSeconds * 1_000);
  }

  /** What is remembered, the oldest first, without what is on its way. */
  *entries(): Generator<RememberedKey> {
    for (let slot = this.first; slot < this.finished; slot++) {
      const at = (slot & (this.los.length - 1)) * WORDS;
      if (this.rest[at + 2] === REMOVED) continue;
      yield {
        hi: this.rest[at]!,
        lo: this.los[slot & (this.los.length - 1)]!,
        position: this.position(slot),
        nowSeconds: this.rest[at + 3]!,
      };
    }
  }

  private forgetOldest(): void {
    while (this.first < this.finished) {
      const removed = this.rest[(this.first & (this.los.length - 1)) * WORDS + 2] === REMOVED;
      if (!removed) {
        if (this.remembered <= this.keysMax) return;
        this.remembered--;
      }
      this.first++;
    }
  }

  private grow(): void {
    const capacity = this.los.length * 2;
    const los = new Uint32Array(capacity);
    const rest = new Uint32Array(capacity * WORDS);
    for (let slot = this.first; slot < this.next; slot++) {
      const from = slot & (this.los.length - 1);
      const to = slot & (capacity - 1);
      los[to] = this.los[from]!;
      for (let i = 0; i < WORDS; i++) rest[to * WORDS + i] = this.rest[from * WORDS + i]!;
    }
    this.los = los;
    this.rest = rest;
  }
}
