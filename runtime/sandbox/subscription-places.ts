/**
 * Where in a bundle the function of a subscription is written. It has returned when what it says is sent, so no stack names it; but V8 gives the
 * text of a function as it stands in its module, and that is looked for there.
 */

import { lineColumn } from './module-source.ts';
import type { ColumnShift, PreparedModule } from './module-source.ts';

export interface SubscriptionText {
  /** Module of the subscriber. */
  readonly file: string;
  /** Whose event. */
  readonly type: string;
  readonly event: string;
  readonly text: string;
}

/** "<file>:<line>:<column>"; '' when it is nowhere. `files` has the subscriber's module and those that it imports, itself first. */
export function placeOf(files: ReadonlyMap<string, unknown>, modules: ReadonlyMap<string, PreparedModule>, { type, event, text }: SubscriptionText): string {
  for (const file of files.keys()) {
    const { source, shifts } = modules.get(file)!;
    const at = choose(source, occurrences(source, text), type, event);
    if (at < 0) continue;
    const [line, column] = lineColumn(source, at).split(':').map(Number);
    return `${file}:${line}:${unshift(shifts, line!, column!)}`;
  }
  return '';
}

function occurrences(source: string, text: string): number[] {
  const found: number[] = [];
  for (let at = source.indexOf(text); at >= 0; at = source.indexOf(text, at + 1)) found.push(at);
  return found;
}

/** Several functions may read the same: the one under the event's name, behind the type's, is meant; the first of them, if nothing tells. */
function choose(source: string, found: readonly number[], type: string, event: string): number {
  if (found.length < 2) return found[0] ?? -1;
  const named = found.filter((at) => source.startsWith(`${event}(`, at) || new RegExp(`\\b${event}['"]?\\s*:\\s*$`).test(source.slice(Math.max(0, at - 200), at)));
  const candidates = named.length === 0 ? found : named;
  const behind = source.search(new RegExp(`['"\`]${type.replaceAll('.', '\\.')}['"\`]`));
  return candidates.find((at) => at > behind) ?? candidates[0]!;
}

/** Columns behind what was put into a line are moved back to where the author wrote (P5 of module-source.ts). */
export function unshift(shifts: readonly ColumnShift[], line: number, column: number): number {
  let moved = 0;
  for (const [onLine, from, by] of shifts) if (onLine === line && column - moved > from) moved += by;
  return column - moved;
}
