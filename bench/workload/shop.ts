/**
 * `shop`: the whole flow of orders through the actors of behaviors/shop, and the counter beside it.
 *
 * The goal compares what a *turn* costs: one decision of a behaviour, made for a client's command or for a message between actors. An increment of
 * a counter is one turn; an order is some twenty, of which its client sends two. What a client's command costs is in the figures, too, and is the larger
 * number: it pays for the turns of all messages behind it.
 */

import { loadCase } from '../harness/case.ts';
import type { CasePlan } from '../harness/case.ts';
import { plainLoad } from '../harness/load-spec.ts';
import { commonHelp, count, counts, parseOptions, text } from '../harness/options.ts';
import type { CommonOptions, Values } from '../harness/options.ts';
import { runSuite } from '../harness/suite.ts';
import { ratioByRound } from '../report/summary.ts';
import type { CaseReport, GoalReport, RunReport } from '../report/report.ts';
import { SHOP_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { CPU_PER_TURN, shopCase } from '../shop/shop-case.ts';
import type { ShopSpec } from '../shop/shop-case.ts';
import { isServerRole } from '../subject/servers.ts';
import { goal } from './goals.ts';
import { shapeOf } from './load-options.ts';
import { kindsOf } from './server-kinds.ts';
import type { Workload } from './workload.ts';

const TIMES_COUNTER_MAX = 3;
/** Connections of the customers' process, as far as they share evenly. */
const CLIENTS_MAX = 8;
const COUNTER_NONE = 'none';

export const shopConfig = {
  customers: { type: 'string', default: '256' },
  rate: { type: 'string', default: '' },
  products: { type: 'string', default: '50' },
  users: { type: 'string', default: '1000' },
  unpaid: { type: 'string', default: '10' },
  late: { type: 'string', default: '5' },
  'off-sale': { type: 'string', default: '10' },
  'payment-time': { type: 'string', default: '5' },
  counter: { type: 'string', default: '64x16' },
} as const;

const WITHOUT = ['peers', 'peer-folder', 'baselines', 'drivers', 'target'] as const;

const help = `Usage: troupe bench shop [options]

Orders through all their actors: an order is placed, every product asked whether its offer stands, every inventory for a reservation, a payment is
authorised and taken, the order confirmed, and user and customer are told. Some do not pay, some pay late, and products go off sale while orders are
open. At the end stock and money must add up, by final states and by the logs, read by checkers that share nothing with the engine.

Load (a list, by commas, makes a case of each):
  --customers <n>        closed loop: so many at once; each orders again when the last order has ended or is left unpaid  (256)
  --rate <n>             open loop instead: orders per second, due at random times; latency counts from when they were due
  --products <n>         that there are                                             (50)
  --users <n>            who order                                                  (1000)
  --unpaid <percent>     of the orders: never paid, so that they expire or go void  (10)
  --late <percent>       of the orders: paid by transfer, some of them too late     (5)
  --off-sale <percent>   of the products: taken off sale in the measured time       (10)
  --payment-time <s>     after which an unpaid order expires                        (5)
  --counter <c>x<n>      shape of the counter beside it; none leaves it out         (64x16)

${commonHelp({}, WITHOUT)}
Customers are one process, with our own client.
`;

export const shop: Workload = {
  name: 'shop',
  summary: 'the whole flow of orders, with payments, expiries and products that go off sale',
  help,
  async run(args) {
    const { common, values } = parseOptions(args, shopConfig, { baselines: 'none' }, WITHOUT);
    return runSuite({ workload: 'shop', args, options: common, cases: shopCases(common, values), loops: [], goals: shopGoals });
  },
};

export function shopCases(common: CommonOptions, values: Values): CasePlan[] {
  const specs = specsOf(values);
  const shape = text(values, 'counter');
  return kindsOf(common).flatMap((kind) => [
    ...(shape === COUNTER_NONE ? [] : [loadCase('counter', kind, { ...plainLoad, ...shapeOf(shape) }, common)]),
    ...specs.map((spec) => shopCase(kind, spec, common.nodes)),
  ]);
}

export function specsOf(values: Values): ShopSpec[] {
  const base = {
    products: count(values, 'products', 2, 10_000), users: count(values, 'users', 1, 1_000_000), unpaidPercent: count(values, 'unpaid', 0, 100),
    latePercent: count(values, 'late', 0, 100), offSalePercent: count(values, 'off-sale', 0, 90), paymentTimeSeconds: count(values, 'payment-time', 1, 3_600), behaviors: SHOP_BEHAVIORS,
  };
  if (base.unpaidPercent + base.latePercent > 100) throw new Error('--unpaid and --late are shares of all orders: together at most 100');
  if (text(values, 'rate') !== '') {
    return counts(values, 'rate', 1, 1_000_000).map((perSecond): ShopSpec => ({ ...base, clients: CLIENTS_MAX, loop: { kind: 'open', perSecond } }));
  }
  return counts(values, 'customers', 1, 10_000).map((customers): ShopSpec => {
    let clients = Math.min(CLIENTS_MAX, customers);
    while (customers % clients > 0) clients--;
    return { ...base, clients, loop: { kind: 'closed', inFlight: customers / clients } };
  });
}

export function shopGoals(cases: readonly CaseReport[]): GoalReport[] {
  // At a low rate every turn has a tick, a synchronised write and an idle node to itself; the counter is loaded as far as it goes.
  return cases.filter(({ workload, parameters }) => workload === 'shop' && parameters['loop'] === 'closed').flatMap((one): GoalReport[] => {
    const counter = cases.find(({ workload, subject }) => workload === 'counter' && subject === one.subject);
    if (counter === undefined) return [];
    return [goal(`${one.id}: CPU of a turn (a client's command or a message), of that of ${counter.id}, below ${TIMES_COUNTER_MAX}`, ratioByRound(one, counter, cpuPerTurn)?.median ?? null, TIMES_COUNTER_MAX)];
  });
}

/** Of a counter, a command is a turn. */
function cpuPerTurn(run: RunReport): number | null {
  const figure = run.figures.find(({ name }) => name === CPU_PER_TURN);
  if (figure !== undefined) return figure.value;
  const costs = run.processes.filter(({ role }) => isServerRole(role)).map(({ cpuUsPerCommand }) => cpuUsPerCommand);
  return costs.reduce((sum: number | null, cost) => (sum === null || cost === null ? null : sum + cost), 0);
}
