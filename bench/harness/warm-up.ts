/**
 * The warm-up in front of the measured time.
 *
 * A closed loop is warm after the given time: who is slow is asked less. An open loop goes on asking, and what a cold server could not answer stands in a queue whose
 * end is in everybody's latency. So its warm-up goes on until latency no longer changes, and at most for SETTLING_MAX times what was asked for; a run that had
 * not settled by then says so.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Lately } from '../driver/recorder.ts';
import type { RemoteDriver } from '../driver/remote.ts';
import type { RunSettings } from './loaded-run.ts';

const LOOK_MS = 1_000;
/** Looks in a row that must resemble each other. */
const LOOKS = 3;
/** So many times the given time. */
const SETTLING_MAX = 5;
/** What resembles each other: within this ratio, or within these milliseconds. */
const RESEMBLES = { p50: { ratio: 1.5, ms: 0.5 }, p99: { ratio: 2.5, ms: 5 } } as const;
/** Of p50, from look to look in one direction: a queue that grows with each second does so by ever smaller shares. */
const TREND = { ratio: 1.05, ms: 0.5 } as const;

export interface WarmUp {
  readonly ms: number;
  /** Null where that was not looked at. */
  readonly hasSettled: boolean | null;
}

/** @throws Error when `signal` ends it */
export async function warmUp(drivers: readonly RemoteDriver[], isOpen: boolean, { warmUpMs: leastMs, signal, onWarmUp }: Pick<RunSettings, 'warmUpMs' | 'signal' | 'onWarmUp'>): Promise<WarmUp> {
  const began = performance.now();
  if (!isOpen) {
    await sleep(leastMs, undefined, { signal });
    return { ms: performance.now() - began, hasSettled: null };
  }
  const looks: Lately[] = [];
  await Promise.all(drivers.map((driver) => driver.begin()));
  for (;;) {
    await sleep(LOOK_MS, undefined, { signal });
    looks.push(worst(await Promise.all(drivers.map((driver) => driver.lately()))));
    const ms = performance.now() - began;
    onWarmUp?.(ms);
    const isOver = ms >= leastMs * SETTLING_MAX;
    if (isOver || (ms >= leastMs && hasSettled(looks))) return { ms, hasSettled: hasSettled(looks) };
  }
}

/** Whether the last looks resemble each other. */
export function hasSettled(looks: readonly Lately[]): boolean {
  const last = looks.slice(-LOOKS);
  if (last.length < LOOKS || last.some(({ p50Ms, p99Ms }) => p50Ms === null || p99Ms === null)) return false;
  const p50s = last.map(({ p50Ms }) => p50Ms!);
  return isAlike(p50s, RESEMBLES.p50) && isAlike(last.map(({ p99Ms }) => p99Ms!), RESEMBLES.p99) && (isAlike(p50s, TREND) || !isOneWay(p50s));
}

function isOneWay(times: readonly number[]): boolean {
  const steps = times.slice(1).map((time, i) => Math.sign(time - times[i]!));
  return steps.every((step) => step === steps[0] && step !== 0);
}

function isAlike(times: readonly number[], { ratio, ms }: { readonly ratio: number; readonly ms: number }): boolean {
  const least = Math.min(...times);
  return Math.max(...times) <= Math.max(least * ratio, least + ms);
}

/** Null as soon as one has answered nothing. */
function worst(looks: readonly Lately[]): Lately {
  const of = (times: readonly (number | null)[]): number | null => (times.includes(null) ? null : Math.max(...(times as number[])));
  return { p50Ms: of(looks.map(({ p50Ms }) => p50Ms)), p99Ms: of(looks.map(({ p99Ms }) => p99Ms)) };
}

/** What a report says of it, if anything. */
export function warmUpRemarks({ ms, hasSettled: is }: WarmUp): string[] {
  return is === false ? [`latency had not settled after ${(ms / 1_000).toFixed(0)} s of warm-up`] : [];
}
