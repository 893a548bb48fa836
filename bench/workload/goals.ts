/**
 * What we want to reach, as ratios within one report. Ratios are taken round by round and then the median, so that a machine that is slow for a
 * minute slows both sides.
 */

import { FSYNC_LOOP, fsyncWays } from '../subject/fsync.ts';
import { middle, ratioByRound } from '../report/summary.ts';
import type { CaseReport, GoalReport, LoopReport, RunReport } from '../report/report.ts';

const LATENCY_OPEN_MAX_MS = 5;

export function goalsOf(cases: readonly CaseReport[], loops: readonly LoopReport[]): GoalReport[] {
  const find = (id: string): CaseReport | undefined => cases.find((one) => one.id === id);
  const goals: (GoalReport | null)[] = [
    ratio('one node, 64x16: commands/s, of the corked echo, at least 0.4', find('counter/64x16/embedded'), find('counter/64x16/echo'), 0.4),
    ratio('one node, 64x1: commands/s, of the floor, at least 0.8', find('counter/64x1/embedded'), find('counter/64x1/floor'), 0.8),
    ratio('one node, 64x16: commands/s with 16 a frame, of one a frame, at least 1.5', find('counter/64x16, 16 a frame/embedded'), find('counter/64x16/embedded'), 1.5),
    ratio('two nodes on Redis, 64x16: commands/s, of the corked echo, at least 0.25', find('counter/64x16/cluster of 2'), find('counter/64x16/echo'), 0.25),
    ratio('one node, 64x16: one hot actor, of the uniform case, at least 0.5', find('counter/64x16/hot/embedded'), find('counter/64x16/embedded'), 0.5),
    latencyAlone(find('counter/1x1/embedded'), loops),
  ];
  return goals.filter((goal) => goal !== null);
}

/** Null when one of both was not asked for. */
export function ratio(text: string, of: CaseReport | undefined, to: CaseReport | undefined, atLeast: number): GoalReport | null {
  if (of === undefined || to === undefined) return null;
  const value = ratioByRound(of, to)?.median ?? null;
  return { text, value, isReached: value === null ? null : value >= atLeast };
}

/** A value that is to stay below another; null where it was not measured. */
export function goal(text: string, value: number | null, below: number): GoalReport {
  return { text, value, isReached: value === null ? null : value < below };
}

function latencyAlone(alone: CaseReport | undefined, loops: readonly LoopReport[]): GoalReport | null {
  const way = fsyncWays.blockingPreallocated;
  const sync = loops.find(({ name }) => name === FSYNC_LOOP)?.runs.filter(({ name }) => name === way).map(({ value }) => value) ?? [];
  if (alone === undefined || sync.length === 0) return null;
  const p50 = medianOf(alone, (run) => run.latencyMs?.p50 ?? null);
  const value = p50 === null ? null : p50 / middle(sync);
  return { text: `one node, 1x1: median latency, of append+fdatasync (${way}), below 2`, value, isReached: value === null ? null : value < 2 };
}

/** At half of a rate that is named by `of`. What the floor does at the same rate is what machine and driver do to it. */
export function openLoopGoal(one: CaseReport, floor: CaseReport, of: string): GoalReport {
  const value = p99Of(one);
  const beside = p99Of(floor);
  const text = `${one.id}: p99 in ms, below ${LATENCY_OPEN_MAX_MS} (at half of ${of}; the floor: ${beside === null ? 'none' : beside.toFixed(2)})`;
  return { text, value, isReached: value === null ? null : value < LATENCY_OPEN_MAX_MS };
}

function p99Of(one: CaseReport): number | null {
  return medianOf(one, (run) => run.latencyMs?.p99 ?? null);
}

export function medianOf(one: CaseReport, of: (run: RunReport) => number | null): number | null {
  const values = one.runs.map(of);
  return values.some((value) => value === null) ? null : middle(values as number[]);
}
