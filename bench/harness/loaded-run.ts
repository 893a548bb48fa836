/** One run: one subject under one load, from connecting to the check of its result. */

import { setTimeout as sleep } from 'node:timers/promises';

import { FAN_TYPE } from '../driver/format.ts';
import { Histogram } from '../driver/histogram.ts';
import type { Expected } from '../driver/load.ts';
import type { DriverTotals } from '../driver/protocol.ts';
import { mergeTimelines, SLICE_MS } from '../driver/recorder.ts';
import { RemoteDriver } from '../driver/remote.ts';
import { checkEffects, checkState, isClean, mergeTotals } from '../oracle/state.ts';
import type { Check, Figure, Mark, RunReport } from '../report/report.ts';
import type { RunningProcess, Subject } from '../subject/subject.ts';
import { costsBetween, deviceBytesBetween, usageNow } from './costs.ts';
import type { Usage } from './costs.ts';
import { curveOf, latencyOf } from './latency.ts';
import { jobOf } from './load-spec.ts';
import type { LoadSpec } from './load-spec.ts';
import { warmUp, warmUpRemarks } from './warm-up.ts';

export interface RunSettings {
  readonly round: number;
  readonly seed: number;
  readonly drivers: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Part of every actor's name; not empty where actors of an earlier run may be there still. */
  readonly prefix: string;
  /** Ends the run early, by an error. */
  readonly signal: AbortSignal;
  /** Called once a second with how long it has run. */
  onProgress?(elapsedMs: number): void;
  onWarmUp?(elapsedMs: number): void;
}

const PROGRESS_MS = 1_000;
/** With fewer, the slowest percent is less than ten. */
const LATENCIES_MIN = 1_000;
/** Of what becomes due, the share that is answered in the measured time when a rate is kept: the last ones are not through at its end. */
export const REACHED_RATIO = 0.99;
const FILL_CONNECTIONS = 16;
const FILL_IN_FLIGHT = 16;

export async function runLoad(subject: Subject, directory: string, load: LoadSpec, settings: RunSettings): Promise<RunReport> {
  const drivers = Array.from({ length: Math.min(settings.drivers, load.connections) }, () => new RemoteDriver());
  try {
    const expected = load.request === 'get' && subject.keepsState ? await fill(drivers[0]!, subject, load, settings) : null;
    // Distinct per driver and run: keys are made from it.
    const seed = settings.seed * 1_009 + settings.round * 31;
    await Promise.all(drivers.map((driver, i) => driver.start({ ...jobOf(load, subject.endpoints, settings.prefix, seed + i, i, drivers.length), expected })));
    const warmed = await warmUp(drivers, load.loop.kind === 'open', settings);

    const processes = (): RunningProcess[] => [...subject.processes(), ...drivers.map((driver) => ({ role: 'driver', pid: driver.pid }))];
    await Promise.all(drivers.map((driver) => driver.begin()));
    const before = usageNow(processes(), directory);
    await pass(settings.durationMs, settings);
    const after = usageNow(processes(), directory);
    await Promise.all(drivers.map((driver) => driver.end()));
    const totals = await Promise.all(drivers.map((driver) => driver.drain()));

    const check = expected === null ? await checkWrites(subject, drivers[0]!, totals, load) : checkReads(totals);
    return runReport({ round: settings.round, check, totals, before, after, marks: [], figures: [], remarks: warmUpRemarks(warmed), warmUpMs: warmed.ms });
  } finally {
    await Promise.all(drivers.map((driver) => driver.stop()));
  }
}

/** Gives every actor one increment; what they hold then. */
export async function fill(driver: RemoteDriver, subject: Subject, load: LoadSpec, settings: RunSettings): Promise<Expected> {
  const sweep: LoadSpec = { ...load, request: 'increment', perFrame: 1, idleConnections: 0, connections: FILL_CONNECTIONS, loop: { kind: 'sweep', inFlight: FILL_IN_FLIGHT } };
  await driver.start(jobOf(sweep, subject.endpoints, settings.prefix, settings.seed * 7_919 + settings.round, 0, 1));
  const totals = await driver.finish();
  const trouble = isClean([totals]);
  if (trouble !== null) throw new Error(`filling the actors: ${trouble}`);
  return { counts: totals.counts, sums: totals.sums };
}

export interface RunParts {
  readonly round: number;
  readonly check: Check;
  readonly totals: readonly DriverTotals[];
  readonly before: Usage;
  readonly after: Usage;
  readonly marks: readonly Mark[];
  readonly figures: readonly Figure[];
  readonly remarks?: readonly string[];
  readonly warmUpMs?: number;
}

export function runReport({ round, check, totals, before, after, marks, figures, remarks = [], warmUpMs }: RunParts): RunReport {
  const measures = totals.map(({ measure }) => measure);
  const commands = sum(measures.map(({ acknowledged }) => acknowledged));
  const windowMs = sum(measures.map((measure) => measure.windowMs)) / measures.length;
  const all = merged(measures.map(({ histogram }) => histogram));
  const late = merged(measures.map((measure) => measure.late));
  const { passed } = check;
  const measured = sum(measures.map(({ histogram }) => histogram.total));
  const due = sum(measures.map(({ late: { total } }) => total));
  return {
    round,
    check,
    commandsPerSecond: passed ? (commands / windowMs) * 1_000 : null,
    commands,
    windowMs,
    warmUpMs: warmUpMs === undefined ? null : Math.round(warmUpMs),
    latencyMs: passed ? latencyOf(all) : null,
    latencyCurve: passed ? curveOf(all) : [],
    lateMs: passed && late.count > 0 ? latencyOf(late) : null,
    due: due > 0 ? due : null,
    timeline: { sliceMs: SLICE_MS, ...mergeTimelines(measures.map(({ timeline }) => timeline)) },
    marks,
    processes: costsBetween(before, after, commands, windowMs),
    deviceBytesPerCommand: deviceBytesBetween(before, after, commands),
    retries: sum(totals.map(({ retries }) => retries)),
    errors: mergeTotals(totals).errors,
    figures: passed ? figures : [],
    remarks: passed ? [...remarks, ...remarksOn(commands, due, measured)] : remarks,
  };
}

function remarksOn(commands: number, due: number, measured: number): string[] {
  const remarks: string[] = [];
  if (commands < due * REACHED_RATIO) remarks.push(`the rate was not kept: ${commands} of ${due} commands that became due were answered in the measured time`);
  if (measured > 0 && measured < LATENCIES_MIN) remarks.push(`latency of ${measured} commands only: p99 is of the slowest ${Math.ceil(measured / 100)}`);
  return remarks;
}

async function checkWrites(subject: Subject, driver: RemoteDriver, totals: readonly DriverTotals[], load: LoadSpec): Promise<Check> {
  const trouble = isClean(totals);
  if (trouble !== null) return { passed: false, detail: trouble };
  const { counts, sums, acknowledged } = mergeTotals(totals);
  if (!subject.keepsState) return { passed: true, detail: `${acknowledged} answers, each to an open request` };
  const check = await checkState(driver, load.type, counts, sums);
  return check.passed && load.type === FAN_TYPE ? checkEffects(driver, counts, sums, load.shape.fanOut, check.detail) : check;
}

function checkReads(totals: readonly DriverTotals[]): Check {
  const trouble = isClean(totals);
  if (trouble !== null) return { passed: false, detail: trouble };
  const wrong = sum(totals.map((one) => one.wrong));
  if (wrong > 0) return { passed: false, detail: `${wrong} reads did not answer what the actor holds` };
  return { passed: true, detail: `${mergeTotals(totals).acknowledged} reads, each of the state that the actor holds` };
}

async function pass(durationMs: number, { onProgress, signal }: RunSettings): Promise<void> {
  const began = performance.now();
  for (;;) {
    const elapsed = performance.now() - began;
    if (elapsed >= durationMs) return;
    onProgress?.(elapsed);
    await sleep(Math.min(PROGRESS_MS, durationMs - elapsed), undefined, { signal });
  }
}

function merged(dumps: Parameters<Histogram['add']>[0][]): Histogram {
  const histogram = new Histogram();
  for (const dump of dumps) histogram.add(dump);
  return histogram;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
