/**
 * What it costs to bring actors into memory: every one of many that sleep is asked once, in a random order. The time is that of the client's request,
 * from its writing to its answer: the way to the actor, its history read and folded, and the request itself.
 *
 * The nodes' code is warm: others were woken in the same way before, which is not counted.
 */

import { COUNTER_TYPE } from '../driver/format.ts';
import type { Expected, Loop } from '../driver/load.ts';
import type { DriverTotals } from '../driver/protocol.ts';
import { Histogram } from '../driver/histogram.ts';
import { RemoteDriver } from '../driver/remote.ts';
import type { CasePlan, RoundContext } from '../harness/case.ts';
import { usageNow } from '../harness/costs.ts';
import { latencyOf } from '../harness/latency.ts';
import { jobOf, plainLoad } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { runReport } from '../harness/loaded-run.ts';
import type { RunSettings } from '../harness/loaded-run.ts';
import { onServers } from '../harness/on-servers.ts';
import { checkState, isClean, mergeTotals } from '../oracle/state.ts';
import type { Check, Latency, RunReport } from '../report/report.ts';
import type { RunningProcess } from '../subject/subject.ts';
import { isServerRole } from '../subject/servers.ts';
import type { ServerKind, Servers } from '../subject/servers.ts';
import { SleepingActors, WARM_UP_PREFIX } from './sleeping-actors.ts';
import type { Tier } from './sleeping-actors.ts';

export interface ActivationSpec {
  readonly actors: number;
  readonly warmUpActors: number;
  readonly tier: Tier;
  readonly request: LoadSpec['request'];
  readonly connections: number;
  readonly inFlight: number;
}

const AGAIN_SEED = 2 ** 21;

export function activationCase(kind: ServerKind, spec: ActivationSpec, nodes: number): CasePlan {
  const load = `${spec.connections}x${spec.inFlight}`;
  const subject = kind === 'cluster' ? `${kind} of ${nodes}` : kind;
  return {
    id: ['activation', spec.tier, spec.request === 'get' ? 'get' : 'command', load, subject].join('/'),
    workload: 'activation', subject: kind, load: `${spec.tier}, ${spec.request === 'get' ? 'get' : 'command'}, ${load}`, isBaseline: false,
    parameters: { actors: spec.actors, tier: spec.tier, request: spec.request, connections: spec.connections, inFlight: spec.inFlight, nodes: kind === 'cluster' ? nodes : 1 },
    run: (context) => onServers(kind, context, async (servers, directory) => {
      const activation = new Activation(servers, directory, spec, settingsOf(context));
      context.onProgress('filling');
      await activation.prepare();
      context.onProgress('asking');
      return activation.measure();
    }),
  };
}

export function settingsOf({ round, options: { seed, drivers, warmUpMs, durationMs }, signal }: RoundContext): RunSettings {
  return { round, seed, drivers, warmUpMs, durationMs, prefix: '', signal };
}

export class Activation {
  private readonly servers: Servers;
  private readonly directory: string;
  private readonly spec: ActivationSpec;
  private readonly settings: RunSettings;
  private readonly sleeping: SleepingActors;

  constructor(servers: Servers, directory: string, spec: ActivationSpec, settings: RunSettings) {
    this.servers = servers;
    this.directory = directory;
    this.spec = spec;
    this.settings = settings;
    this.sleeping = new SleepingActors(servers, directory, { ...spec, takesSnapshots: true }, settings);
  }

  prepare(): Promise<void> {
    return this.sleeping.prepare();
  }

  async measure(): Promise<RunReport> {
    const { servers, spec, sleeping, settings } = this;
    const driver = new RemoteDriver();
    try {
      await sweep(driver, servers, { ...spec, actors: spec.warmUpActors, connections: 4, inFlight: 4 }, settings, WARM_UP_PREFIX, null);
      await sleeping.forget();
      const processes = (): RunningProcess[] => [...servers.processes(), { role: 'driver', pid: driver.pid }];
      const before = usageNow(processes(), this.directory);
      const totals = await sweep(driver, servers, spec, settings, '', spec.request === 'get' ? sleeping.expected : null);
      const after = usageNow(processes(), this.directory);
      const activated = await sleeping.activated();
      const check = await this.check(driver, totals, activated);
      const run = runReport({ round: settings.round, check, totals: [totals], before, after, marks: [], figures: [] });
      if (!check.passed) return run;
      const again = await this.again(driver);
      const cpuUs = run.processes.filter(({ role }) => isServerRole(role)).reduce((sum, { cpuUsPerCommand }) => sum + (cpuUsPerCommand ?? 0), 0);
      return {
        ...run,
        figures: [
          { name: 'actors brought into memory', value: activated, unit: '', isLessBetter: null },
          { name: 'asked once more, in memory: p50', value: again.p50, unit: 'ms', isLessBetter: true },
          { name: 'asked once more, in memory: p99', value: again.p99, unit: 'ms', isLessBetter: true },
          { name: 'CPU of node and sandbox per activation', value: cpuUs, unit: 'µs', isLessBetter: true },
          { name: 'cold bytes in the journal', value: (await servers.metric('troupe_journal_cold_bytes')) / 2 ** 20, unit: 'MiB', isLessBetter: null },
          { name: 'hot bytes in the journal', value: (await servers.metric('troupe_journal_hot_bytes')) / 2 ** 20, unit: 'MiB', isLessBetter: null },
        ],
      };
    } finally {
      await driver.stop();
    }
  }

  /** The same again, now that nobody sleeps: what of the time before was not the activation. */
  private async again(driver: RemoteDriver): Promise<Latency> {
    const { servers, spec, settings } = this;
    // Other keys, or it would be answered from those of before.
    const totals = await sweep(driver, servers, spec, { ...settings, seed: settings.seed + AGAIN_SEED }, '', null);
    const trouble = isClean([totals]);
    if (trouble !== null) throw new Error(`asked once more: ${trouble}`);
    const histogram = new Histogram();
    histogram.add(totals.measure.histogram);
    return latencyOf(histogram);
  }

  /** Each was activated by what it was asked, and holds what it was given, and with commands that second increment, too. */
  private async check(driver: RemoteDriver, totals: DriverTotals, activated: number): Promise<Check> {
    const trouble = isClean([totals]);
    if (trouble !== null) return { passed: false, detail: trouble };
    const { actors, request } = this.spec;
    if (activated !== actors) return { passed: false, detail: `${actors} actors were asked, and ${activated} were brought into memory` };
    if (totals.wrong > 0) return { passed: false, detail: `${totals.wrong} of ${actors} actors did not hold what they were given before the nodes were started again` };
    if (request === 'get') return { passed: true, detail: `${actors} actors were brought into memory, and held what they were given before the nodes were started again` };
    const { counts, sums } = mergeTotals([totals]);
    const both = added(this.sleeping.expected!, { counts, sums });
    const check = await checkState(driver, COUNTER_TYPE, both.counts, both.sums);
    return check.passed ? { passed: true, detail: `${actors} actors were brought into memory; ${check.detail}` } : check;
  }
}

/** Every actor once; its own measured time. */
export async function sweep(driver: RemoteDriver, servers: Servers, spec: Pick<ActivationSpec, 'actors' | 'request' | 'connections' | 'inFlight'>, settings: RunSettings, prefix: string, expected: Expected | null): Promise<DriverTotals> {
  const loop: Loop = { kind: 'sweep', inFlight: spec.inFlight };
  const load: LoadSpec = { ...plainLoad, direct: false, request: spec.request, actors: spec.actors, connections: spec.connections, loop };
  const { endpoints } = await servers.subject();
  await driver.start({ ...jobOf(load, endpoints, prefix, settings.seed * 1_009 + settings.round * 31, 0, 1), expected });
  return driver.finish();
}

function added(one: Expected, other: Expected): Expected {
  return { counts: one.counts.map((count, i) => count + other.counts[i]!), sums: one.sums.map((sum, i) => sum + other.sums[i]!) };
}
