/** Bars, as SVG that is there without a script: one row a case, wide as the page is. */

import { html, type Html } from './html.ts';

export interface BarRow {
  readonly name: string;
  /** What stands behind the bar. */
  readonly text: string;
  readonly segments: readonly Segment[];
  /** The range of the rounds. */
  readonly range: readonly [lowest: number, highest: number] | null;
}

export interface Segment {
  readonly name: string;
  readonly value: number;
  readonly colour: number;
  readonly text: string;
}

const height = 24;
/** A segment narrower than this share of the bars, in percent, has no room for its text. */
const labelledFrom = 13;

export function bars(title: string, rows: readonly BarRow[], legend: readonly { readonly name: string; readonly colour: number }[] = []): Html {
  const most = Math.max(0, ...rows.map((row) => Math.max(row.range?.[1] ?? 0, total(row.segments))));
  return html`<figure class="bars">
<figcaption>${title}</figcaption>
${rows.map((row) => html`<div class="bar"><span class="bar-name">${row.name}</span>${shape(row, most === 0 ? 1 : most)}<span class="bar-text">${row.text}</span></div>
`)}${legend.length < 2 ? null : html`<ul class="legend">${legend.map(({ name, colour }) => html`<li><svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="2" class="fill-${colour}"/></svg> ${name}</li>`)}</ul>`}
</figure>`;
}

function shape(row: BarRow, most: number): Html {
  const percent = (value: number): number => Math.round((value / most) * 10_000) / 100;
  let from = 0;
  const parts = row.segments.map((segment) => {
    const [x, width] = [percent(from), percent(segment.value)];
    from += segment.value;
    const text = row.segments.length > 1 && width >= labelledFrom ? html`<text x="${x + width / 2}%" y="${height / 2}">${segment.text}</text>` : null;
    return html`<rect x="${x}%" y="2" width="${width}%" height="${height - 4}" class="segment fill-${segment.colour}"><title>${segment.name}: ${segment.text}</title></rect>${text}`;
  });
  return html`<svg class="bar-shape" width="100%" height="${height}" aria-hidden="true">${parts}${row.range === null ? null : whisker(percent(row.range[0]), percent(row.range[1]))}</svg>`;
}

function whisker(from: number, to: number): Html {
  const middle = height / 2;
  return html`<g class="whisker"><line x1="${from}%" x2="${to}%" y1="${middle}" y2="${middle}"/><line x1="${from}%" x2="${from}%" y1="${middle - 5}" y2="${middle + 5}"/><line x1="${to}%" x2="${to}%" y1="${middle - 5}" y2="${middle + 5}"/></g>`;
}

function total(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.value, 0);
}
