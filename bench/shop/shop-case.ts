/** One round of the shop: opened, warmed up, measured while products go off sale, closed, at rest, checked. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { ClientLoop } from '../client-driver/protocol.ts';
import { Histogram } from '../driver/histogram.ts';
import type { DriverTotals } from '../driver/protocol.ts';
import type { CasePlan, RoundContext } from '../harness/case.ts';
import { costsBetween, usageNow } from '../harness/costs.ts';
import type { Usage } from '../harness/costs.ts';
import { latencyOf } from '../harness/latency.ts';
import { runReport } from '../harness/loaded-run.ts';
import { onServers } from '../harness/on-servers.ts';
import { LogProof } from '../oracle/log-proof.ts';
import type { Check, Figure, Mark, RunReport } from '../report/report.ts';
import type { RunningProcess } from '../subject/subject.ts';
import { isServerRole } from '../subject/servers.ts';
import type { ServerKind, Servers } from '../subject/servers.ts';
import { productId } from './customers.ts';
import type { CustomersTotals, Settled, ShopJob } from './protocol.ts';
import { RemoteCustomers } from './remote.ts';
import { ShopTimes } from './shop-times.ts';

export interface ShopSpec extends Omit<ShopJob, 'urls' | 'seed'> {
  /** Of the products, in percent. */
  readonly offSalePercent: number;
  readonly behaviors: string;
}

export const CPU_PER_TURN = 'CPU of nodes and sandboxes per turn';
/** Behind the time to pay of the last order. */
const SETTLE_MAX_MS = 60_000;
/** Products go off sale in this part of the measured time. */
const OFF_SALE_FROM = 0.2;
const OFF_SALE_TO = 0.8;
const PROGRESS_MS = 1_000;
/** What a log was trimmed by could not be checked. */
const WHOLE_LOGS = ['--hot-log-max-mib', '65536'];

export function shopCase(kind: ServerKind, spec: ShopSpec, nodes: number): CasePlan {
  const load = loopName(spec.loop, spec.clients);
  return {
    id: `shop/${load}/${kind === 'cluster' ? `${kind} of ${nodes}` : kind}`, workload: 'shop', subject: kind, load, isBaseline: false,
    parameters: {
      loop: spec.loop.kind, products: spec.products, users: spec.users, unpaidPercent: spec.unpaidPercent, latePercent: spec.latePercent, offSalePercent: spec.offSalePercent,
      paymentTimeSeconds: spec.paymentTimeSeconds, nodes: kind === 'cluster' ? nodes : 1,
    },
    run: (context) => onServers(kind, context, (servers, directory) => runShop(servers, directory, spec, context)),
  };
}

export function loopName(loop: ClientLoop, clients: number): string {
  return loop.kind === 'open' ? `${loop.perSecond} orders/s` : `${loop.inFlight * clients} customers`;
}

interface OffSaleMark {
  readonly product: string;
  readonly acknowledgedMs: number;
}

interface Ran {
  readonly fromMs: number;
  readonly toMs: number;
  readonly before: Usage;
  readonly after: Usage;
  readonly offSales: readonly OffSaleMark[];
}

export async function runShop(servers: Servers, directory: string, spec: ShopSpec, context: Pick<RoundContext, 'round' | 'options' | 'signal' | 'onProgress'>): Promise<RunReport> {
  const { behaviors, offSalePercent, ...job } = spec;
  const { round, options: { seed, warmUpMs }, signal, onProgress } = context;
  await servers.start(signal, servers.kind === 'embedded' ? [] : WHOLE_LOGS);
  await servers.deploy(behaviors);
  const customers = new RemoteCustomers();
  try {
    await customers.start({ ...job, urls: servers.ports.map((port) => `ws://127.0.0.1:${port}`), seed: seed * 1_009 + round });
    onProgress('warming up');
    await sleep(warmUpMs, undefined, { signal });
    const ran = await measure(servers, directory, customers, spec, context);
    onProgress('closing');
    const totals = await customers.close();
    const settled = await customers.settle(spec.paymentTimeSeconds * 1_000 + SETTLE_MAX_MS);
    onProgress('reading the logs');
    const times = new ShopTimes();
    const check = await checkOf(totals, settled, new LogProof(servers, directory, (record) => times.record(record)));
    if (check.passed) times.settle();
    return report(round, check, ran, totals, settled, times);
  } finally {
    await customers.stop();
  }
}

async function measure(servers: Servers, directory: string, customers: RemoteCustomers, { products, offSalePercent }: ShopSpec, { options: { durationMs }, signal, onProgress }: Pick<RoundContext, 'options' | 'signal' | 'onProgress'>): Promise<Ran> {
  const processes = (): RunningProcess[] => [...servers.processes(), { role: 'driver', pid: customers.pid }];
  const going = Math.round((products * offSalePercent) / 100);
  const offSales: OffSaleMark[] = [];
  const fromMs = await customers.begin();
  const before = usageNow(processes(), directory);
  const began = performance.now();
  const dueOf = (n: number): number => durationMs * (OFF_SALE_FROM + ((OFF_SALE_TO - OFF_SALE_FROM) * (n + 0.5)) / going);
  // Whatever stood still meanwhile, all of them go.
  for (let elapsed = 0; elapsed < durationMs || offSales.length < going; elapsed = performance.now() - began) {
    onProgress(`${Math.round(elapsed / PROGRESS_MS)} of ${Math.round(durationMs / PROGRESS_MS)} s`);
    const next = offSales.length < going ? dueOf(offSales.length) : durationMs;
    if (elapsed >= next && offSales.length < going) offSales.push({ product: productId(offSales.length), acknowledgedMs: await customers.offSale(offSales.length) });
    else await sleep(Math.min(PROGRESS_MS, Math.max(1, Math.min(next, durationMs) - elapsed)), undefined, { signal });
  }
  const after = usageNow(processes(), directory);
  const toMs = await customers.end();
  return { fromMs, toMs, before, after, offSales };
}

async function checkOf({ unanswered, errors, answered, placed }: CustomersTotals, { violations, totals }: Settled, proof: LogProof): Promise<Check> {
  if (unanswered > 0) return { passed: false, detail: `${unanswered} customers have not come to their end` };
  if (errors.length > 0) return { passed: false, detail: `refused: ${JSON.stringify(Object.fromEntries(errors))}` };
  const findings = [...violations, ...(await proof.findingsAtRest(answered))];
  if (findings.length > 0) return { passed: false, detail: findings.join('; ') };
  const { CONFIRMED, EXPIRED, VOID } = totals.orders;
  if (CONFIRMED + EXPIRED + VOID !== placed) return { passed: false, detail: `${placed} orders were placed, and ${CONFIRMED + EXPIRED + VOID} have ended` };
  const { records, sent } = proof.check.figures;
  return {
    passed: true,
    detail: `${placed} orders: ${CONFIRMED} confirmed, ${EXPIRED} expired, ${VOID} void, each once; stock and money add up; ${records} records and ${sent} messages follow from each other, and every state from its events`,
  };
}

function report(round: number, check: Check, { fromMs, toMs, before, after, offSales }: Ran, totals: CustomersTotals, settled: Settled, times: ShopTimes): RunReport {
  const { turns, records } = times.amount(fromMs, toMs);
  const marks = offSales.map(({ product, acknowledgedMs }): Mark => {
    const { lastVoidMs = acknowledgedMs, voids = 0 } = times.productOf(product) ?? {};
    const atMs = acknowledgedMs - fromMs;
    return { atMs, untilMs: Math.max(atMs, lastVoidMs - fromMs), text: `${product} goes off sale, ${voids} orders void` };
  });
  const run = runReport({ round, check, totals: [driverTotals(totals)], before, after, marks, figures: [] });
  if (!check.passed) return run;
  const { windowMs, commands } = run;
  const serverUs = (count: number): number => costsBetween(before, after, count, windowMs).filter(({ role }) => isServerRole(role)).reduce((sum, { cpuUsPerCommand }) => sum + (cpuUsPerCommand ?? 0), 0);
  const orders = new Histogram();
  orders.add(totals.orders.histogram);
  const told = latencyOf(orders);
  const all = times.amount();
  const lags = [...times.offSales.values()].filter(({ voids }) => voids > 0).map(({ atMs, lastVoidMs }) => lastVoidMs - atMs);
  const figure = (name: string, value: number, unit: string, isLessBetter: boolean | null): Figure => ({ name, value, unit, isLessBetter });
  return {
    ...run,
    figures: [
      figure('orders placed', (totals.placedInTime / windowMs) * 1_000, 'orders/s', false),
      figure('orders confirmed to who paid at once', (totals.orders.acknowledged / windowMs) * 1_000, 'orders/s', false),
      figure('turns', (turns / windowMs) * 1_000, 'turns/s', false),
      figure('turns per order', all.turns / totals.placed, '', null),
      figure('records per order', all.records / totals.placed, '', null),
      figure(CPU_PER_TURN, serverUs(turns), 'µs', true),
      figure('CPU of nodes and sandboxes per record', serverUs(records), 'µs', true),
      figure('CPU of nodes and sandboxes per client command', serverUs(commands), 'µs', true),
      figure('CPU of nodes and sandboxes per order', serverUs(totals.placedInTime), 'µs', true),
      figure('from placing to confirmed, paid at once: p50', told.p50, 'ms', true),
      figure('from placing to confirmed, paid at once: p99', told.p99, 'ms', true),
      figure('from off-sale to last void, longest', Math.max(0, ...lags), 'ms', true),
      figure('orders void by off-sale', [...times.offSales.values()].reduce((sum, { voids }) => sum + voids, 0), '', null),
      figure('orders expired', settled.totals.orders.EXPIRED, '', null),
      figure('payments refunded', times.refunds, '', null),
    ],
  };
}

/** As of a driver of counters, of which only the measure is of interest here. */
function driverTotals({ commands, retries, unanswered, errors }: CustomersTotals): DriverTotals {
  return { counts: new Float64Array(0), sums: new Float64Array(0), unanswered, unsent: 0, unknown: 0, wrong: 0, retries, errors, measure: commands };
}
