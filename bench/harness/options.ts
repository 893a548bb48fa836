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

interface HelpLine {
  readonly option: keyof typeof commonConfig;
  readonly value?: string;
  readonly text: string;
}

const subjectTexts: Partial<Record<SubjectName, string>> = { embedded: 'embedded (one node by itself)', redis: 'redis (one node on Redis)', cluster: 'cluster (--nodes on one Redis)' };

const serverLines: readonly HelpLine[] = [
  { option: 'subjects', value: '<list>', text: '' },
  { option: 'baselines', value: '<list>', text: 'of echo, floor, floor-redis, floor-redis-events; measured beside them; or none' },
  { option: 'peers', value: '<list>', text: 'of restate, workerd: other servers that keep counters durably, for shapes with one in flight. Installed by you: bench/README.md' },
  { option: 'peer-folder', value: '<dir>', text: 'where their node_modules are; --restate <path> and --workerd <path> name programs' },
  { option: 'nodes', value: '<n>', text: 'of cluster' },
  { option: 'redis-fsync', value: '<when>', text: 'appendfsync of the Redis: everysec, always, no' },
  { option: 'target', value: '<url>', text: 'a subject that runs already: the gateway of each node, ws://host:port; behaviors/bench is deployed; actors stay in it' },
  { option: 'rounds', value: '<n>', text: 'every case once a round, on a fresh server; medians are reported' },
  { option: 'duration', value: '<s>', text: 'measured time of one run' },
  { option: 'warm-up', value: '<s>', text: 'before it, not counted' },
  { option: 'drivers', value: '<n>', text: 'driver processes' },
  { option: 'seed', value: '<n>', text: 'of all choices' },
  { option: 'node-args', value: '<args>', text: 'for the Node binary of the node, e.g. --node-args=--cpu-prof' },
  { option: 'start-args', value: '<args>', text: 'further arguments for troupe start' },
];

const outputLines: readonly HelpLine[] = [
  { option: 'out', value: '<path>', text: 'writes the report to <path>.json and <path>.html' },
  { option: 'json', text: 'the report as JSON on stdout, instead of tables' },
  { option: 'data', value: '<dir>', text: "where data directories are made; the system's temporary directory otherwise" },
  { option: 'keep', text: "keep the data directories and the nodes' logs" },
];

/** With the defaults of this workload, and without what has no meaning for it. `subjects`: those that it runs on, where not all. */
export function commonHelp(defaults: Readonly<Record<string, string>> = {}, without: readonly CommonOption[] = [], subjects: readonly SubjectName[] = subjectNames): string {
  const ofThis = (line: HelpLine): HelpLine => (line.option === 'subjects' ? { ...line, text: `of ${subjects.flatMap((name) => subjectTexts[name] ?? []).join(', ')}` } : line);
  const shown = (lines: readonly HelpLine[]): string => lines.filter(({ option }) => !without.includes(option)).map((line) => helpLine(ofThis(line), defaults)).join('\n');
  return `Servers and repetition:\n${shown(serverLines)}\n\nOutput:\n${shown(outputLines)}\n`;
}

function helpLine({ option, value, text: says }: HelpLine, defaults: Readonly<Record<string, string>>): string {
  const preset = defaults[option] ?? ('default' in commonConfig[option] ? commonConfig[option].default : '');
  const head = `  --${option}${value === undefined ? '' : ` ${value}`}`.padEnd(HELP_INDENT);
  return `${head} ${says}${preset === '' || preset === false ? '' : ` (${preset})`}`;
}

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

export type CommonOption = keyof typeof commonConfig;

const HELP_INDENT = 24;

export type Values = Readonly<Record<string, string | boolean | string[] | undefined>>;

/**
 * Own options of a workload beside the common ones; `defaults` replace those of common options, those `without` a meaning for it are refused. `given`: the names
 * of those on the command line.
 */
export function parseOptions(args: readonly string[], own: NonNullable<ParseArgsConfig['options']>, defaults: Readonly<Record<string, string>> = {}, without: readonly CommonOption[] = []): { common: CommonOptions; values: Values; given: ReadonlySet<string> } {
  const options: NonNullable<ParseArgsConfig['options']> = { ...commonConfig, ...own };
  for (const [name, value] of Object.entries(defaults)) options[name] = { ...options[name]!, default: value };
  const parsed = parseArgs({ args: [...args], options, tokens: true });
  const values = parsed.values as Values;
  const given = new Set(parsed.tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : [])));
  for (const name of without) if (given.has(name)) throw new Error(`--${name}: this workload ${name === 'target' ? 'starts its servers itself' : 'has no use for it'}`);
  const common = commonOf(values, given);
  refuseIdle(common, given);
  return { common, values, given };
}

function commonOf(values: Values, given: ReadonlySet<string>): CommonOptions {
  const target = (values['target'] as string[] | undefined) ?? [];
  const subjects = target.length > 0 && !given.has('subjects') ? ['target' as const] : namesOf('subjects', text(values, 'subjects'), subjectNames);
  if (subjects.includes('target') && target.length === 0) throw new Error('--subjects target wants --target <url>');
  if (target.length > 0 && !subjects.includes('target')) throw new Error(`--target: is not among --subjects ${text(values, 'subjects')}; leave those out`);
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

/** @throws Error for an option that would change nothing */
function refuseIdle({ subjects, baselines }: CommonOptions, given: ReadonlySet<string>): void {
  if (given.has('nodes') && !subjects.includes('cluster')) throw new Error('--nodes: only a cluster has more than one; add --subjects cluster');
  const usesRedis = [...subjects, ...baselines].some((name) => name === 'redis' || name === 'cluster' || name.startsWith('floor-redis'));
  if (given.has('redis-fsync') && !usesRedis) throw new Error('--redis-fsync: nothing here uses a Redis; add --subjects redis or cluster');
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
