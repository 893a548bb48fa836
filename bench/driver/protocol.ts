/** What the harness and a driver process say to each other over the child process channel. Silent while measuring. */

import type { Driven, DrivenType } from './format.ts';
import type { Endpoint } from './endpoint.ts';
import type { Expected, LoadOptions } from './load.ts';
import type { Lately, Measure } from './recorder.ts';
import type { Verdict } from './verify.ts';

export interface DriverJob extends LoadOptions, Driven {
  /** By node; connections take these in turn. */
  readonly endpoints: readonly Endpoint[];
  readonly connections: number;
  /** Opened beside those, and never used. */
  readonly idleConnections: number;
  readonly json: boolean;
  /** Each request goes to the node that owns its actor. */
  readonly direct: boolean;
  readonly expected: Expected | null;
}

export type ToDriver =
  | { readonly do: 'start'; readonly job: DriverJob }
  | { readonly do: 'begin' }
  | { readonly do: 'lately' }
  | { readonly do: 'end' }
  | { readonly do: 'drain' }
  /** Of a sweep: until every actor has had its turn. */
  | { readonly do: 'finish' }
  | { readonly do: 'verify'; readonly type: DrivenType; readonly counts: Float64Array; readonly sums: Float64Array };

export interface DriverTotals {
  /** Per actor, warm-up included. */
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly unanswered: number;
  /** Due, and not sent until the time for it was over. */
  readonly unsent: number;
  readonly unknown: number;
  readonly wrong: number;
  readonly retries: number;
  readonly errors: readonly (readonly [string, number])[];
  readonly measure: Measure;
}

export type FromDriver =
  | { readonly is: 'started' }
  | { readonly is: 'begun' }
  | { readonly is: 'looked'; readonly lately: Lately }
  | { readonly is: 'ended' }
  | { readonly is: 'drained'; readonly totals: DriverTotals }
  | { readonly is: 'verified'; readonly verdict: Verdict }
  | { readonly is: 'failed'; readonly message: string };
