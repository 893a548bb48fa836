/** `broadcast`: one actor tells very many. */

import { broadcastCase } from '../broadcast/broadcast-case.ts';
import type { CasePlan } from '../harness/case.ts';
import { commonHelp, count, counts, parseOptions } from '../harness/options.ts';
import type { CommonOptions, Values } from '../harness/options.ts';
import { runSuite } from '../harness/suite.ts';
import { BROADCAST_BEHAVIORS } from '../../runtime/faults/broadcast-actors.ts';
import { kindsOf } from './server-kinds.ts';
import type { Workload } from './workload.ts';

const config = {
  linked: { type: 'string', default: '10000' },
  broadcasts: { type: 'string', default: '10' },
  beside: { type: 'string', default: '500' },
} as const;

const WITHOUT = ['peers', 'peer-folder', 'baselines', 'drivers', 'target', 'warm-up'] as const;

const help = `Usage: troupe bench broadcast [options]

Actors link themselves to a hub, which then tells all of them, again and again, each time when the last broadcast has reached everybody. Every delivery
is a turn and a record of the actor that is told. Other clients count beside it, first without broadcasts and then during them: what they see of it.

Load (a list, by commas, makes a case of each):
  --linked <n>           actors that are linked to the hub, in memory               (10000)
  --broadcasts <n>       one behind the other; one more comes first, not counted    (10)
  --beside <n>           increments a second by other clients                       (500)

${commonHelp({}, WITHOUT)}
A "command" of the tables is a delivery; its latency counts from the hub's command. --duration is how long the other clients are watched without
broadcasts.
`;

export const broadcast: Workload = {
  name: 'broadcast',
  summary: 'one actor tells very many, and what others see of it',
  help,
  async run(args) {
    const { common, values } = parseOptions(args, config, { baselines: 'none' }, WITHOUT);
    return runSuite({ workload: 'broadcast', args, options: common, cases: casesOf(common, values), loops: [], goals: () => [] });
  },
};

function casesOf(common: CommonOptions, values: Values): CasePlan[] {
  const broadcasts = count(values, 'broadcasts', 1, 10_000);
  const besidePerSecond = count(values, 'beside', 1, 1_000_000);
  return counts(values, 'linked', 1, 90_000).flatMap((linked) =>
    kindsOf(common).map((kind) => broadcastCase(kind, { linked, broadcasts, besidePerSecond, behaviors: BROADCAST_BEHAVIORS }, common.nodes)));
}
