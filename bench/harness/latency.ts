/** From a driver's histogram to what a report says of it. */

import type { Histogram } from '../driver/histogram.ts';
import type { Latency } from '../report/report.ts';

/** Nines enough for a million commands. */
const CURVE = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99995, 0.99999, 1];

export function latencyOf(histogram: Histogram): Latency {
  const at = (share: number): number => histogram.percentile(share);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max, mean: histogram.mean };
}

/** Only as far as there are commands to tell. */
export function curveOf(histogram: Histogram): [share: number, ms: number][] {
  return CURVE.filter((share) => share === 1 || (1 - share) * histogram.count >= 1).map((share) => [share, share === 1 ? histogram.max : histogram.percentile(share)]);
}
