/** The doors of a node: the gateway for clients, the admin port for operators. The same in front of one node and of a cluster. */

import { readFile } from 'node:fs/promises';

import type { Logger } from 'pino';

import type { EngineLimits } from './actor/engine-limits.ts';
import { chainOf } from './actor/causes/chain.ts';
import type { ActorTimers, Causes, DeadLetters, Engine } from './actor/engine.ts';
import type { EngineStat } from './actor/engine-stat.ts';
import { createAdmin } from './admin/admin.ts';
import type { ClusterMetrics, EngineMetrics } from './admin/metrics.ts';
import { createMetrics } from './admin/metrics.ts';
import { SAMPLE_MS } from './admin/monitor.ts';
import type { Monitor } from './admin/monitor.ts';
import type { Operations } from './admin/operations.ts';
import { SingleNode } from './admin/single-node.ts';
import type { Settings } from './config/defaults.ts';
import type { Authenticator, AuthSettings } from './gateway/auth.ts';
import { systemClock } from './gateway/clock.ts';
import { createGateway } from './gateway/gateway.ts';
import type { Journal } from './journal/journal.ts';
import type { SandboxPool } from './sandbox/sandbox.ts';

export type { BucketView, NodeView, PlannedMove } from './admin/operations.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface FrontParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly auth: Authenticator;
  readonly engine: Engine;
  readonly deadLetters: DeadLetters;
  readonly timers: ActorTimers;
  readonly causes: Causes;
  readonly journal: Journal;
  readonly pool: SandboxPool;
  readonly stat: () => EngineStat;
  readonly monitor: Monitor;
  /** Left out by a node by itself. */
  readonly cluster?: { readonly operations: Operations; readonly metrics: () => ClusterMetrics };
}

export interface Front {
  readonly addresses: { readonly gateway: ListenAddress; readonly admin: ListenAddress };
  /** `finish` is awaited while answers can still leave. */
  closeGateway(finish: () => Promise<void>): Promise<void>;
  closeAdmin(): Promise<void>;
}

/** @throws TroupeError ADDRESS_IN_USE, with nothing left open */
export async function openFront({ settings, log, auth, engine, deadLetters, timers, causes, journal, pool, stat, monitor, cluster }: FrontParts): Promise<Front> {
  // The gateway's counters are read by the metrics, whose histogram the gateway feeds.
  let stats = (): ReturnType<typeof createGateway>['stats'] => gateway.stats;
  const ownVersion = await version();
  const metrics = createMetrics({
    version: ownVersion,
    durability: () => journal.durability,
    isReady: () => engine.notReady() === null,
    gateway: () => stats(),
    engine: () => engineMetrics(stat()),
    journal: () => journal.stat(),
    sandbox: () => pool.stat(),
    buckets: () => monitor.readings(),
    ...(cluster === undefined ? {} : { cluster: cluster.metrics }),
  });
  const gateway = createGateway({
    engine, auth,
    host: settings.host,
    port: settings.port,
    origins: settings.origin,
    limits: {
      connectionsMax: settings.connectionsMax,
      frameBytesMax: settings.frameBytesMax,
      requestsInFlightPerConnectionMax: settings.requestsInFlightPerConnectionMax,
      watchesPerConnectionMax: settings.watchesPerConnectionMax,
      queuedBytesPerConnectionMax: settings.queuedBytesPerConnectionMax,
      handshakeTimeMaxMs: settings.handshakeTimeMaxMs,
      idlePingMs: settings.idlePingMs,
    },
    onCommandTime: metrics.onCommandTime,
    onDefect: (error) => log.error({ err: error }, 'defect in the gateway'),
  });
  stats = () => gateway.stats;
  let addresses: Readonly<Record<string, string>> = {};
  const operations = cluster?.operations ?? new SingleNode({ id: settings.node, version: ownVersion, monitor, addresses: () => addresses, sizes: () => journal.stat() });
  const admin = createAdmin({
    engine, auth, metrics, operations, deadLetters, timers,
    why: (ref, linksMax) => chainOf(causes, ref, linksMax),
    host: settings.adminHost,
    port: settings.adminPort,
    onDefect: (error) => log.error({ err: error }, 'defect in the admin port'),
    onRefused: ({ code, message, location }) => log.warn({ code, message, location }, 'deployment refused'),
  });
  const gatewayAddress = await gateway.listen();
  const adminAddress = await admin.listen().catch(async (error: unknown) => {
    await gateway.close();
    throw error;
  });
  addresses = { gateway: authority(gatewayAddress), admin: authority(adminAddress) };
  monitor.sample();
  const stopSampling = systemClock.every(SAMPLE_MS, () => monitor.sample());
  return {
    addresses: { gateway: gatewayAddress, admin: adminAddress },
    async closeGateway(finish) {
      await finish();
      await gateway.close();
    },
    closeAdmin() {
      stopSampling();
      return admin.close();
    },
  };
}

/** "host:port", with brackets around an IPv6 address. */
export function authority({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function engineLimitsOf(settings: Settings): Partial<EngineLimits> {
  const { mailboxLengthMax, commandsWaitingMax, activationsMax, keysPerActorMax, keyAgeMaxMs } = settings;
  return { mailboxLengthMax, commandsWaitingMax, activationsMax, keysPerActorMax, keyAgeMaxMs };
}

export function authSettings(settings: Settings): AuthSettings {
  if (settings.auth === 'none') return { kind: 'none' };
  const given = (text: string): string | undefined => (text === '' ? undefined : text);
  return {
    kind: 'jwt',
    secretFile: given(settings.authSecretFile),
    publicKeyFile: given(settings.authPublicKeyFile),
    jwksFile: given(settings.authJwksFile),
    issuer: given(settings.authIssuer),
    audience: given(settings.authAudience),
    scope: given(settings.authScope),
  };
}

export async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function engineMetrics(stat: EngineStat): EngineMetrics {
  return {
    activations: stat.activations,
    activationsTotal: stat.activationsLoaded,
    passivationsTotal: stat.passivations,
    commandsWaiting: stat.commandsWaiting,
    commandBytesWaiting: stat.commandBytesWaiting,
    turnsTotal: stat.items,
    duplicatesTotal: stat.duplicatesAnswered,
    triesSearchedTotal: stat.triesSearched,
    snapshotsTotal: stat.snapshots,
    bucketStopsTotal: stat.bucketStops,
    messages: stat.messages,
  };
}
