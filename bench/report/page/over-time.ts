/** Each case over its measured time, with what was done to the servers meanwhile. Of a case that failed its check nothing is shown (B1). */

import { quantity, whole } from '../numbers.ts';
import type { CaseReport, Mark, Report, RunReport } from '../report.ts';
import { summarise } from '../summary.ts';
import { latencyOverTime, throughputOverTime, timelineRows } from './curves.ts';
import { html, type Html } from './html.ts';
import { figure, folded, table, type Plot } from './plot.ts';

export function hasTimelines(report: Report): boolean {
  return report.cases.some((one) => one.runs.some((run) => run.timeline.commands.length > 0));
}

export function renderOverTime(report: Report, names: ReadonlyMap<CaseReport, string>, plots: Plot[]): Html | null {
  if (!hasTimelines(report)) return null;
  const parts = summarise(report).flatMap(({ case: one, failed, median }, i) => {
    const title = `${one.load} ${names.get(one)}`;
    if (failed.length > 0) return [html`<div class="case"><h3>${title}</h3><p class="bad">CHECK FAILED: nothing is shown.</p></div>`];
    if (median === null || median.timeline.commands.length === 0) return [];
    const others = one.runs.filter((run) => run !== median && run.timeline.commands.length > 0);
    return [html`<div class="case"><h3>${title}${one.runs.length > 1 ? `, round ${median.round} of ${one.runs.length}` : ''}</h3>
${renderRun(median, `time-${i}-${median.round}`, plots)}
${others.map((run) => html`<details class="folded long"><summary>Round ${run.round}</summary>${renderRun(run, `time-${i}-${run.round}`, plots)}</details>`)}</div>`];
  });
  return html`<section id="over-time" aria-labelledby="over-time-title"><h2 id="over-time-title">Over time</h2>
<p class="note">The run with the median throughput of each case; numbered marks are what was done to the servers. A gap in the latency is a time in which nothing was answered.</p>
${parts}</section>`;
}

function renderRun(run: RunReport, group: string, plots: Plot[]): Html {
  const rows = timelineRows(run.timeline).map((row) => [`${row.from.toFixed(2)} to ${row.to.toFixed(2)} s`, whole(row.commandsPerSecond), quantity(row.p50), quantity(row.p99), quantity(row.max)]);
  return html`<div class="pair">${figure(plots, throughputOverTime(run, group))}${figure(plots, latencyOverTime(run, group))}</div>
${marks(run.marks)}
${folded('As a table', table('Slices together: average throughput, p50 in the middle, p99 and longest the highest of them', ['time', 'commands/s', 'p50 ms', 'p99 ms', 'longest ms'], rows))}`;
}

function marks(all: readonly Mark[]): Html | null {
  if (all.length === 0) return null;
  const time = ({ atMs, untilMs }: Mark): string => (untilMs > atMs ? `${seconds(atMs)} to ${seconds(untilMs)} s` : `${seconds(atMs)} s`);
  return html`<ol class="marks">${all.map((mark) => html`<li>${time(mark)}: ${mark.text}</li>`)}</ol>`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}
