/** Options of workloads that consist of one command (or read) over and over: how many, how fast, of which actors, of what size. */

import type { ParseArgsConfig } from 'node:util';

import { COUNTERS } from '../oracle/effects.ts';
import { COUNTER_TYPE, DOCUMENT_TYPE, FAN_TYPE } from '../driver/format.ts';
import { distributions } from '../driver/choice.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { plainLoad } from '../harness/load-spec.ts';
import { count, counts, namesOf, text, wholeNumber } from '../harness/options.ts';
import type { Values } from '../harness/options.ts';

/** Of an open loop: a connection that has so many open takes no more. Below the gateway's own bound. */
export const OPEN_IN_FLIGHT_MAX = 512;
const SENDS_ACTORS = COUNTERS;

const loadHelp = `Load (a list, by commas, makes a case of each):
  --shape <c>x<n>        closed loop: connections x requests in flight on each      (64x16,64x1,1x1)
  --rate <n>             open loop instead: requests per second in all, due at random times; latency counts from when they
                         were due; its warm-up goes on until latency has settled
  --connections <n>      of an open loop                                            (64)
  --actors <n>           to choose from                                             (10000)
  --distribution <d>     which of them: uniform, zipf (0.99), hot (one alone)       (uniform)
  --value-size <bytes>   content in each command, event and state                   (0)
  --per-frame <n>        requests in one frame, at most                             (1)
  --idle-connections <n> opened beside, and never used                              (0)
  --no-keys              without idempotency keys
  --json-frames          subprotocol troupe.v1.json instead of troupe.v1.proto
  --no-direct            in a cluster: to any node, instead of straight to the owner
`;

/** With the defaults of a workload. */
export function loadHelpOf(defaults: Readonly<Record<string, string>>): string {
  return loadHelp.replace(/^( {2}--([a-z-]+) .*) \([^()]*\)$/gm, (line, head: string, name: string) => (defaults[name] === undefined ? line : `${head} (${defaults[name]})`));
}

export const fanOutHelp = `  --fan-out <n>          messages that each command causes                          (1,10,100)
`;

export const loadConfig = {
  shape: { type: 'string', default: '64x16,64x1,1x1' },
  rate: { type: 'string', default: '' },
  connections: { type: 'string', default: '64' },
  actors: { type: 'string', default: '10000' },
  distribution: { type: 'string', default: 'uniform' },
  'value-size': { type: 'string', default: '0' },
  'per-frame': { type: 'string', default: '1' },
  'idle-connections': { type: 'string', default: '0' },
  'no-keys': { type: 'boolean', default: false },
  'json-frames': { type: 'boolean', default: false },
  'no-direct': { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options'];

export const fanOutConfig = { 'fan-out': { type: 'string', default: '1,10,100' } } as const satisfies ParseArgsConfig['options'];

/** Every combination of the lists. */
export function loadsOf(values: Values, request: LoadSpec['request']): LoadSpec[] {
  const connections = count(values, 'connections', 1, 10_000);
  const rates = text(values, 'rate') === '' ? [] : counts(values, 'rate', 1, 10_000_000);
  const loops: Pick<LoadSpec, 'connections' | 'loop'>[] = rates.length === 0
    ? text(values, 'shape').split(',').map(shapeOf)
    : rates.map((perSecond) => ({ connections, loop: { kind: 'open', perSecond, inFlightMax: OPEN_IN_FLIGHT_MAX } }));
  const loads: LoadSpec[] = [];
  for (const valueBytes of counts(values, 'value-size', 0, 1_000_000)) {
    for (const fanOut of values['fan-out'] === undefined ? [0] : counts(values, 'fan-out', 1, 1_000)) {
      const type = fanOut > 0 ? FAN_TYPE : valueBytes > 0 ? DOCUMENT_TYPE : COUNTER_TYPE;
      const actors = fanOut > 0 ? Math.min(SENDS_ACTORS, count(values, 'actors', 1, 1_000_000)) : count(values, 'actors', 1, 1_000_000);
      for (const perFrame of counts(values, 'per-frame', 1, 1_024)) {
        for (const loop of loops) {
          for (const distribution of namesOf('distribution', text(values, 'distribution'), distributions)) {
            loads.push({
              ...plainLoad, ...loop, request, type, actors, distribution, perFrame,
              shape: { valueBytes, fanOut },
              keys: values['no-keys'] !== true,
              json: values['json-frames'] === true,
              idleConnections: count(values, 'idle-connections', 0, 100_000),
              direct: values['no-direct'] !== true,
            });
          }
        }
      }
    }
  }
  return loads;
}

/** @throws Error for an option that would change nothing; `given`: the names of those on the command line */
export function refuseIdleLoad(values: Values, given: ReadonlySet<string>): void {
  if (values['find-max'] === true) {
    for (const name of ['rate', 'shape', 'peers', 'rounds']) if (given.has(name)) throw new Error(`--${name}: a search (--find-max) has its own`);
    return;
  }
  if (given.has('p99')) throw new Error('--p99: the limit of a search; add --find-max');
  if (given.has('rate') && given.has('shape')) throw new Error('--shape: is of a closed loop, and --rate is an open one; leave one out');
  if (given.has('connections') && !given.has('rate')) throw new Error('--connections: is of an open loop (--rate); a closed one has them in its --shape');
}

export function shapeOf(given: string): Pick<LoadSpec, 'connections' | 'loop'> {
  const [left, right, more] = given.split('x');
  if (right === undefined || more !== undefined) throw new Error(`--shape ${given}: wanted is <connections>x<in flight>, for example 64x16`);
  return { connections: wholeNumber('shape', left!, 1, 10_000), loop: { kind: 'closed', inFlight: wholeNumber('shape', right, 1, 1_024) } };
}
