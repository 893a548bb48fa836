/** The loop of appends to Redis (redis-append.ts) as its starter knows it: started on a Redis of its own, given back as reports. */

import { fork } from 'node:child_process';
import { join } from 'node:path';

import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { Figure, LoopReport } from '../report/report.ts';
import { redisClass } from './baselines.ts';
import type { RedisFloorOptions } from './baselines.ts';
import { messageOf, stopChild } from './subject.ts';

export const EVENT_BYTES = 100;
/** Of the forms `events` and `blob`. */
export const EVENTS_PER_CALL = 100;
export const LOGS_PER_CALL = [50, 200];

export interface AppendMeasure {
  readonly form: string;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly redisCpuUsPerEvent: number | null;
  readonly clientCpuUsPerEvent: number;
}

export interface FromAppendLoop {
  readonly measures: readonly AppendMeasure[];
}

export interface RedisAppendOptions extends RedisFloorOptions {
  readonly msPerForm: number;
}

/** One round: a report for each form, with one run. */
export async function runRedisAppend(options: RedisAppendOptions): Promise<LoopReport[]> {
  const redis = await startRedis({ appendonly: true, appendfsync: options.fsync });
  try {
    const args = [redis.port, redis.pid, options.msPerForm].map(String);
    const child = fork(join(import.meta.dirname, 'redis-append.ts'), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const { measures } = await messageOf<FromAppendLoop>(child, 'the loop of appends to Redis').finally(() => stopChild(child));
    const durability = await redisClass(redis);
    return measures.map((measure) => reportOf(measure, durability));
  } finally {
    await redis.remove();
  }
}

function reportOf(measure: AppendMeasure, durability: string): LoopReport {
  return {
    name: `redis-append/${measure.form}/${durability}`,
    text: `Appends to Redis without a server between (${durability}), events of ${EVENT_BYTES} bytes: ${textOf(measure.form)}. One connection, two calls on their way.`,
    runs: figuresOf(measure),
  };
}

function textOf(form: string): string {
  if (form === 'events') return `an XADD for each event, ${EVENTS_PER_CALL} in one write`;
  if (form === 'blob') return `an XADD for ${EVENTS_PER_CALL} events as one blob`;
  return `the journal's function with its checks (${form}), one event for each`;
}

function figuresOf(measure: AppendMeasure): Figure[] {
  const figures: Figure[] = [{ name: 'throughput', value: measure.eventsPerSecond, unit: 'events/s', isLessBetter: false }];
  if (measure.redisCpuUsPerEvent !== null) figures.push({ name: 'CPU of redis', value: measure.redisCpuUsPerEvent, unit: 'µs/event', isLessBetter: true });
  figures.push({ name: 'CPU of the loop', value: measure.clientCpuUsPerEvent, unit: 'µs/event', isLessBetter: true });
  return figures;
}
