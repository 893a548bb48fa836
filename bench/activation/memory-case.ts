/**
 * What an actor costs in memory while it lives: resident memory of node and sandbox with all actors live, less what it was with none of them, by
 * their number; and the same of the node's heap.
 *
 * Both moments are alike but for the actors: the same process, its code warmed by others, at rest for the same time, and the node's heap collected by
 * its inspector. The sandbox is not: its isolate has a heap of its own, whose garbage counts. What a request leaves behind in the node (buffers that
 * have grown, pieces of files that are kept) counts, too, and is shared by all actors: the more there are, the less it weighs.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { RemoteDriver } from '../driver/remote.ts';
import type { CasePlan } from '../harness/case.ts';
import { usageNow } from '../harness/costs.ts';
import { runReport } from '../harness/loaded-run.ts';
import type { RunSettings } from '../harness/loaded-run.ts';
import { onServers } from '../harness/on-servers.ts';
import { isClean } from '../oracle/state.ts';
import type { Check, Figure, RunReport } from '../report/report.ts';
import { freePort } from '../../runtime/testing/ports.ts';
import { sampleProcess } from '../../runtime/faults/proc.ts';
import { isServerRole } from '../subject/servers.ts';
import type { ServerKind, Servers } from '../subject/servers.ts';
import { settingsOf, sweep } from './activation-case.ts';
import { heapAfterCollection, inspectorArgs } from './node-heap.ts';
import { SleepingActors, WARM_UP_PREFIX } from './sleeping-actors.ts';

export interface MemorySpec {
  readonly actors: number;
  readonly warmUpActors: number;
  readonly restMs: number;
}

const SHAPE = { request: 'get', connections: 16, inFlight: 16 } as const;
/** With fewer, what all share weighs more than they do. */
export const LIVE_ACTORS_MIN = 10_000;
export const PER_LIVE_ACTOR = 'resident memory per live actor';

interface Weight {
  readonly nodeBytes: number;
  readonly sandboxBytes: number;
  readonly heapBytes: number;
}

/** With one node only: two would share the actors as they like. */
export function memoryCase(kind: Exclude<ServerKind, 'cluster'>, spec: MemorySpec): CasePlan {
  return {
    id: `activation/memory/${kind}`, workload: 'activation', subject: kind, load: 'memory', isBaseline: false,
    parameters: { actors: spec.actors, restSeconds: spec.restMs / 1_000 },
    run: (context) => onServers(kind, context, async (servers, directory) => {
      const settings = settingsOf(context);
      const sleeping = new SleepingActors(servers, directory, { ...spec, tier: 'hot', takesSnapshots: false }, settings);
      const inspector = await freePort();
      context.onProgress('filling');
      await sleeping.prepare(inspectorArgs(inspector));
      return weigh(servers, directory, sleeping, spec, settings, inspector);
    }),
  };
}

async function weigh(servers: Servers, directory: string, sleeping: SleepingActors, spec: MemorySpec, settings: RunSettings, inspector: number): Promise<RunReport> {
  const driver = new RemoteDriver();
  try {
    await sweep(driver, servers, { ...SHAPE, actors: spec.warmUpActors }, settings, WARM_UP_PREFIX, null);
    const none = await atRest(servers, spec.restMs, settings, inspector);
    await sleeping.forget();
    const processes = (): ReturnType<Servers['processes']> => [...servers.processes(), { role: 'driver', pid: driver.pid }];
    const before = usageNow(processes(), directory);
    const totals = await sweep(driver, servers, { ...SHAPE, actors: spec.actors }, settings, '', sleeping.expected);
    const after = usageNow(processes(), directory);
    const all = await atRest(servers, spec.restMs, settings, inspector);
    const activated = await sleeping.activated();
    const live = await servers.metric('troupe_engine_activations');
    const check = checkOf(isClean([totals]), totals.wrong, activated, live, spec);
    const remarks = spec.actors < LIVE_ACTORS_MIN ? [`of ${spec.actors} live actors: what all of them share is most of that; the goal is judged from ${LIVE_ACTORS_MIN} on`] : [];
    return runReport({ round: settings.round, check, totals: [totals], before, after, marks: [], figures: figuresOf(none, all, spec.actors), remarks });
  } finally {
    await driver.stop();
  }
}

async function atRest(servers: Servers, restMs: number, { signal }: RunSettings, inspector: number): Promise<Weight> {
  await heapAfterCollection(inspector);
  await sleep(restMs, undefined, { signal });
  const heapBytes = await heapAfterCollection(inspector);
  const bytes = (isWanted: (role: string) => boolean): number =>
    servers.processes().filter(({ role }) => isServerRole(role) && isWanted(role)).reduce((sum, { pid }) => sum + (sampleProcess(pid).rssBytes ?? 0), 0);
  return { heapBytes, nodeBytes: bytes((role) => role === 'node'), sandboxBytes: bytes((role) => role !== 'node') };
}

function checkOf(trouble: string | null, wrong: number, activated: number, live: number, { actors, warmUpActors }: MemorySpec): Check {
  if (trouble !== null) return { passed: false, detail: trouble };
  if (wrong > 0) return { passed: false, detail: `${wrong} of ${actors} actors did not hold what they were given` };
  if (activated !== actors || live !== actors + warmUpActors) {
    return { passed: false, detail: `${actors} actors were to come into memory beside ${warmUpActors}: ${activated} came, and ${live} are there` };
  }
  return { passed: true, detail: `${live} actors are in memory, ${actors} of them came between the two looks, and held what they were given` };
}

function figuresOf(none: Weight, all: Weight, actors: number): Figure[] {
  const each = (name: string, of: (weight: Weight) => number): Figure => ({ name, value: (of(all) - of(none)) / actors, unit: 'bytes', isLessBetter: true });
  const whole = (name: string, value: number): Figure => ({ name, value: value / 2 ** 20, unit: 'MiB', isLessBetter: true });
  return [
    each(PER_LIVE_ACTOR, ({ nodeBytes, sandboxBytes }) => nodeBytes + sandboxBytes),
    each('of it in the node', ({ nodeBytes }) => nodeBytes),
    each('of it in the sandboxes', ({ sandboxBytes }) => sandboxBytes),
    each("the node's heap per live actor", ({ heapBytes }) => heapBytes),
    whole('node and sandboxes with none live', none.nodeBytes + none.sandboxBytes),
    whole('node and sandboxes with all live', all.nodeBytes + all.sandboxBytes),
  ];
}
