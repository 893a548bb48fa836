/** What happens to the simulated cluster, one after the other, each from rest to rest, and what is counted meanwhile. */

import { BucketMap } from '../../cluster/bucket-map.ts';
import { leastMoves, leastMovesOfRestart } from './lower-bound.ts';
import type { Absence } from './service-record.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { StoreFigures } from './store-meter.ts';

export const scenarioNames = ['found', 'join-1', 'join-10', 'lose-1', 'lose-rack', 'lose-scheduler', 'rolling-restart', 'store-away'] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface Course {
  readonly cluster: SimulatedCluster;
  readonly nodes: number;
  readonly atOnce: number;
  readonly restarts: number;
  readonly startMs: number;
}

export interface ScenarioResult {
  /** `back` stands behind the name of a loss for the return of who was lost. */
  readonly name: string;
  readonly text: string;
  readonly nodes: number;
  readonly moves: number;
  readonly leastMoves: number;
  /** Of virtual time, from the first thing that happened until nothing changed any more. */
  readonly convergedMs: number;
  readonly absence: Absence;
  readonly store: StoreFigures;
  readonly mapVersions: number;
  readonly movingPeak: number;
  readonly handOffs: number;
  readonly aborted: number;
  readonly cpuSeconds: number;
  /** Of all up to its end. */
  readonly digest: string;
  /** What the oracle said during it. */
  readonly complaints: readonly string[];
}

/** Nodes of a cluster are not started in the same millisecond. */
const START_SPREAD_MS = 1_000;
const OUTAGE_MS = 10_000;
const REST_WITHIN_MS = 30 * 60_000;
const RESTART_WITHIN_MS = 4 * 60 * 60_000;
const RACK_SHARE = 0.05;
const JOINS = 10;

interface Act {
  readonly text: string;
  /** May answer until when it lasted; otherwise it is over when nothing changes any more. */
  readonly happens: () => Promise<number | void> | void;
  /** When it is not that of one change of the nodes. */
  readonly least?: number;
}

export async function runScenario(name: ScenarioName, course: Course, tell: (result: ScenarioResult) => void): Promise<void> {
  const { cluster, nodes } = course;
  const ids = [...cluster.nodes.keys()];
  const some = (count: number): string[] => Array.from({ length: count }, () => ids.splice(cluster.random.below(ids.length), 1)[0]!);
  const lose = async (lost: readonly string[], text: string): Promise<void> => {
    tell(await measure(name, course, { text, happens: () => lost.forEach((id) => cluster.kill(id)) }));
    tell(await measure(`${name} back`, course, { text: lost.length === 1 ? 'and comes back' : 'and come back', happens: () => startAll(cluster, lost, START_SPREAD_MS) }));
  };
  switch (name) {
    case 'found':
      return tell(await measure(name, course, {
        text: `${nodes - JOINS - 1} nodes found a cluster`,
        happens: () => startAll(cluster, Array.from({ length: nodes - JOINS - 1 }, (_, i) => idOf(i)), START_SPREAD_MS),
        least: 2 ** cluster.settings.bucketBits,
      }));
    case 'join-1':
      return tell(await measure(name, course, { text: 'one node joins', happens: () => startAll(cluster, [idOf(nodes - JOINS - 1)], 0) }));
    case 'join-10':
      return tell(await measure(name, course, { text: `${JOINS} nodes join at once`, happens: () => startAll(cluster, Array.from({ length: JOINS }, (_, i) => idOf(nodes - JOINS + i)), 100) }));
    case 'lose-1':
      return lose(some(1), 'one node is killed');
    case 'lose-rack':
      return lose(some(Math.max(2, Math.round(ids.length * RACK_SHARE))), `${Math.max(2, Math.round(ids.length * RACK_SHARE))} nodes are killed at once`);
    case 'lose-scheduler':
      return lose([cluster.schedulerId()!], 'the elected scheduler is killed');
    case 'rolling-restart':
      return tell(await measure(name, course, {
        text: `${course.restarts >= ids.length ? 'all' : course.restarts} nodes are restarted, ${course.atOnce} at a time`,
        happens: () => restartAll(course),
        least: leastMovesOfRestart(2 ** cluster.settings.bucketBits, ids.length, Math.min(course.restarts, ids.length), course.atOnce),
      }));
    case 'store-away':
      return tell(await measure(name, course, { text: `the store is away for ${OUTAGE_MS / 1_000} s`, happens: () => loseStore(cluster) }));
  }
}

async function measure(name: string, { cluster }: Course, act: Act): Promise<ScenarioResult> {
  const cpu = process.cpuUsage();
  const said = cluster.oracle.complaints.length;
  const before = cluster.map ?? BucketMap.empty(cluster.settings.bucketBits);
  const handOffs = cluster.handOffStat();
  cluster.begin();
  const fromMs = cluster.nowMs;
  let isOver = false;
  let overMs = 0;
  void Promise.resolve(act.happens()).then((atMs) => {
    isOver = true;
    overMs = atMs ?? 0;
  });
  const limitMs = cluster.nowMs + RESTART_WITHIN_MS;
  do await cluster.pass(250);
  while (!isOver && cluster.nowMs < limitMs);
  if (!isOver) cluster.oracle.complain(`${name} is not over within ${RESTART_WITHIN_MS / 60_000} minutes`);
  const restMs = Math.max(overMs, await cluster.untilRest(REST_WITHIN_MS));
  cluster.checkRest();
  const after = cluster.handOffStat();
  const used = process.cpuUsage(cpu);
  const result = {
    name, text: act.text,
    nodes: cluster.nodes.size,
    moves: cluster.record.moves,
    leastMoves: act.least ?? leastMoves(before, [...cluster.nodes.values()].map(({ number }) => number)),
    convergedMs: Math.max(0, restMs - fromMs),
    absence: cluster.record.absence(),
    store: cluster.meter.figures(fromMs, restMs),
    mapVersions: cluster.mapVersions,
    movingPeak: cluster.movingPeak,
    handOffs: after.handOffs - handOffs.handOffs,
    aborted: after.aborted - handOffs.aborted,
    cpuSeconds: (used.user + used.system) / 1e6,
    digest: cluster.trace(),
    complaints: cluster.oracle.complaints.slice(said),
  };
  return result;
}

function idOf(i: number): string {
  return `n-${String(i).padStart(4, '0')}`;
}

async function startAll(cluster: SimulatedCluster, ids: readonly string[], spreadMs: number): Promise<void> {
  await Promise.all(ids.map(async (id) => {
    await cluster.sleep(cluster.random.below(spreadMs + 1));
    await cluster.start(id);
  }));
}

async function restartAll({ cluster, atOnce, restarts, startMs }: Course): Promise<void> {
  const ids = [...cluster.nodes.keys()].sort().slice(0, restarts);
  for (let from = 0; from < ids.length; from += atOnce) {
    await Promise.all(ids.slice(from, from + atOnce).map(async (id) => {
      await cluster.end(id);
      await cluster.sleep(startMs);
      await cluster.start(id);
    }));
  }
}

/** Over when every node has heard of it again. */
async function loseStore(cluster: SimulatedCluster): Promise<number> {
  cluster.network.isDown = true;
  await cluster.sleep(OUTAGE_MS);
  cluster.network.isDown = false;
  const backMs = cluster.nowMs;
  while ([...cluster.nodes.values()].some(({ plane }) => (plane.state?.nowMs ?? 0) < backMs)) await cluster.sleep(10);
  return cluster.nowMs;
}
