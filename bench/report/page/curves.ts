/** Plots out of runs and cases. Pure: tests look at the numbers that are drawn. */

import type { Sweep } from '../cases.ts';
import type { CaseReport, RunReport, Timeline } from '../report.ts';
import { middle, spreadOver, throughput, type Measure } from '../summary.ts';
import { dashes, linear, logarithmic, styleOf, type Band, type Line, type Plot } from './plot.ts';

export interface NamedRun {
  readonly name: string;
  readonly run: RunReport;
}

/** Shares on an axis towards 100 %: 90 % is 1, 99 % is 2, 99.9 % is 3. The slowest of n commands stands at 1 - 1/n. */
export function latencyCurves(title: string, runs: readonly NamedRun[]): Plot {
  const curves = runs.map(({ run }) => new Map(run.latencyCurve.map(([share, ms]) => [ninesOf(share, run.commands), positive(ms)])));
  const xs = [...new Set(curves.flatMap((curve) => [...curve.keys()]))].sort((a, b) => a - b);
  const lines = runs.map(({ name }, i): Line => ({ name, ...styleOf(i), values: xs.map((x) => curves[i]!.get(x) ?? null), ranges: null }));
  return { title, x: { label: 'share of the commands', isLog: false, ticks: nines(xs.at(-1) ?? 0), range: null }, y: logarithmic('answered within, ms'), xs, lines, marks: [], spansGaps: true, group: '' };
}

/** Rounded, so that the same share of two curves is one x. */
function ninesOf(share: number, commands: number): number {
  const rest = Math.max(1 - share, 1 / Math.max(commands, 1));
  return Math.round(-Math.log10(rest) * 10_000) / 10_000;
}

function nines(most: number): { at: number; text: string }[] {
  return Array.from({ length: Math.floor(most) + 1 }, (_, n) => ({ at: n, text: n === 0 ? '0 %' : `${(100 - 100 / 10 ** n).toFixed(Math.max(0, n - 2))} %` }));
}

export function throughputOverTime(run: RunReport, group: string): Plot {
  const { sliceMs, commands } = run.timeline;
  const line: Line = { name: 'commands/s', ...styleOf(0), values: commands.map((count) => (count * 1_000) / sliceMs), ranges: null };
  return { title: 'Throughput over time', x: secondsAxis(run), y: linear('commands/s'), xs: secondsOf(run.timeline), lines: [line], marks: bandsOf(run), spansGaps: false, group };
}

export function latencyOverTime(run: RunReport, group: string): Plot {
  const { p50Ms, p99Ms, maxMs } = run.timeline;
  const lines = ([['p50', p50Ms], ['p99', p99Ms], ['longest', maxMs]] as const).map(([name, values], i): Line => ({ name, ...styleOf(i), values: values.map(positive), ranges: null }));
  return { title: 'Latency over time', x: secondsAxis(run), y: logarithmic('ms'), xs: secondsOf(run.timeline), lines, marks: bandsOf(run), spansGaps: false, group };
}

/** The whole measured time, so that a mark at its end is seen. */
function secondsAxis({ windowMs, timeline }: RunReport): Plot['x'] {
  return { ...linear('seconds'), range: [0, Math.max(windowMs, timeline.commands.length * timeline.sliceMs) / 1_000] };
}

/** A slice stands at its middle. */
function secondsOf({ sliceMs, commands }: Timeline): number[] {
  return commands.map((_, i) => ((i + 0.5) * sliceMs) / 1_000);
}

function bandsOf(run: RunReport): Band[] {
  return run.marks.map(({ atMs, untilMs }, i) => ({ from: atMs / 1_000, to: untilMs / 1_000, label: String(i + 1) }));
}

/** 0 stands for "nothing was answered", and has no place on a logarithmic axis. */
function positive(ms: number): number | null {
  return ms > 0 ? ms : null;
}

export const timelineRowsMax = 30;

/** Neighbouring slices together, so that the table stays short: throughput on average, p50 in the middle, the rest the highest. */
export function timelineRows({ sliceMs, commands, p50Ms, p99Ms, maxMs }: Timeline): { readonly from: number; readonly to: number; readonly commandsPerSecond: number; readonly p50: number | null; readonly p99: number | null; readonly max: number | null }[] {
  const each = Math.max(1, Math.ceil(commands.length / timelineRowsMax));
  return Array.from({ length: Math.ceil(commands.length / each) }, (_, row) => {
    const [from, to] = [row * each, Math.min((row + 1) * each, commands.length)];
    const answered = (values: readonly number[]): number[] => values.slice(from, to).filter((ms) => ms > 0);
    const most = (values: readonly number[]): number | null => (answered(values).length === 0 ? null : Math.max(...answered(values)));
    const count = commands.slice(from, to).reduce((sum, value) => sum + value, 0);
    const p50 = answered(p50Ms);
    return { from: (from * sliceMs) / 1_000, to: (to * sliceMs) / 1_000, commandsPerSecond: (count * 1_000) / ((to - from) * sliceMs), p50: p50.length === 0 ? null : middle(p50), p99: most(p99Ms), max: most(maxMs) };
  });
}

export const latencies: readonly { readonly name: string; readonly of: Measure }[] = [
  { name: 'p50', of: (run) => run.latencyMs?.p50 ?? null },
  { name: 'p99', of: (run) => run.latencyMs?.p99 ?? null },
  { name: 'p99.9', of: (run) => run.latencyMs?.p999 ?? null },
];

export function throughputOverSweep(sweep: Sweep): Plot {
  const lines = sweep.families.map(({ name, cases }, i): Line => ({ name, ...styleOf(i), ...valuesOf(cases, throughput) }));
  return { ...sweepPlot(sweep), title: `Throughput over ${sweep.parameter}`, y: linear('commands/s'), lines };
}

/** One colour a family, one kind of dashes a percentile. */
export function latencyOverSweep(sweep: Sweep): Plot {
  const lines = sweep.families.flatMap(({ name, cases }, i) => latencies.map(({ name: percentile, of }, k): Line => ({
    name: sweep.families.length === 1 ? percentile : `${name} ${percentile}`, colour: sweep.families.length === 1 ? k : styleOf(i).colour, dash: dashes[k]!, ...valuesOf(cases, of),
  })));
  return { ...sweepPlot(sweep), title: `Latency over ${sweep.parameter}`, y: logarithmic('ms'), lines };
}

function sweepPlot({ parameter, values }: Sweep): Omit<Plot, 'title' | 'y' | 'lines'> {
  const numbers = values.filter((value) => typeof value === 'number');
  const isNumeric = numbers.length === values.length;
  const xs = isNumeric ? numbers : values.map((_, i) => i);
  const isSparse = !isNumeric || values.length <= 6;
  return { x: { label: parameter, isLog: false, ticks: isSparse ? xs.map((at, i) => ({ at, text: valueText(values[i]!) })) : null, range: null }, xs, marks: [], spansGaps: true, group: '' };
}

export function valueText(value: string | number | boolean): string {
  return typeof value === 'number' ? value.toLocaleString('en-US') : String(value);
}

function valuesOf(cases: readonly (CaseReport | null)[], of: Measure): Pick<Line, 'values' | 'ranges'> {
  const spreads = cases.map((one) => (one === null ? null : spreadOver(one, of)));
  return { values: spreads.map((spread) => spread?.median ?? null), ranges: spreads.map((spread) => (spread === null || spread.rounds < 2 ? null : [spread.lowest, spread.highest])) };
}
