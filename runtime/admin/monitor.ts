/**
 * What a node measures of itself for operators. It is read from where the engine stands anyway, once a second and when somebody asks:
 * neither a turn nor an append counts anything for it.
 */

import type { BucketLoad, NodeLoad } from './operations.ts';
import { Rates } from './rates.ts';

export const SAMPLE_MS = 1_000;
const SAMPLES_MAX = 6;
const REQUESTS = 'requests';

/** A bucket as its owner's engine has it. */
export interface BucketReading {
  readonly index: number;
  readonly epoch: number;
  /** Durable records. */
  readonly position: number;
  readonly hotBytes?: number;
  readonly coldBytes?: number;
  readonly snapshots?: number;
  /** See NodeLoad; left out for 0. */
  readonly backlog?: number;
  readonly parked?: number;
  readonly failed?: number;
  /** See BucketLoad; left out for null. */
  readonly refused?: string | null;
}

/** The engine, as far as it is measured. */
export interface MonitoredEngine {
  stat(): { readonly activations: number; readonly commandsAnswered: number };
  /** Of this node, by ascending index. */
  bucketStats(): readonly BucketReading[];
  /** By index. */
  actorsByBucket(): ArrayLike<number>;
}

export interface MonitorClock {
  monotonic(): number;
}

export class Monitor {
  private readonly engine: MonitoredEngine;
  private readonly clock: MonitorClock;
  private readonly rates = new Rates(SAMPLES_MAX);

  constructor(engine: MonitoredEngine, clock: MonitorClock) {
    this.engine = engine;
    this.clock = clock;
  }

  /** To be called every `SAMPLE_MS`. */
  sample(): void {
    const counts = new Map<string, number>([[REQUESTS, this.engine.stat().commandsAnswered]]);
    for (const bucket of this.engine.bucketStats()) counts.set(nameOf(bucket), bucket.position);
    this.rates.add(this.clock.monotonic(), counts);
  }

  readings(): readonly BucketReading[] {
    return this.engine.bucketStats();
  }

  node(): NodeLoad {
    const readings = this.engine.bucketStats();
    return {
      actors: this.engine.stat().activations,
      records: readings.reduce((total, { position }) => total + position, 0),
      hotBytes: sumOf(readings.map(({ hotBytes }) => hotBytes)),
      coldBytes: sumOf(readings.map(({ coldBytes }) => coldBytes)),
      snapshots: sumOf(readings.map(({ snapshots }) => snapshots)),
      backlog: totalOf(readings.map(({ backlog }) => backlog)),
      parked: totalOf(readings.map(({ parked }) => parked)),
      failed: totalOf(readings.map(({ failed }) => failed)),
      refused: readings.filter(({ refused = null }) => refused !== null).length,
      requestsPerSecond: this.rates.perSecond(REQUESTS),
      recordsPerSecond: this.recordsPerSecond(readings),
    };
  }

  buckets(): BucketLoad[] {
    const actors = this.engine.actorsByBucket();
    return this.engine.bucketStats().map((reading) => {
      const { index, epoch, position, hotBytes = null, coldBytes = null, snapshots = null, backlog = 0, parked = 0, failed = 0, refused = null } = reading;
      return { index, epoch, actors: actors[index]!, records: position, hotBytes, coldBytes, snapshots, backlog, parked, failed, refused, recordsPerSecond: this.rates.perSecond(nameOf(reading)) };
    });
  }

  /** What has a rate counts: a bucket that came a moment ago has none yet. */
  private recordsPerSecond(readings: readonly BucketReading[]): number | null {
    const rates = readings.flatMap((reading) => this.rates.perSecond(nameOf(reading)) ?? []);
    return rates.length === 0 && readings.length > 0 ? null : rates.reduce((total, rate) => total + rate, 0);
  }
}

/** Under another epoch it may have been away, and grown elsewhere. */
function nameOf({ index, epoch }: BucketReading): string {
  return `${index} ${epoch}`;
}

function totalOf(parts: readonly (number | undefined)[]): number {
  return parts.reduce<number>((total, part = 0) => total + part, 0);
}

/** Null when one of them is not known. */
function sumOf(parts: readonly (number | undefined)[]): number | null {
  let total = 0;
  for (const part of parts) {
    if (part === undefined) return null;
    total += part;
  }
  return total;
}
