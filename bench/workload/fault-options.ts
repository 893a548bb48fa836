/** Options of workloads under which something happens: what the clients do meanwhile, and when it happens. */

import type { ParseArgsConfig } from 'node:util';

import { distributions } from '../driver/choice.ts';
import type { ClientLoadSpec } from '../harness/disturbed-run.ts';
import { loadName, plainLoad, variantName } from '../harness/load-spec.ts';
import { count, counts, namesOf, seconds, text } from '../harness/options.ts';
import type { Values } from '../harness/options.ts';
import { shapeOf } from './load-options.ts';

export const clientLoadHelp = `Load, by our own client: keys, retries, straight to the owners of actors (a list, by commas, makes a case of each):
  --rate <n>             commands per second in all, due at random times; latency counts from when they were due   (2000)
  --shape <c>x<n>        closed loop instead: clients x commands in flight on each
  --clients <n>          that share the rate; each has connections of its own       (4)
  --actors <n>           bench.v1.Counter actors to choose from                     (10000)
  --distribution <d>     which of them: uniform, zipf (0.99), hot (one alone)       (uniform)
  --no-direct            all to one node, which passes on what is not its own
`;

export const clientLoadConfig = {
  rate: { type: 'string', default: '2000' },
  shape: { type: 'string', default: '' },
  clients: { type: 'string', default: '4' },
  actors: { type: 'string', default: '10000' },
  distribution: { type: 'string', default: 'uniform' },
  'no-direct': { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options'];

export interface NamedLoad {
  readonly spec: ClientLoadSpec;
  /** As CaseReport.load. */
  readonly load: string;
  /** What else sets it apart, for an id; may be empty. */
  readonly variant: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
}

/** Every combination of the lists. */
export function clientLoadsOf(values: Values): NamedLoad[] {
  const clients = count(values, 'clients', 1, 1_000);
  const actors = count(values, 'actors', 1, 1_000_000);
  const direct = values['no-direct'] !== true;
  const loops: Pick<ClientLoadSpec, 'clients' | 'loop'>[] = text(values, 'shape') === ''
    ? counts(values, 'rate', 1, 1_000_000).map((perSecond) => ({ clients, loop: { kind: 'open', perSecond } }))
    : text(values, 'shape').split(',').map((given) => closed(given));
  return loops.flatMap((loop) => namesOf('distribution', text(values, 'distribution'), distributions).map((distribution) => named({ ...loop, actors, distribution, direct })));
}

/** When it happens: once in the middle, or every so often. @throws Error when that would be never */
export function strikesOf(values: Values, durationMs: number): number[] {
  if (text(values, 'every') === '') return [durationMs / 2];
  const everyMs = seconds(values, 'every');
  const strikes: number[] = [];
  for (let at = everyMs; at < durationMs; at += everyMs) strikes.push(at);
  if (strikes.length === 0) throw new Error(`--every ${text(values, 'every')}: within --duration it would never happen`);
  return strikes;
}

function closed(given: string): Pick<ClientLoadSpec, 'clients' | 'loop'> {
  const { connections, loop } = shapeOf(given);
  return { clients: connections, loop: loop as ClientLoadSpec['loop'] };
}

function named(spec: ClientLoadSpec): NamedLoad {
  const { clients, loop, actors, distribution, direct } = spec;
  // The names of the other workloads, for the same load.
  const like = { ...plainLoad, connections: clients, distribution, loop: loop.kind === 'open' ? { ...loop, inFlightMax: 0 } : loop };
  return {
    spec,
    load: loadName(like),
    variant: variantName(like),
    parameters: { loop: loop.kind, ...(loop.kind === 'open' ? { rate: loop.perSecond } : { inFlight: loop.inFlight }), clients, actors, distribution, direct },
  };
}
