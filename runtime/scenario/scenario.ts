/**
 * One scenario as an author writes it, read strictly: a key that is not known is refused, because an expectation with a
 * misspelt name would be one that cannot fail.
 */

import { limits } from '../limits.ts';

export type NamedBody = readonly [name: string, body: unknown];

export interface Expectations {
  readonly events?: readonly NamedBody[];
  readonly reply?: unknown;
  readonly state?: unknown;
  readonly sends?: readonly { readonly to: string; readonly name: string; readonly body: unknown; readonly onReply: string }[];
  readonly timers?: readonly {
    readonly name: string;
    /** 0 when it goes by a calendar. */
    readonly at: number;
    readonly cron: string;
    readonly zone: string;
    readonly command: string;
    readonly body: unknown;
    readonly every: number;
  }[];
  readonly cancelled?: readonly string[];
  readonly links?: readonly string[];
  readonly unlinks?: readonly string[];
  readonly broadcasts?: readonly NamedBody[];
}

export interface Scenario {
  readonly name: string;
  readonly actor: string;
  readonly given: readonly NamedBody[];
  readonly when: NamedBody;
  readonly now: number;
  readonly seed: number;
  readonly caller: string;
  /** The timer that brings the command; null when none does. */
  readonly firing: { readonly name: string; readonly due: number; readonly missed: number } | null;
  readonly then: { readonly rejected: string } | Expectations;
}

/** A scenario that is not written as docs/BEHAVIORS.md says. */
export class ScenarioError extends Error {}

const NOW_DEFAULT = 1_700_000_000_000;
const keys = ['name', 'actor', 'given', 'when', 'now', 'seed', 'caller', 'firing', 'then'];
const expectationKeys = ['events', 'reply', 'state', 'sends', 'timers', 'cancelled', 'links', 'unlinks', 'broadcasts'];

/** @throws ScenarioError */
export function readScenario(written: unknown): Scenario {
  const source = object(written, 'a scenario');
  refuseOthers(source, keys, 'a scenario');
  const now = optional(source['now'], NOW_DEFAULT, wholeNumber, 'now');
  return {
    name: text(source['name'], 'name'),
    actor: optional(source['actor'], '1', text, 'actor'),
    given: optional(source['given'], [], namedBodies, 'given'),
    when: namedBody(source['when'], 'when'),
    now,
    seed: optional(source['seed'], 1, wholeNumber, 'seed'),
    caller: optional(source['caller'], 'tester', (value) => text(value, 'caller', true), 'caller'),
    firing: source['firing'] === undefined ? null : readFiring(source['firing'], now),
    then: readThen(source['then'], now),
  };
}

function readFiring(written: unknown, now: number): Scenario['firing'] {
  const source = object(written, 'firing');
  refuseOthers(source, ['name', 'due', 'missed'], 'firing');
  const due = optional(source['due'], now, wholeNumber, 'firing.due');
  if (due > now) throw new ScenarioError('firing.due is behind now: no timer fires before its time');
  return { name: text(source['name'], 'firing.name'), due, missed: optional(source['missed'], 0, wholeNumber, 'firing.missed') };
}

/** The name of something that may not be a scenario, for the report. */
export function nameOf(written: unknown, index: number): string {
  const name = typeof written === 'object' && written !== null ? (written as Record<string, unknown>)['name'] : undefined;
  return typeof name === 'string' && name !== '' ? name : `scenario ${index + 1}`;
}

function readThen(written: unknown, now: number): Scenario['then'] {
  const source = object(written, 'then');
  if (Object.hasOwn(source, 'rejected')) {
    refuseOthers(source, ['rejected'], 'then with rejected');
    return { rejected: text(source['rejected'], 'then.rejected') };
  }
  refuseOthers(source, expectationKeys, 'then');
  if (Object.keys(source).length === 0) throw new ScenarioError('then expects nothing; a scenario that cannot fail is refused');
  const then: { -readonly [K in keyof Expectations]: Expectations[K] } = {};
  const take = <K extends keyof Expectations>(key: K, read: (value: unknown, path: string) => Expectations[K]): void => {
    if (Object.hasOwn(source, key)) then[key] = read(source[key], `then.${key}`);
  };
  take('events', namedBodies);
  take('reply', object);
  take('state', object);
  take('sends', (value, path) => list(value, path).map((item, i) => readSend(item, `${path}[${i}]`)));
  take('timers', (value, path) => list(value, path).map((item, i) => readTimer(item, `${path}[${i}]`, now)));
  take('cancelled', texts);
  take('links', texts);
  take('unlinks', texts);
  take('broadcasts', namedBodies);
  return then;
}

/** [to, name, body, { onReply }], as the arguments of ctx.send. */
function readSend(written: unknown, path: string): NonNullable<Expectations['sends']>[number] {
  const [to, name, body, options] = tuple(written, path, 3, 4);
  const settings = options === undefined ? {} : object(options, `${path}[3]`);
  refuseOthers(settings, ['onReply'], `${path}[3]`);
  const onReply = optional(settings['onReply'], '', text, `${path}[3].onReply`);
  return { to: text(to, `${path}[0]`), name: text(name, `${path}[1]`), body: object(body, `${path}[2]`), onReply };
}

/** [name, when, command, body, { every }], as the arguments of ctx.timer. */
function readTimer(written: unknown, path: string, now: number): NonNullable<Expectations['timers']>[number] {
  const [name, when, command, body, options] = tuple(written, path, 4, 5);
  const settings = options === undefined ? {} : object(options, `${path}[4]`);
  refuseOthers(settings, ['every'], `${path}[4]`);
  return {
    name: text(name, `${path}[0]`),
    ...readWhen(when, `${path}[1]`, now),
    command: text(command, `${path}[2]`),
    body: object(body, `${path}[3]`),
    every: optional(settings['every'], 0, wholeNumber, `${path}[4].every`),
  };
}

/** A time, a distance, or a calendar as it is recorded: one space between its fields, and no zone for UTC. */
function readWhen(written: unknown, path: string, now: number): { at: number; cron: string; zone: string } {
  if (typeof written === 'number') return { at: wholeNumber(written, path), cron: '', zone: '' };
  const source = object(written, path);
  if (!Object.hasOwn(source, 'cron')) {
    refuseOthers(source, ['in'], path);
    return { at: now + wholeNumber(source['in'], `${path}.in`), cron: '', zone: '' };
  }
  refuseOthers(source, ['cron', 'zone'], path);
  const zone = optional(source['zone'], '', text, `${path}.zone`);
  return { at: 0, cron: text(source['cron'], `${path}.cron`).trim().split(/[ \t]+/).join(' '), zone: zone === 'UTC' ? '' : zone };
}

function namedBodies(written: unknown, path: string): NamedBody[] {
  return list(written, path).map((item, i) => namedBody(item, `${path}[${i}]`));
}

function namedBody(written: unknown, path: string): NamedBody {
  const [name, body] = tuple(written, path, 1, 2);
  return [text(name, `${path}[0]`), body === undefined ? {} : object(body, `${path}[1]`)];
}

function texts(written: unknown, path: string): string[] {
  return list(written, path).map((item, i) => text(item, `${path}[${i}]`));
}

function tuple(written: unknown, path: string, min: number, max: number): unknown[] {
  const items = list(written, path);
  if (items.length < min || items.length > max) {
    throw new ScenarioError(`${path} must be a list of ${min === max ? min : `${min} or ${max}`} elements`);
  }
  return items;
}

function list(written: unknown, path: string): unknown[] {
  if (!Array.isArray(written)) throw new ScenarioError(`${path} must be a list`);
  return written;
}

function object(written: unknown, path: string): Record<string, unknown> {
  if (typeof written !== 'object' || written === null || Array.isArray(written)) throw new ScenarioError(`${path} must be an object`);
  return written as Record<string, unknown>;
}

function text(written: unknown, path: string, mayBeEmpty = false): string {
  if (typeof written !== 'string' || (written === '' && !mayBeEmpty)) throw new ScenarioError(`${path} must be a text`);
  if (Buffer.byteLength(written) > limits.bodyBytesMax) throw new ScenarioError(`${path} is too long`);
  return written;
}

function wholeNumber(written: unknown, path: string): number {
  if (!Number.isSafeInteger(written) || (written as number) < 0) throw new ScenarioError(`${path} must be a whole number, 0 or more`);
  return written as number;
}

function optional<T>(written: unknown, otherwise: T, read: (value: unknown, path: string) => T, path: string): T {
  return written === undefined ? otherwise : read(written, path);
}

function refuseOthers(source: Record<string, unknown>, known: readonly string[], what: string): void {
  const other = Object.keys(source).find((key) => !known.includes(key));
  if (other !== undefined) throw new ScenarioError(`${what} has no key ${JSON.stringify(other)}; known are ${known.join(', ')}`);
}
