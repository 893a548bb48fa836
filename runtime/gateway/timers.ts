/**
 * Deadlines of commands and expiry of tokens: one interval for all of them, because a timer per command would cost more
 * than the command.
 *
 * A hashed wheel: an entry lies in the slot of its due time, in a doubly linked list, so adding and cancelling take the
 * same few steps whatever the number of entries. An entry due in a later round is looked at once a round and left.
 * Entries fire up to one slot late, never early.
 */

import type { Clock } from './clock.ts';

const SLOT_MS = 10;
const SLOTS = 1_024;

export class TimerEntry {
  readonly dueAt: number;
  readonly slot: number;
  readonly expire: () => void;
  before: TimerEntry | null = null;
  after: TimerEntry | null = null;
  active = true;

  constructor(dueAt: number, slot: number, expire: () => void) {
    this.dueAt = dueAt;
    this.slot = slot;
    this.expire = expire;
  }
}

export class Timers {
  private readonly clock: Clock;
  private readonly slots: (TimerEntry | null)[] = new Array<TimerEntry | null>(SLOTS).fill(null);
  private count = 0;
  /** Slots up to and including this one have been looked at. */
  private swept = 0;
  private stop: (() => void) | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get size(): number {
    return this.count;
  }

  /** Calls `expire` once, `delayMs` from now or up to one slot later, unless cancelled. */
  add(delayMs: number, expire: () => void): TimerEntry {
    const now = this.clock.now();
    if (this.stop === null) {
      this.swept = Math.floor(now / SLOT_MS);
      this.stop = this.clock.every(SLOT_MS, () => this.sweep());
    }
    const dueAt = now + delayMs;
    // Never a slot that this round has passed already: the entry would wait for a whole further round.
    const tick = Math.max(Math.ceil(dueAt / SLOT_MS), this.swept + 1);
    const entry = new TimerEntry(dueAt, tick % SLOTS, expire);
    const first = this.slots[entry.slot]!;
    entry.after = first;
    if (first !== null) first.before = entry;
    this.slots[entry.slot] = entry;
    this.count++;
    return entry;
  }

  cancel(entry: TimerEntry): void {
    if (!entry.active) return;
    entry.active = false;
    if (entry.before === null) this.slots[entry.slot] = entry.after;
    else entry.before.after = entry.after;
    if (entry.after !== null) entry.after.before = entry.before;
    this.count--;
  }

  close(): void {
    this.stop?.();
    this.stop = null;
  }

  private sweep(): void {
    const now = this.clock.now();
    const current = Math.floor(now / SLOT_MS);
    // After a pause of more than a round every slot is looked at once.
    let tick = Math.max(this.swept, current - SLOTS);
    const due: TimerEntry[] = [];
    while (tick < current) {
      tick++;
      for (let entry = this.slots[tick % SLOTS] ?? null; entry !== null; entry = entry.after) {
        if (entry.dueAt <= now) due.push(entry);
      }
    }
    this.swept = current;
    // Collected first: what an expiry does may cancel or add others.
    for (const entry of due) {
      if (!entry.active) continue;
      this.cancel(entry);
      entry.expire();
    }
    if (this.count === 0) this.close();
  }
}
