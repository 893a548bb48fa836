/**
 * From the runs of a case to one figure, and from two cases to their ratio. Pure; knows nothing of how a figure is shown.
 *
 * M1  A case with a failed check has no figure at all, also none of its rounds that passed: who loses a command in one round of three
 *     has not been measured.
 * M2  A ratio is taken within each round, and then the median of the ratios: cases of one round ran within seconds of each other, so a
 *     machine that is slow for a minute slows both sides of the fraction.
 */

import type { CaseReport, Report, RunReport } from './report.ts';

export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** How many rounds it is of. With one, lowest and highest say nothing. */
  readonly rounds: number;
}

export interface CaseSummary {
  readonly case: CaseReport;
  /** `round 2: lost one increment`, of every run that failed its check. */
  readonly failed: readonly string[];
  /** Null by M1, and for workloads that count no commands. */
  readonly commandsPerSecond: Spread | null;
  /** The run with the median throughput, whose latencies and costs belong together; null by M1, and of a case without runs. */
  readonly median: RunReport | null;
}

export interface Ratio {
  readonly baseline: CaseReport;
  /** Null when either side has no throughput in some round that both have, or no round in common. */
  readonly commandsPerSecond: Spread | null;
}

export type Measure = (run: RunReport) => number | null;

export const throughput: Measure = (run) => run.commandsPerSecond;

/** Of an even number of values, the mean of the two in the middle. */
export function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  return { median: middle(values), lowest: Math.min(...values), highest: Math.max(...values), rounds: values.length };
}

/** Over the rounds in which it was measured. */
export function spreadOver(one: CaseReport, measure: Measure): Spread | null {
  if (hasFailed(one)) return null;
  return spreadOf(one.runs.map(measure).filter((value) => value !== null));
}

export function hasFailed(one: CaseReport): boolean {
  return one.runs.some((run) => !run.check.passed);
}

export function summarise(report: Report): CaseSummary[] {
  return report.cases.map(summariseCase);
}

export function summariseCase(one: CaseReport): CaseSummary {
  const failed = one.runs.filter((run) => !run.check.passed).map((run) => `round ${run.round}: ${run.check.detail}`);
  const sorted = [...one.runs].sort((a, b) => (a.commandsPerSecond ?? 0) - (b.commandsPerSecond ?? 0));
  const median = failed.length > 0 ? undefined : sorted[Math.floor((sorted.length - 1) / 2)];
  return { case: one, failed, commandsPerSecond: spreadOver(one, throughput), median: median ?? null };
}

/** By M2. */
export function ratioByRound(of: CaseReport, to: CaseReport, measure: Measure = throughput): Spread | null {
  if (hasFailed(of) || hasFailed(to)) return null;
  const ratios: number[] = [];
  for (const run of of.runs) {
    const other = to.runs.find((candidate) => candidate.round === run.round);
    if (other === undefined) continue;
    const [above, below] = [measure(run), measure(other)];
    if (above === null || below === null || below === 0) return null;
    ratios.push(above / below);
  }
  return spreadOf(ratios);
}

/**
 * A case against every baseline of the same workload and load; of a baseline, against the others. Of an open loop none: whoever keeps up answers what
 * comes, and who does not may answer more than that in the measured time, of what has come before.
 */
export function ratiosOf(report: Report, one: CaseReport): Ratio[] {
  if (one.parameters['loop'] === 'open') return [];
  return baselinesOf(report, one).map((baseline) => ({ baseline, commandsPerSecond: ratioByRound(one, baseline) }));
}

export function baselinesOf(report: Report, one: CaseReport): CaseReport[] {
  return report.cases.filter((other) => other !== one && other.isBaseline && other.workload === one.workload && other.load === one.load);
}

/** `node 2` is a `node`: processes of one kind are added up. */
export function kindOf(role: string): string {
  return role.replace(/ \d+$/, '');
}

/** In the order in which they come, the driver last: it is no part of the server. */
export function kindsOf(runs: readonly RunReport[]): string[] {
  const kinds = [...new Set(runs.flatMap((run) => run.processes.map((process) => kindOf(process.role))))];
  return [...kinds.filter((kind) => kind !== 'driver'), ...kinds.filter((kind) => kind === 'driver')];
}

/** The sum over the processes of one kind; null where the kernel did not tell of any of them. */
export function sumOfKind(run: RunReport, kind: string, of: 'cpuUsPerCommand' | 'cores' | 'rssMib' | 'rssPeakMib'): number | null {
  const values = run.processes.filter((process) => kindOf(process.role) === kind).map((process) => process[of]).filter((value) => value !== null);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
}

/** Names and units of what a case measures beside commands, in the order of its runs. */
export function figuresOf(one: CaseReport): { readonly name: string; readonly unit: string; readonly isLessBetter: boolean | null; readonly spread: Spread }[] {
  const names = [...new Set(one.runs.flatMap((run) => run.figures.map((figure) => figure.name)))];
  return names.flatMap((name) => {
    const first = one.runs.flatMap((run) => run.figures).find((figure) => figure.name === name)!;
    const spread = spreadOver(one, (run) => run.figures.find((figure) => figure.name === name)?.value ?? null);
    return spread === null ? [] : [{ name, unit: first.unit, isLessBetter: first.isLessBetter, spread }];
  });
}

/** One text for all of a run, with the rounds that it is of, where there are several. */
export function remarksOf({ runs }: CaseReport): string[] {
  const roundsOf = new Map<string, number[]>();
  for (const { remarks: all, round } of runs) if (all.length > 0) roundsOf.set(all.join('; '), [...(roundsOf.get(all.join('; ')) ?? []), round]);
  return [...roundsOf].map(([remark, rounds]) => (runs.length === 1 ? remark : `round ${rounds.join(', ')}: ${remark}`));
}
