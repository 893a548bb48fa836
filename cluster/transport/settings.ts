/** Settings, limits and what one part of the transport may ask of the whole. */

import assert from 'node:assert/strict';

import { TroupeError } from '../../runtime/codec/errors.ts';
import type { Clock, Entropy, Log, Scheduler } from '../../runtime/actor/seams.ts';
import { isLoopbackHost } from '../../runtime/gateway/loopback.ts';
import { isName } from './handshake.ts';
import type { Versions } from './handshake.ts';
import type { NodeAddress, NodeIdentity, TransportStats } from './transport.ts';

const KIB = 1_024;
const MIB = 1_024 * KIB;

/** The only version so far. */
export const PROTOCOL_VERSIONS: Versions = { min: 1, max: 1 };
export const SECRET_BYTES_MIN = 16;

export const transportLimits = {
  /** Value and body of one message: the largest state with room to spare. */
  messageBytesMax: 8 * MIB,
  /** What waits for one socket. Behind it requests fail and answers are replaced by UNKNOWN_OUTCOME. */
  queuedBytesMax: 32 * MIB,
  /** While more than this waits for a peer, nothing is read from it and its streams pause. */
  queuedBytesPauseAt: 1 * MIB,
  /** Of one connection, on both sides. */
  requestsInFlightMax: 16_384,
  requestBytesInFlightMax: 64 * MIB,
  streamsMax: 16_384,
  /** From the first byte to the last of connecting, TLS and handshake. */
  handshakeTimeMaxMs: 5_000,
  /** Connections that have not proved themselves; the oldest goes when another one comes. */
  handshakesMax: 64,
  /** A connection on which nothing came in since the last check is asked for a sign, */
  checkMs: 1_000,
  /** and ends when nothing came for so many more checks. Checks, not time: a process that stood still reads before it judges. */
  silentChecksMax: 3,
  backoffFirstMs: 20,
  backoffMaxMs: 2_000,
  closeTimeMaxMs: 1_000,
};

/** The type of `transportLimits`; every one can be set. */
export type TransportLimits = { readonly [K in keyof typeof transportLimits]: number };

export interface TlsSettings {
  /** PEM. Only certificates that this one signed are accepted, from those who dial and from those who serve. */
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** The name in the certificates of all nodes; without it, each node's has the host that it is dialled at. */
  readonly serverName?: string;
}

/** What happened to a peer, for whoever keeps a list of live nodes. */
export type PeerEvent =
  | { readonly kind: 'connected'; readonly remote: NodeIdentity; /** Another process than before. */ readonly isRestarted: boolean }
  | { readonly kind: 'disconnected'; readonly node: string; readonly message: string };

export interface TransportSettings {
  /** Names the cluster; nodes of another one are refused. */
  readonly cluster: string;
  readonly self: NodeIdentity;
  /** Port 0 takes a free one. */
  readonly listen: NodeAddress;
  /** Shared by all nodes of the cluster, 16 random bytes or more; null only where nobody outside of this machine can connect. */
  readonly secret: Buffer | null;
  readonly tls?: TlsSettings;
  readonly limits?: Partial<TransportLimits>;
  readonly versions?: Versions;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /** Must be the operating system's, or as good: nonces come from it. */
  readonly entropy?: Entropy;
  readonly log: Log;
  readonly onPeer?: (event: PeerEvent) => void;
}

/** What connections and peers need of the transport. */
export interface TransportHost {
  readonly limits: TransportLimits;
  readonly stats: TransportStats;
  readonly log: Log;
  readonly scheduler: Scheduler;
  /** Flushes once, at the end of this turn (X7). */
  flushSoon(connection: { flush(): void }): void;
  /** A handler or a callback has thrown. */
  onDefect(error: unknown): void;
}

export function newStats(): TransportStats {
  return {
    dialled: 0, accepted: 0, handshakesFailed: 0, requestsSent: 0, requestsServed: 0, notSent: 0, lost: 0, refused: 0,
    closedSilent: 0, badFrames: 0, bytesIn: 0, bytesOut: 0,
  };
}

export function limitsOf(overrides: Partial<TransportLimits> = {}): TransportLimits {
  const limits = { ...transportLimits, ...overrides };
  // A message that is allowed must find room in an empty queue, and be served.
  assert(limits.messageBytesMax < limits.queuedBytesMax);
  assert(limits.messageBytesMax <= limits.requestBytesInFlightMax);
  // A reader is paused before its answers are replaced.
  assert(limits.queuedBytesPauseAt < limits.queuedBytesMax);
  return limits;
}

/** @throws TroupeError CONFIG_INVALID when nodes would trust whoever comes, or could not name themselves */
export function checkSettings({ cluster, self, listen, secret }: TransportSettings): void {
  for (const [what, name] of [['cluster', cluster], ['node', self.node], ['incarnation', self.incarnation]] as const) {
    if (!isName(name)) throw new TroupeError('CONFIG_INVALID', `the name of a ${what} is 1 to 64 printable ASCII characters without a space, not ${JSON.stringify(name)}`);
  }
  if (secret === null && !isLoopbackHost(listen.host)) {
    throw new TroupeError('CONFIG_INVALID', `without a secret a node serves other nodes on loopback only, not on ${listen.host}`);
  }
  if (secret !== null && secret.length < SECRET_BYTES_MIN) {
    throw new TroupeError('CONFIG_INVALID', `the secret of a cluster has ${SECRET_BYTES_MIN} bytes or more, not ${secret.length}`);
  }
}
