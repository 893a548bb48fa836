/** What stands around the plots: what failed, goals, figures, loops, checks, and the machine without which no figure means anything. */

import { groupBy } from '../cases.ts';
import { quantity, rangeText, whole, withUnit } from '../numbers.ts';
import type { CaseReport, GoalReport, Report } from '../report.ts';
import { figuresOf, remarksOf, summarise } from '../summary.ts';
import { loadText, loopFigures } from '../text.ts';
import { html, type Html } from './html.ts';
import { table } from './plot.ts';

type Names = ReadonlyMap<CaseReport, string>;

export function renderHead({ workload, at, seconds, args, machine }: Report): Html {
  return html`<header><h1>Troupe bench: ${workload}</h1>
<p><time datetime="${at}">${at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}</time>, ${duration(seconds)} · ${machine.cpu}, ${machine.cores} cores, data on ${machine.fileSystem ?? 'an unknown file system'}</p>
<p class="muted"><code>${args.join(' ')}</code></p></header>`;
}

function duration(seconds: number): string {
  return seconds < 90 ? `${whole(seconds)} s` : `${(seconds / 60).toFixed(1)} min`;
}

export function renderFailed(report: Report, names: Names): Html | null {
  const failed = summarise(report).filter((one) => one.failed.length > 0);
  if (failed.length === 0) return null;
  return html`<section class="failed" id="failed" role="alert"><h2>✗ ${failed.length} of ${report.cases.length} cases failed their check</h2>
<p>A server that loses, doubles or makes up an effect has no throughput: of these cases none is shown, nor any ratio to them.</p>
<ul>${failed.map(({ case: one, failed: details }) => html`<li><strong>${one.load} ${names.get(one)!}</strong>${details.map((detail) => html`<br>${detail}`)}</li>`)}</ul></section>`;
}

export function renderGoals(goals: readonly GoalReport[]): Html | null {
  if (goals.length === 0) return null;
  return html`<section id="goals" aria-labelledby="goals-title"><h2 id="goals-title">Goals</h2>
<ul class="goals">${goals.map((goal) => html`<li>${reached(goal)}<span>${goal.text}: <strong>${goal.value === null ? 'not measured' : quantity(goal.value)}</strong></span></li>`)}</ul></section>`;
}

/** A sign and a word, and colour only beside them. */
function reached({ isReached }: GoalReport): Html {
  if (isReached === null) return html`<span class="muted">– not measured</span>`;
  return isReached ? html`<span class="good">✓ reached</span>` : html`<span class="bad">✗ NOT reached</span>`;
}

export function hasFigures(report: Report): boolean {
  return report.cases.some((one) => figuresOf(one).length > 0);
}

export function renderFigures(report: Report, names: Names): Html | null {
  if (!hasFigures(report)) return null;
  const better = (isLessBetter: boolean | null): string => (isLessBetter === null ? '' : isLessBetter ? 'less' : 'more');
  const rows = report.cases.flatMap((one) => figuresOf(one).map(({ name, unit, isLessBetter, spread }) => [`${one.load} ${names.get(one)}`, name, withUnit(quantity(spread.median), unit), rangeText(spread), better(isLessBetter)]));
  return html`<section id="figures" aria-labelledby="figures-title"><h2 id="figures-title">What else was measured</h2>
${table('Medians of the rounds', ['case', 'figure', 'median', 'lowest..highest', 'better is'], rows)}</section>`;
}

export function hasRemarks(report: Report): boolean {
  return report.cases.some((one) => remarksOf(one).length > 0);
}

export function renderRemarks(report: Report, names: Names): Html | null {
  if (!hasRemarks(report)) return null;
  return html`<section id="remarks" aria-labelledby="remarks-title"><h2 id="remarks-title">Remarks</h2>
<ul>${report.cases.flatMap((one) => remarksOf(one).map((remark) => html`<li><strong>${one.load} ${names.get(one)!}</strong>: ${remark}</li>`))}</ul></section>`;
}

export function renderLoops(report: Report): Html | null {
  const rows = report.loops.flatMap((loop) => loopFigures(loop).map((figure) => [loop.text, figure.name, withUnit(quantity(figure.median), figure.unit), String(figure.rounds)]));
  if (rows.length === 0) return null;
  return html`<section id="loops" aria-labelledby="loops-title"><h2 id="loops-title">Loops without a server</h2>
<p class="note">What this machine's disk and Redis give to a loop that does nothing else: a server that waits for them one by one cannot be faster.</p>
${table('Medians of the rounds', ['loop', 'figure', 'median', 'rounds'], rows)}</section>`;
}

/** Rounds that say the same share a row. */
export function renderChecks(report: Report, names: Names): Html {
  const rows = report.cases.flatMap((one) => groupBy(one.runs, ({ check }) => JSON.stringify(check)).map((runs) => {
    const { passed, detail } = runs[0]!.check;
    return [`${one.load} ${names.get(one)}`, runs.map(({ round }) => round).join(', '), passed ? html`<span class="good">✓ passed</span>` : html`<span class="bad">✗ FAILED</span>`, detail];
  }));
  return html`<section id="checks" aria-labelledby="checks-title"><h2 id="checks-title">Checks</h2>
${table('Of every run', ['case', 'rounds', 'check', 'what was compared, or why it failed'], rows)}</section>`;
}

export function renderMachine({ machine, versions, args, at, seconds, format, cases }: Report, names: Names): Html {
  const facts: [string, string][] = [
    ['Processor', `${machine.cpu}, ${machine.cores} cores`],
    ['Memory', `${whole(machine.memoryMib)} MiB`],
    ['Kernel', machine.kernel],
    ['Node', `${machine.node}, V8 ${machine.v8}`],
    ['Data on', machine.fileSystem ?? 'unknown'],
    ['Load before', loadText(machine)],
    ...Object.entries(versions).map(([program, version]): [string, string] => [`Version of ${program}`, version]),
    ['Arguments', args.join(' ')],
    ['Began', `${at}, took ${whole(seconds)} s`],
    ['Form of the report', format],
  ];
  const parameters = (one: CaseReport): string => Object.entries(one.parameters).map(([name, value]) => `${name} ${value}`).join(', ') || '-';
  return html`<section id="machine" aria-labelledby="machine-title"><h2 id="machine-title">Machine, versions, arguments</h2>
<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${table('Cases', ['case', 'id', 'baseline', 'durability', 'parameters', 'rounds'], cases.map((one) => [`${one.load} ${names.get(one)}`, one.id, one.isBaseline ? 'yes' : 'no', one.durability, parameters(one), String(one.runs.length)]))}</section>`;
}
