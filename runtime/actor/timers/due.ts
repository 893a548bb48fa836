/**
 * When timers are due. Found once, by whoever encodes the record, and then recorded: a fold needs no calendar, and what another version of it
 * would say of the past does not matter.
 *
 * D1  A timer that is armed has a due time above 0, unless its calendar never comes to one.
 * D2  A repeating timer is due next at the first time behind now that it would have had if nothing had ever come late.
 *
 * Local times are found by croner. Where a clock is put forward, one fixed time of day (one minute and one hour) in the gap is due when
 * the gap ends; where it is put back, it is due once. Every other pattern is taken by the clock on the wall: what falls into the
 * gap does not exist, what comes twice is due twice.
 */

import { Cron } from 'croner';

import type { ArmedTimer } from '../../codec/record-timers.ts';
import { limits } from '../../limits.ts';

/** What makes a timer repeat. */
export type Repetition = Pick<ArmedTimer, 'everyMs' | 'cron' | 'zone'>;

export interface NextDue {
  /** 0: never again. */
  readonly nextDueMs: number;
  /** Times between the one that fires and now, at most limits.cronMissedMax of a calendar's. */
  readonly missed: number;
}

/** Parsed patterns, those used last at the end. */
const patterns = new Map<string, Cron>();

/** When a timer that was armed at `nowMs` is due first; 0 when there is no such time. */
export function firstDue(armed: ArmedTimer, nowMs: number): number {
  if (armed.cron === '') return Math.max(1, armed.dueMs);
  // A pattern or zone that is none does not leave the sandbox (guest/calendar.js). If one did, it must not take the node along.
  return isCalendar(armed) ? nextByCalendar(armed, nowMs) : 0;
}

/** Whether this node understands the pattern and knows the zone. */
export function isCalendar(timer: Repetition): boolean {
  try {
    nextByCalendar(timer, 0);
    return true;
  } catch {
    return false;
  }
}

/** What is behind a firing that was due at `dueMs`, which is not after `nowMs`. */
export function nextDue(timer: Repetition, dueMs: number, nowMs: number): NextDue {
  if (timer.cron !== '') return { nextDueMs: nextByCalendar(timer, nowMs), missed: missedByCalendar(timer, dueMs, nowMs) };
  const { everyMs } = timer;
  if (everyMs === 0) return { nextDueMs: 0, missed: 0 };
  const missed = Math.floor(Math.max(0, nowMs - dueMs) / everyMs);
  return { nextDueMs: dueMs + (missed + 1) * everyMs, missed };
}

function missedByCalendar(timer: Repetition, dueMs: number, nowMs: number): number {
  let missed = 0;
  for (let at = nextByCalendar(timer, dueMs); at > 0 && at <= nowMs && missed < limits.cronMissedMax; at = nextByCalendar(timer, at)) missed++;
  return missed;
}

/** The first time behind `afterMs`. */
function nextByCalendar(timer: Repetition, afterMs: number): number {
  return patternOf(timer).nextRun(new Date(afterMs))?.getTime() ?? 0;
}

function patternOf({ cron, zone }: Repetition): Cron {
  const name = `${zone} ${cron}`;
  let pattern = patterns.get(name);
  patterns.delete(name);
  pattern ??= new Cron(cron, { timezone: zone === '' ? 'UTC' : zone, mode: '5-part', fixedTimeRule: 'single-value', paused: true });
  patterns.set(name, pattern);
  if (patterns.size > limits.cronPatternsMax) patterns.delete(patterns.keys().next().value!);
  return pattern;
}
