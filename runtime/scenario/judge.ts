/** Compares what a scenario expects with what came: a pure function of both. */

import type { Root } from 'protobufjs';

import type { ActorSchema } from '../bundle/schema.ts';
import { commandMessages } from '../bundle/schema.ts';
import { STATUS_OK, STATUS_REJECTED } from '../sandbox/sandbox.ts';
import type { Comparable, Difference } from './diff.ts';
import { differences, Labelled, show } from './diff.ts';
import type { Expectations, NamedBody, Scenario } from './scenario.ts';
import { ScenarioError } from './scenario.ts';
import type { Act, ActOutcome, ItemOutcome } from './stage.ts';
import { broadcastMessage, readTail, sendEntry, timerEntry } from './tail.ts';
import { complete, decode, encode, toJson } from './values.ts';

export interface Verdict {
  readonly differences: Difference[];
  /** What went wrong besides: the behaviour threw, the sandbox died. */
  readonly error: string | null;
}

/** What the sandbox must be told. @throws ScenarioError, ValueError when names or values do not fit the schema */
export function actOf(scenario: Scenario, actor: ActorSchema): Act {
  const given = scenario.given.map(([name, body], i) => {
    const message = actor.events.get(name);
    if (message === undefined) throw new ScenarioError(`given[${i}]: ${actor.type} has no event ${name}`);
    return { name, bytes: encode(message, complete(message, body, `given[${i}] ${name}`)) };
  });
  const [command, body] = scenario.when;
  const messages = actor.commands.get(command);
  if (messages === undefined) throw new ScenarioError(`when: ${actor.type} has no command ${command}`);
  const json = toJson(messages.command, complete(messages.command, body, `when ${command}`));
  const { now, seed, caller, firing } = scenario;
  return { type: actor.type, id: scenario.actor, given, command, json, now, seed, caller, firing };
}

/** @throws ScenarioError, ValueError when an expectation does not fit the schema */
export function judge(scenario: Scenario, outcome: ActOutcome, actor: ActorSchema, root: Root): Verdict {
  // Read before anything is compared: an expectation that no decision could meet is the author's mistake, not the behaviour's.
  const expected = expectedParts(scenario, actor, root);
  if (outcome.lost !== null) return failed(`${outcome.lost.code}: ${outcome.lost.message}`);
  const { activated, decided, state } = outcome;
  if (activated.status !== STATUS_OK) return failed(`the given events cannot be folded: ${errorText(activated)}`);
  if (decided.status !== STATUS_OK && decided.status !== STATUS_REJECTED) return failed(errorText(decided));
  if ('rejected' in scenario.then) return judgeRejection(scenario.then.rejected, decided, actor, scenario, root);
  if (decided.status === STATUS_REJECTED) {
    return { differences: [{ path: 'rejected', expected: null, got: rejectionText(decided) }], error: null };
  }
  const produced: { readonly [part: string]: Comparable } = {
    ...readTail(decided.tail, actor, scenario.when[0], root),
    ...(expected.has('state') ? { state: decode(actor.state, state.body) } : {}),
  };
  const found = [...expected].flatMap(([part, value]) => differences(value, produced[part], part));
  return { differences: found, error: null };
}

function judgeRejection(code: string, decided: ItemOutcome, actor: ActorSchema, scenario: Scenario, root: Root): Verdict {
  if (decided.status === STATUS_REJECTED) {
    if (decided.error?.code === code) return { differences: [], error: null };
    return { differences: [{ path: 'rejected', expected: show(code), got: rejectionText(decided) }], error: null };
  }
  const { events } = readTail(decided.tail, actor, scenario.when[0], root);
  const accepted = events.length === 0 ? 'accepted, no events' : `accepted: ${events.map(({ label }) => label).join(', ')}`;
  return { differences: [{ path: 'rejected', expected: show(code), got: accepted }], error: null };
}

/** The expectations in the form of `Produced`, in the order in which they are reported. */
function expectedParts(scenario: Scenario, actor: ActorSchema, root: Root): Map<string, Comparable> {
  const parts = new Map<string, Comparable>();
  if ('rejected' in scenario.then) return parts;
  const { then } = scenario;
  const [command] = scenario.when;
  if (then.events !== undefined) parts.set('events', eventEntries(then.events, actor));
  if (then.reply !== undefined) parts.set('reply', complete(actor.commands.get(command)!.reply, then.reply, 'then.reply'));
  if (then.state !== undefined) parts.set('state', complete(actor.state, then.state, 'then.state'));
  if (then.sends !== undefined) parts.set('sends', sendEntries(then.sends, root));
  if (then.timers !== undefined) parts.set('timers', timerEntries(then.timers, actor));
  for (const part of ['cancelled', 'links', 'unlinks'] as const) {
    const texts = then[part];
    if (texts !== undefined) parts.set(part, [...texts]);
  }
  if (then.broadcasts !== undefined) parts.set('broadcasts', broadcastEntries(then.broadcasts, root));
  return parts;
}

function eventEntries(events: readonly NamedBody[], actor: ActorSchema): Labelled[] {
  return events.map(([name, body], i) => {
    const message = actor.events.get(name);
    if (message === undefined) throw new ScenarioError(`then.events[${i}]: ${actor.type} has no event ${name}`);
    return new Labelled(name, complete(message, body, `then.events[${i}] ${name}`));
  });
}

function sendEntries(sends: NonNullable<Expectations['sends']>, root: Root): Labelled[] {
  return sends.map(({ to, name, body, onReply }, i) => {
    const messages = commandMessages(root, to.split(':', 1)[0]!, name);
    if (messages === null) throw new ScenarioError(`then.sends[${i}]: no schema has a command ${name} of ${to}`);
    return sendEntry(to, name, complete(messages.command, body, `then.sends[${i}] ${name}`), onReply);
  });
}

function timerEntries(timers: NonNullable<Expectations['timers']>, actor: ActorSchema): Labelled[] {
  return timers.map(({ name, command, body, ...when }, i) => {
    const messages = actor.commands.get(command);
    if (messages === undefined) throw new ScenarioError(`then.timers[${i}]: ${actor.type} has no command ${command}`);
    return timerEntry(name, command, complete(messages.command, body, `then.timers[${i}] ${command}`), when);
  });
}

function broadcastEntries(broadcasts: readonly NamedBody[], root: Root): Labelled[] {
  return broadcasts.map(([name, body], i) => {
    const message = broadcastMessage(root, name);
    if (message === null) throw new ScenarioError(`then.broadcasts[${i}]: no type has a command ${name}`);
    return new Labelled(name, complete(message, body, `then.broadcasts[${i}] ${name}`));
  });
}

function rejectionText(decided: ItemOutcome): string {
  const { code, message } = decided.error ?? { code: '', message: '' };
  return message === '' ? show(code) : `${show(code)} (${message})`;
}

function errorText(item: ItemOutcome): string {
  const { code, message, location } = item.error ?? { code: 'INTERNAL', message: 'no result', location: '' };
  return `${code}: ${message}${location === '' ? '' : ` at ${location}`}`;
}

function failed(error: string): Verdict {
  return { differences: [], error };
}
