/** Curves over what was varied: nodes, distribution of the actors, rate. */

import { sweepsOf, type Sweep } from '../cases.ts';
import { UNKNOWN, quantity, rangeText, whole } from '../numbers.ts';
import type { CaseReport, Report } from '../report.ts';
import { hasFailed, spreadOver, throughput } from '../summary.ts';
import { latencies, latencyOverSweep, throughputOverSweep, valueText } from './curves.ts';
import { html, type Html, type Part } from './html.ts';
import { figure, table, type Plot } from './plot.ts';

const parameters: readonly { readonly name: string; readonly title: string }[] = [
  { name: 'nodes', title: 'Over the number of nodes' },
  { name: 'distribution', title: 'Over the distribution of commands on actors' },
  { name: 'rate', title: 'Over the rate' },
];

export interface SweepSection {
  readonly id: string;
  readonly title: string;
  readonly sweeps: readonly Sweep[];
}

export function sweepSections(report: Report): SweepSection[] {
  return parameters.map(({ name, title }) => ({ id: `over-${name}`, title, sweeps: sweepsOf(report, name) })).filter(({ sweeps }) => sweeps.length > 0);
}

export function renderSweeps(sections: readonly SweepSection[], plots: Plot[]): Html {
  return html`${sections.map(({ id, title, sweeps }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${sweeps.map((sweep) => renderSweep(sweep, plots))}</section>
`)}`;
}

function renderSweep(sweep: Sweep, plots: Plot[]): Html {
  const rows = sweep.families.flatMap(({ name, cases }) => sweep.values.flatMap((value, i) => (cases[i] == null ? [] : [row(name, valueText(value), cases[i])])));
  return html`<h3>${sweep.workload}${sweep.load === '' ? '' : `, load ${sweep.load}`}</h3>
<div class="pair">${figure(plots, throughputOverSweep(sweep))}${figure(plots, latencyOverSweep(sweep))}</div>
${table(`Over ${sweep.parameter}: medians of the rounds`, ['case', sweep.parameter, 'commands/s', 'lowest..highest', ...latencies.map(({ name }) => `${name} ms`)], rows)}`;
}

function row(name: string, value: string, one: CaseReport): Part[] {
  const speed = spreadOver(one, throughput);
  const shown = hasFailed(one) ? html`<span class="bad">CHECK FAILED</span>` : speed === null ? UNKNOWN : whole(speed.median);
  return [name, value, shown, rangeText(speed, whole), ...latencies.map(({ of }) => quantity(spreadOver(one, of)?.median ?? null))];
}
