/** Settings and counters of a gateway. */

import type { Engine } from '../actor/engine.ts';
import { limits } from '../limits.ts';
import type { Authenticator } from './auth.ts';
import type { Clock } from './clock.ts';

/** The limits that a gateway enforces; defaults are in runtime/limits.ts. */
export type GatewayLimits = { [K in GatewayLimit]: number };

type GatewayLimit =
  | 'frameBytesMax' | 'frameFragmentsMax' | 'frameChunksMax' | 'requestsInFlightPerConnectionMax' | 'watchesPerConnectionMax'
  | 'connectionsMax' | 'queuedBytesPauseAt' | 'queuedBytesPerConnectionMax' | 'badFramesPerConnectionMax'
  | 'handshakeTimeMaxMs' | 'handshakeBytesMax' | 'idlePingMs' | 'closeTimeMaxMs' | 'overloadPauseMs';

export function gatewayLimits(overrides: Partial<GatewayLimits> = {}): GatewayLimits {
  return { ...limits, ...overrides };
}

export interface GatewaySettings {
  readonly engine: Engine;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly auth: Authenticator;
  /** Origins of pages that may connect, exactly as a browser sends them; '*' for all, only with tokens. */
  readonly origins?: readonly string[];
  readonly limits?: Partial<GatewayLimits>;
  readonly clock?: Clock;
  /** Time from the start of a command to its answer, of one in 64. */
  readonly onCommandTime?: (ms: number) => void;
  /** A defect met while serving a connection, which is then closed. */
  readonly onDefect?: (error: unknown) => void;
}

/** Counters since start, gauges where the name is a noun in the plural without a past participle. Read them, never write. */
export interface GatewayStats {
  connections: number;
  watches: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  framesIn: number;
  commands: number;
  gets: number;
  events: number;
  /** Requests answered with an error, by code. */
  readonly errors: Map<string, number>;
  closedSlow: number;
  closedIdle: number;
}

export function newStats(): GatewayStats {
  return {
    connections: 0, watches: 0, connectionsAccepted: 0, connectionsRefused: 0, framesIn: 0, commands: 0, gets: 0,
    events: 0, errors: new Map(), closedSlow: 0, closedIdle: 0,
  };
}
