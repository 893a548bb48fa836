/**
 * One run under which something happens: a subject of ours under a load that our own client carries, while a disturbance strikes it.
 *
 * F1  The measured time ends when it is over and the last strike is too: what a disturbance does to the load is in the figures to its end.
 * F2  The check fails, beside what fails every run, when a client gave a command up: retrying until the outcome is known is its promise.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { ClientJob, ClientTotals, Samples } from '../client-driver/protocol.ts';
import { RemoteClientDriver } from '../client-driver/remote.ts';
import { ms, times } from '../disturbance/disturbance.ts';
import type { Disturbance, World } from '../disturbance/disturbance.ts';
import { COUNTER_TYPE } from '../driver/format.ts';
import { Histogram } from '../driver/histogram.ts';
import { monotonicMs } from '../driver/monotonic.ts';
import { DriverRandom } from '../driver/random.ts';
import { checkClients, isClean } from '../oracle/state.ts';
import { bucketNames } from '../oracle/buckets.ts';
import type { Check, Figure, Mark, RunReport } from '../report/report.ts';
import { settled } from '../subject/settled.ts';
import type { ProductSubject, RunningProcess } from '../subject/subject.ts';
import { usageNow } from './costs.ts';
import { runReport } from './loaded-run.ts';
import type { RunSettings } from './loaded-run.ts';
import { share } from './load-spec.ts';

/** What the clients do. */
export type ClientLoadSpec = Pick<ClientJob, 'clients' | 'direct' | 'loop' | 'actors' | 'distribution'>;

/** From, until, in milliseconds of the measured time. */
type Period = readonly [number, number];

const PROGRESS_MS = 1_000;

/** `strikes`: when, from the beginning of the measured time; one that is not over when the next is due puts that off. */
export async function runDisturbed(
  subject: ProductSubject, directory: string, load: ClientLoadSpec, disturbance: Disturbance, strikes: readonly number[], settings: RunSettings,
): Promise<RunReport> {
  const ending = new AbortController();
  const signal = AbortSignal.any([settings.signal, ending.signal]);
  const drivers = Array.from({ length: Math.min(settings.drivers, load.clients) }, () => new RemoteClientDriver());
  const marks: Mark[] = [];
  const periods = new Map(disturbance.kinds.map((kind): [string, Period[]] => [kind, []]));
  const random = new DriverRandom(settings.seed * 1_009 + settings.round * 31);
  try {
    await settled(subject.nodes, signal);
    const probes = disturbance.isProbing ? await probesOf(subject, settings.prefix) : [];
    const jobs = drivers.map((_, i) => jobOf(load, subject, settings, probes, i, drivers.length));
    await Promise.all(drivers.map((driver, i) => driver.start(jobs[i]!)));
    let beganAt = monotonicMs();
    const world: World = {
      subject, directory, random, signal, driver: drivers[0]!,
      nowMs: () => monotonicMs() - beganAt,
      since: (at) => at - beganAt,
      lasted(kind, atMs, untilMs, text) {
        marks.push({ atMs, untilMs, text });
        periods.get(kind)!.push([atMs, untilMs]);
      },
    };
    await disturbance.prepare(world, strikes.length);
    await sleep(settings.warmUpMs, undefined, { signal });

    const processes = (): RunningProcess[] => [...subject.processes(), ...drivers.map((driver) => ({ role: 'driver', pid: driver.pid }))];
    [beganAt] = (await Promise.all(drivers.map((driver) => driver.begin()))) as [number];
    const before = usageNow(processes(), directory);
    await Promise.all([strike(disturbance, world, strikes), lasting(world, settings)]);
    const after = usageNow(processes(), directory);
    await Promise.all(drivers.map((driver) => driver.end()));
    const totals = await Promise.all(drivers.map((driver) => driver.drain()));

    const check = await checkOf(drivers[0]!, totals);
    const figures = check.passed ? [...(await disturbance.figures(world)), ...latencies(totals, periods), ...clientFigures(totals)] : [];
    marks.sort((a, b) => a.atMs - b.atMs);
    return runReport({ round: settings.round, check, totals, before, after, marks, figures, warmUpMs: settings.warmUpMs });
  } finally {
    ending.abort();
    await Promise.all(drivers.map((driver) => driver.stop()));
  }
}

async function strike(disturbance: Disturbance, world: World, strikes: readonly number[]): Promise<void> {
  for (const [number, atMs] of strikes.entries()) {
    await sleep(Math.max(0, atMs - world.nowMs()), undefined, { signal: world.signal });
    await disturbance.strike(world, number);
  }
}

async function lasting(world: World, { durationMs, onProgress }: RunSettings): Promise<void> {
  for (let now = world.nowMs(); now < durationMs; now = world.nowMs()) {
    onProgress?.(now);
    await sleep(Math.min(PROGRESS_MS, durationMs - now), undefined, { signal: world.signal });
  }
}

/** A counter in each bucket, by the bucket's index. */
async function probesOf({ nodes }: ProductSubject, prefix: string): Promise<string[]> {
  const { list } = await nodes[0]!.admin.buckets();
  return bucketNames(list.length, (n) => `${COUNTER_TYPE}:${prefix}p-${n}`);
}

function jobOf(load: ClientLoadSpec, { endpoints }: ProductSubject, { seed, round, prefix }: RunSettings, probes: readonly string[], index: number, drivers: number): ClientJob {
  const { loop } = load;
  return {
    ...load, probes, prefix,
    urls: endpoints.map(({ host, port }) => `ws://${host}:${port}`),
    clients: share(load.clients, drivers, index),
    loop: loop.kind === 'open' ? { ...loop, perSecond: loop.perSecond / drivers } : loop,
    seed: seed * 1_009 + round * 31 + index + 1,
  };
}

async function checkOf(driver: RemoteClientDriver, totals: readonly ClientTotals[]): Promise<Check> {
  const trouble = isClean(totals);
  if (trouble !== null) return { passed: false, detail: trouble };
  const codes = totals.flatMap(({ givenUp }) => givenUp);
  // F2
  if (codes.length > 0) return { passed: false, detail: `commands failed for the client, which is to go on by itself: ${codes.map(([code, count]) => `${count} ${code}`).join(', ')}` };
  return checkClients(driver, totals);
}

/** Of commands that were open, from when they were due, at any moment of each kind of time; and of those that were at none. */
function latencies(totals: readonly ClientTotals[], periods: ReadonlyMap<string, readonly Period[]>): Figure[] {
  const all = totals.map(({ samples }) => samples);
  const every = [...periods.values()].flat();
  const figures: Figure[] = [];
  for (const [kind, of] of periods) figures.push(...p99(`p99 ${kind}`, all, (due, answered) => meets(of, due, answered)));
  return [...figures, ...p99('p99 otherwise', all, (due, answered) => !meets(every, due, answered))];
}

/** None when nothing was open then. */
function p99(name: string, all: readonly Samples[], isWanted: (dueMs: number, answeredMs: number) => boolean): Figure[] {
  const histogram = new Histogram();
  for (const { dueMs, latencyMs } of all) {
    for (let i = 0; i < dueMs.length; i++) if (isWanted(dueMs[i]!, dueMs[i]! + latencyMs[i]!)) histogram.record(latencyMs[i]!);
  }
  return histogram.count === 0 ? [] : [ms(name, histogram.percentile(0.99))];
}

function meets(periods: readonly Period[], dueMs: number, answeredMs: number): boolean {
  return periods.some(([from, until]) => dueMs <= until && answeredMs >= from);
}

function clientFigures(totals: readonly ClientTotals[]): Figure[] {
  return [
    ms('longest time without any answer', Math.max(...totals.map(({ longestSilenceMs }) => longestSilenceMs))),
    times('commands that were sent more than once', totals.reduce((sum, { retried }) => sum + retried, 0)),
    // By F2; it stands here so that a reader need not know that.
    times('commands that failed for the client', 0),
  ];
}
