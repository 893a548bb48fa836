/** What processes used within a run: two samples and their difference. */

import { sampleProcess } from '../../runtime/faults/proc.ts';
import type { ProcessSample } from '../../runtime/faults/proc.ts';
import { deviceBytesWritten } from '../machine/device.ts';
import type { ProcessCost } from '../report/report.ts';
import type { RunningProcess } from '../subject/subject.ts';

const MIB = 2 ** 20;

export interface Usage {
  readonly processes: readonly { readonly role: string; readonly sample: ProcessSample }[];
  readonly deviceBytes: number | null;
}

export function usageNow(processes: readonly RunningProcess[], directory: string): Usage {
  return { processes: processes.map(({ role, pid }) => ({ role, sample: sampleProcess(pid) })), deviceBytes: deviceBytesWritten(directory) };
}

/** By process that lives at the end; one that was started in between is counted from its beginning. */
export function costsBetween(before: Usage, after: Usage, commands: number, windowMs: number): ProcessCost[] {
  const samples = new Map(before.processes.map(({ sample }) => [sample.pid, sample]));
  return after.processes.map(({ role, sample }) => costOf(role, samples.get(sample.pid), sample, commands, windowMs));
}

export function deviceBytesBetween(before: Usage, after: Usage, commands: number): number | null {
  return before.deviceBytes === null || after.deviceBytes === null || commands === 0 ? null : (after.deviceBytes - before.deviceBytes) / commands;
}

function costOf(role: string, before: ProcessSample | undefined, after: ProcessSample, commands: number, windowMs: number): ProcessCost {
  const delta = (name: 'cpuMs' | 'storageBytes'): number | null => {
    const [from, to] = [before?.[name] ?? 0, after[name]];
    return to === null ? null : to - from;
  };
  const cpuMs = delta('cpuMs');
  const bytes = delta('storageBytes');
  const perCommand = (value: number | null): number | null => (value === null || commands === 0 ? null : value / commands);
  return {
    role,
    cpuUsPerCommand: perCommand(cpuMs === null ? null : cpuMs * 1_000),
    cores: cpuMs === null ? null : cpuMs / windowMs,
    rssMib: after.rssBytes === null ? null : after.rssBytes / MIB,
    rssPeakMib: after.rssPeakBytes === null ? null : after.rssPeakBytes / MIB,
    storageBytesPerCommand: perCommand(bytes),
  };
}
