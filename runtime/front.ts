/** The doors of a node: the gateway for clients, the admin port for operators. The same in front of one node and of a cluster. */

import { readFile } from 'node:fs/promises';

import type { Logger } from 'pino';

import type { EngineLimits } from './actor/engine-limits.ts';
import type { Engine } from './actor/engine.ts';
import type { EngineStat } from './actor/node-engine.ts';
import { createAdmin } from './admin/admin.ts';
import type { EngineMetrics } from './admin/metrics.ts';
import { createMetrics } from './admin/metrics.ts';
import type { Settings } from './config/defaults.ts';
import type { Authenticator, AuthSettings } from './gateway/auth.ts';
import { createGateway } from './gateway/gateway.ts';
import type { Journal } from './journal/journal.ts';
import type { SandboxPool } from './sandbox/sandbox.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface FrontParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly auth: Authenticator;
  readonly engine: Engine;
  readonly journal: Journal;
  readonly pool: SandboxPool;
  readonly stat: () => EngineStat;
}

export interface Front {
  readonly addresses: { readonly gateway: ListenAddress; readonly admin: ListenAddress };
  /** `finish` is awaited while answers can still leave. */
  closeGateway(finish: () => Promise<void>): Promise<void>;
  closeAdmin(): Promise<void>;
}

/** @throws TroupeError ADDRESS_IN_USE, with nothing left open */
export async function openFront({ settings, log, auth, engine, journal, pool, stat }: FrontParts): Promise<Front> {
  // The gateway's counters are read by the metrics, whose histogram the gateway feeds.
  let stats = (): ReturnType<typeof createGateway>['stats'] => gateway.stats;
  const metrics = createMetrics({
    version: await version(),
    durability: journal.durability,
    isReady: () => engine.notReady() === null,
    gateway: () => stats(),
    engine: () => engineMetrics(stat()),
    journal: () => journal.stat(),
    sandbox: () => pool.stat(),
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
  const admin = createAdmin({
    engine, auth, metrics,
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
  return {
    addresses: { gateway: gatewayAddress, admin: adminAddress },
    async closeGateway(finish) {
      await finish();
      await gateway.close();
    },
    closeAdmin: () => admin.close(),
  };
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
    snapshotsTotal: stat.snapshots,
  };
}
