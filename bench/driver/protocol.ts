/** What the harness and a driver process say to each other over the child process channel. Silent while measuring. */

import type { DrivenType } from './format.ts';
import type { HistogramDump } from './histogram.ts';
import type { LoadOptions } from './load.ts';
import type { Verdict } from './verify.ts';

export interface DriverJob extends LoadOptions {
  /** Connections take these in turn. */
  readonly ports: readonly number[];
  readonly connections: number;
  readonly json: boolean;
  readonly type: DrivenType;
}

export type ToDriver =
  | { readonly do: 'start'; readonly job: DriverJob }
  | { readonly do: 'begin' }
  | { readonly do: 'end' }
  | { readonly do: 'drain' }
  | { readonly do: 'verify'; readonly type: DrivenType; readonly counts: Float64Array; readonly sums: Float64Array };

export interface DriverMeasure {
  readonly acknowledged: number;
  readonly windowMs: number;
  readonly retries: number;
  readonly histogram: HistogramDump;
}

export interface DriverTotals {
  /** Per actor, warm-up included. */
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly unanswered: number;
  readonly unknown: number;
  readonly errors: readonly (readonly [string, number])[];
}

export type FromDriver =
  | { readonly is: 'started' }
  | { readonly is: 'begun' }
  | { readonly is: 'ended'; readonly measure: DriverMeasure }
  | { readonly is: 'drained'; readonly totals: DriverTotals }
  | { readonly is: 'verified'; readonly verdict: Verdict }
  | { readonly is: 'failed'; readonly message: string };
