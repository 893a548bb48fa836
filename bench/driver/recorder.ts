/**
 * What a driver measures in its window: a histogram of all latencies, and a timeline in slices.
 *
 * A command's latency belongs to the window by the moment from which it counts (see load.ts), so it is recorded even when the answer comes after
 * the window's end; throughput counts the answers that came within it. The current slice has a histogram of its own, which is added to
 * the whole when the slice is over: recording costs the same as without a timeline.
 */

import { Histogram } from './histogram.ts';
import type { HistogramDump } from './histogram.ts';

export const SLICE_MS = 100;

export interface TimelineDump {
  readonly commands: number[];
  readonly p50Ms: number[];
  readonly p99Ms: number[];
  readonly maxMs: number[];
}

export interface Measure {
  /** Answered within the window. */
  readonly acknowledged: number;
  readonly windowMs: number;
  readonly histogram: HistogramDump;
  readonly late: HistogramDump;
  readonly timeline: TimelineDump;
}

/** Of the last second: the middle of its slices, so that one stall does not decide. Null when nothing was answered. */
export interface Lately {
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

const LATELY_SLICES = 10;

export class Recorder {
  acknowledged = 0;
  private readonly all = new Histogram();
  private readonly slice = new Histogram();
  private readonly late = new Histogram();
  private timeline: TimelineDump = emptyTimeline();
  private sliceAcknowledged = 0;
  private beganAt = Infinity;
  private endedAt = Infinity;
  private sliceEndsAt = Infinity;

  begin(now: number): void {
    for (const histogram of [this.all, this.slice, this.late]) histogram.reset();
    this.timeline = emptyTimeline();
    this.acknowledged = 0;
    this.sliceAcknowledged = 0;
    this.beganAt = now;
    this.sliceEndsAt = now + SLICE_MS;
    this.endedAt = Infinity;
  }

  end(now: number): void {
    this.roll(now);
    if (this.sliceAcknowledged > 0) this.closeSlice();
    this.endedAt = now;
    this.sliceEndsAt = Infinity;
  }

  /** Before the answers of a read are recorded. */
  roll(now: number): void {
    while (now >= this.sliceEndsAt) this.closeSlice();
  }

  /** An answer that came at `now` to a command whose time counts from `since`. */
  answered(since: number, now: number): void {
    const isInTime = now >= this.beganAt && now < this.endedAt;
    // Also what was sent before the window: it was served in it.
    if (isInTime) {
      this.acknowledged++;
      this.sliceAcknowledged++;
    }
    if (since < this.beganAt || since >= this.endedAt) return;
    (isInTime ? this.slice : this.all).record(now - since);
  }

  /** A command that was due at `due` was written at `now`. */
  written(due: number, now: number): void {
    if (due >= this.beganAt && due < this.endedAt) this.late.record(now - due);
  }

  lately(now: number): Lately {
    this.roll(now);
    const { commands, p50Ms, p99Ms } = this.timeline;
    const from = commands.length - LATELY_SLICES;
    const middle = (of: readonly number[]): number | null => {
      const answered = of.filter((_, i) => i >= from && commands[i]! > 0).sort((a, b) => a - b);
      return answered[answered.length >> 1] ?? null;
    };
    return { p50Ms: middle(p50Ms), p99Ms: middle(p99Ms) };
  }

  dump(): Measure {
    return { acknowledged: this.acknowledged, windowMs: this.endedAt - this.beganAt, histogram: this.all.dump(), late: this.late.dump(), timeline: this.timeline };
  }

  private closeSlice(): void {
    const { slice, timeline } = this;
    timeline.commands.push(this.sliceAcknowledged);
    this.sliceAcknowledged = 0;
    timeline.p50Ms.push(slice.percentile(0.5));
    timeline.p99Ms.push(slice.percentile(0.99));
    timeline.maxMs.push(slice.max);
    this.all.add(slice.dump());
    slice.reset();
    this.sliceEndsAt += SLICE_MS;
  }
}

function emptyTimeline(): TimelineDump {
  return { commands: [], p50Ms: [], p99Ms: [], maxMs: [] };
}

/** Of several drivers that began together: sums, and of times the highest, since percentiles cannot be added. */
export function mergeTimelines(timelines: readonly TimelineDump[]): TimelineDump {
  const length = Math.max(0, ...timelines.map(({ commands }) => commands.length));
  const merge = (of: keyof TimelineDump, join: (values: number[]) => number): number[] =>
    Array.from({ length }, (_, i) => join(timelines.map((one) => one[of][i] ?? 0)));
  return {
    commands: merge('commands', (values) => values.reduce((a, b) => a + b, 0)),
    p50Ms: merge('p50Ms', (values) => Math.max(...values)),
    p99Ms: merge('p99Ms', (values) => Math.max(...values)),
    maxMs: merge('maxMs', (values) => Math.max(...values)),
  };
}
