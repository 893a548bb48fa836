/**
 * The report for people: one HTML file that opens from disk, without a server and without network. Pure but for the parts of the page itself (uPlot, page.js,
 * page.css), which are read from the installation once.
 *
 * P1  Nothing is fetched: style, scripts and data are in the file, and its content security policy allows no other source.
 * P2  Nothing out of a report becomes markup or script: page/html.ts escapes it, and the policy names the two scripts by their hashes.
 * P3  What a plot shows stands in a table or in text too, and does not depend on colour or on a pointer.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { namesOf } from './cases.ts';
import { hasFigures, hasRemarks, renderChecks, renderFailed, renderFigures, renderGoals, renderHead, renderLoops, renderMachine, renderRemarks } from './page/facts.ts';
import { groupsOf, renderGroups } from './page/groups.ts';
import { embeddedJson, html, trusted, type Html } from './page/html.ts';
import { hasTimelines, renderOverTime } from './page/over-time.ts';
import type { Plot } from './page/plot.ts';
import { renderSweeps, sweepSections, type SweepSection } from './page/sweeps.ts';
import type { Report } from './report.ts';

export function renderPage(report: Report): string {
  const { style, scripts } = pageParts();
  const names = namesOf(report);
  const sweeps = sweepSections(report);
  // The sections add their plots to it; it is embedded behind them.
  const plots: Plot[] = [];
  const body = [
    renderHead(report),
    renderFailed(report, names),
    contents(report, sweeps),
    renderGoals(report.goals),
    renderGroups(report, plots),
    renderSweeps(sweeps, plots),
    renderOverTime(report, names, plots),
    renderFigures(report, names),
    renderRemarks(report, names),
    renderLoops(report),
    renderChecks(report, names),
    renderMachine(report, names),
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Troupe bench: ${report.workload}, ${report.at}</title>
<style>${trusted(style)}</style>
</head>
<body>
${body}
<script type="application/json" id="plots">${embeddedJson(plots)}</script>
${scripts.map((script) => html`<script>${trusted(script)}</script>
`)}</body>
</html>
`.text;
}

function contents(report: Report, sweeps: readonly SweepSection[]): Html {
  const entries: [id: string, title: string, isThere: boolean][] = [
    ['goals', 'Goals', report.goals.length > 0],
    ...groupsOf(report).map(({ title }, i): [string, string, boolean] => [`load-${i}`, title, true]),
    ...sweeps.map(({ id, title }): [string, string, boolean] => [id, title, true]),
    ['over-time', 'Over time', hasTimelines(report)],
    ['figures', 'What else was measured', hasFigures(report)],
    ['remarks', 'Remarks', hasRemarks(report)],
    ['loops', 'Loops', report.loops.some((loop) => loop.runs.length > 0)],
    ['checks', 'Checks', true],
    ['machine', 'Machine', true],
  ];
  return html`<nav aria-label="Contents"><ul>${entries.filter(([, , isThere]) => isThere).map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`;
}

/** P1 and P2. Style comes from this file alone; uPlot also sets properties of its own elements. */
function policy(scripts: readonly string[]): string {
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  return `default-src 'none'; script-src ${hashes.join(' ')}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;
}

interface PageParts {
  readonly style: string;
  readonly scripts: readonly string[];
}

let parts: PageParts | null = null;

function pageParts(): PageParts {
  parts ??= readParts();
  return parts;
}

function readParts(): PageParts {
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  const own = join(import.meta.dirname, 'page');
  const text = (...path: string[]): string => readFileSync(join(...path), 'utf8');
  // The licence asks for its text beside every copy.
  const library = `/*\n${text(uplot, 'LICENSE')}*/\n${text(uplot, 'dist/uPlot.iife.min.js')}`;
  return { style: `${text(uplot, 'dist/uPlot.min.css')}\n${text(own, 'page.css')}`, scripts: [library, text(own, 'page.js')] };
}
