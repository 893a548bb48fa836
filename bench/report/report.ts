/**
 * The report of a benchmark: what is written as JSON, and the only thing that tables, pages and comparisons are made from.
 *
 * A *case* is one subject (a server) under one load; a *run* is one round of it, on a server of its own. Cases of one report took turns on one
 * machine, so that ratios between them mean something; figures of two reports are compared by `id`.
 *
 * B1  A run whose check failed has no throughput, no latency and no figures.
 * B2  Every number names its unit: in its field's name, or beside it.
 */

import type { Machine } from '../machine/machine.ts';

export const REPORT_FORMAT = 'troupe-bench/1';

export interface Report {
  readonly format: typeof REPORT_FORMAT;
  /** When it began, ISO 8601. */
  readonly at: string;
  readonly seconds: number;
  readonly workload: string;
  /** As they were given on the command line. */
  readonly args: readonly string[];
  readonly machine: Machine;
  /** By program: troupe, node, redis, and those peers that ran. */
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: readonly CaseReport[];
  /** What a loop without any server does: appends with fdatasync, pipelined calls of Redis. */
  readonly loops: readonly LoopReport[];
  readonly goals: readonly GoalReport[];
}

export interface CaseReport {
  /** The same in every report of the same case: `counter/64x16/embedded`. */
  readonly id: string;
  readonly workload: string;
  /** Which server: `embedded`, `cluster`, `echo`, ... */
  readonly subject: string;
  /** The load in short, `64x16` or `20000/s`: what cases of different subjects have in common when they are comparable. */
  readonly load: string;
  /** A server that holds no state and checks nothing, measured beside ours to compare with. */
  readonly isBaseline: boolean;
  /** What is acknowledged survives: `memory`, `disk`, `redis-everysec`, ..., in the server's own words where it has them. */
  readonly durability: string;
  /** What else sets this case apart, for people. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly runs: readonly RunReport[];
}

export interface RunReport {
  readonly round: number;
  readonly check: Check;
  /** Acknowledged in the measured time, by second; null by B1. */
  readonly commandsPerSecond: number | null;
  readonly commands: number;
  /** How long it was under load before; null where that has no meaning, or was not noted. */
  readonly warmUpMs: number | null;
  /** The length of the measured time. */
  readonly windowMs: number;
  /** Of an open loop, from the moment in which the command was due; of a closed one, from when it was written. Null by B1. */
  readonly latencyMs: Latency | null;
  /** Points of the distribution for a plot: share of the commands (0 to 1), and within how many ms they were answered. */
  readonly latencyCurve: readonly (readonly [share: number, ms: number])[];
  /** Open loop only: how long after it was due the driver wrote a command. What is high here is the driver's own. */
  readonly lateMs: Latency | null;
  /** Open loop only: how many commands became due in the measured time. Chance has it a little above or below the rate. */
  readonly due: number | null;
  readonly timeline: Timeline;
  /** What was done to the servers meanwhile: faults, moves, deployments. */
  readonly marks: readonly Mark[];
  readonly processes: readonly ProcessCost[];
  /** Of the block device under the data, by everybody on the machine; null where the kernel does not tell. */
  readonly deviceBytesPerCommand: number | null;
  readonly retries: number;
  /** By code, of commands that were given up. */
  readonly errors: Readonly<Record<string, number>>;
  /** What this workload measures beside commands: the lag to the last void, the longest gap, ... Empty by B1. */
  readonly figures: readonly Figure[];
  /** What a reader must know of this run beside its figures: that it had not settled, what a search made of it, that it is too small. */
  readonly remarks: readonly string[];
}

export interface Check {
  readonly passed: boolean;
  /** What was compared, or why it failed. */
  readonly detail: string;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

/** The measured time in slices of equal length, from its beginning. Arrays run in parallel. */
export interface Timeline {
  readonly sliceMs: number;
  readonly commands: readonly number[];
  /** 0 where nothing was answered. */
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
  readonly maxMs: readonly number[];
}

export interface Mark {
  /** From the beginning of the measured time. */
  readonly atMs: number;
  /** Until when it lasted; equal to `atMs` for what has no length. */
  readonly untilMs: number;
  readonly text: string;
}

export interface ProcessCost {
  /** `node`, `node 2`, `sandbox`, `redis`, `driver`, ... */
  readonly role: string;
  readonly cpuUsPerCommand: number | null;
  /** Share of one core in use. */
  readonly cores: number | null;
  readonly rssMib: number | null;
  readonly rssPeakMib: number | null;
  /** As the process' own counter has it; machine/device.ts says why it overstates. */
  readonly storageBytesPerCommand: number | null;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `ms`, `commands/s`, `MiB`, `%`, ... or empty for a count. */
  readonly unit: string;
  /** Whether less is better; null where neither is. */
  readonly isLessBetter: boolean | null;
}

export interface LoopReport {
  readonly name: string;
  readonly text: string;
  readonly runs: readonly Figure[];
}

/** A goal is shown beside the figures, reached or not; it is no assertion. */
export interface GoalReport {
  readonly text: string;
  /** null: not measured in this run. */
  readonly value: number | null;
  readonly isReached: boolean | null;
}
