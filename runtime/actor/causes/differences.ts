/** What differs between two JSON values, field by field. Pure. */

import type { FieldChange } from '../engine.ts';

/** Of one event; what is beyond is told as one more, without values. */
const CHANGES_MAX = 100;
/** A value that is longer, as JSON, is shown as such a beginning. */
const VALUE_LENGTH_MAX = 1_000;

export function differences(before: unknown, after: unknown): FieldChange[] {
  const changes: FieldChange[] = [];
  collect(changes, '', before, after);
  if (changes.length <= CHANGES_MAX) return changes;
  return [...changes.slice(0, CHANGES_MAX), { path: `... and ${changes.length - CHANGES_MAX} more` }];
}

function collect(changes: FieldChange[], path: string, before: unknown, after: unknown): void {
  if (before === after) return;
  if (isList(before) && isList(after)) {
    for (let i = 0; i < Math.max(before.length, after.length); i++) collect(changes, `${path}[${i}]`, before[i], after[i]);
    return;
  }
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) collect(changes, pathTo(path, key), before[key], after[key]);
    return;
  }
  changes.push({ path, ...(before === undefined ? {} : { before: clipped(before) }), ...(after === undefined ? {} : { after: clipped(after) }) });
}

function pathTo(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

function clipped(value: unknown): unknown {
  const text = JSON.stringify(value);
  return text.length <= VALUE_LENGTH_MAX ? value : `${text.slice(0, VALUE_LENGTH_MAX)}...`;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
