/**
 * Which cases of a report belong together: those that can be compared (one workload under one load), and those that are one curve because they
 * differ in a single parameter. Pure.
 */

import type { CaseReport, Report } from './report.ts';

export interface LoadGroup {
  readonly workload: string;
  readonly load: string;
  readonly cases: readonly CaseReport[];
}

/** Cases that differ only in one parameter: a curve over it for each family. */
export interface Sweep {
  readonly parameter: string;
  readonly workload: string;
  /** Empty where the parameter is the load. */
  readonly load: string;
  /** Sorted where all are numbers, and otherwise as they come in the report. */
  readonly values: readonly (string | number | boolean)[];
  readonly families: readonly Family[];
}

export interface Family {
  readonly name: string;
  /** Runs parallel to the sweep's values. */
  readonly cases: readonly (CaseReport | null)[];
}

export function loadGroups(report: Report): LoadGroup[] {
  const groups = groupBy(report.cases, (one) => JSON.stringify([one.workload, one.load]));
  return groups.map((cases) => ({ workload: cases[0]!.workload, load: cases[0]!.load, cases }));
}

/**
 * What to call each case beside the others of its load: the subject, and where that is not enough the parameters in which it differs from the others of
 * its subject, its durability, or at last its whole id.
 */
export function namesAmong(cases: readonly CaseReport[]): string[] {
  const attempts: ((one: CaseReport) => string)[] = [
    (one) => one.subject,
    (one) => [one.subject, ...differing(one, cases.filter((other) => other.subject === one.subject))].join(' '),
    (one) => [one.subject, ...differing(one, cases.filter((other) => other.subject === one.subject)), one.durability].join(' '),
    (one) => one.id,
  ];
  const names = cases.map(attempts[0]!);
  for (const attempt of attempts.slice(1)) {
    const doubled = new Set(names.filter((name, i) => names.indexOf(name) !== i));
    cases.forEach((one, i) => void (doubled.has(names[i]!) && (names[i] = attempt(one))));
  }
  return names;
}

/** By case, over the whole report. */
export function namesOf(report: Report): Map<CaseReport, string> {
  const names = new Map<CaseReport, string>();
  for (const { cases } of loadGroups(report)) namesAmong(cases).forEach((name, i) => void names.set(cases[i]!, name));
  return names;
}

/** Of a sweep over the rate every rate is a load of its own. */
export function sweepsOf(report: Report, parameter: string): Sweep[] {
  const isLoad = parameter === 'rate';
  const swept = report.cases.filter((one) => Object.hasOwn(one.parameters, parameter));
  const families = groupBy(swept, (one) => JSON.stringify([one.workload, isLoad ? '' : one.load, one.subject, one.isBaseline, one.durability, others(one, parameter)]));
  const curves = families.filter((cases) => new Set(cases.map((one) => one.parameters[parameter])).size > 1);
  return groupBy(curves, (cases) => JSON.stringify([cases[0]!.workload, isLoad ? '' : cases[0]!.load])).map((together) => {
    const values = ordered([...new Set(together.flat().map((one) => one.parameters[parameter]!))]);
    const names = namesAmong(together.map((cases) => without(cases[0]!, parameter)));
    const first = together[0]![0]!;
    const at = (cases: readonly CaseReport[], value: unknown): CaseReport | null => cases.find((one) => one.parameters[parameter] === value) ?? null;
    return {
      parameter, workload: first.workload, load: isLoad ? '' : first.load, values,
      families: together.map((cases, i) => ({ name: names[i]!, cases: values.map((value) => at(cases, value)) })),
    };
  });
}

export function groupBy<T>(items: readonly T[], key: (item: T) => string): T[][] {
  return [...Map.groupBy(items, key).values()];
}

function ordered(values: (string | number | boolean)[]): (string | number | boolean)[] {
  return values.every((value) => typeof value === 'number') ? values.sort((a, b) => a - b) : values;
}

function without(one: CaseReport, parameter: string): CaseReport {
  return { ...one, parameters: Object.fromEntries(Object.entries(one.parameters).filter(([name]) => name !== parameter)) };
}

/** The same text for the same parameters, in whatever order they stand. */
function others(one: CaseReport, parameter: string): string {
  return JSON.stringify(Object.entries(without(one, parameter).parameters).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function differing(one: CaseReport, beside: readonly CaseReport[]): string[] {
  return Object.entries(one.parameters).filter(([name, value]) => beside.some((other) => other.parameters[name] !== value)).map(([name, value]) => `${name} ${value}`);
}
