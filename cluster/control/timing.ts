/**
 * How often nodes beat and how patient they are. Durations are by each node's own monotonic clock; no clock is compared with another.
 */

import assert from 'node:assert/strict';

export interface ControlTiming {
  /** Between the answer to one beat and the next beat. */
  readonly heartbeatMs: number;
  /** A node whose counter stood still for so long, while beats of whoever looks succeeded, is dead. */
  readonly leaseTtlMs: number;
  /** The connection gives a call up after this long. */
  readonly callTimeMaxMs: number;
  /** Beats out of turn, because something changed, keep this distance. */
  readonly beatGapMinMs: number;
  /** While no living node owns anything, buckets are given out once no node has come or gone for so long: a cluster starts as a whole. */
  readonly settleMs: number;
  /** A node that has been dead for so long is struck out. */
  readonly forgetAfterMs: number;
  /** These bound hand-offs: see A4 of allocation.ts. */
  readonly movesPerRoundMax: number;
  readonly movesPerNodeMax: number;
  readonly movesInFlightMax: number;
}

export const controlDefaults: ControlTiming = {
  heartbeatMs: 500,
  leaseTtlMs: 2_000,
  callTimeMaxMs: 1_000,
  beatGapMinMs: 20,
  settleMs: 1_000,
  forgetAfterMs: 10 * 60_000,
  movesPerRoundMax: 64,
  movesPerNodeMax: 4,
  movesInFlightMax: 256,
};

/** @throws AssertionError when the durations contradict each other; settings are checked before they come here */
export function checkTiming(timing: ControlTiming): void {
  // Silence is counted between beats that are less than half a lease apart; regular ones must be.
  assert(timing.heartbeatMs * 2 <= timing.leaseTtlMs / 2, 'leaseTtlMs is at least four times heartbeatMs');
  // A healthy node whose call was given up must beat again before its lease ends.
  assert(timing.callTimeMaxMs + timing.heartbeatMs < timing.leaseTtlMs, 'leaseTtlMs is longer than a call and a heartbeat');
  assert(timing.beatGapMinMs <= timing.heartbeatMs);
  assert(timing.forgetAfterMs > timing.leaseTtlMs, 'nobody is struck out before it is dead');
  assert(timing.movesPerRoundMax >= 1 && timing.movesPerNodeMax >= 1 && timing.movesInFlightMax >= 1);
}

checkTiming(controlDefaults);
