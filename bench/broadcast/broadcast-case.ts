/**
 * One round of broadcasts: actors link themselves to one, which then tells all of them, again and again, each time when the last has reached
 * everybody. Beside it other clients count, first without a broadcast, then during them.
 *
 * When somebody was told is the wall clock of the turn that heard of it, as its record has it, in whole milliseconds; it is durable a synchronised
 * write later.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { DriverTotals } from '../driver/protocol.ts';
import type { CasePlan, RoundContext } from '../harness/case.ts';
import { costsBetween, usageNow } from '../harness/costs.ts';
import type { Usage } from '../harness/costs.ts';
import { runReport } from '../harness/loaded-run.ts';
import { onServers } from '../harness/on-servers.ts';
import { LogProof } from '../oracle/log-proof.ts';
import { middle } from '../report/summary.ts';
import type { Check, Figure, Mark, RunReport } from '../report/report.ts';
import { BENCH_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { askEach, heardOf, HUB, joinBody, leaf, NO_BYTES } from '../../runtime/faults/broadcast-actors.ts';
import { logsStill } from '../../runtime/faults/messages/rest.ts';
import { isServerRole } from '../subject/servers.ts';
import type { ServerKind, Servers } from '../subject/servers.ts';
import { Beside } from './beside.ts';
import type { Seen } from './beside.ts';
import { Deliveries } from './deliveries.ts';

export interface BroadcastSpec {
  readonly linked: number;
  readonly broadcasts: number;
  /** Commands of other clients a second. */
  readonly besidePerSecond: number;
  readonly behaviors: string;
}

/** What processes have used within a time. */
interface Span {
  readonly before: Usage;
  readonly after: Usage;
  readonly ms: number;
}

type Watched = Seen & { readonly result: Span };
type Context = Pick<RoundContext, 'round' | 'options' | 'signal' | 'onProgress'>;

/** Not counted: it wakes the code. */
const FIRST = 1;
const LINKED_MAX_MS = 300_000;
const TOLD_MAX_MS = 300_000;
const LOOK_MS = 50;
/** What a log was trimmed by could not be checked. */
const WHOLE_LOGS = ['--hot-log-max-mib', '65536'];

export function broadcastCase(kind: ServerKind, spec: BroadcastSpec, nodes: number): CasePlan {
  const load = `${spec.linked} linked`;
  return {
    id: `broadcast/${load}/${kind === 'cluster' ? `${kind} of ${nodes}` : kind}`, workload: 'broadcast', subject: kind, load, isBaseline: false,
    parameters: { linked: spec.linked, broadcasts: spec.broadcasts, besidePerSecond: spec.besidePerSecond, nodes: kind === 'cluster' ? nodes : 1 },
    run: (context) => onServers(kind, context, (servers, directory) => runBroadcasts(servers, directory, spec, context)),
  };
}

export async function runBroadcasts(servers: Servers, directory: string, spec: BroadcastSpec, { round, options, signal, onProgress }: Context): Promise<RunReport> {
  const { linked, broadcasts } = spec;
  await servers.start(signal, servers.kind === 'embedded' ? [] : WHOLE_LOGS);
  for (const behaviors of [spec.behaviors, BENCH_BEHAVIORS]) await servers.deploy(behaviors);
  const port = servers.ports[0]!;
  onProgress('linking');
  await askEach(port, linked, (link, n) => link.command({ id: String(n), key: '', to: leaf(n), name: 'Join', body: joinBody }), () => undefined);
  await logsStill(() => servers.positions(), LINKED_MAX_MS);
  const beside = new Beside(await servers.subject(), spec.besidePerSecond, options.seed * 1_009 + round * 31);
  const spanOf = async (body: () => Promise<unknown>): Promise<Span> => {
    const usage = (): Usage => usageNow([...servers.processes(), { role: 'driver', pid: beside.pid }], directory);
    const began = performance.now();
    const before = usage();
    await body();
    return { before, after: usage(), ms: performance.now() - began };
  };
  try {
    for (let i = 0; i < FIRST; i++) await tell(servers, linked);
    onProgress('nobody is told anything');
    const quiet = await beside.during(() => spanOf(() => sleep(options.durationMs, undefined, { signal })));
    const sentMs: number[] = [];
    const loud = await beside.during(() => spanOf(async () => {
      for (let i = 1; i <= broadcasts; i++) {
        signal.throwIfAborted();
        onProgress(`broadcast ${i} of ${broadcasts}`);
        sentMs.push(await tell(servers, linked));
      }
    }));
    onProgress('reading the logs');
    const deliveries = new Deliveries();
    const check = await checkOf(servers, spec, quiet, loud, deliveries, new LogProof(servers, directory, (record) => deliveries.record(record)));
    const { before, after } = loud.result;
    const run = runReport({ round, check, totals: [driverTotals(deliveries, sentMs)], before, after, marks: marksOf(deliveries, sentMs), figures: [] });
    return check.passed ? { ...run, figures: figuresOf(run, deliveries, sentMs, quiet, loud) } : run;
  } finally {
    await beside.stop();
  }
}

/** Resolves, when as many messages more were taken in as there are linked actors and none is on its way, with when the command was sent. */
async function tell(servers: Servers, linked: number): Promise<number> {
  const taken = (): Promise<number> => servers.metric('troupe_messages_taken_total');
  const wanted = (await taken()) + linked;
  const sentMs = Date.now();
  await askEach(servers.ports[0]!, 1, (link) => link.command({ id: '0', key: '', to: HUB, name: 'Tell', body: NO_BYTES }), () => undefined);
  const until = performance.now() + TOLD_MAX_MS;
  while ((await taken()) < wanted || (await servers.metric('troupe_messages_backlog')) > 0) {
    if (performance.now() > until) throw new Error(`after ${TOLD_MAX_MS} ms not all of ${linked} linked actors were told`);
    await sleep(LOOK_MS);
  }
  return sentMs;
}

async function checkOf(servers: Servers, { linked, broadcasts }: BroadcastSpec, quiet: Seen, loud: Seen, deliveries: Deliveries, proof: LogProof): Promise<Check> {
  for (const { check } of [quiet, loud]) if (!check.passed) return check;
  const findings = [...(await proof.findingsAtRest([]))];
  if (findings.length > 0) return { passed: false, detail: findings.join('; ') };
  const times = FIRST + broadcasts;
  const missing = deliveries.missing(linked, times);
  if (missing !== null) return { passed: false, detail: missing };
  let wrong = 0;
  await askEach(servers.ports[0]!, linked, (link, n) => link.get(String(n), leaf(n)), (_n, body) => {
    if (heardOf(body) !== times) wrong++;
  });
  if (wrong > 0) return { passed: false, detail: `${wrong} of ${linked} linked actors have not heard of each of ${times} broadcasts once, by their states` };
  return { passed: true, detail: `each of ${linked} linked actors has heard of each of ${times} broadcasts once, by the logs and by their states; beside it, ${loud.check.detail}` };
}

/** Of nodes and sandboxes. */
function coresOf({ before, after, ms }: Span): number {
  return costsBetween(before, after, 1, ms).filter(({ role }) => isServerRole(role)).reduce((sum, { cores }) => sum + (cores ?? 0), 0);
}

function marksOf(deliveries: Deliveries, sentMs: readonly number[]): Mark[] {
  return sentMs.map((sent, i) => ({ atMs: sent - sentMs[0]!, untilMs: Math.max(sent, deliveries.lastOf(FIRST + i)) - sentMs[0]!, text: `broadcast ${i + 1}` }));
}

function figuresOf(run: RunReport, deliveries: Deliveries, sentMs: readonly number[], quiet: Watched, loud: Watched): Figure[] {
  const lasts = sentMs.map((sent, i) => Math.max(1, deliveries.lastOf(FIRST + i) - sent));
  const linked = run.commands / sentMs.length;
  const perDelivery = (cores: number): number => (cores * loud.result.ms * 1_000) / run.commands;
  const figure = (name: string, value: number, unit: string, isLessBetter: boolean): Figure => ({ name, value, unit, isLessBetter });
  return [
    figure('deliveries while a broadcast runs', middle(lasts.map((ms) => (linked / ms) * 1_000)), 'deliveries/s', false),
    figure('from the command to the last delivery, median', middle(lasts), 'ms', true),
    figure('from the command to the last delivery, longest', Math.max(...lasts), 'ms', true),
    figure('CPU of nodes and sandboxes per delivery, all of it', perDelivery(coresOf(loud.result)), 'µs', true),
    figure('CPU of nodes and sandboxes per delivery, without that of before', perDelivery(coresOf(loud.result) - coresOf(quiet.result)), 'µs', true),
    figure('other clients, no broadcast: p50', quiet.latency.p50, 'ms', true),
    figure('other clients, no broadcast: p99', quiet.latency.p99, 'ms', true),
    figure('other clients, during broadcasts: p50', loud.latency.p50, 'ms', true),
    figure('other clients, during broadcasts: p99', loud.latency.p99, 'ms', true),
    figure('other clients, during broadcasts: longest', loud.latency.max, 'ms', true),
  ];
}

/** As of a driver whose commands the deliveries are. */
function driverTotals(deliveries: Deliveries, sentMs: readonly number[]): DriverTotals {
  return { counts: new Float64Array(0), sums: new Float64Array(0), unanswered: 0, unsent: 0, unknown: 0, wrong: 0, retries: 0, errors: [], measure: deliveries.measure(FIRST, sentMs) };
}
