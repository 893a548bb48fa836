/** From the runs of a suite to one figure a shape and subject, and to the targets. Pure. */

import type { FsyncMedians, FsyncWay } from '../subject/fsync-loop.ts';
import type { SubjectName } from '../subject/subject.ts';
import type { RunResult } from './run.ts';

export interface ShapeRuns {
  readonly shape: string;
  readonly runs: readonly RunResult[];
}

export interface SubjectSummary {
  readonly shape: string;
  readonly subject: SubjectName;
  /** Of all rounds; null when one failed its check. */
  readonly commandsPerSecond: number | null;
  readonly lowest: number | null;
  readonly highest: number | null;
  /** The run with the median throughput; its latencies and costs belong together. */
  readonly median: RunResult;
  readonly failed: readonly string[];
}

export interface TargetResult {
  readonly text: string;
  readonly value: number | null;
  readonly reached: boolean | null;
}

export function summarise(shapes: readonly ShapeRuns[]): SubjectSummary[] {
  return shapes.flatMap(({ shape, runs }) => {
    const subjects = [...new Set(runs.map((run) => run.subject))];
    return subjects.map((subject) => summariseSubject(shape, subject, runs.filter((run) => run.subject === subject)));
  });
}

function summariseSubject(shape: string, subject: SubjectName, runs: readonly RunResult[]): SubjectSummary {
  const failed = runs.filter((run) => !run.check.passed).map((run) => `round ${run.round}: ${run.check.detail}`);
  const sorted = [...runs].sort((a, b) => (a.commandsPerSecond ?? 0) - (b.commandsPerSecond ?? 0));
  const median = sorted[Math.floor((sorted.length - 1) / 2)]!;
  const whole = failed.length === 0;
  return {
    shape,
    subject,
    commandsPerSecond: whole ? middle(runs.map((run) => run.commandsPerSecond!)) : null,
    lowest: whole ? sorted[0]!.commandsPerSecond : null,
    highest: whole ? sorted.at(-1)!.commandsPerSecond : null,
    median,
    failed,
  };
}

/** Of an even number of values, the mean of the two in the middle. */
export function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Medians over the rounds, way by way. */
export function middleFsync(rounds: readonly FsyncMedians[]): Record<FsyncWay, number> | null {
  if (rounds.length === 0) return null;
  const of = (way: FsyncWay): number => middle(rounds.map((round) => round[way].p50));
  return {
    blockingGrowing: of('blockingGrowing'),
    blockingPreallocated: of('blockingPreallocated'),
    asyncGrowing: of('asyncGrowing'),
    asyncPreallocated: of('asyncPreallocated'),
  };
}

/**
 * The ratio is taken round by round and then the median: subjects of one round ran within seconds of each other, so a machine that
 * is slow for a minute slows both sides of the fraction.
 */
export function ratioByRound(shape: ShapeRuns | undefined, of: SubjectName, to: SubjectName): number | null {
  if (shape === undefined) return null;
  const ratios: number[] = [];
  for (const run of shape.runs.filter((one) => one.subject === of)) {
    const other = shape.runs.find((one) => one.subject === to && one.round === run.round);
    if (run.commandsPerSecond === null || other?.commandsPerSecond == null) return null;
    ratios.push(run.commandsPerSecond / other.commandsPerSecond);
  }
  return ratios.length === 0 ? null : middle(ratios);
}

export function targets(shapes: readonly ShapeRuns[], fsync: Record<FsyncWay, number> | null): TargetResult[] {
  const shape = (name: string): ShapeRuns | undefined => shapes.find((one) => one.shape === name);
  const results = [
    target('64x16: product / corked echo, commands/s, at least 0.3', ratioByRound(shape('64x16'), 'product', 'echo'), (ratio) => ratio >= 0.3),
    target('64x1: product / floor, commands/s, at least 0.6', ratioByRound(shape('64x1'), 'product', 'floor'), (ratio) => ratio >= 0.6),
  ];
  const latency = medianLatency(shape('1x1'));
  const ways: FsyncWay[] = ['blockingPreallocated', 'blockingGrowing', 'asyncPreallocated', 'asyncGrowing'];
  for (const way of ways) {
    const value = latency === null || fsync === null ? null : latency / fsync[way];
    results.push(target(`1x1: product median latency / ${fsyncName(way)}, below 2`, value, (ratio) => ratio < 2));
  }
  return results;
}

export function fsyncName(way: FsyncWay): string {
  return `append+fdatasync, ${way.startsWith('blocking') ? 'blocking' : 'asynchronous'} call, ${way.endsWith('Growing') ? 'growing' : 'preallocated'} file`;
}

function medianLatency(shape: ShapeRuns | undefined): number | null {
  const runs = shape?.runs.filter((run) => run.subject === 'product') ?? [];
  if (runs.length === 0 || runs.some((run) => run.latencyMs === null)) return null;
  return middle(runs.map((run) => run.latencyMs!.p50));
}

function target(text: string, value: number | null, holds: (value: number) => boolean): TargetResult {
  return { text, value, reached: value === null ? null : holds(value) };
}
