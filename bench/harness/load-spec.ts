/** What a load is, and its names in a report. */

import { COUNTER_TYPE, DOCUMENT_TYPE } from '../driver/format.ts';
import type { BodyShape, DrivenType } from '../driver/format.ts';
import type { Loop, LoadOptions } from '../driver/load.ts';
import type { DriverJob } from '../driver/protocol.ts';

export interface LoadSpec extends Omit<LoadOptions, 'seed'> {
  readonly connections: number;
  readonly idleConnections: number;
  readonly json: boolean;
  readonly type: DrivenType;
  readonly shape: BodyShape;
  readonly direct: boolean;
}

export const plainLoad: Omit<LoadSpec, 'connections' | 'loop'> = {
  request: 'increment', actors: 10_000, distribution: 'uniform', perFrame: 1, keys: true, idleConnections: 0, json: false,
  type: COUNTER_TYPE, shape: { valueBytes: 0, fanOut: 0 }, direct: true,
};

/** `64x16`, `20000/s`, with what a baseline sees of it, too: cases with the same name can be compared with the same baseline. */
export function loadName({ connections, loop, perFrame, shape, json }: Pick<LoadSpec, 'connections' | 'loop' | 'perFrame' | 'shape' | 'json'>): string {
  const parts = [loop.kind === 'open' ? `${loop.perSecond}/s` : `${connections}x${loop.inFlight}`];
  if (perFrame > 1) parts.push(`${perFrame} a frame`);
  if (shape.valueBytes > 0) parts.push(`${shape.valueBytes} bytes`);
  if (json) parts.push('JSON');
  return parts.join(', ');
}

/** The part of a case's id that the baseline does not see. */
export function variantName(load: LoadSpec): string {
  const parts: string[] = [];
  if (load.distribution !== 'uniform') parts.push(load.distribution);
  if (load.shape.fanOut > 0) parts.push(`fan-out ${load.shape.fanOut}`);
  if (load.idleConnections > 0) parts.push(`${load.idleConnections} idle`);
  if (!load.keys) parts.push('no keys');
  return parts.join(', ');
}

/** For people, and for finding cases that differ in one of these only. */
export function parametersOf(load: LoadSpec): Record<string, string | number | boolean> {
  const { loop } = load;
  return {
    ...(loop.kind === 'open' ? { rate: loop.perSecond } : { inFlight: loop.inFlight }),
    loop: loop.kind, connections: load.connections, perFrame: load.perFrame, actors: load.actors, distribution: load.distribution, keys: load.keys,
    ...(load.shape.valueBytes > 0 ? { valueBytes: load.shape.valueBytes } : {}),
    ...(load.shape.fanOut > 0 ? { fanOut: load.shape.fanOut } : {}),
    ...(load.idleConnections > 0 ? { idleConnections: load.idleConnections } : {}),
  };
}

/** The share of driver `index` of `drivers`. */
export function jobOf(load: LoadSpec, endpoints: DriverJob['endpoints'], prefix: string, seed: number, index: number, drivers: number): DriverJob {
  return {
    ...load,
    prefix,
    endpoints,
    connections: share(load.connections, drivers, index),
    idleConnections: share(load.idleConnections, drivers, index),
    loop: shareOfLoop(load.loop, drivers),
    expected: null,
    seed,
  };
}

/** What a server without state gets: the same bytes, whatever the case asks of actors. */
export function baselineLoad(load: LoadSpec): LoadSpec {
  const type = load.shape.valueBytes > 0 ? DOCUMENT_TYPE : COUNTER_TYPE;
  return { ...load, type, request: 'increment', distribution: 'uniform', idleConnections: 0, shape: { ...load.shape, fanOut: 0 }, direct: false };
}

function shareOfLoop(loop: Loop, drivers: number): Loop {
  return loop.kind === 'open' ? { ...loop, perSecond: loop.perSecond / drivers } : loop;
}

/** Part `index` of `total` shared evenly among `parts`. */
export function share(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}
