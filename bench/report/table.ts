/** A table for terminals: text left, numbers right. Control characters that come from a report never reach a terminal raw. */

import { printable } from '../../runtime/cli/terminal.ts';

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = head.map((title, i) => Math.max(title.length, ...shown.map((row) => row[i]!.length)));
  const isNumber = head.map((_, i) => shown.length > 0 && shown.every((row) => /^[\d,.+\-−]+( %)?$/.test(row[i]!)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (isNumber[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...shown.map(line)].join('\n');
}
