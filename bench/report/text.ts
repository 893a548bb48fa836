/** The report for terminals. Pure; figures are medians over the rounds, latencies and costs those of the run with the median throughput. */

import { printable } from '../../runtime/cli/terminal.ts';
import { namesOf } from './cases.ts';
import { wasBusy } from './comparable.ts';
import { UNKNOWN, optional, quantity, rangeText, whole, withUnit } from './numbers.ts';
import type { CaseReport, GoalReport, LoopReport, Report } from './report.ts';
import { figuresOf, middle, ratiosOf, remarksOf, summarise, type CaseSummary } from './summary.ts';
import { table } from './table.ts';

interface Row {
  readonly summary: CaseSummary;
  readonly name: string;
}

export function renderText(report: Report): string {
  const names = namesOf(report);
  const rows = summarise(report).map((summary) => ({ summary, name: names.get(summary.case)! }));
  const parts = [head(report), cases(rows), ratios(report, names), costs(rows), figures(rows), loops(report.loops), goals(report.goals), remarks(rows), checks(rows)];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function head({ workload, at, seconds, args, machine, versions }: Report): string {
  return [
    `${workload}, ${at}, ${whole(seconds)} s: ${args.join(' ')}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMib} MiB, ${machine.kernel}, Node ${machine.node}, data on ${machine.fileSystem ?? 'an unknown file system'}`,
    `load before the run ${loadText(machine)}; ${Object.entries(versions).map(([program, version]) => `${program} ${version}`).join(', ')}`,
  ].map(printable).join('\n');
}

/** Also for the page. */
export function loadText(machine: Report['machine']): string {
  return `${machine.loadBefore}${wasBusy(machine) ? ` on ${machine.cores} cores: it was busy in the minute before, figures may be low` : ''}`;
}

function cases(rows: readonly Row[]): string {
  if (rows.length === 0) return 'no cases';
  const isOpen = rows.some(({ summary }) => summary.case.runs.some((run) => run.lateMs !== null));
  const late = (cell: string): string[] => (isOpen ? [cell] : []);
  return table(
    ['load', 'case', 'durability', 'commands/s', 'lowest..highest', 'p50 ms', 'p90', 'p99', 'p99.9', 'max', ...late('driver late p99'), 'device bytes/command', 'retries', 'errors'],
    rows.map(({ summary: { case: one, commandsPerSecond, median, failed }, name }) => {
      const latency = median?.latencyMs ?? null;
      const times = latency === null ? Array<string>(5).fill(UNKNOWN) : [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map((ms) => ms.toFixed(2));
      const speed = failed.length > 0 ? 'CHECK FAILED' : commandsPerSecond === null ? UNKNOWN : whole(commandsPerSecond.median);
      const lateness = late(optional(median?.lateMs?.p99 ?? null, 2));
      return [one.load, name, one.durability, speed, rangeText(commandsPerSecond, whole), ...times, ...lateness, optional(median?.deviceBytesPerCommand ?? null, 0), String(sum(one, (run) => run.retries)), errorsText(one)];
    }),
  );
}

function sum(one: CaseReport, of: (run: CaseReport['runs'][number]) => number): number {
  return one.runs.reduce((total, run) => total + of(run), 0);
}

/** Of all rounds together. */
export function errorsText(one: CaseReport): string {
  const codes = [...new Set(one.runs.flatMap((run) => Object.keys(run.errors)))].sort();
  return codes.map((code) => `${sum(one, (run) => run.errors[code] ?? 0)} ${code}`).join(', ') || UNKNOWN;
}

function ratios(report: Report, names: ReadonlyMap<CaseReport, string>): string {
  const rows = report.cases.filter((one) => !one.isBaseline).flatMap((one) =>
    ratiosOf(report, one).map(({ baseline, commandsPerSecond }) => [one.load, `${names.get(one)} / ${names.get(baseline)}`, optional(commandsPerSecond?.median ?? null, 2), rangeText(commandsPerSecond, (value) => value.toFixed(2))]));
  return rows.length === 0 ? '' : table(['load', 'ratio of commands/s, within each round', 'median', 'lowest..highest'], rows);
}

function costs(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ summary: { case: one, median }, name }) => (median?.processes ?? []).map((process) => [
    one.load, name, process.role, optional(process.cpuUsPerCommand, 2), optional(process.cores, 2), optional(process.rssMib, 0), optional(process.rssPeakMib, 0),
  ]));
  return lines.length === 0 ? '' : table(['load', 'case', 'process', 'CPU µs/command', 'cores', 'RSS MiB', 'peak'], lines);
}

function figures(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ summary: { case: one }, name }) =>
    figuresOf(one).map((figure) => [one.load, name, figure.name, withUnit(quantity(figure.spread.median), figure.unit), rangeText(figure.spread)]));
  return lines.length === 0 ? '' : table(['load', 'case', 'figure', 'median', 'lowest..highest'], lines);
}

function loops(all: readonly LoopReport[]): string {
  const lines = all.flatMap((loop) => loopFigures(loop).map((figure) => [loop.name, figure.name, withUnit(quantity(figure.median), figure.unit), String(figure.rounds)]));
  if (lines.length === 0) return '';
  return [table(['loop without a server', 'figure', 'median', 'rounds'], lines), ...all.map((loop) => printable(`${loop.name}: ${loop.text}`))].join('\n');
}

/** The figures of one name are those of the rounds. */
export function loopFigures(loop: LoopReport): { readonly name: string; readonly unit: string; readonly median: number; readonly rounds: number }[] {
  const names = [...new Set(loop.runs.map((figure) => figure.name))];
  return names.map((name) => {
    const those = loop.runs.filter((figure) => figure.name === name);
    return { name, unit: those[0]!.unit, median: middle(those.map((figure) => figure.value)), rounds: those.length };
  });
}

function goals(all: readonly GoalReport[]): string {
  return all.length === 0 ? '' : table(['goal', 'value', 'reached'], all.map((goal) => [goal.text, quantity(goal.value), reachedText(goal)]));
}

export function reachedText({ isReached }: GoalReport): string {
  if (isReached === null) return 'not measured';
  return isReached ? 'yes' : 'NO';
}

function remarks(rows: readonly Row[]): string {
  return rows.flatMap(({ summary: { case: one }, name }) => remarksOf(one).map((remark) => printable(`${one.load} ${name}: ${remark}`))).join('\n');
}

/** What failed, or, when nothing did, what was checked. */
function checks(rows: readonly Row[]): string {
  const failures = rows.flatMap(({ summary, name }) => summary.failed.map((text) => `CHECK FAILED ${summary.case.load} ${name}, ${text}`));
  const passed = rows.flatMap(({ summary: { case: one }, name }) => one.runs.map((run) => `check of ${one.load} ${name}: ${run.check.detail}`));
  return [...new Set(failures.length > 0 ? failures : passed)].map(printable).join('\n');
}
