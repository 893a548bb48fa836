/** Options of `bench control-plane`. */

import { parseArgs } from 'node:util';

import { controlLimits } from '../../cluster/control/control-store.ts';
import { controlDefaults } from '../../cluster/control/timing.ts';
import { defaults } from '../../runtime/config/defaults.ts';
import type { ClusterSettings } from './simulated-cluster.ts';
import { scenarioNames } from './scenarios.ts';
import type { ScenarioName } from './scenarios.ts';

export interface ControlPlaneOptions {
  readonly cluster: ClusterSettings;
  /** How many there are once all have joined. */
  readonly nodes: number;
  readonly scenarios: readonly ScenarioName[];
  /** Of a rolling restart. */
  readonly atOnce: number;
  /** How many nodes of it are restarted. */
  readonly restarts: number;
  readonly startMs: number;
  readonly jsonReport: boolean;
}

/** Eleven join later, and some must be there before. */
const NODES_MIN = 20;

export const controlPlaneHelp = `Usage: troupe bench control-plane [options]

A cluster of a size that no one machine holds, simulated in one thread on virtual time: the product's own control plane, allocation and hand-off,
with a store in memory and engines that only take time. bench/README.md says how to read the result.

  --nodes <n>            when all have joined, ${NODES_MIN} to ${controlLimits.nodesMax}                            (1000)
  --buckets <n>          a power of two, at most ${2 ** controlLimits.bucketBitsMax}                        (65536)
  --seed <n>             all that happens follows from it and the options            (1)
  --scenarios <list>     of ${scenarioNames.slice(0, 5).join(', ')},     (all)
                         ${scenarioNames.slice(5).join(', ')}
  --at-once <k>          nodes that a rolling restart ends at a time                 (20)
  --restarts <n>         nodes that it restarts                                      (all)
  --start-time <ms>      of a node's process, from its end to its first beat         (2000)
  --moves-per-round <n>  that the scheduler begins                                   (${controlDefaults.movesPerRoundMax})
  --moves-per-node <n>   on their way from and to any one node                       (${controlDefaults.movesPerNodeMax})
  --moves-in-flight <n>  in the whole cluster                                        (${controlDefaults.movesInFlightMax})
  --open-time <ms>       to read a bucket's log: half to one and a half of this      (10)
  --drain-time <ms>      to finish and make durable what a bucket has under way      (5)
  --stuck-one-in <n>     hand-offs of which one takes longer than its pause budget   (1000)
  --json                 full report as JSON on stdout
`;

export function parseControlPlaneOptions(args: readonly string[]): ControlPlaneOptions {
  const { values } = parseArgs({
    args,
    options: {
      nodes: { type: 'string', default: '1000' },
      buckets: { type: 'string', default: '65536' },
      seed: { type: 'string', default: '1' },
      scenarios: { type: 'string', default: scenarioNames.join() },
      'at-once': { type: 'string' },
      restarts: { type: 'string' },
      'start-time': { type: 'string', default: '2000' },
      'moves-per-round': { type: 'string', default: String(controlDefaults.movesPerRoundMax) },
      'moves-per-node': { type: 'string', default: String(controlDefaults.movesPerNodeMax) },
      'moves-in-flight': { type: 'string', default: String(controlDefaults.movesInFlightMax) },
      'open-time': { type: 'string', default: '10' },
      'drain-time': { type: 'string', default: '5' },
      'stuck-one-in': { type: 'string', default: '1000' },
      json: { type: 'boolean', default: false },
    },
  });
  const buckets = count('buckets', values.buckets, 1, 2 ** controlLimits.bucketBitsMax);
  const bucketBits = Math.log2(buckets);
  if (!Number.isInteger(bucketBits)) throw new Error(`--buckets ${buckets}: wanted is a power of two`);
  const nodes = count('nodes', values.nodes, NODES_MIN, controlLimits.nodesMax);
  return {
    nodes,
    cluster: {
      seed: count('seed', values.seed, 0, 2 ** 31 - 1),
      bucketBits,
      timing: {
        ...controlDefaults,
        movesPerRoundMax: count('moves-per-round', values['moves-per-round'], 1, 4_096),
        movesPerNodeMax: count('moves-per-node', values['moves-per-node'], 1, 65_536),
        movesInFlightMax: count('moves-in-flight', values['moves-in-flight'], 1, 65_536),
      },
      costs: {
        storeMs: 4,
        openMs: count('open-time', values['open-time'], 0, 60_000),
        openCpuMs: 0.1,
        drainMs: count('drain-time', values['drain-time'], 0, 60_000),
        stuckOneIn: count('stuck-one-in', values['stuck-one-in'], 1, 2 ** 31 - 1),
        appendEveryMs: 100,
      },
      pauseMaxMs: defaults.handOffPauseMaxMs,
      drainTimeMaxMs: defaults.drainTimeMaxMs,
    },
    scenarios: values.scenarios.split(',').map(parseScenario),
    atOnce: count('at-once', values['at-once'] ?? String(Math.min(20, Math.floor(nodes / 2))), 1, Math.floor(nodes / 2)),
    restarts: count('restarts', values.restarts ?? String(nodes), 1, nodes),
    startMs: count('start-time', values['start-time'], 0, 600_000),
    jsonReport: values.json,
  };
}

function parseScenario(text: string): ScenarioName {
  const found = scenarioNames.find((name) => name === text);
  if (found === undefined) throw new Error(`--scenarios: ${text} is not one of ${scenarioNames.join(', ')}`);
  return found;
}

function count(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new Error(`--${name} ${text}: wanted is a whole number from ${min} to ${max}`);
  return value;
}
