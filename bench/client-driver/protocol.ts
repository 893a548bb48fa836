/** What the harness and a client driver say to each other: as driver/protocol.ts, for a load that our own client carries. */

import type { Distribution } from '../driver/choice.ts';
import type { DriverTotals } from '../driver/protocol.ts';
import type { Verdict } from '../driver/verify.ts';

export type ClientLoop =
  /** So many commands a second, due at random times (a Poisson process), whatever becomes of those before. */
  | { readonly kind: 'open'; readonly perSecond: number }
  /** So many on their way per client, always. */
  | { readonly kind: 'closed'; readonly inFlight: number };

export interface ClientJob {
  /** Gateways of the nodes, as an app would be given them. */
  readonly urls: readonly string[];
  /** How many of our clients share the load in this process; each has connections of its own. */
  readonly clients: number;
  /** Whether a client goes straight to the owners. */
  readonly direct: boolean;
  readonly loop: ClientLoop;
  readonly actors: number;
  readonly distribution: Distribution;
  /** Part of every actor's name. */
  readonly prefix: string;
  /** Counters that the load leaves alone, for `reach` and `probe`, which name them by their place here. They are checked like the others. */
  readonly probes: readonly string[];
  readonly seed: number;
}

export type ToClientDriver =
  | { readonly do: 'start'; readonly job: ClientJob }
  | { readonly do: 'begin' }
  | { readonly do: 'end' }
  | { readonly do: 'drain' }
  | { readonly do: 'verify'; readonly counts: Float64Array; readonly sums: Float64Array }
  /** One command to each of these probes, now. */
  | { readonly do: 'reach'; readonly probes: readonly number[] }
  /** Commands to each of these probes, `paceMs` after the one before was answered, until `unprobe`. */
  | { readonly do: 'probe'; readonly probes: readonly number[]; readonly paceMs: number }
  | { readonly do: 'unprobe' };

/** Commands that were due in the measured time and were answered, be it later. Arrays run in parallel. */
export interface Samples {
  /** From the beginning of the measured time. */
  readonly dueMs: Float32Array;
  readonly latencyMs: Float32Array;
}

export interface ClientTotals extends DriverTotals {
  /** Commands, of the measured time and behind it, that were sent more than once; `retries` counts the sends. */
  readonly retried: number;
  /** By code: how often the client gave a command up without knowing its outcome, so that the driver had to go on with the same key. */
  readonly givenUp: readonly (readonly [string, number])[];
  readonly samples: Samples;
  /** In the measured time: the longest in which nothing at all was answered. */
  readonly longestSilenceMs: number;
}

export type FromClientDriver =
  | { readonly is: 'started' }
  /** When, by `monotonicMs`. */
  | { readonly is: 'begun'; readonly atMs: number }
  | { readonly is: 'ended' }
  | { readonly is: 'drained'; readonly totals: ClientTotals }
  | { readonly is: 'verified'; readonly verdict: Verdict }
  /** When each was answered, by `monotonicMs`. */
  | { readonly is: 'reached'; readonly atMs: readonly number[] }
  | { readonly is: 'probing' }
  /** Of each probe, the longest that one of its commands took. */
  | { readonly is: 'probed'; readonly longestMs: readonly number[]; readonly commands: number }
  | { readonly is: 'failed'; readonly message: string };
