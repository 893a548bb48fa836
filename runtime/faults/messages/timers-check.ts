/**
 * Timers.
 *
 *  C5  A timer fires only while it is armed: a one-off once, never after it was cancelled or replaced by a record of its actor, never before it
 *      is due, with the command it was armed with. A repeating one keeps its phase, and what it missed is counted. The notes of a change
 *      name the timer that it ends, and when the new one is due. At rest none is overdue.
 */

import { placeOf, subjectOf, typeOf } from './log-record.ts';
import type { Complain, Firing, LogRecord, TimerEntry, TimerRef } from './log-record.ts';
import type { SamePayload } from './channels-check.ts';

type Armed = NonNullable<TimerEntry['armed']>;

interface Timer {
  readonly ref: TimerRef;
  readonly armed: Armed;
  dueMs: number;
}

export class TimersCheck {
  armed = 0;
  fired = 0;
  missed = 0;
  /** By bucket and actor, by name. */
  private readonly timers = new Map<string, Map<string, Timer>>();
  private readonly complain: Complain;
  private readonly samePayload: SamePayload;

  constructor(complain: Complain, samePayload: SamePayload) {
    this.complain = complain;
    this.samePayload = samePayload;
  }

  record(record: LogRecord): void {
    const { firing, timers, timerNotes } = record;
    if (timerNotes.length !== timers.length) this.wrong(record, `has ${timers.length} changes of timers with ${timerNotes.length} notes`);
    if (firing === null && timers.length === 0) return;
    const actor = subjectOf(record);
    let byName = this.timers.get(actor);
    if (byName === undefined) this.timers.set(actor, (byName = new Map()));
    // What takes up a firing that was parked or failed is not another one.
    if (firing !== null && record.resumes === 0) this.fires(record, firing, byName);
    for (const [index, change] of timers.entries()) this.changes(record, index, change, byName);
  }

  /** C5, at rest, at a time by the nodes' clocks. */
  settle(nowMs: number, graceMs: number): void {
    for (const [actor, byName] of this.timers) {
      for (const [name, { dueMs }] of byName) {
        if (dueMs > 0 && dueMs + graceMs < nowMs) this.complain('C5', `timer ${name} of ${actor} is ${nowMs - dueMs} ms overdue`);
      }
    }
  }

  /** Timers that have yet to fire. */
  get waiting(): number {
    let count = 0;
    for (const byName of this.timers.values()) for (const { dueMs } of byName.values()) if (dueMs > 0) count++;
    return count;
  }

  private fires(record: LogRecord, firing: Firing, byName: Map<string, Timer>): void {
    this.fired++;
    this.missed += firing.missed;
    const timer = byName.get(firing.name);
    if (timer === undefined || !isTimer(timer.ref, firing.timer)) {
      this.wrong(record, `is a firing of timer ${firing.name}, which is ${timer === undefined ? 'not armed' : 'armed anew since'}`);
      return;
    }
    const { armed, dueMs } = timer;
    if (firing.dueMs !== dueMs) this.wrong(record, `is a firing of timer ${firing.name} at ${firing.dueMs}, which is due at ${dueMs}`);
    // A record of the bucket has the time of the one before.
    const nowMs = record.actor === '' ? Infinity : record.nowMs;
    if (nowMs < dueMs) this.wrong(record, `is a firing of timer ${firing.name} ${dueMs - record.nowMs} ms before it is due`);
    if (record.name !== armed.command || !this.samePayload(typeOf(subjectOf(record)), armed.command, armed.data, record.payload?.data ?? NO_BYTES)) {
      this.wrong(record, `is a firing of timer ${firing.name} with another command than it was armed with`);
    }
    const wrong = wrongNext(armed, firing, nowMs);
    if (wrong !== null) this.wrong(record, `is a firing of timer ${firing.name}, ${wrong}`);
    if (firing.nextDueMs === 0) byName.delete(firing.name);
    else timer.dueMs = firing.nextDueMs;
  }

  private changes(record: LogRecord, index: number, { name, armed }: TimerEntry, byName: Map<string, Timer>): void {
    const note = record.timerNotes[index];
    if (note === undefined) return;
    const before = byName.get(name)?.ref ?? null;
    // A firing that arms its own timer anew may say so: it ends in the same record.
    const isOwn = before === null && record.firing?.name === name && note.replaces !== null && isTimer(note.replaces, record.firing.timer);
    if (!isOwn && !(before === null ? note.replaces === null : isTimer(before, note.replaces))) {
      this.wrong(record, `changes timer ${name}, and names another one as the one it ends`);
    }
    if (armed === null) {
      byName.delete(name);
      return;
    }
    this.armed++;
    // 0 is no time but none.
    if (armed.cron === '' && note.dueMs !== Math.max(1, armed.dueMs)) this.wrong(record, `arms timer ${name} for ${armed.dueMs} and notes ${note.dueMs}`);
    if (armed.cron !== '' && note.dueMs !== 0 && note.dueMs <= record.nowMs) this.wrong(record, `arms timer ${name} for the past`);
    byName.set(name, { ref: { position: record.position, index }, armed, dueMs: note.dueMs });
  }

  private wrong(record: LogRecord, text: string): void {
    this.complain('C5', `${placeOf(record)} of ${subjectOf(record)} ${text}`);
  }
}

function isTimer(a: TimerRef, b: TimerRef | null): boolean {
  return b !== null && a.position === b.position && a.index === b.index;
}

function wrongNext({ everyMs, cron }: Armed, { dueMs, missed, nextDueMs }: Firing, nowMs: number): string | null {
  if (cron !== '') return nextDueMs === 0 || nextDueMs > Math.max(dueMs, nowMs === Infinity ? 0 : nowMs) ? null : `and due again at ${nextDueMs}, which is past`;
  if (everyMs === 0) return nextDueMs === 0 && missed === 0 ? null : 'which fires once, and is due again';
  if (nextDueMs !== dueMs + (missed + 1) * everyMs) return `with ${missed} missed and due again at ${nextDueMs}: out of phase`;
  if (nowMs === Infinity) return null;
  if (nextDueMs < nowMs) return `due again at ${nextDueMs}, which is past`;
  return dueMs + missed * everyMs > nowMs ? `with ${missed} missed, of which some are yet to come` : null;
}

const NO_BYTES = Buffer.alloc(0);
