/** The fields of troupe.v1.Record about timers; see record-messages.ts. */

import type { RecordReader } from './record.ts';
import { each, first } from './record-messages.ts';
import type { WireWriter } from './wire.ts';
import { WireReader } from './wire.ts';

const TIMER_NOTE = 25;
const FIRING = 27;
const TIMER = 35;

/** A timer: the record that armed it, and its index among that record's timers. */
export interface TimerRef {
  readonly position: number;
  readonly index: number;
}

export interface TimerChange {
  readonly name: string;
  /** null: the timer is cancelled. */
  readonly armed: ArmedTimer | null;
}

export interface ArmedTimer {
  readonly dueMs: number;
  readonly command: string;
  /** Range in the record's buffer. */
  readonly from: number;
  readonly until: number;
  readonly everyMs: number;
  readonly cron: string;
  readonly zone: string;
}

export interface TimerNote {
  /** The timer that the change cancels or replaces. */
  readonly replaces: TimerRef | null;
  readonly dueMs: number;
}

export interface TimerFiring {
  readonly timer: TimerRef;
  readonly name: string;
  readonly dueMs: number;
  readonly missed: number;
  /** 0: it is over. */
  readonly nextDueMs: number;
}

const wire = new WireReader();
const inner = new WireReader();

export function timersOf(record: RecordReader): readonly TimerChange[] {
  return each(record, TIMER, readTimer);
}

function readTimer(buffer: Buffer, from: number, to: number): TimerChange {
  const change: { name: string; armed: ArmedTimer | null } = { name: '', armed: null };
  wire.over(buffer, from, to);
  while (wire.next()) {
    if (wire.field === 1) change.name = wire.string();
    else if (wire.field === 2) {
      wire.span();
      change.armed = readArmed(buffer, wire.from, wire.to);
    } else wire.skip();
  }
  return change;
}

function readArmed(buffer: Buffer, from: number, to: number): ArmedTimer {
  const armed = { dueMs: 0, command: '', from: 0, until: 0, everyMs: 0, cron: '', zone: '' };
  inner.over(buffer, from, to);
  while (inner.next()) {
    switch (inner.field) {
      case 1: armed.dueMs = inner.varint(); break;
      case 2: armed.command = inner.string(); break;
      case 3:
        inner.span();
        armed.from = inner.from;
        armed.until = inner.to;
        break;
      case 5: armed.everyMs = inner.varint(); break;
      case 6: armed.cron = inner.string(); break;
      case 7: armed.zone = inner.string(); break;
      default: inner.skip();
    }
  }
  return armed;
}

export function timerNotesOf(record: RecordReader): readonly TimerNote[] {
  return each(record, TIMER_NOTE, readTimerNote);
}

function readTimerNote(buffer: Buffer, from: number, to: number): TimerNote {
  const note: { replaces: TimerRef | null; dueMs: number } = { replaces: null, dueMs: 0 };
  wire.over(buffer, from, to);
  while (wire.next()) {
    if (wire.field === 1) {
      wire.span();
      note.replaces = readTimerRef(buffer, wire.from, wire.to);
    } else if (wire.field === 2) note.dueMs = wire.varint();
    else wire.skip();
  }
  return note;
}

export function writeTimerNote(out: WireWriter, { replaces, dueMs }: TimerNote): void {
  const start = out.begin(TIMER_NOTE);
  if (replaces !== null) writeTimerRef(out, 1, replaces);
  out.uint(2, dueMs);
  out.end(start);
}

/** null when no timer has brought the command. */
export function firingOf(record: RecordReader): TimerFiring | null {
  return first(record, FIRING, readFiring);
}

function readFiring(buffer: Buffer, from: number, to: number): TimerFiring {
  const found = { timer: { position: 0, index: 0 } as TimerRef, name: '', dueMs: 0, missed: 0, nextDueMs: 0 };
  wire.over(buffer, from, to);
  while (wire.next()) {
    switch (wire.field) {
      case 1:
        wire.span();
        found.timer = readTimerRef(buffer, wire.from, wire.to);
        break;
      case 2: found.name = wire.string(); break;
      case 3: found.dueMs = wire.varint(); break;
      case 4: found.missed = wire.varint(); break;
      case 5: found.nextDueMs = wire.varint(); break;
      default: wire.skip();
    }
  }
  return found;
}

export function writeFiring(out: WireWriter, firing: TimerFiring): void {
  const start = out.begin(FIRING);
  writeTimerRef(out, 1, firing.timer);
  out.string(2, firing.name);
  out.uint(3, firing.dueMs);
  out.uint(4, firing.missed);
  out.uint(5, firing.nextDueMs);
  out.end(start);
}

function readTimerRef(buffer: Buffer, from: number, to: number): TimerRef {
  let position = 0;
  let index = 0;
  inner.over(buffer, from, to);
  while (inner.next()) {
    if (inner.field === 1) position = inner.varint();
    else if (inner.field === 2) index = inner.varint();
    else inner.skip();
  }
  return { position, index };
}

function writeTimerRef(out: WireWriter, field: number, { position, index }: TimerRef): void {
  const start = out.begin(field);
  out.uint(1, position);
  out.uint(2, index);
  out.end(start);
}
