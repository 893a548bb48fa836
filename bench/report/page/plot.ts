/** A plot as data for page.js, and the figure that it stands in: title, legend, notes and table, which are there without a script too. */

import { html, type Html, type Part } from './html.ts';

export interface Plot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly xs: readonly number[];
  readonly lines: readonly Line[];
  readonly marks: readonly Band[];
  /** Draw over what is missing: lines whose points lie at different x. */
  readonly spansGaps: boolean;
  /** Plots of one group show their values at the same x. Empty: for itself. */
  readonly group: string;
}

export interface Axis {
  readonly label: string;
  readonly isLog: boolean;
  /** Where labels stand, when not at round numbers. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[] | null;
  /** From and to, when not as far as the points go. */
  readonly range: readonly [from: number, to: number] | null;
}

export interface Line {
  readonly name: string;
  /** Of the palette; lines differ in their dashes too. */
  readonly colour: number;
  readonly dash: readonly number[];
  /** Runs parallel to `xs`. */
  readonly values: readonly (number | null)[];
  /** The range of the rounds around each value, if it is of several. */
  readonly ranges: readonly (readonly [lowest: number, highest: number] | null)[] | null;
}

/** `to` is `from` for what has no length. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly label: string;
}

export const colours = 8;
export const dashes: readonly (readonly number[])[] = [[], [9, 4], [2, 3], [9, 3, 2, 3], [14, 5], [4, 4], [14, 3, 4, 3], [1, 5]];

/** The n-th line of a plot: told apart by colour and, by those who see no colours and on paper, by its dashes. */
export function styleOf(n: number): Pick<Line, 'colour' | 'dash'> {
  return { colour: n % colours, dash: dashes[n % dashes.length]! };
}

export function linear(label: string): Axis {
  return { label, isLog: false, ticks: null, range: null };
}

export function logarithmic(label: string): Axis {
  return { label, isLog: true, ticks: null, range: null };
}

/** Adds the plot to those of the page, and gives the figure in which page.js draws it. */
export function figure(plots: Plot[], plot: Plot, notes: Part = null, beside: Part = null): Html {
  plots.push(plot);
  const drawn = plot.lines.some((line) => line.values.some((value) => value !== null));
  return html`<figure class="plot">
<figcaption>${plot.title}</figcaption>
${drawn ? html`<div class="canvas" data-plot="${plots.length - 1}" role="img" aria-label="${plot.title}. The figures are in the table beside it."></div>
<p class="readout" aria-hidden="true"></p>` : html`<p class="nothing">Nothing to draw.</p>`}
${plot.lines.length > 1 ? legend(plot.lines) : null}
${notes}
${beside}
</figure>`;
}

function legend(lines: readonly Line[]): Html {
  const sample = ({ colour, dash }: Line): Html => html`<svg width="34" height="10" aria-hidden="true"><line x1="1" y1="5" x2="33" y2="5" class="stroke-${colour}" stroke-width="2.5" stroke-dasharray="${dash.join(' ')}"/></svg>`;
  return html`<ul class="legend">${lines.map((line) => html`<li>${sample(line)} ${line.name}</li>`)}</ul>`;
}

/** Cells that are numbers stand right. The first column names the row. */
export function table(caption: string, head: readonly string[], rows: readonly (readonly Part[])[]): Html {
  const isNumber = head.map((_, i) => rows.every((row) => typeof row[i] !== 'object' && /^[\d,.+\-−]+( ?[%µa-zA-Z/]+)?$/.test(String(row[i]))));
  const cell = (part: Part, i: number): Html => (i === 0 ? html`<th scope="row">${part}</th>` : html`<td class="${isNumber[i] === true ? 'number' : 'words'}">${part}</td>`);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${head.map((title, i) => html`<th scope="col" class="${isNumber[i] === true ? 'number' : 'words'}">${title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>
`)}</tbody></table></div>`;
}

/** For tables that are long: there for whoever wants them. On paper `costs` are opened, and the others left out. */
export function folded(summary: string, content: Html, kind = 'long'): Html {
  return html`<details class="folded ${kind}"><summary>${summary}</summary>${content}</details>`;
}
