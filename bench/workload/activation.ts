/** `activation`: actors that are not in memory are asked; and what they weigh when they are. */

import { activationCase } from '../activation/activation-case.ts';
import { LIVE_ACTORS_MIN, memoryCase, PER_LIVE_ACTOR } from '../activation/memory-case.ts';
import { tiers } from '../activation/sleeping-actors.ts';
import type { CasePlan } from '../harness/case.ts';
import { commonHelp, count, namesOf, parseOptions, seconds, text } from '../harness/options.ts';
import type { CommonOptions, Values } from '../harness/options.ts';
import { runSuite } from '../harness/suite.ts';
import type { CaseReport, GoalReport } from '../report/report.ts';
import { goal, medianOf } from './goals.ts';
import { shapeOf } from './load-options.ts';
import { kindsOf } from './server-kinds.ts';
import type { Workload } from './workload.ts';

const HOT_P50_MAX_MS = 1;
const COLD_P99_MAX_MS = 5;
const LIVE_BYTES_MAX = 1_024;
const ALONE = '1x1';

export const activationConfig = {
  actors: { type: 'string', default: '20000' },
  tiers: { type: 'string', default: 'hot,cold' },
  requests: { type: 'string', default: 'get,command' },
  shape: { type: 'string', default: '1x1,64x16' },
  'warm-up-actors': { type: 'string', default: '2000' },
  live: { type: 'string', default: '50000' },
  rest: { type: 'string', default: '5' },
} as const;

const WITHOUT = ['peers', 'peer-folder', 'baselines', 'drivers', 'target', 'duration', 'warm-up'] as const;

const help = `Usage: troupe bench activation [options]

Actors are given a state, their nodes are ended in order and started again on the same data, and every actor is asked once, in a random order: its
history is found, read and folded. Hot: snapshot and log lie in files that are still written, or in Redis. Cold: they lie in sealed segments, or in the
cold tier. Then, of one node: what resident memory an actor takes while it lives.

Load (a list, by commas, makes a case of each):
  --actors <n>           that are asked                                             (20000)
  --tiers <list>         of hot, cold                                               (hot,cold)
  --requests <list>      what they are asked: get, command                          (get,command)
  --shape <c>x<n>        connections x requests in flight on each                   (1x1,64x16)
  --warm-up-actors <n>   woken before, not counted                                  (2000)
  --live <n>             actors of which the memory is weighed; 0 leaves it out     (50000)
  --rest <s>             before memory is looked at                                 (5)

${commonHelp({}, WITHOUT)}
A run is as long as it takes to ask all actors.
`;

export const activation: Workload = {
  name: 'activation',
  summary: 'actors that are not in memory: how long they take to answer, and what they weigh',
  help,
  async run(args) {
    const { common, values } = parseOptions(args, activationConfig, { baselines: 'none' }, WITHOUT);
    return runSuite({ workload: 'activation', args, options: common, cases: activationCases(common, values), loops: [], goals: activationGoals });
  },
};

export function activationCases(common: CommonOptions, values: Values): CasePlan[] {
  const kinds = kindsOf(common);
  const actors = count(values, 'actors', 1, 10_000_000);
  const warmUpActors = count(values, 'warm-up-actors', 16, 1_000_000);
  const live = count(values, 'live', 0, 90_000);
  const shapes = text(values, 'shape').split(',').map(shapeOf);
  const cases: CasePlan[] = [];
  for (const tier of namesOf('tiers', text(values, 'tiers'), tiers)) {
    for (const { connections, loop } of shapes) {
      const inFlight = loop.kind === 'closed' ? loop.inFlight : 1;
      for (const wanted of namesOf('requests', text(values, 'requests'), ['get', 'command'] as const)) {
        const request = wanted === 'get' ? 'get' : 'increment';
        for (const kind of kinds) cases.push(activationCase(kind, { actors, warmUpActors, tier, request, connections, inFlight }, common.nodes));
      }
    }
  }
  const restMs = seconds(values, 'rest');
  for (const kind of kinds) if (kind !== 'cluster' && live > 0) cases.push(memoryCase(kind, { actors: live, warmUpActors, restMs }));
  return cases;
}

export function activationGoals(cases: readonly CaseReport[]): GoalReport[] {
  return cases.filter(({ workload }) => workload === 'activation').flatMap((one): GoalReport[] => {
    const { id, load, parameters } = one;
    if (load === 'memory') {
      if (Number(parameters['actors']) < LIVE_ACTORS_MIN) return [];
      const value = medianOf(one, ({ figures }) => figures.find(({ name }) => name === PER_LIVE_ACTOR)?.value ?? null);
      return [goal(`${id}: bytes of ${PER_LIVE_ACTOR}, below ${LIVE_BYTES_MAX}`, value, LIVE_BYTES_MAX)];
    }
    if (!load.endsWith(ALONE)) return [];
    return parameters['tier'] === 'hot'
      ? [goal(`${id}: p50 in ms, below ${HOT_P50_MAX_MS}`, medianOf(one, ({ latencyMs }) => latencyMs?.p50 ?? null), HOT_P50_MAX_MS)]
      : [goal(`${id}: p99 in ms, below ${COLD_P99_MAX_MS}`, medianOf(one, ({ latencyMs }) => latencyMs?.p99 ?? null), COLD_P99_MAX_MS)];
  });
}
