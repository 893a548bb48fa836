/**
 * Workloads of one request over and over: `counter`, `read`, `sends`, `connections`. They differ in what is asked for and in their defaults;
 * all options are open to each.
 */

import { baselineCase, loadCase } from '../harness/case.ts';
import type { CasePlan } from '../harness/case.ts';
import { loadName } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { commonHelp, milliseconds, parseOptions } from '../harness/options.ts';
import type { CommonOptions } from '../harness/options.ts';
import { runSuite } from '../harness/suite.ts';
import { peerCase } from '../peers/peer-case.ts';
import type { LoopReport } from '../report/report.ts';
import { fsyncLoop } from '../subject/fsync.ts';
import { runRedisAppend } from '../subject/redis-append-forms.ts';
import { findMax } from './find-max.ts';
import { goalsOf } from './goals.ts';
import { fanOutConfig, fanOutHelp, loadConfig, loadHelpOf, loadsOf, refuseIdleLoad } from './load-options.ts';
import type { Workload } from './workload.ts';

const REDIS_MS_PER_FORM = 1_000;
/** What a search begins with is an open loop; the rate is its own. */
const ANY_RATE = '1';

interface PlainWorkload {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly request: LoadSpec['request'];
  readonly defaults: Readonly<Record<string, string>>;
}

const searchHelp = `Search:
  --find-max             finds the highest open-loop rate that keeps the limit, by halving
  --p99 <time>           the limit: 99 of 100 requests are answered within it        (20ms)
`;

function plain({ name, summary, description, request, defaults }: PlainWorkload): Workload {
  const without = name === 'counter' ? [] : (['peers', 'peer-folder', 'restate', 'workerd'] as const);
  const help = `Usage: troupe bench ${name} [options]\n\n${description}\n\n${loadHelpOf(defaults)}${name === 'sends' ? fanOutHelp : ''}\n${searchHelp}\n${commonHelp(defaults, without)}`;
  return {
    name, summary, help,
    async run(args) {
      const search = { 'find-max': { type: 'boolean', default: false }, p99: { type: 'string', default: '20ms' } } as const;
      const { common, values, given } = parseOptions(args, { ...loadConfig, ...search, ...(name === 'sends' ? fanOutConfig : {}) }, defaults, without);
      refuseIdleLoad(values, given);
      const isSearch = values['find-max'] === true;
      const loads = loadsOf(isSearch ? { ...values, rate: ANY_RATE } : values, request);
      if (isSearch) return findMax(name, args, loads, milliseconds(values, 'p99'), common);
      const cases = casesOf(name, loads, common);
      return runSuite({ workload: name, args, options: common, cases, loops: loopsFor(common), goals: goalsOf });
    },
  };
}

/** What the store alone gives, where a subject uses it. */
function loopsFor({ subjects, redisFsync: fsync }: CommonOptions): ((root: string) => Promise<readonly LoopReport[]>)[] {
  const usesRedis = subjects.includes('redis') || subjects.includes('cluster');
  return usesRedis ? [fsyncLoop, () => runRedisAppend({ fsync, msPerForm: REDIS_MS_PER_FORM })] : [fsyncLoop];
}

/** Baselines stand in front of the cases that have the same load for them. */
export function casesOf(name: string, loads: readonly LoadSpec[], options: CommonOptions): CasePlan[] {
  const cases: CasePlan[] = [];
  const begun = new Set<string>();
  for (const load of loads) {
    const group = loadName(load);
    if (!begun.has(group)) for (const subject of options.baselines) cases.push(baselineCase(name, subject, load));
    begun.add(group);
    for (const subject of options.subjects) cases.push(loadCase(name, subject, load, options));
    if (name === 'counter' && isForPeers(load)) for (const peer of options.peers) cases.push(peerCase(peer, load, options));
  }
  return cases;
}

/** HTTP/1.1 has one request open on a connection. */
function isForPeers({ loop, distribution, perFrame, shape }: LoadSpec): boolean {
  return loop.kind === 'closed' && loop.inFlight === 1 && distribution === 'uniform' && perFrame === 1 && shape.valueBytes === 0;
}

export const counter = plain({
  name: 'counter',
  summary: 'the least that an actor can do, as often as it goes',
  description: `Increments of bench.v1.Counter actors, beside a corked ws echo, the floor (ws and group commit) and an append+fdatasync loop, all in one
run and taking turns. With --value-size, of bench.v1.Document actors.`,
  request: 'increment',
  defaults: {},
});

export const read = plain({
  name: 'read',
  summary: 'reads of states (get)',
  description: 'Every actor is given one increment; then states are read. Each answer must be what the actor holds.',
  request: 'get',
  defaults: { shape: '64x16' },
});

export const sends = plain({
  name: 'sends',
  summary: 'commands that make actors talk to others',
  description: `Increments of bench.v1.Fan actors, each of which passes them on to 1, 10 or 100 counters: so many messages a command, each exactly once. A rate is
one of commands, not of messages.`,
  request: 'increment',
  defaults: { shape: '64x16', 'fan-out': '1,10,100', baselines: 'none' },
});

export const connections = plain({
  name: 'connections',
  summary: 'many connections, few of them busy',
  description: 'The counter, with a thousand connections that are open and say nothing.',
  request: 'increment',
  defaults: { shape: '64x16', 'idle-connections': '1000' },
});
