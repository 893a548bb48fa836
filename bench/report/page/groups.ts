/** Cases beside each other: for each load throughput, ratios to the baselines, latency, CPU and memory, as plots and as tables. */

import { groupBy, loadGroups, namesAmong } from '../cases.ts';
import { UNKNOWN, optional, quantity, rangeText, whole } from '../numbers.ts';
import type { CaseReport, Latency, Report } from '../report.ts';
import { kindOf, kindsOf, ratiosOf, summariseCase, type CaseSummary, type Spread } from '../summary.ts';
import { errorsText } from '../text.ts';
import { bars, type BarRow } from './bars.ts';
import { latencyCurves } from './curves.ts';
import { html, type Html, type Part } from './html.ts';
import { colours, figure, folded, table, type Plot } from './plot.ts';

interface Row {
  readonly name: string;
  readonly summary: CaseSummary;
}

interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** As many lines as one plot can hold apart. */
const curvesMax = 8;

/** Loads of one case each, as those of different rates, stand together: alone there is nothing to compare them with. */
export function groupsOf(report: Report): Group[] {
  const groups = loadGroups(report);
  const manyWorkloads = new Set(groups.map((group) => group.workload)).size > 1;
  const titled = (workload: string, title: string): string => (manyWorkloads ? `${workload}: ${title}` : title);
  const together = groups.filter((group) => group.cases.length > 1).map(({ workload, load, cases }): Group => {
    const names = namesAmong(cases);
    return { title: titled(workload, `Load ${load}`), rows: cases.map((one, i) => ({ name: names[i]!, summary: summariseCase(one) })) };
  });
  const single = groups.filter((group) => group.cases.length === 1);
  const alone = groupBy(single, (group) => group.workload).map((those): Group => {
    const title = those.length === 1 ? `Load ${those[0]!.load}` : 'Loads of one case each';
    return { title: titled(those[0]!.workload, title), rows: those.map(({ load, cases: [one] }) => ({ name: `${load} ${one!.subject}`, summary: summariseCase(one!) })) };
  });
  return [...together, ...alone];
}

export function renderGroups(report: Report, plots: Plot[]): Html {
  return html`${groupsOf(report).map(({ title, rows }, i) => html`<section id="load-${i}" aria-labelledby="load-${i}-title">
<h2 id="load-${i}-title">${title}</h2>
${throughputBars(rows)}
${table('Commands and latency', ['case', 'durability', 'commands/s', 'lowest..highest', 'p50 ms', 'p90', 'p99', 'p99.9', 'max', ...(isOpen(rows) ? ['driver late, p99 ms'] : []), 'device bytes/command', 'retries', 'errors'], rows.map((row) => latencyRow(row, isOpen(rows))))}
${isOpen(rows) ? html`<p class="note">At a fixed rate latency counts from when a command was due. What the driver was late is in it, and is the driver's own.</p>` : null}
${ratioSection(report, rows)}
${curves(rows, plots)}
${costs(rows)}
</section>
`)}`;
}

function isOpen(rows: readonly Row[]): boolean {
  return rows.some(({ summary }) => summary.case.runs.some((run) => run.lateMs !== null));
}

function throughputBars(rows: readonly Row[]): Html {
  return bars('Throughput, commands/s: the median of the rounds, and from the lowest to the highest', rows.map(({ name, summary: { commandsPerSecond, failed } }, i): BarRow => ({
    name, text: failed.length > 0 ? 'CHECK FAILED' : commandsPerSecond === null ? 'none' : whole(commandsPerSecond.median),
    segments: commandsPerSecond === null ? [] : [{ name, value: commandsPerSecond.median, colour: i % colours, text: whole(commandsPerSecond.median) }],
    range: rangeOf(commandsPerSecond),
  })));
}

function rangeOf(spread: Spread | null): readonly [number, number] | null {
  return spread === null || spread.rounds < 2 ? null : [spread.lowest, spread.highest];
}

function latencyRow({ name, summary: { case: one, commandsPerSecond, median, failed } }: Row, isOpen: boolean): Part[] {
  const latency: Latency | null = median?.latencyMs ?? null;
  const times = latency === null ? Array<string>(5).fill(UNKNOWN) : [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(quantity);
  const speed = failed.length > 0 ? html`<span class="bad">CHECK FAILED</span>` : commandsPerSecond === null ? UNKNOWN : whole(commandsPerSecond.median);
  const retries = one.runs.reduce((sum, run) => sum + run.retries, 0);
  return [name, one.durability, speed, rangeText(commandsPerSecond, whole), ...times, ...(isOpen ? [quantity(median?.lateMs?.p99 ?? null)] : []), optional(median?.deviceBytesPerCommand ?? null, 0), String(retries), errorsText(one)];
}

function ratioSection(report: Report, rows: readonly Row[]): Html | null {
  const nameOf = (one: CaseReport): string => rows.find(({ summary }) => summary.case === one)?.name ?? one.subject;
  const ratios = rows.flatMap(({ name, summary: { case: one } }, i) => (one.isBaseline ? [] : ratiosOf(report, one)).map(({ baseline, commandsPerSecond }) => ({ name: `${name} / ${nameOf(baseline)}`, colour: i % colours, ratio: commandsPerSecond })));
  if (ratios.length === 0) return null;
  const text = (value: number): string => value.toFixed(2);
  const known = ratios.filter(({ ratio }) => ratio !== null);
  return html`<div class="pair">${known.length === 0 ? null : bars('Ratio of commands/s to the baselines', known.map(({ name, ratio, colour }): BarRow => ({
    name, text: ratio === null ? UNKNOWN : text(ratio.median), segments: ratio === null ? [] : [{ name, value: ratio.median, colour, text: text(ratio.median) }], range: rangeOf(ratio),
  })))}
${table('Ratio of commands/s to the baselines, taken within each round; then the median', ['ratio', 'median', 'lowest..highest'], ratios.map(({ name, ratio }) => [name, ratio === null ? UNKNOWN : text(ratio.median), rangeText(ratio, text)]))}</div>`;
}

function curves(rows: readonly Row[], plots: Plot[]): Part {
  const runs = rows.flatMap(({ name, summary: { median } }) => (median === null || median.latencyCurve.length === 0 ? [] : [{ name, run: median }]));
  const parts = Array.from({ length: Math.ceil(runs.length / curvesMax) }, (_, i) => runs.slice(i * curvesMax, (i + 1) * curvesMax));
  const note = html`<p class="note">Of each case the run with the median throughput. The axis stretches towards 100 %: each step to the right is a tenth of the commands that were left.</p>`;
  return parts.map((part) => figure(plots, latencyCurves('Latency by share of the commands', part), note));
}

function costs(rows: readonly Row[]): Html | null {
  const measured = rows.filter(({ summary }) => (summary.median?.processes.length ?? 0) > 0);
  if (measured.length === 0) return null;
  const kinds = kindsOf(measured.map(({ summary }) => summary.median!));
  const stacked = (title: string, of: 'cpuUsPerCommand' | 'rssMib', unit: string): Html => bars(title, measured.map(({ name, summary }): BarRow => {
    const known = summary.median!.processes.flatMap((process) => (process[of] === null ? [] : [{ name: process.role, value: process[of], colour: kinds.indexOf(kindOf(process.role)) % colours, text: quantity(process[of]) }]));
    return { name, segments: known, range: null, text: known.length === 0 ? UNKNOWN : `${quantity(known.reduce((sum, { value }) => sum + value, 0))} ${unit}` };
  }), kinds.map((name, i) => ({ name, colour: i % colours })));
  return html`<div class="pair">${stacked('CPU per command, by process', 'cpuUsPerCommand', 'µs')}${stacked('Memory (RSS) at the end, by process', 'rssMib', 'MiB')}</div>
${folded('What each process cost', costTable(measured), 'costs')}`;
}

function costTable(rows: readonly Row[]): Html {
  const lines = rows.flatMap(({ name, summary: { median } }) => median!.processes.map((process) => [
    name, process.role, optional(process.cpuUsPerCommand, 2), optional(process.cores, 2), optional(process.rssMib, 0), optional(process.rssPeakMib, 0), optional(process.storageBytesPerCommand, 0),
  ]));
  return table('Of the run with the median throughput', ['case', 'process', 'CPU µs/command', 'cores', 'RSS MiB', 'peak', 'storage bytes/command, by its own count'], lines);
}
