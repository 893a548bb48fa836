/** What makes two reports hard to compare: another machine, other versions, durability or parameters, a machine that was busy. Pure. */

import type { Machine } from '../machine/machine.ts';
import type { CaseReport, Report } from './report.ts';

interface Pair {
  readonly old: CaseReport;
  readonly new: CaseReport;
}

/** A machine is another one when one of these differs; the kernel and Node are versions of what runs on it. */
const hardware = ['cpu', 'cores', 'memoryMib', 'fileSystem'] as const satisfies readonly (keyof Machine)[];
const software = ['kernel', 'node', 'v8'] as const satisfies readonly (keyof Machine)[];
/** A quarter of a core, of each: what was busy before the run is likely to have gone on. */
const busyLoadPerCore = 0.25;

export function warningsOf(old: Report, next: Report, pairs: readonly Pair[]): { readonly warnings: string[]; readonly isOtherMachine: boolean } {
  const otherMachine = hardware.filter((field) => old.machine[field] !== next.machine[field]).map((field) => differs(`the machine: ${field}`, old.machine[field], next.machine[field]));
  const warnings = [
    ...otherMachine,
    ...software.filter((field) => old.machine[field] !== next.machine[field]).map((field) => differs(field, old.machine[field], next.machine[field])),
    ...fields(old.versions, next.versions, (program) => `the version of ${program}`),
    ...pairs.flatMap((pair) => [
      ...(pair.old.durability === pair.new.durability ? [] : [differs(`the durability of ${pair.old.id}`, pair.old.durability, pair.new.durability)]),
      ...fields(pair.old.parameters, pair.new.parameters, (name) => `the parameter ${name} of ${pair.old.id}`),
      ...windowText(pair),
    ]),
    ...busyText('old', old.machine),
    ...busyText('new', next.machine),
  ];
  return { warnings, isOtherMachine: otherMachine.length > 0 };
}

function fields(old: Readonly<Record<string, string | number | boolean>>, next: Readonly<Record<string, string | number | boolean>>, name: (key: string) => string): string[] {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(next)])];
  return keys.filter((key) => old[key] !== next[key]).map((key) => differs(name(key), old[key], next[key]));
}

/** Figures of the first seconds of a process are not those of its tenth minute. */
function windowText({ old, new: next }: Pair): string[] {
  const [before, after] = [old.runs[0]?.windowMs, next.runs[0]?.windowMs];
  if (before === undefined || after === undefined || Math.max(before, after) < Math.min(before, after) * 1.1) return [];
  return [differs(`the measured time of ${old.id}`, `${Math.round(before / 100) / 10} s`, `${Math.round(after / 100) / 10} s`)];
}

/** Before the run began; what ended within the minute before still counts. */
export function wasBusy({ loadBefore, cores }: Machine): boolean {
  return loadBefore > cores * busyLoadPerCore;
}

function busyText(which: string, machine: Machine): string[] {
  return wasBusy(machine) ? [`the machine of the ${which} report was busy before it began: load ${machine.loadBefore} on ${machine.cores} cores`] : [];
}

function differs(what: string, old: string | number | boolean | null | undefined, next: string | number | boolean | null | undefined): string {
  return `${what} differs: ${old ?? 'unknown'}, now ${next ?? 'unknown'}`;
}
