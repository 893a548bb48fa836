/** Results as a person reads them: one line a scenario, and below a failed one where it differs, in columns. */

import { styleText } from 'node:util';

import type { Difference } from './diff.ts';
import type { ScenarioResult, ScenarioResults } from './run.ts';

export interface ReportOptions {
  /** Default: whether standard output is a terminal and NO_COLOR is not set. */
  readonly colour?: boolean;
}

const COLUMN_MAX = 60;
const NONE = '(none)';

export function formatReport(results: ScenarioResults, options: ReportOptions = {}): string {
  const paint = painter(options.colour ?? (process.stdout.isTTY === true && !process.env['NO_COLOR']));
  const lines: string[] = [];
  let file = '';
  for (const scenario of results.scenarios) {
    if (scenario.file !== file) lines.push(...(file === '' ? [] : ['']), paint('bold', scenario.file));
    file = scenario.file;
    lines.push(...scenarioLines(scenario, paint));
  }
  const summary = `${results.passed} passed, ${results.failed} failed`;
  if (results.untested.length > 0) lines.push('', paint('dim', `without scenarios: ${results.untested.join(', ')}`));
  lines.push('', paint(results.failed > 0 ? 'red' : 'green', summary));
  return lines.join('\n');
}

type Colour = 'red' | 'green' | 'bold' | 'dim';
type Paint = (colour: Colour, text: string) => string;

function painter(colour: boolean): Paint {
  return colour ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
}

function scenarioLines(scenario: ScenarioResult, paint: Paint): string[] {
  if (scenario.ok) return [`  ${paint('green', 'ok')}    ${scenario.name}`];
  const lines = [`  ${paint('red', 'FAIL')}  ${scenario.name}`];
  if (scenario.error !== null) lines.push(`        ${paint('red', scenario.error)}`);
  if (scenario.differences.length > 0) lines.push(...differenceLines(scenario.differences, paint));
  return lines;
}

/** Aligned by the widest cell; one that is very long takes the room of none. */
function differenceLines(differences: readonly Difference[], paint: Paint): string[] {
  const rows = differences.map(({ path, expected, got }) => [path, expected ?? NONE, got ?? NONE] as const);
  const widthOf = (column: 0 | 1, title: string): number =>
    Math.max(title.length, ...rows.map((row) => (row[column].length <= COLUMN_MAX ? row[column].length : 0)));
  const pathWidth = widthOf(0, '');
  const expectedWidth = widthOf(1, 'expected');
  const head = `        ${''.padEnd(pathWidth)}  ${'expected'.padEnd(expectedWidth)}  got`;
  return [
    paint('dim', head),
    ...rows.map(([path, expected, got]) => {
      const expectedCell = paint('green', expected) + ' '.repeat(Math.max(0, expectedWidth - expected.length));
      return `        ${path.padEnd(pathWidth)}  ${expectedCell}  ${paint('red', got)}`;
    }),
  ];
}
