/** The report for people. */

import type { FsyncWay } from '../subject/fsync-loop.ts';
import type { Machine } from '../machine/machine.ts';
import type { ProcessCost } from './run.ts';
import { fsyncName } from './summary.ts';
import type { SubjectSummary, TargetResult } from './summary.ts';

export function renderReport(
  machine: Machine,
  summaries: readonly SubjectSummary[],
  fsync: Record<FsyncWay, number> | null,
  targets: readonly TargetResult[],
): string {
  const parts = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}, data on ${machine.fileSystem ?? 'an unknown file system'}`,
    `load before the run ${machine.loadBefore}`,
    '',
    table(
      ['shape', 'subject', 'durability', 'commands/s', 'lowest..highest', 'p50 ms', 'p90', 'p99', 'p99.9', 'max', 'disk bytes/command', 'retries'],
      summaries.map(throughputRow),
    ),
    '',
    table(['shape', 'subject', 'process', 'CPU µs/command', 'cores', 'RSS MiB', 'peak'], summaries.flatMap(costRows)),
  ];
  if (fsync !== null) {
    const ways = Object.keys(fsync) as FsyncWay[];
    parts.push('', table(['300 bytes, one after the other', 'median ms'], ways.map((way) => [fsyncName(way), fixed(fsync[way], 3)])));
  }
  parts.push('', table(['target', 'ratio', 'reached'], targets.map((one) => [one.text, one.value === null ? '-' : fixed(one.value, 2), reachedText(one)])));
  const failures = summaries.flatMap((one) => one.failed.map((text) => `CHECK FAILED ${one.shape} ${one.subject} ${text}`));
  if (failures.length > 0) parts.push('', ...failures);
  else parts.push('', ...new Set(summaries.map((one) => `check of ${one.shape} ${one.subject}: ${one.median.check.detail}`)));
  return `${parts.join('\n')}\n`;
}

function throughputRow(one: SubjectSummary): string[] {
  const latency = one.commandsPerSecond === null ? null : one.median.latencyMs;
  const spread = one.lowest === null ? '-' : `${whole(one.lowest)}..${whole(one.highest!)}`;
  const times = latency === null ? ['-', '-', '-', '-', '-'] : [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map((ms) => fixed(ms, 2));
  const speed = one.commandsPerSecond === null ? 'CHECK FAILED' : whole(one.commandsPerSecond);
  return [one.shape, one.subject, one.median.durability, speed, spread, ...times, optional(one.median.deviceBytesPerCommand, 0), String(one.median.retries)];
}

function costRows(one: SubjectSummary): string[][] {
  return one.median.processes.map((process: ProcessCost) => [
    one.shape,
    one.subject,
    process.role,
    optional(process.cpuUsPerCommand, 2),
    optional(process.cores, 2),
    optional(process.rssMib, 0),
    optional(process.rssPeakMib, 0),
  ]);
}

function reachedText(target: TargetResult): string {
  if (target.reached === null) return 'not measured';
  return target.reached ? 'yes' : 'NO';
}

/** Text left, numbers right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const isNumber = head.map((_, i) => rows.length > 0 && rows.every((row) => /^[\d,.\-]+$/.test(row[i]!)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (isNumber[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function fixed(value: number, digits: number): string {
  return value.toFixed(digits);
}

function optional(value: number | null, digits: number): string {
  return value === null ? '-' : fixed(value, digits);
}
