/** Workloads under which something happens to the servers while our own client loads them: `kill`, `hand-off`, `deploy`. */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ParseArgsConfig } from 'node:util';

import { Deploy } from '../disturbance/deploy.ts';
import type { Disturbance } from '../disturbance/disturbance.ts';
import { HandOff } from '../disturbance/hand-off.ts';
import { Kill, victims } from '../disturbance/kill.ts';
import { runDisturbed } from '../harness/disturbed-run.ts';
import type { CasePlan, CaseRound, RoundContext } from '../harness/case.ts';
import { commonHelp, count, namesOf, parseOptions, seconds, text } from '../harness/options.ts';
import type { CommonOptions, Values } from '../harness/options.ts';
import { runSuite } from '../harness/suite.ts';
import { startProduct } from '../subject/start.ts';
import type { ProductName } from '../subject/start.ts';
import { clientLoadConfig, clientLoadHelp, clientLoadsOf, strikesOf } from './fault-options.ts';
import type { NamedLoad } from './fault-options.ts';
import type { Workload } from './workload.ts';

/** One way in which something happens. */
interface Way {
  /** Part of the case's id; may be empty. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** A new one for every run. */
  disturbance(): Disturbance;
}

export interface FaultWorkload {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly subjects: readonly ProductName[];
  readonly nodesMin: number;
  readonly help: string;
  readonly config: NonNullable<ParseArgsConfig['options']>;
  readonly defaults: Readonly<Record<string, string>>;
  waysOf(values: Values): Way[];
}

function fault(workload: FaultWorkload): Workload {
  const { name, summary, description, help, defaults } = workload;
  return {
    name, summary,
    help: `Usage: troupe bench ${name} [options]\n\n${description}\n\nWhat happens:\n${help}\n${clientLoadHelp}\n${commonHelp(defaults, ['peers', 'peer-folder', 'baselines', 'target'], workload.subjects)}`,
    async run(args) {
      const { options, cases } = planOf(workload, args);
      return runSuite({ workload: name, args, options, cases, loops: [], goals: () => [] });
    },
  };
}

/** @throws Error with the option that makes no sense */
export function planOf(workload: FaultWorkload, args: readonly string[]): { options: CommonOptions; cases: CasePlan[] } {
  const { common, values } = parseOptions(args, { ...clientLoadConfig, ...workload.config }, workload.defaults);
  const cases = casesOf(workload, common, values);
  if (cases.length === 0) throw new Error('--subjects, --distribution and the like leave nothing to be run');
  return { options: common, cases };
}

function casesOf(workload: FaultWorkload, options: CommonOptions, values: Values): CasePlan[] {
  if (options.baselines.length > 0) throw new Error('--baselines: nothing can be measured beside this; counter has them');
  const strikes = strikesOf(values, options.durationMs);
  const every = text(values, 'every');
  if (options.target.length > 0) throw new Error(`--target: ${workload.name} does something to its servers, and starts them itself`);
  const subjects = namesOf('subjects', options.subjects.join(','), workload.subjects);
  if (options.nodes < workload.nodesMin) throw new Error(`--nodes ${options.nodes}: wanted are ${workload.nodesMin} at least, so that others can go on`);
  return clientLoadsOf(values).flatMap((load) => workload.waysOf(values).flatMap((way) => subjects.map((subject): CasePlan => {
    const nodes = subject === 'cluster' ? options.nodes : 1;
    const id = [workload.name, load.load, load.variant, way.name, subject].filter((part) => part !== '').join('/');
    return {
      id: nodes > 1 ? `${id} of ${nodes}` : id,
      workload: workload.name, subject, load: load.load, isBaseline: false,
      parameters: { ...load.parameters, nodes, ...way.parameters, ...(every === '' ? {} : { everySeconds: Number(every) }) },
      run: (context) => runOn(subject, load, way, strikes, context),
    };
  })));
}

async function runOn(name: ProductName, { spec }: NamedLoad, way: Way, strikes: readonly number[], { root, round, options, signal, onProgress }: RoundContext): Promise<CaseRound> {
  const directory = mkdtempSync(join(root, `${name}-`));
  onProgress('starting');
  const subject = await startProduct(name, directory, options);
  try {
    const { seed, drivers, warmUpMs, durationMs } = options;
    const run = await runDisturbed(subject, directory, spec, way.disturbance(), strikes, {
      round, seed, drivers, warmUpMs, durationMs, signal, prefix: '',
      onProgress: (elapsedMs) => onProgress(`${Math.round(elapsedMs / 1_000)} of ${Math.round(durationMs / 1_000)} s`),
    });
    return { durability: subject.durability, run };
  } finally {
    await subject.stop();
    if (!options.keep) rmSync(directory, { recursive: true, force: true });
  }
}

export const kills: FaultWorkload = {
  name: 'kill',
  summary: 'kill -9 of a node, while clients go on',
  description: `A node of a cluster is killed in the middle of the measured time, and started again. For how long did its buckets not answer, what did clients
see of it, and was everything applied once all the same?`,
  subjects: ['cluster'],
  nodesMin: 2,
  help: `  --which <list>         any (one that is not the scheduler), scheduler (the elected one)  (any)
  --every <s>            again and again, instead of once in the middle
  --down <s>             until the node is started again                            (5)
`,
  config: { which: { type: 'string', default: 'any' }, every: { type: 'string', default: '' }, down: { type: 'string', default: '5' } },
  defaults: { subjects: 'cluster', nodes: '3', duration: '20', baselines: 'none' },
  waysOf(values) {
    const downMs = seconds(values, 'down');
    return namesOf('which', text(values, 'which'), victims).map((which) => ({
      name: which, parameters: { which, downSeconds: downMs / 1_000 }, disturbance: () => new Kill(which, downMs),
    }));
  },
};

export const handOffs: FaultWorkload = {
  name: 'hand-off',
  summary: 'a node is emptied and filled again, while clients go on',
  description: `A node of a cluster hands over all its buckets because an operator wants it (troupe nodes drain), and takes its share again. For how long did each
bucket stand still, and what did clients see of it?`,
  subjects: ['cluster'],
  nodesMin: 2,
  help: `  --every <s>            another node again and again, instead of one in the middle
  --probes <n>           buckets of the node that are asked all the time for their pause; each is up to 100 commands a second
                         more                                                       (16)
`,
  config: { every: { type: 'string', default: '' }, probes: { type: 'string', default: '16' } },
  defaults: { subjects: 'cluster', nodes: '3', duration: '20', baselines: 'none' },
  waysOf(values) {
    const probes = count(values, 'probes', 1, 4_096);
    return [{ name: '', parameters: { probes }, disturbance: () => new HandOff(probes) }];
  },
};

export const deployments: FaultWorkload = {
  name: 'deploy',
  summary: 'new versions of the behaviours, while clients go on',
  description: `A new version of behaviors/bench goes into service every few seconds. How long does a deployment take, until every node serves it in every bucket, and what did
clients see of it?`,
  subjects: ['embedded', 'redis', 'cluster'],
  nodesMin: 1,
  help: `  --every <s>            time between two                                           (2)
`,
  config: { every: { type: 'string', default: '2' } },
  defaults: { subjects: 'embedded,cluster', nodes: '3', duration: '20', baselines: 'none' },
  waysOf: () => [{ name: '', parameters: {}, disturbance: () => new Deploy() }],
};

export const kill = fault(kills);
export const handOff = fault(handOffs);
export const deploy = fault(deployments);
