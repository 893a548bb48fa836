/** The options that workloads share: how long and how often, on which servers, and where the report goes. Also the reading of single values. */

import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

import type { PeerPlaces } from '../peers/install.ts';
import { peerNames } from '../peers/peer.ts';
import type { PeerName } from '../peers/peer.ts';
import { baselineNames, subjectNames } from '../subject/start.ts';
import type { SubjectOptions } from '../subject/start.ts';
import type { RedisFsync } from '../subject/cluster.ts';
import type { SubjectName } from '../subject/subject.ts';

export interface CommonOptions extends SubjectOptions {
  readonly subjects: readonly SubjectName[];
  readonly baselines: readonly SubjectName[];
  readonly peers: readonly PeerName[];
  readonly peerPlaces: PeerPlaces;
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly drivers: number;
  readonly seed: number;
  readonly dataRoot: string | null;
  readonly keep: boolean;
  readonly json: boolean;
  /** Path without ending; null for none. */
  readonly out: string | null;
}

export const commonHelp = `Servers and repetition:
  --subjects <list>      of embedded (one node by itself), redis (one node on Redis), cluster (--nodes on one Redis),
                         target (a cluster that runs)                               (embedded)
  --baselines <list>     of echo, floor, floor-redis, floor-redis-events; measured beside them; or none  (echo,floor)
  --peers <list>         of restate, workerd: other servers that keep counters durably, measured beside (counter only).
                         They are installed by you; bench/README.md says how        (none)
  --peer-folder <dir>    where their node_modules are; --restate <path> and --workerd <path> name programs
  --nodes <n>            of cluster                                                 (2)
  --redis-fsync <when>   appendfsync of the Redis: everysec, always, no             (everysec)
  --target <url>         gateway of a node of a running cluster, ws://host:port; once for each of its nodes. It must have
                         behaviors/bench deployed; actors are left behind in it
  --rounds <n>           every case once a round, on a fresh server; medians are reported  (3)
  --duration <s>         measured time of one run                                   (5)
  --warm-up <s>          before it, not counted                                     (3)
  --drivers <n>          driver processes                                           (1)
  --seed <n>             of all choices                                             (1)
  --node-args <args>     for the Node binary of the node, e.g. --node-args=--cpu-prof
  --start-args <args>    further arguments for troupe start

Output:
  --out <path>           writes the report to <path>.json and <path>.html
  --json                 the report as JSON on stdout, instead of tables
  --data <dir>           where data directories are made                            (the system's temporary directory)
  --keep                 keep the data directories and the nodes' logs
`;

const commonConfig = {
  subjects: { type: 'string', default: 'embedded' },
  baselines: { type: 'string', default: 'echo,floor' },
  peers: { type: 'string', default: 'none' },
  'peer-folder': { type: 'string' },
  restate: { type: 'string' },
  workerd: { type: 'string' },
  nodes: { type: 'string', default: '2' },
  'redis-fsync': { type: 'string', default: 'everysec' },
  target: { type: 'string', multiple: true },
  rounds: { type: 'string', default: '3' },
  duration: { type: 'string', default: '5' },
  'warm-up': { type: 'string', default: '3' },
  drivers: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  'node-args': { type: 'string', default: '' },
  'start-args': { type: 'string', default: '' },
  data: { type: 'string' },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  out: { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

export type Values = Readonly<Record<string, string | boolean | string[] | undefined>>;

/** Own options of a workload beside the common ones; `defaults` replace those of common options. */
export function parseOptions(args: readonly string[], own: NonNullable<ParseArgsConfig['options']>, defaults: Readonly<Record<string, string>> = {}): { common: CommonOptions; values: Values } {
  const options: NonNullable<ParseArgsConfig['options']> = { ...commonConfig, ...own };
  for (const [name, value] of Object.entries(defaults)) options[name] = { ...options[name]!, default: value };
  const values = parseArgs({ args: [...args], options }).values as Values;
  return { common: commonOf(values), values };
}

function commonOf(values: Values): CommonOptions {
  const target = (values['target'] as string[] | undefined) ?? [];
  const subjects = target.length > 0 && values['subjects'] === 'embedded' ? ['target' as const] : namesOf('subjects', text(values, 'subjects'), subjectNames);
  if (subjects.includes('target') && target.length === 0) throw new Error('--subjects target wants --target <url>');
  return {
    subjects,
    baselines: namesOf('baselines', text(values, 'baselines'), baselineNames),
    peers: namesOf('peers', text(values, 'peers'), peerNames),
    peerPlaces: { npmFolder: values['peer-folder'] as string | undefined, restate: values['restate'] as string | undefined, workerd: values['workerd'] as string | undefined },
    nodes: count(values, 'nodes', 1, 16),
    redisFsync: fsyncOf(text(values, 'redis-fsync')),
    target,
    rounds: count(values, 'rounds', 1, 100),
    durationMs: seconds(values, 'duration'),
    warmUpMs: seconds(values, 'warm-up'),
    drivers: count(values, 'drivers', 1, 16),
    seed: count(values, 'seed', 1, 2 ** 20),
    nodeArgs: words(text(values, 'node-args')),
    startArgs: words(text(values, 'start-args')),
    dataRoot: (values['data'] as string | undefined) ?? null,
    keep: values['keep'] === true,
    json: values['json'] === true,
    out: (values['out'] as string | undefined) ?? null,
  };
}

export function text(values: Values, name: string): string {
  return values[name] as string;
}

/** A list, by commas, of some of these; `none` for the empty one. */
export function namesOf<T extends string>(option: string, list: string, known: readonly T[]): T[] {
  if (list === 'none' || list === '') return [];
  return list.split(',').map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw new Error(`--${option}: ${name} is not one of ${known.join(', ')}`);
    return found;
  });
}

export function count(values: Values, name: string, min: number, max: number): number {
  return wholeNumber(name, text(values, name), min, max);
}

export function counts(values: Values, name: string, min: number, max: number): number[] {
  return text(values, name).split(',').map((one) => wholeNumber(name, one, min, max));
}

export function wholeNumber(name: string, given: string, min: number, max: number): number {
  const value = Number(given);
  if (given === '' || !Number.isInteger(value) || value < min || value > max) throw new Error(`--${name} ${given}: wanted is a whole number from ${min} to ${max}`);
  return value;
}

export function seconds(values: Values, name: string): number {
  const given = text(values, name);
  const value = Number(given);
  if (!(value > 0 && value <= 3_600)) throw new Error(`--${name} ${given}: wanted are seconds, above 0, at most 3600`);
  return value * 1_000;
}

/** `20`, `20ms`, `1.5s`. */
export function milliseconds(values: Values, name: string): number {
  const given = text(values, name);
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(given);
  const value = match === null ? NaN : Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
  if (!(value > 0)) throw new Error(`--${name} ${given}: wanted is a time, for example 20ms`);
  return value;
}

export function words(given: string): string[] {
  return given.split(' ').filter((word) => word !== '');
}

function fsyncOf(given: string): RedisFsync {
  if (given === 'everysec' || given === 'always' || given === 'no') return given;
  throw new Error(`--redis-fsync ${given}: wanted is everysec, always or no`);
}
