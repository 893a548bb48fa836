/** The timeline of a run: latencies of every slice of the measured time, until their percentiles are taken. */

import type { Timeline } from '../report/report.ts';

export const SLICE_MS = 100;

export class Slices {
  private readonly slices: number[][] = [];

  record(sinceBeginMs: number, latencyMs: number): void {
    const at = Math.floor(sinceBeginMs / SLICE_MS);
    while (this.slices.length <= at) this.slices.push([]);
    this.slices[at]!.push(latencyMs);
  }

  /** Of so much measured time: slices in which nothing was answered are there too. */
  timeline(windowMs: number): Timeline {
    const count = Math.max(this.slices.length, Math.ceil(windowMs / SLICE_MS));
    const slices = Array.from({ length: count }, (_, i) => (this.slices[i] ?? []).toSorted((a, b) => a - b));
    return {
      sliceMs: SLICE_MS,
      commands: slices.map((slice) => slice.length),
      p50Ms: slices.map((slice) => at(slice, 0.5)),
      p99Ms: slices.map((slice) => at(slice, 0.99)),
      maxMs: slices.map((slice) => at(slice, 1)),
    };
  }
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
