/**
 * Two reports of the same cases, an old one and a new one: what became better, what worse, and what is noise. Pure; comparison-text.ts shows it,
 * compare-command.ts is the command.
 *
 * D1  A change counts when it is larger than the noise. The noise of a figure is the larger of its two spreads over the rounds (highest less lowest, as a share
 *     of the old median), and at least 5 %: rounds of one report lie within minutes of each other, reports days apart. Rounds of one program on one machine
 *     differ by their spread without any cause, so a difference of medians that is smaller needs none either. With three rounds that scatter by 2 % (standard deviation),
 *     an unchanged figure passes this bar once in 200 times, with three that scatter by 5 % once in 20, with five that scatter by 5 % once in 300.
 * D2  With fewer than three rounds a spread says next to nothing, and the noise is at least 10 %.
 * D3  Where both reports hold a baseline of a case's load, the case's ratios to it are compared too: a slower machine slows both sides of the fraction.
 * D4  When the machine is another one, or such a baseline itself changed by more than the noise, the ratios alone are judged. The figures are shown. Without
 *     such a baseline they are judged all the same, with a warning: a comparison that judges nothing would always pass.
 * D5  The figures of baselines and of the driver are not judged: they are not what is developed, they show how the machine is.
 * D6  A case whose check failed in the new report is worse, whatever it is.
 */

import { kindsOf, baselinesOf, figuresOf, hasFailed, ratioByRound, remarksOf, spreadOver, sumOfKind, throughput, type Measure, type Spread } from './summary.ts';
import type { CaseReport, Report, RunReport } from './report.ts';
import { warningsOf } from './comparable.ts';

export type Verdict = 'better' | 'worse' | 'within the noise' | 'not judged';

export interface Change {
  /** `commands/s`, `p99`, `CPU of sandbox`, ... */
  readonly measure: string;
  readonly unit: string;
  readonly old: Spread | null;
  readonly new: Spread | null;
  /** Of the medians, from the old one; null where one is missing, or the old one is 0. */
  readonly percent: number | null;
  /** What a change must exceed, by D1 and D2; null where `percent` is, too. */
  readonly noisePercent: number | null;
  readonly verdict: Verdict;
  /** Why it is not judged, or what makes the verdict weak; otherwise empty. */
  readonly note: string;
}

export interface CaseComparison {
  readonly id: string;
  readonly isBaseline: boolean;
  /** Worse as soon as one change is, then better as soon as one is. */
  readonly verdict: Verdict;
  /** `its check failed`, ..., or what the reports remark; may be empty. */
  readonly note: string;
  readonly changes: readonly Change[];
}

export interface Comparison {
  readonly format: typeof COMPARISON_FORMAT;
  readonly old: ReportName;
  readonly new: ReportName;
  /** What makes the two hard to compare. */
  readonly warnings: readonly string[];
  readonly cases: readonly CaseComparison[];
  /** Ids of cases that are in one report alone. */
  readonly onlyInOld: readonly string[];
  readonly onlyInNew: readonly string[];
  /** At least this much is noise, in percent: with three rounds or more, and with fewer. */
  readonly noiseFloors: NoiseFloors;
}

export interface ReportName {
  readonly at: string;
  readonly workload: string;
  readonly args: readonly string[];
}

export interface NoiseFloors {
  readonly percent: number;
  readonly fewRoundsPercent: number;
}

export const COMPARISON_FORMAT = 'troupe-bench-comparison/1';
export const defaultNoiseFloors: NoiseFloors = { percent: 5, fewRoundsPercent: 10 };
const fewRounds = 3;

interface Pair {
  readonly old: CaseReport;
  readonly new: CaseReport;
}

interface Measured {
  readonly measure: string;
  readonly unit: string;
  readonly isLessBetter: boolean | null;
  readonly old: Spread | null;
  readonly new: Spread | null;
  readonly note?: string;
}

export function compareReports(old: Report, next: Report, noiseFloors: NoiseFloors = defaultNoiseFloors): Comparison {
  const newById = new Map(next.cases.map((one) => [one.id, one]));
  const oldIds = new Set(old.cases.map((one) => one.id));
  const pairs = old.cases.flatMap((one): Pair[] => (newById.has(one.id) ? [{ old: one, new: newById.get(one.id)! }] : []));
  const { warnings, isOtherMachine } = warningsOf(old, next, pairs);
  const moved = pairs.filter((pair) => pair.old.isBaseline && isBeyondNoise(throughputOf(pair), noiseFloors));
  const cases = pairs.map((pair) => {
    const baselines = baselinePairs(old, next, pair, pairs);
    const unfit = baselines.length === 0 ? '' : isOtherMachine ? 'another machine: see the ratios' : baselines.some((one) => moved.includes(one)) ? 'a baseline changed: see the ratios' : '';
    return compareCase(pair, baselines, unfit, noiseFloors);
  });
  return {
    format: COMPARISON_FORMAT,
    old: nameOf(old), new: nameOf(next),
    warnings: [...warnings, ...moved.map((pair) => movedText(pair, noiseFloors))],
    cases,
    onlyInOld: old.cases.filter((one) => !newById.has(one.id)).map((one) => one.id),
    onlyInNew: next.cases.filter((one) => !oldIds.has(one.id)).map((one) => one.id),
    noiseFloors,
  };
}

export function isWorse(comparison: Comparison): boolean {
  return comparison.cases.some((one) => one.verdict === 'worse');
}

function nameOf({ at, workload, args }: Report): ReportName {
  return { at, workload, args };
}

/** Those that can carry a ratio in both reports. */
function baselinePairs(old: Report, next: Report, pair: Pair, pairs: readonly Pair[]): Pair[] {
  if (pair.old.isBaseline) return [];
  const [before, after] = [baselinesOf(old, pair.old), baselinesOf(next, pair.new)];
  return pairs.filter((one) => before.includes(one.old) && after.includes(one.new) && ratioByRound(pair.old, one.old) !== null && ratioByRound(pair.new, one.new) !== null);
}

function movedText(pair: Pair, floors: NoiseFloors): string {
  const { percent } = change(throughputOf(pair), floors);
  return `the baseline ${pair.old.id} changed by ${percent!.toFixed(1)} %, more than the noise: the machine was not the same, so of its load the ratios are judged, not the figures`;
}

function compareCase(pair: Pair, baselines: readonly Pair[], unfit: string, floors: NoiseFloors): CaseComparison {
  const { id, isBaseline } = pair.old;
  const failed = failedText(pair);
  if (failed !== null) return { id, isBaseline, ...failed, changes: [] };
  const figures = [...commonMeasures(pair), ...figureMeasures(pair)].map((one) => change(isBaseline ? { ...one, note: 'a baseline' } : unfit === '' ? one : { ...one, note: unfit }, floors));
  const ratios = baselines.flatMap((baseline) => ratioMeasures(pair, baseline)).map((one) => change(one, floors));
  const changes = [...figures, ...ratios].filter((one) => one.old !== null || one.new !== null);
  return { id, isBaseline, verdict: verdictOf(changes), note: changes.length === 0 ? 'nothing measured in either' : remarksText(pair), changes };
}

/** What a report remarks on its own figures is to be known before they are compared. */
function remarksText({ old, new: next }: Pair): string {
  return [...remarksOf(old).map((remark) => `old: ${remark}`), ...remarksOf(next).map((remark) => `new: ${remark}`)].join('; ');
}

/** D6. */
function failedText(pair: Pair): { readonly verdict: Verdict; readonly note: string } | null {
  if (hasFailed(pair.new)) return { verdict: 'worse', note: hasFailed(pair.old) ? 'its check failed in both' : 'its check failed in the new report' };
  return hasFailed(pair.old) ? { verdict: 'better', note: 'its check failed in the old report' } : null;
}

function verdictOf(changes: readonly Change[]): Verdict {
  for (const verdict of ['worse', 'better', 'within the noise'] as const) if (changes.some((one) => one.verdict === verdict)) return verdict;
  return 'not judged';
}

function throughputOf(pair: Pair): Measured {
  return measured(pair, 'commands/s', '', false, throughput);
}

const p50: Measure = (run) => run.latencyMs?.p50 ?? null;

function commonMeasures(pair: Pair): Measured[] {
  const kinds = kindsOf([...pair.old.runs, ...pair.new.runs]);
  return [
    throughputOf(pair),
    measured(pair, 'p50', 'ms', true, p50),
    measured(pair, 'p99', 'ms', true, (run) => run.latencyMs?.p99 ?? null),
    ...kinds.map((kind) => ({ ...measured(pair, `CPU of ${kind} a command`, 'µs', true, cpuOf(kind)), ...(kind === 'driver' ? { note: 'the driver' } : {}) })),
    ...kinds.filter((kind) => kind !== 'driver').map((kind) => measured(pair, `memory of ${kind}`, 'MiB', true, (run) => sumOfKind(run, kind, 'rssMib'))),
  ];
}

function figureMeasures(pair: Pair): Measured[] {
  const [before, after] = [figuresOf(pair.old), figuresOf(pair.new)];
  const names = [...new Set([...before, ...after].map((one) => one.name))];
  return names.map((name) => {
    const [left, right] = [before.find((one) => one.name === name), after.find((one) => one.name === name)];
    const first = (right ?? left)!;
    const sides = { measure: name, unit: first.unit, isLessBetter: first.isLessBetter, old: left?.spread ?? null, new: right?.spread ?? null };
    return left !== undefined && right !== undefined && left.unit !== right.unit ? { ...sides, old: null, note: `was in ${left.unit}` } : sides;
  });
}

/** By D3. CPU and latency as ratios too: at a fixed rate the throughput is the rate. */
function ratioMeasures(pair: Pair, baseline: Pair): Measured[] {
  const over = (measure: string, isLessBetter: boolean, of: Measure): Measured => ({
    measure: `${measure} / ${baseline.old.subject}`, unit: '', isLessBetter, old: ratioByRound(pair.old, baseline.old, of), new: ratioByRound(pair.new, baseline.new, of),
  });
  return [over('commands/s', false, throughput), over('p50', true, p50), over('CPU of node a command', true, cpuOf('node'))];
}

function cpuOf(kind: string): (run: RunReport) => number | null {
  return (run) => sumOfKind(run, kind, 'cpuUsPerCommand');
}

function measured(pair: Pair, measure: string, unit: string, isLessBetter: boolean, of: Measure): Measured {
  return { measure, unit, isLessBetter, old: spreadOver(pair.old, of), new: spreadOver(pair.new, of) };
}

/** D1 and D2. Compared as amounts and not as percent, so that a figure that was 0 has a verdict too. */
function change(one: Measured, floors: NoiseFloors): Change {
  const { measure, unit, isLessBetter, old, new: next, note = '' } = one;
  if (old === null || next === null) return { measure, unit, old, new: next, percent: null, noisePercent: null, verdict: 'not judged', note: note || `not in the ${old === null ? 'old' : 'new'} report` };
  const noise = noiseOf(old, next, floors);
  const difference = next.median - old.median;
  const share = (amount: number): number | null => (old.median === 0 ? null : (amount / Math.abs(old.median)) * 100);
  const verdict: Verdict = note !== '' || isLessBetter === null ? 'not judged' : Math.abs(difference) <= noise ? 'within the noise' : difference < 0 === isLessBetter ? 'better' : 'worse';
  const rounds = Math.min(old.rounds, next.rounds);
  const weak = verdict === 'not judged' || rounds >= fewRounds ? '' : rounds === 1 ? 'one round: no spread known' : `${rounds} rounds: the spread says little`;
  return { measure, unit, old, new: next, percent: share(difference), noisePercent: share(noise), verdict, note: note || (isLessBetter === null ? 'neither is better' : weak) };
}

function noiseOf(old: Spread, next: Spread, floors: NoiseFloors): number {
  const floor = Math.min(old.rounds, next.rounds) < fewRounds ? floors.fewRoundsPercent : floors.percent;
  return Math.max(old.highest - old.lowest, next.highest - next.lowest, (floor / 100) * Math.abs(old.median));
}

function isBeyondNoise(one: Measured, floors: NoiseFloors): boolean {
  return one.old !== null && one.new !== null && Math.abs(one.new.median - one.old.median) > noiseOf(one.old, one.new, floors);
}
