/**
 * Latency histogram, log-linear: 128 steps per power of two, so a percentile is off by less than one percent. Recording is two
 * shifts and one array write; a native histogram costs a call out of JavaScript per command, which at several hundred thousand
 * commands a second is a visible part of the driver's core.
 *
 * Unit: 0.1 µs. Values above 200 s count as 200 s; the exact maximum is kept beside the steps.
 */

const STEP_BITS = 7;
const STEPS = 1 << STEP_BITS;
const UNITS_PER_MS = 10_000;
const UNITS_MAX = 2_000_000_000;

export interface HistogramDump {
  readonly counts: Float64Array;
  readonly total: number;
  readonly maxMs: number;
  readonly sumMs: number;
}

export class Histogram {
  private readonly counts = new Float64Array((32 - STEP_BITS + 1) * STEPS);
  private total = 0;
  private maxMs = 0;
  private sumMs = 0;

  record(ms: number): void {
    const units = Math.min(Math.max(Math.round(ms * UNITS_PER_MS), 0), UNITS_MAX);
    const at = indexOf(units);
    this.counts[at] = this.counts[at]! + 1;
    this.total++;
    this.sumMs += ms;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  reset(): void {
    this.counts.fill(0);
    this.total = 0;
    this.maxMs = 0;
    this.sumMs = 0;
  }

  add(other: HistogramDump): void {
    for (let i = 0; i < this.counts.length; i++) this.counts[i] = this.counts[i]! + other.counts[i]!;
    this.total += other.total;
    this.sumMs += other.sumMs;
    this.maxMs = Math.max(this.maxMs, other.maxMs);
  }

  dump(): HistogramDump {
    return { counts: this.counts, total: this.total, maxMs: this.maxMs, sumMs: this.sumMs };
  }

  get count(): number {
    return this.total;
  }

  get max(): number {
    return this.maxMs;
  }

  get mean(): number {
    return this.total === 0 ? 0 : this.sumMs / this.total;
  }

  /** Milliseconds below which `share` (0 to 1) of the values lie; 0 when nothing was recorded. */
  percentile(share: number): number {
    if (this.total === 0) return 0;
    let left = Math.max(1, Math.ceil(share * this.total));
    for (let i = 0; i < this.counts.length; i++) {
      left -= this.counts[i]!;
      if (left <= 0) return Math.min(middleOf(i) / UNITS_PER_MS, this.maxMs);
    }
    return this.maxMs;
  }
}

function indexOf(units: number): number {
  if (units < 2 * STEPS) return units;
  const shift = 31 - Math.clz32(units) - STEP_BITS;
  return shift * STEPS + (units >>> shift);
}

function middleOf(index: number): number {
  if (index < 2 * STEPS) return index;
  const shift = Math.floor(index / STEPS) - 1;
  const low = (index - shift * STEPS) * 2 ** shift;
  return low + (2 ** shift - 1) / 2;
}
