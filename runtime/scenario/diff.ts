/**
 * Where two values differ, path by path. Values are those of values.ts; a Labelled is an entry of a list that has a name of
 * its own, an event for example: under another name it is another entry, and comparing their fields would say nothing.
 */

import type { Fields, Value } from './values.ts';

export class Labelled {
  readonly label: string;
  readonly fields: Fields;

  constructor(label: string, fields: Fields) {
    this.label = label;
    this.fields = fields;
  }
}

export type Comparable = Value | Labelled | Comparable[];

export interface Difference {
  readonly path: string;
  /** Shown values; null where there is none. */
  readonly expected: string | null;
  readonly got: string | null;
}

/** All differences, in the order of the expectation. Empty when the values are the same. */
export function differences(expected: Comparable, got: Comparable, path: string): Difference[] {
  if (Array.isArray(expected) && Array.isArray(got)) return listDifferences(expected, got, path);
  if (expected instanceof Labelled && got instanceof Labelled && expected.label === got.label) {
    return fieldDifferences(expected.fields, got.fields, `${path} ${expected.label}`);
  }
  if (isFields(expected) && isFields(got)) return fieldDifferences(expected, got, path);
  if (sameScalar(expected, got)) return [];
  return [{ path, expected: expected === undefined ? null : show(expected), got: got === undefined ? null : show(got) }];
}

/** A value on one line, in the notation of a scenario. */
export function show(value: Comparable): string {
  if (value instanceof Labelled) return `${value.label} ${show(value.fields)}`;
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (Buffer.isBuffer(value)) return `bytes ${value.toString('hex') || '(none)'}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (!isFields(value)) return Object.is(value, -0) ? '-0' : String(value);
  const shown = Object.entries(value).filter(([, field]) => field !== undefined).map(([name, field]) => `${showName(name)}: ${show(field)}`);
  return shown.length === 0 ? '{}' : `{ ${shown.join(', ')} }`;
}

function listDifferences(expected: Comparable[], got: Comparable[], path: string): Difference[] {
  const found: Difference[] = [];
  for (let i = 0; i < Math.max(expected.length, got.length); i++) {
    const at = `${path}[${i}]`;
    if (i >= got.length) found.push({ path: at, expected: show(expected[i]), got: null });
    else if (i >= expected.length) found.push({ path: at, expected: null, got: show(got[i]) });
    else found.push(...differences(expected[i], got[i], at));
  }
  return found;
}

function fieldDifferences(expected: Fields, got: Fields, path: string): Difference[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(got)]);
  return [...names].flatMap((name) => {
    const step = /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
    // Names that an object inherits, toString for example, are none of its fields.
    return differences(own(expected, name), own(got, name), `${path}${step}`);
  });
}

function own(fields: Fields, name: string): Value {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function sameScalar(a: Comparable, b: Comparable): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : Object.is(a, b);
}

function isFields(value: Comparable): value is Fields {
  return typeof value === 'object' && !Array.isArray(value) && !Buffer.isBuffer(value) && !(value instanceof Labelled);
}

function showName(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
}
