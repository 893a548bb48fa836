/** Options of `bench counter`. */

import { parseArgs } from 'node:util';

import type { SubjectName } from '../subject/subject.ts';

export interface Shape {
  readonly connections: number;
  readonly inFlight: number;
}

export interface CounterOptions {
  readonly shapes: readonly Shape[];
  readonly subjects: readonly SubjectName[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly actors: number;
  readonly perFrame: number;
  readonly keys: boolean;
  readonly jsonFrames: boolean;
  readonly drivers: number;
  readonly seed: number;
  readonly redisFsync: RedisFsync;
  readonly nodes: number;
  readonly nodeArgs: readonly string[];
  readonly startArgs: readonly string[];
  readonly dataRoot: string | null;
  readonly keep: boolean;
  readonly jsonReport: boolean;
}

export const counterHelp = `Usage: npm run bench -- counter [options]

Commands to bench.v1.Counter actors, beside a corked ws echo, the floor (ws and group commit) and an append+fdatasync loop, all
in one run and taking turns. bench/README.md says how to read the result.

  --shape <c>x<n>        connections x commands in flight on each; may be repeated   (64x16, 64x1, 1x1)
  --connections <c> --in-flight <n>   the same as one --shape
  --subjects <list>      of echo, floor, product, sends, redis, cluster             (the first three); sends: every
                         command is passed on to ten other actors
  --redis-fsync <when>   appendfsync of redis and cluster: everysec, always, no      (everysec)
  --nodes <n>            of cluster, on one Redis                                    (2)
  --rounds <n>           every subject once a round; medians are reported           (3)
  --duration <s>         measured time of one run                                   (5)
  --warm-up <s>          before it, not counted                                     (3)
  --actors <n>           chosen uniformly                                           (10000)
  --per-frame <n>        commands in one frame, at most                             (1)
  --no-keys              without idempotency keys
  --json-frames          subprotocol troupe.v1.json instead of troupe.v1.proto
  --drivers <n>          driver processes                                           (1)
  --seed <n>             of the driver's choices                                    (1)
  --node-args <args>     for the Node binary of the node, e.g. --node-args=--cpu-prof
  --start-args <args>    further arguments for troupe start
  --data <dir>           where data directories are made                            (the system's temporary directory)
  --keep                 keep the data directories and the node's log
  --json                 full report as JSON on stdout
`;

export function parseCounterOptions(args: string[]): CounterOptions {
  const { values } = parseArgs({
    args,
    options: {
      shape: { type: 'string', multiple: true },
      connections: { type: 'string' },
      'in-flight': { type: 'string' },
      subjects: { type: 'string', default: 'echo,floor,product' },
      rounds: { type: 'string', default: '3' },
      duration: { type: 'string', default: '5' },
      'warm-up': { type: 'string', default: '3' },
      actors: { type: 'string', default: '10000' },
      'per-frame': { type: 'string', default: '1' },
      'no-keys': { type: 'boolean', default: false },
      'json-frames': { type: 'boolean', default: false },
      drivers: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      'redis-fsync': { type: 'string', default: 'everysec' },
      nodes: { type: 'string', default: '2' },
      'node-args': { type: 'string', default: '' },
      'start-args': { type: 'string', default: '' },
      data: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    shapes: parseShapes(values.shape, values.connections, values['in-flight']),
    subjects: values.subjects.split(',').map(parseSubject),
    rounds: count('rounds', values.rounds, 1, 100),
    durationMs: seconds('duration', values.duration),
    warmUpMs: seconds('warm-up', values['warm-up']),
    actors: count('actors', values.actors, 1, 1_000_000),
    perFrame: count('per-frame', values['per-frame'], 1, 1_024),
    keys: !values['no-keys'],
    jsonFrames: values['json-frames'],
    drivers: count('drivers', values.drivers, 1, 16),
    seed: count('seed', values.seed, 1, 2 ** 31 - 1),
    redisFsync: parseFsync(values['redis-fsync']),
    nodes: count('nodes', values.nodes, 1, 16),
    nodeArgs: words(values['node-args']),
    startArgs: words(values['start-args']),
    dataRoot: values.data ?? null,
    keep: values.keep,
    jsonReport: values.json,
  };
}

export function shapeName(shape: Shape): string {
  return `${shape.connections}x${shape.inFlight}`;
}

function parseShapes(shapes: string[] | undefined, connections: string | undefined, inFlight: string | undefined): Shape[] {
  const named = shapes ?? (connections === undefined && inFlight === undefined ? ['64x16', '64x1', '1x1'] : [`${connections ?? 1}x${inFlight ?? 1}`]);
  return named.map((text) => {
    const [left, right, more] = text.split('x');
    if (right === undefined || more !== undefined) throw new Error(`--shape ${text}: wanted is <connections>x<in flight>, for example 64x16`);
    return { connections: count('shape', left!, 1, 10_000), inFlight: count('shape', right, 1, 1_024) };
  });
}

function parseSubject(text: string): SubjectName {
  if (text === 'echo' || text === 'floor' || text === 'product' || text === 'sends' || text === 'redis' || text === 'cluster') return text;
  throw new Error(`--subjects: ${text} is not one of echo, floor, product, sends, redis, cluster`);
}

export type RedisFsync = 'everysec' | 'always' | 'no';

function parseFsync(text: string): RedisFsync {
  if (text === 'everysec' || text === 'always' || text === 'no') return text;
  throw new Error(`--redis-fsync ${text}: wanted is everysec, always or no`);
}

function count(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new Error(`--${name} ${text}: wanted is a whole number from ${min} to ${max}`);
  return value;
}

function seconds(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 600)) throw new Error(`--${name} ${text}: wanted are seconds, above 0, at most 600`);
  return value * 1000;
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}
