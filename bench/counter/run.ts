/** One run: one subject under one shape, from connecting to the check of its result. */

import { setTimeout as sleep } from 'node:timers/promises';

import { COUNTER_TYPE, FAN_TYPE } from '../driver/format.ts';
import { Histogram } from '../driver/histogram.ts';
import type { DriverTotals } from '../driver/protocol.ts';
import { RemoteDriver } from '../driver/remote.ts';
import { deviceBytesWritten } from '../machine/device.ts';
import { sampleProcess } from '../../runtime/faults/proc.ts';
import type { ProcessSample } from '../../runtime/faults/proc.ts';
import type { RunningProcess, Subject, SubjectName } from '../subject/subject.ts';
import { effectsOf } from './effects.ts';
import type { CounterOptions, Shape } from './options.ts';

const EFFECTS_MAX_MS = 60_000;
const EFFECTS_POLL_MS = 50;

export interface ProcessCost {
  readonly role: string;
  readonly cpuUsPerCommand: number | null;
  /** Share of one core in use. */
  readonly cores: number | null;
  readonly rssMib: number | null;
  readonly rssPeakMib: number | null;
  /** As the process' own counter has it; machine/device.ts says why it overstates. */
  readonly storageBytesPerCommand: number | null;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

export interface RunResult {
  readonly subject: SubjectName;
  readonly round: number;
  readonly durability: string;
  /** null when the check failed: a run that lost or doubled something has no speed. */
  readonly commandsPerSecond: number | null;
  readonly latencyMs: Latency | null;
  readonly commands: number;
  /** Of the block device under the data, by everybody on the machine. */
  readonly deviceBytesPerCommand: number | null;
  readonly retries: number;
  readonly errors: Record<string, number>;
  readonly processes: readonly ProcessCost[];
  readonly check: Check;
}

export interface Check {
  readonly passed: boolean;
  /** What was compared, or why it failed. */
  readonly detail: string;
}

export async function runOnce(subject: Subject, directory: string, shape: Shape, round: number, options: CounterOptions): Promise<RunResult> {
  const drivers = Array.from({ length: Math.min(options.drivers, shape.connections) }, () => new RemoteDriver());
  try {
    await Promise.all(
      drivers.map((driver, i) =>
        driver.start({
          ports: subject.ports,
          connections: share(shape.connections, drivers.length, i),
          inFlight: shape.inFlight,
          actors: options.actors,
          perFrame: options.perFrame,
          keys: options.keys,
          json: options.jsonFrames,
          type: subject.drives,
          // Distinct per driver and run: keys are made from it.
          seed: options.seed * 1009 + round * 31 + i,
        }),
      ),
    );
    await sleep(options.warmUpMs);

    const processes = (): RunningProcess[] => [...subject.processes(), ...drivers.map((driver) => ({ role: 'driver', pid: driver.pid }))];
    await Promise.all(drivers.map((driver) => driver.begin()));
    const before = new Map(processes().map(({ pid }) => [pid, sampleProcess(pid)]));
    const deviceBefore = deviceBytesWritten(directory);
    await sleep(options.durationMs);
    const deviceAfter = deviceBytesWritten(directory);
    const after = processes().map(({ role, pid }) => ({ role, sample: sampleProcess(pid) }));
    const measures = await Promise.all(drivers.map((driver) => driver.end()));
    const totals = await Promise.all(drivers.map((driver) => driver.drain()));

    const check = await checkRun(subject, drivers[0]!, totals, options.actors);
    const commands = sum(measures.map((measure) => measure.acknowledged));
    const windowMs = sum(measures.map((measure) => measure.windowMs)) / measures.length;
    const histogram = new Histogram();
    for (const measure of measures) histogram.add(measure.histogram);
    return {
      subject: subject.name,
      round,
      durability: subject.durability,
      commandsPerSecond: check.passed ? (commands / windowMs) * 1000 : null,
      latencyMs: check.passed ? latencyOf(histogram) : null,
      commands,
      deviceBytesPerCommand: deviceBefore === null || deviceAfter === null ? null : (deviceAfter - deviceBefore) / commands,
      retries: sum(measures.map((measure) => measure.retries)),
      errors: mergeErrors(totals),
      processes: after.map(({ role, sample }) => costOf(role, before.get(sample.pid), sample, commands, windowMs)),
      check,
    };
  } finally {
    await Promise.all(drivers.map((driver) => driver.stop()));
  }
}

async function checkRun(subject: Subject, driver: RemoteDriver, totals: readonly DriverTotals[], actors: number): Promise<Check> {
  const unanswered = sum(totals.map((one) => one.unanswered));
  const unknown = sum(totals.map((one) => one.unknown));
  if (unanswered > 0) return { passed: false, detail: `${unanswered} commands were never answered` };
  if (unknown > 0) return { passed: false, detail: `the effect of ${unknown} commands is not known` };
  const errors = mergeErrors(totals);
  if (Object.keys(errors).length > 0) return { passed: false, detail: `errors: ${JSON.stringify(errors)}` };
  const counts = new Float64Array(actors);
  const sums = new Float64Array(actors);
  for (const one of totals) {
    for (let i = 0; i < actors; i++) {
      counts[i] = counts[i]! + one.counts[i]!;
      sums[i] = sums[i]! + one.sums[i]!;
    }
  }
  const acknowledged = counts.reduce((a, b) => a + b, 0);
  if (acknowledged === 0) return { passed: false, detail: 'nothing was acknowledged' };
  if (!subject.keepsState) return { passed: true, detail: `${acknowledged} answers, each to an open request` };
  const verdict = await driver.verify(subject.drives, counts, sums);
  if (verdict.mismatches.length > 0 || verdict.failures.length > 0) {
    return { passed: false, detail: `state differs from what was acknowledged: ${JSON.stringify({ ...verdict })}` };
  }
  const detail = `${verdict.actorsChecked} ${subject.drives === FAN_TYPE ? 'fans' : 'counters'} hold the sum and the count of ${acknowledged} acknowledged increments`;
  return subject.drives === FAN_TYPE ? checkEffects(driver, counts, sums, detail) : { passed: true, detail };
}

/** Every message had its effect once, as soon as all of them have arrived. */
async function checkEffects(driver: RemoteDriver, counts: Float64Array, sums: Float64Array, detail: string): Promise<Check> {
  const since = performance.now();
  for (;;) {
    const verdict = await driver.verify(COUNTER_TYPE, effectsOf(counts), effectsOf(sums));
    const tookMs = Math.round(performance.now() - since);
    if (verdict.mismatches.length === 0 && verdict.failures.length === 0) {
      return { passed: true, detail: `${detail}, and ${verdict.actorsChecked} counters their effects ${tookMs} ms after the last answer at most` };
    }
    if (tookMs > EFFECTS_MAX_MS) return { passed: false, detail: `effects differ from what was sent: ${JSON.stringify({ ...verdict })}` };
    await sleep(EFFECTS_POLL_MS);
  }
}

function costOf(role: string, before: ProcessSample | undefined, after: ProcessSample, commands: number, windowMs: number): ProcessCost {
  const delta = (name: 'cpuMs' | 'storageBytes'): number | null => {
    const [from, to] = [before?.[name] ?? 0, after[name]];
    return to === null ? null : to - from;
  };
  const cpuMs = delta('cpuMs');
  const bytes = delta('storageBytes');
  return {
    role,
    cpuUsPerCommand: cpuMs === null ? null : (cpuMs * 1000) / commands,
    cores: cpuMs === null ? null : cpuMs / windowMs,
    rssMib: after.rssBytes === null ? null : after.rssBytes / 2 ** 20,
    rssPeakMib: after.rssPeakBytes === null ? null : after.rssPeakBytes / 2 ** 20,
    storageBytesPerCommand: bytes === null ? null : bytes / commands,
  };
}

function latencyOf(histogram: Histogram): Latency {
  return {
    p50: histogram.percentile(0.5),
    p90: histogram.percentile(0.9),
    p99: histogram.percentile(0.99),
    p999: histogram.percentile(0.999),
    max: histogram.max,
    mean: histogram.mean,
  };
}

function mergeErrors(totals: readonly DriverTotals[]): Record<string, number> {
  const merged: Record<string, number> = {};
  for (const one of totals) for (const [code, count] of one.errors) merged[code] = (merged[code] ?? 0) + count;
  return merged;
}

/** Part `index` of `total` shared evenly among `parts`. */
function share(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
