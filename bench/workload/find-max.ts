/**
 * The highest open-loop rate that keeps a limit of latency.
 *
 * A closed loop gives the bound above: more than it answers nobody can ask for. Between that and zero the rate is found by halving, each time on a
 * fresh server with its check; what was found last is tried once more, and lowered until it holds twice. A rate is given up when it was not kept in two tries
 * one after the other. [A virtual disk stands still for 40 ms, once in a run of four seconds, and the halving goes the wrong way for good.]
 * All rates that were tried are in the report: latency over rate says more than the one figure.
 *
 * A rate keeps the limit when the check passed, p99 (from when requests were due) is within it, and what was answered in the measured time is not
 * less than what became due in it, but for one percent.
 */

import { loadCase } from '../harness/case.ts';
import type { CasePlan } from '../harness/case.ts';
import { loadName } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { REACHED_RATIO } from '../harness/loaded-run.ts';
import type { CommonOptions } from '../harness/options.ts';
import { runCases } from '../harness/suite.ts';
import type { RunCase } from '../harness/suite.ts';
import type { CaseReport, RunReport } from '../report/report.ts';
import { OPEN_IN_FLIGHT_MAX, shapeOf } from './load-options.ts';

const PRECISION = 0.03;
const LOWERED_TO = 0.95;
const BOUND_SHAPE = '64x16';

/** `loads`: open loops of any rate. Exit code 1 when no rate keeps the limit, or a check failed at the end. */
export function findMax(workload: string, args: readonly string[], loads: readonly LoadSpec[], p99Ms: number, options: CommonOptions): Promise<number> {
  return runCases(workload, args, { ...options, rounds: 1 }, async (runCase) => {
    const cases: CaseReport[] = [];
    let isFound = true;
    for (const load of distinct(loads)) {
      for (const subject of options.subjects) {
        const closed = await runCase(loadCase(workload, subject, { ...load, ...shapeOf(BOUND_SHAPE) }, options));
        cases.push(closed);
        const most = closed.runs[0]!.commandsPerSecond;
        const found = most === null ? null : await search(runCase, (rate) => loadCase(workload, subject, atRate(load, rate), options), Math.ceil(most), p99Ms);
        cases.push(...(found?.cases ?? []));
        isFound &&= found !== null && found.best > 0;
      }
    }
    return { cases, isPassed: isFound };
  });
}

export interface Found {
  /** A case for every rate that was tried, the lowest first. */
  readonly cases: CaseReport[];
  /** 0 when no rate keeps the limit. */
  readonly best: number;
}

/** `most`: nobody can ask for more. */
export async function search(runCase: RunCase, at: (rate: number) => CasePlan, most: number, p99Ms: number): Promise<Found> {
  const tried = new Map<number, CaseReport>();
  const held = new Map<number, number>();
  let isAnyRefused = false;
  const once = async (rate: number): Promise<boolean> => {
    const one = withVerdict(await runCase(at(rate), 1, (run) => verdictOn(run, p99Ms)), p99Ms);
    const before = tried.get(rate);
    tried.set(rate, before === undefined ? one : { ...one, runs: [...before.runs, { ...one.runs[0]!, round: before.runs.length + 1 }] });
    const isHeld = keepsLimit(one.runs[0]!, p99Ms);
    if (isHeld) held.set(rate, (held.get(rate) ?? 0) + 1);
    else isAnyRefused = true;
    return isHeld;
  };
  const keeps = async (rate: number): Promise<boolean> => (await once(rate)) || once(rate);
  const keepsTwice = async (rate: number): Promise<boolean> => {
    while ((held.get(rate) ?? 0) < 2) if (!(await keeps(rate))) return false;
    return true;
  };
  let best = await halve(most, keeps);
  while (best > 0 && !(await keepsTwice(best))) best = Math.floor(best * LOWERED_TO);
  const cases = [...tried.entries()].sort(([a], [b]) => a - b).map(([rate, one]) => (rate === best ? withFigure(one, best, p99Ms, isAnyRefused) : one));
  return { cases, best };
}

/** The highest that `keeps`, to within PRECISION; 0 for none. */
export async function halve(most: number, keeps: (rate: number) => Promise<boolean>): Promise<number> {
  let low = 0;
  let high = most;
  while (high - low > Math.max(1, high * PRECISION)) {
    const rate = Math.round((low + high) / 2);
    if (await keeps(rate)) low = rate;
    else high = rate;
  }
  return low;
}

export function keepsLimit(run: RunReport, p99Ms: number): boolean {
  return run.check.passed && run.latencyMs!.p99 <= p99Ms && run.commands >= run.due! * REACHED_RATIO;
}

/** For whoever watches a search: whether the rate is kept, and if not, for which reason. */
export function verdictOn(run: RunReport, p99Ms: number): string {
  if (keepsLimit(run, p99Ms)) return `is kept, p99 within ${p99Ms} ms`;
  if (!run.check.passed) return 'is not kept, the check failed';
  if (run.latencyMs!.p99 > p99Ms) return `is not kept, p99 above ${p99Ms} ms`;
  return `is not kept, ${Math.floor((100 * run.commands) / run.due!)} % of what became due was answered in time`;
}

/** What was made of each try, for whoever reads the report. */
function withVerdict(one: CaseReport, p99Ms: number): CaseReport {
  return { ...one, runs: one.runs.map((run) => ({ ...run, remarks: [...run.remarks, verdictOn(run, p99Ms)] })) };
}

/** Without `isBounded` every rate was kept, up to what a closed loop answers: an open one may keep more. */
function withFigure(one: CaseReport, rate: number, p99Ms: number, isBounded: boolean): CaseReport {
  const figure = { name: `highest rate with p99 within ${p99Ms} ms${isBounded ? '' : ', at least: none was refused'}`, value: rate, unit: 'commands/s', isLessBetter: false };
  return { ...one, runs: one.runs.map((run) => (run.check.passed ? { ...run, figures: [...run.figures, figure] } : run)) };
}

function atRate(load: LoadSpec, perSecond: number): LoadSpec {
  return { ...load, loop: { kind: 'open', perSecond, inFlightMax: OPEN_IN_FLIGHT_MAX } };
}

/** Shapes of the closed loop are not told apart by a search. */
function distinct(loads: readonly LoadSpec[]): LoadSpec[] {
  const seen = new Map(loads.map((load) => [loadName({ ...load, ...shapeOf(BOUND_SHAPE) }) + load.distribution + load.shape.fanOut, load]));
  return [...seen.values()];
}
