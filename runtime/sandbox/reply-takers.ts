/**
 * Which commands can take the answer to which: `onReply` names a command whose message is filled by the host, without a schema
 * (actor/messages/message-records.ts, writeAnswer), so whether it fits is found out here, when a bundle is loaded.
 *
 * T1  A taker's message has `string from = 1`, a message as field 2, and a message with `string code = 1` and `string message = 2` as field 3.
 * T2  Every reply of the asked command can be read as field 2: it has each field of the reply under the same number, and of the same form on
 *     the wire and as a value. Names may differ; fields that the reply does not have keep their defaults.
 */

import type { FieldSchema, FieldType, Schema } from './schema.ts';

const FROM = 1;
const REPLY = 2;
const REFUSAL = 3;

export interface ReplyTaker {
  /** Messages of replies that it can take. */
  readonly takes: readonly number[];
  /** What its message looks like where a taker's fields are expected, for people. */
  readonly shape: string;
}

/** By message, for all that are a command of some type. */
export function replyTakers(schema: Schema): Readonly<Record<number, ReplyTaker>> {
  const commands = [...schema.types.values()].flatMap((type) => (typeof type === 'string' ? [] : type.commands));
  const replies = [...new Set(commands.map(({ reply }) => reply))];
  const takers: Record<number, ReplyTaker> = {};
  for (const request of new Set(commands.map((command) => command.request))) {
    takers[request] = { takes: hasFrame(schema, request) ? replies.filter((reply) => takesReply(schema, request, reply)) : [], shape: shapeOf(schema, request) };
  }
  return takers;
}

/** T1, but for what the reply is. */
function hasFrame(schema: Schema, request: number): boolean {
  if (!isText(field(schema, request, FROM)) || messageOf(field(schema, request, REPLY)) < 0) return false;
  const refusal = messageOf(field(schema, request, REFUSAL));
  return refusal >= 0 && isText(field(schema, refusal, 1)) && isText(field(schema, refusal, 2));
}

/** T2 */
function takesReply(schema: Schema, request: number, reply: number): boolean {
  const into = messageOf(field(schema, request, REPLY));
  return fits(schema, reply, into, new Set());
}

/** Whether every message `from` can be read as `into`; `assumed` holds the pairs that are being looked at, since messages may hold themselves. */
function fits(schema: Schema, from: number, into: number, assumed: Set<string>): boolean {
  const pair = `${from} ${into}`;
  if (from === into || assumed.has(pair)) return true;
  assumed.add(pair);
  return schema.messages[from]!.fields.every((one) => {
    const other = field(schema, into, one.number);
    if (other === undefined || other.mapKey !== one.mapKey) return false;
    const isMany = (label: FieldSchema['label']): boolean => label === 'repeated' || label === 'map';
    if ((isMany(one.label) || isMany(other.label)) && one.label !== other.label) return false;
    return isSameForm(schema, one.type, other.type, assumed);
  });
}

function isSameForm(schema: Schema, from: FieldType, into: FieldType, assumed: Set<string>): boolean {
  if (from.kind === 'message') return into.kind === 'message' && fits(schema, from.index, into.index, assumed);
  if (from.kind === 'scalar') return into.kind === 'scalar' && into.scalar === from.scalar && (from.asNumber || !into.asNumber);
  if (into.kind !== 'enum') return false;
  const numbers = new Set(schema.enums[into.index]!.values.map(([, number]) => number));
  return schema.enums[from.index]!.values.every(([, number]) => numbers.has(number));
}

function field(schema: Schema, message: number, number: number): FieldSchema | undefined {
  return schema.messages[message]!.fields.find((one) => one.number === number);
}

function isText(one: FieldSchema | undefined): boolean {
  return one !== undefined && one.type.kind === 'scalar' && one.type.scalar === 'string' && (one.label === 'plain' || one.label === 'presence');
}

/** -1 for what is no single message. */
function messageOf(one: FieldSchema | undefined): number {
  return one !== undefined && one.type.kind === 'message' && one.label === 'presence' ? one.type.index : -1;
}

/** "{ string from = 1; test.v1.AskReply reply = 2; }" */
function shapeOf(schema: Schema, request: number): string {
  const fields = schema.messages[request]!.fields.filter(({ number }) => number <= REFUSAL);
  return fields.length === 0 ? '{}' : `{ ${fields.map((one) => `${typeText(schema, one)} ${one.name} = ${one.number};`).join(' ')} }`;
}

function typeText(schema: Schema, { type, label, mapKey }: FieldSchema): string {
  const text = type.kind === 'scalar' ? type.scalar : type.kind === 'enum' ? schema.enums[type.index]!.name : schema.messages[type.index]!.name;
  return label === 'map' ? `map<${mapKey}, ${text}>` : label === 'repeated' ? `repeated ${text}` : text;
}
