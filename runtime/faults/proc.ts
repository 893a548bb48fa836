/** What the kernel knows about a process: CPU time, memory, bytes written. Linux only; elsewhere every field is null. */

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

export interface ProcessSample {
  readonly pid: number;
  /** User and system time of all threads, in steps of one clock tick (10 ms as a rule). */
  readonly cpuMs: number | null;
  readonly rssBytes: number | null;
  readonly rssPeakBytes: number | null;
  /** Bytes that this process caused to be sent to the storage layer. */
  readonly storageBytes: number | null;
}

let tickMs: number | undefined;

function clockTickMs(): number {
  tickMs ??= 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).trim());
  return tickMs;
}

export function sampleProcess(pid: number): ProcessSample {
  return { pid, cpuMs: cpuMs(pid), ...memory(pid), storageBytes: storageBytes(pid) };
}

/** Pids of the processes started by this one, at any depth. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of entries('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    if (stat === null) continue;
    const parent = Number(fieldsBehindName(stat)[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const open = [pid];
  while (open.length > 0) {
    for (const child of children.get(open.pop()!) ?? []) {
      found.push(child);
      open.push(child);
    }
  }
  return found;
}

export function isAlive(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return false;
  return fieldsBehindName(stat)[0] !== 'Z';
}

function cpuMs(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const fields = fieldsBehindName(stat);
  return (Number(fields[11]) + Number(fields[12])) * clockTickMs();
}

function memory(pid: number): { rssBytes: number | null; rssPeakBytes: number | null } {
  const status = read(`/proc/${pid}/status`) ?? '';
  const kib = (name: string): number | null => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status);
    return match === null ? null : Number(match[1]) * 1024;
  };
  return { rssBytes: kib('VmRSS'), rssPeakBytes: kib('VmHWM') };
}

function storageBytes(pid: number): number | null {
  const match = /^write_bytes: (\d+)/m.exec(read(`/proc/${pid}/io`) ?? '');
  return match === null ? null : Number(match[1]);
}

/** Fields from "state" on; the name before them may hold spaces and parentheses. */
function fieldsBehindName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
