/**
 * Metrics of a node for Prometheus. Everything but the time of commands is read when a scrape asks for it: the parts of
 * the node count in plain fields, and counting costs them nothing more.
 */

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

import type { GatewayStats } from '../gateway/settings.ts';
import type { DurabilityClass, JournalStat } from '../journal/journal.ts';
import type { SandboxStat } from '../sandbox/sandbox.ts';
import type { BucketReading } from './monitor.ts';

/** What an engine can tell about itself; totals count since start. */
export interface EngineMetrics {
  readonly activations?: number;
  readonly activationsTotal?: number;
  readonly passivationsTotal?: number;
  readonly commandsWaiting?: number;
  readonly commandBytesWaiting?: number;
  readonly turnsTotal?: number;
  readonly decisionsTotal?: number;
  readonly rejectionsTotal?: number;
  readonly failuresTotal?: number;
  readonly duplicatesTotal?: number;
  readonly triesSearchedTotal?: number;
  readonly appendsTotal?: number;
  readonly recordsTotal?: number;
  readonly snapshotsTotal?: number;
  readonly quarantined?: number;
  readonly bucketStopsTotal?: number;
  readonly messages?: MessagesReading;
}

/** Messages between actors, of the buckets of this node. */
export interface MessagesReading {
  readonly delivered: number;
  readonly redelivered: number;
  readonly taken: number;
  readonly waiting: number;
  readonly backlog: number;
  readonly outboxBytes: number;
  readonly parked: number;
  readonly failed: number;
  readonly broadcasts: BroadcastsReading;
}

/** Broadcasts of actors in the buckets of this node. */
export interface BroadcastsReading {
  readonly running: number;
  readonly left: number;
  readonly chunks: number;
  readonly sends: number;
}

/** What a node of a cluster knows of the cluster, and what it did in it; totals count since start. */
export interface ClusterMetrics {
  readonly nodes: number;
  readonly bucketsOwned: number;
  readonly isScheduler: boolean;
  readonly term: number;
  readonly mapVersion: number;
  /** Since the control plane answered last. */
  readonly viewAgeMs: number;
  readonly requestsHeld: number;
  readonly handOffsTotal: number;
  readonly handOffsAbortedTotal: number;
  readonly takeoversTotal: number;
  readonly forwardedTotal: number;
  readonly redirectedTotal: number;
  readonly storeErrorsTotal: number;
}

export interface MetricSources {
  readonly version?: string;
  readonly durability?: () => DurabilityClass;
  readonly isReady?: () => boolean;
  readonly gateway?: () => GatewayStats;
  readonly engine?: () => EngineMetrics;
  readonly journal?: () => JournalStat;
  readonly sandbox?: () => SandboxStat;
  /** Left out by a node by itself. */
  readonly cluster?: () => ClusterMetrics;
  /** The buckets of this node. */
  readonly buckets?: () => readonly BucketReading[];
}

export interface Metrics {
  readonly registry: Registry;
  /** Series of single buckets: as many as there are. */
  readonly buckets: Registry;
  /** For `GatewaySettings.onCommandTime`. */
  readonly onCommandTime: (ms: number) => void;
}

type Reading<S> = readonly [name: string, help: string, read: (source: S) => number | undefined];

const gatewayGauges: readonly Reading<GatewayStats>[] = [
  ['troupe_gateway_connections', 'Connections open', (s) => s.connections],
  ['troupe_gateway_watches', 'Watches open', (s) => s.watches],
];
const gatewayCounters: readonly Reading<GatewayStats>[] = [
  ['troupe_gateway_connections_accepted_total', 'Connections accepted', (s) => s.connectionsAccepted],
  ['troupe_gateway_connections_refused_total', 'Connections refused: origin, host, token, subprotocol, number', (s) => s.connectionsRefused],
  ['troupe_gateway_frames_total', 'Frames received', (s) => s.framesIn],
  ['troupe_gateway_commands_total', 'Commands received', (s) => s.commands],
  ['troupe_gateway_gets_total', 'Reads received', (s) => s.gets],
  ['troupe_gateway_events_total', 'Events sent to watches', (s) => s.events],
  ['troupe_gateway_closed_slow_total', 'Connections closed because they did not read', (s) => s.closedSlow],
  ['troupe_gateway_closed_idle_total', 'Connections closed because they did not answer a ping', (s) => s.closedIdle],
];
const engineGauges: readonly Reading<EngineMetrics>[] = [
  ['troupe_engine_activations', 'Actors in memory', (s) => s.activations],
  ['troupe_engine_commands_waiting', 'Commands waiting in mailboxes', (s) => s.commandsWaiting],
  ['troupe_engine_command_bytes_waiting', 'Bytes of commands waiting in mailboxes', (s) => s.commandBytesWaiting],
  ['troupe_messages_backlog', 'Messages sent between actors and not known to be taken in', (s) => s.messages?.backlog],
  ['troupe_messages_outbox_bytes', 'Bytes of them that are kept in memory', (s) => s.messages?.outboxBytes],
  ['troupe_messages_waiting', 'Messages on their way into buckets of this node', (s) => s.messages?.waiting],
  ['troupe_messages_parked', 'Messages that wait because their actor cannot take them', (s) => s.messages?.parked],
  ['troupe_messages_failed', 'Messages that have failed and wait for an operator', (s) => s.messages?.failed],
  ['troupe_broadcasts_running', 'Broadcasts that have not come to their end', (s) => s.messages?.broadcasts.running],
  ['troupe_broadcasts_left', 'Links that they have still to go through', (s) => s.messages?.broadcasts.left],
  ['troupe_engine_quarantined', 'Actors and types out of service', (s) => s.quarantined],
];
const engineCounters: readonly Reading<EngineMetrics>[] = [
  ['troupe_engine_activations_total', 'Actors activated', (s) => s.activationsTotal],
  ['troupe_engine_passivations_total', 'Actors passivated', (s) => s.passivationsTotal],
  ['troupe_engine_turns_total', 'Turns run', (s) => s.turnsTotal],
  ['troupe_engine_decisions_total', 'Commands decided', (s) => s.decisionsTotal],
  ['troupe_engine_rejections_total', 'Commands rejected by behaviours', (s) => s.rejectionsTotal],
  ['troupe_engine_failures_total', 'Commands that failed', (s) => s.failuresTotal],
  ['troupe_engine_duplicates_total', 'Commands answered from their key', (s) => s.duplicatesTotal],
  ['troupe_engine_tries_searched_total', 'Commands sent again, of which an earlier try was looked for in the log', (s) => s.triesSearchedTotal],
  ['troupe_engine_appends_total', 'Appends to the journal', (s) => s.appendsTotal],
  ['troupe_engine_records_total', 'Records appended', (s) => s.recordsTotal],
  ['troupe_engine_snapshots_total', 'Snapshots taken', (s) => s.snapshotsTotal],
  ['troupe_messages_delivered_total', 'Messages brought to the owners of the buckets that they are for', (s) => s.messages?.delivered],
  ['troupe_messages_redelivered_total', 'Messages among them that were brought again', (s) => s.messages?.redelivered],
  ['troupe_messages_taken_total', 'Messages taken in', (s) => s.messages?.taken],
  ['troupe_broadcasts_sends_total', 'Messages that broadcasts have sent to linked actors', (s) => s.messages?.broadcasts.sends],
  ['troupe_broadcasts_records_total', 'Records of broadcasts that hold them', (s) => s.messages?.broadcasts.chunks],
  ['troupe_engine_bucket_stops_total', 'Buckets opened again or given up after an append or ownership check that failed', (s) => s.bucketStopsTotal],
];
const journalGauges: readonly Reading<JournalStat>[] = [
  ['troupe_journal_records', 'Records kept', (s) => s.records],
  ['troupe_journal_hot_bytes', 'Bytes in files that are still written', (s) => s.hotBytes],
  ['troupe_journal_cold_bytes', 'Bytes in sealed segments', (s) => s.coldBytes],
  ['troupe_journal_segments', 'Sealed segments', (s) => s.segments],
  ['troupe_journal_appends_in_flight', 'Appends not yet durable', (s) => s.appendsInFlight],
  ['troupe_journal_unsafe_settings', 'Whether Redis is set such that no node would start with it', (s) => (s.unsafeSettings === undefined ? undefined : Number(s.unsafeSettings))],
];
const journalCounters: readonly Reading<JournalStat>[] = [
  ['troupe_journal_syncs_total', 'Synchronisations with the disk', (s) => s.syncs],
  ['troupe_journal_delayed_syncs_total', 'Synchronisations of Redis that took more than two seconds under writes', (s) => s.delayedSyncs],
];
const sandboxGauges: readonly Reading<SandboxStat>[] = [
  ['troupe_sandbox_generation', 'Number of the active process', (s) => s.generation],
  ['troupe_sandbox_active_rss_bytes', 'Resident memory of the active process', (s) => s.activeRssBytes],
  ['troupe_sandbox_spare_rss_bytes', 'Resident memory of the spare', (s) => s.spareRssBytes],
];
const sandboxCounters: readonly Reading<SandboxStat>[] = [
  ['troupe_sandbox_losses_total', 'Active processes lost', (s) => s.losses],
  ['troupe_sandbox_samples_compared_total', 'Decisions run again in the spare', (s) => s.samplesCompared],
  ['troupe_sandbox_samples_different_total', 'Decisions that differed when run again; anything but 0 is a defect', (s) => s.samplesDifferent],
];
const clusterGauges: readonly Reading<ClusterMetrics>[] = [
  ['troupe_cluster_nodes', 'Nodes that live, as this node sees it', (s) => s.nodes],
  ['troupe_cluster_buckets_owned', 'Buckets that this node owns', (s) => s.bucketsOwned],
  ['troupe_cluster_is_scheduler', 'Whether this node decides who owns what', (s) => Number(s.isScheduler)],
  ['troupe_cluster_term', 'Term of the control plane: grows with every new scheduler', (s) => s.term],
  ['troupe_cluster_map_version', 'Version of the bucket map that this node has', (s) => s.mapVersion],
  ['troupe_cluster_view_age_seconds', 'Time since the control plane answered last', (s) => s.viewAgeMs / 1_000],
  ['troupe_cluster_requests_held', 'Requests that wait for an owner of their bucket', (s) => s.requestsHeld],
];
const clusterCounters: readonly Reading<ClusterMetrics>[] = [
  ['troupe_cluster_hand_offs_total', 'Buckets handed over to other nodes', (s) => s.handOffsTotal],
  ['troupe_cluster_hand_offs_aborted_total', 'Buckets whose hand-off would have paused them for too long, and that stayed for another try', (s) => s.handOffsAbortedTotal],
  ['troupe_cluster_takeovers_total', 'Buckets opened by this node', (s) => s.takeoversTotal],
  ['troupe_cluster_forwarded_total', 'Requests sent to other nodes', (s) => s.forwardedTotal],
  ['troupe_cluster_redirected_total', 'Requests among them that had to be sent again', (s) => s.redirectedTotal],
  ['troupe_cluster_store_errors_total', 'Calls to the store, appends and reads of logs aside, that failed', (s) => s.storeErrorsTotal],
];
const bucketGauges: readonly Reading<BucketReading>[] = [
  ['troupe_bucket_position', 'Durable records in the log of the bucket', (s) => s.position],
  ['troupe_bucket_epoch', 'Epoch under which this node owns the bucket', (s) => s.epoch],
  ['troupe_bucket_messages_backlog', 'Messages that the bucket has sent and that are not known to be taken in', (s) => s.backlog],
  ['troupe_bucket_messages_parked', 'Messages in the bucket that wait because their actor cannot take them', (s) => s.parked],
  ['troupe_bucket_messages_failed', 'Messages in the bucket that have failed and wait for an operator', (s) => s.failed],
  ['troupe_bucket_hot_bytes', 'Bytes of the bucket in the hot tier', (s) => s.hotBytes],
  ['troupe_bucket_cold_bytes', 'Bytes of the bucket in the cold tier', (s) => s.coldBytes],
];

/** Codes with which buckets are refused for long: their series are there while they are 0, for whoever sets an alarm. */
const refusalCodes = ['ROLLED_BACK', 'JOURNAL_DAMAGED', 'JOURNAL_VERSION', 'STORE_UNAVAILABLE'];

/** Times that wait for a scrape; with more, the older half is counted at once. */
const COMMAND_TIMES_MAX = 100_000;
const commandTimeBuckets = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  gauges(registry, sources.gateway, gatewayGauges);
  counters(registry, sources.gateway, gatewayCounters);
  gatewayErrors(registry, sources.gateway);
  gauges(registry, sources.engine, engineGauges);
  counters(registry, sources.engine, engineCounters);
  gauges(registry, sources.journal, journalGauges);
  counters(registry, sources.journal, journalCounters);
  gauges(registry, sources.sandbox, sandboxGauges);
  counters(registry, sources.sandbox, sandboxCounters);
  gauges(registry, sources.cluster, clusterGauges);
  counters(registry, sources.cluster, clusterCounters);
  refusedBuckets(registry, sources.buckets);
  const { isReady, durability, version } = sources;
  if (isReady !== undefined) gauges(registry, isReady, [['troupe_ready', 'Whether the node serves', (ready) => Number(ready)]]);
  info(registry, 'troupe_build_info', 'Version of the node', () => ({ version: version ?? 'unknown', node: process.version }), ['version', 'node']);
  if (durability !== undefined) info(registry, 'troupe_journal_info', 'What an acknowledgement survives', () => ({ durability: durability() }), ['durability']);
  const commandTime = new Histogram({
    name: 'troupe_gateway_command_seconds',
    help: 'Time from a command to its answer, of one command in 64',
    buckets: commandTimeBuckets,
    registers: [registry],
    collect() {
      for (const seconds of waiting.splice(0)) this.observe(seconds);
    },
  });
  // Observing costs microseconds; between two scrapes the times are only put down, up to a bound.
  const waiting: number[] = [];
  const onCommandTime = (ms: number): void => {
    if (waiting.push(ms / 1_000) < COMMAND_TIMES_MAX) return;
    for (const seconds of waiting.splice(0, COMMAND_TIMES_MAX / 2)) commandTime.observe(seconds);
  };
  return { registry, buckets: bucketRegistry(sources.buckets), onCommandTime };
}

function gatewayErrors(registry: Registry, source: MetricSources['gateway']): void {
  if (source === undefined) return;
  new Counter({
    name: 'troupe_gateway_errors_total', help: 'Requests answered with an error, by code', labelNames: ['code'], registers: [registry],
    collect() {
      this.reset();
      for (const [code, count] of source().errors) this.inc({ code }, count);
    },
  });
}

function refusedBuckets(registry: Registry, source: MetricSources['buckets']): void {
  if (source === undefined) return;
  new Gauge({
    name: 'troupe_buckets_refused', help: 'Buckets of this node that nothing is taken for, because they cannot be opened, by code', labelNames: ['code'], registers: [registry],
    collect() {
      this.reset();
      for (const code of refusalCodes) this.set({ code }, 0);
      for (const { refused = null } of source()) if (refused !== null) this.inc({ code: refused });
    },
  });
}

/** One series a bucket, as long as the bucket is this node's. */
function bucketRegistry(source: MetricSources['buckets']): Registry {
  const registry = new Registry();
  if (source === undefined) return registry;
  for (const [name, help, read] of bucketGauges) {
    new Gauge({
      name, help, labelNames: ['bucket'], registers: [registry],
      collect() {
        this.reset();
        for (const bucket of source()) {
          const value = read(bucket);
          if (value !== undefined) this.set({ bucket: bucket.index }, value);
        }
      },
    });
  }
  return registry;
}

function gauges<S>(registry: Registry, source: (() => S) | undefined, readings: readonly Reading<S>[]): void {
  if (source === undefined) return;
  for (const [name, help, read] of readings) {
    new Gauge({
      name, help, registers: [registry],
      collect() {
        const value = read(source());
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }
}

function counters<S>(registry: Registry, source: (() => S) | undefined, readings: readonly Reading<S>[]): void {
  if (source === undefined) return;
  for (const [name, help, read] of readings) {
    new Counter({
      name, help, registers: [registry],
      collect() {
        // The count is kept by its owner; this one is only its image.
        const value = read(source());
        if (value === undefined) {
          this.remove();
          return;
        }
        this.reset();
        this.inc(value);
      },
    });
  }
}

function info(registry: Registry, name: string, help: string, labels: () => Record<string, string>, labelNames: string[]): void {
  new Gauge({
    name, help, labelNames, registers: [registry],
    collect() {
      // Another value of a label is another series; the old one would stay at 1 beside it.
      this.reset();
      this.set(labels(), 1);
    },
  });
}
