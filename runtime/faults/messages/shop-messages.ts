/** The messages of the shop by protobufjs, from proto/shop/v1: what a command, an event, a reply or a state of a type is. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import protobuf from 'protobufjs';

const PROTO = join(import.meta.dirname, '../../../proto');
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTO, target);
root.loadSync(readdirSync(join(PROTO, 'shop/v1')).filter((file) => file.endsWith('.proto')).map((file) => `shop/v1/${file}`));

/** A message with all its fields: numbers for int64, names for enums. */
export type Fields = Record<string, unknown>;

interface Command {
  readonly request: protobuf.Type;
  readonly reply: protobuf.Type;
}

const commands = new Map<string, Command>();

/** @throws Error when the type has no such command */
function commandOf(actorType: string, name: string): Command {
  const key = `${actorType} ${name}`;
  let command = commands.get(key);
  if (command === undefined) {
    const method = root.lookupService(`${actorType}Commands`).methods[name];
    method?.resolve();
    if (!method?.resolvedRequestType || !method.resolvedResponseType) throw new Error(`${actorType} has no command ${name}`);
    commands.set(key, (command = { request: method.resolvedRequestType, reply: method.resolvedResponseType }));
  }
  return command;
}

/** Whether actors of the type have the command; of types that are not the shop's nothing is known, and it is believed. */
export function hasCommand(actorType: string, name: string): boolean {
  return !actorType.startsWith('shop.v1.') || Object.hasOwn(root.lookupService(`${actorType}Commands`).methods, name);
}

export function encodeCommand(actorType: string, name: string, body: object): Uint8Array {
  const { request } = commandOf(actorType, name);
  return request.encode(request.fromObject(body)).finish();
}

export function decodeReply(actorType: string, name: string, bytes: Uint8Array): Fields {
  return fieldsOf(commandOf(actorType, name).reply, bytes);
}

export function decodeState(actorType: string, bytes: Uint8Array): Fields {
  return fieldsOf(root.lookupType(`${actorType}State`), bytes);
}

export function initialState(actorType: string): Fields {
  return decodeState(actorType, new Uint8Array(0));
}

/** null when the type has no such event. */
export function decodeEvent(actorType: string, name: string, bytes: Uint8Array): Fields | null {
  const events = root.lookupType(`${actorType}Event`).fieldsArray;
  const field = events.find(({ type }) => type === name || type.endsWith(`.${name}`));
  const type = field?.resolve().resolvedType;
  return type instanceof protobuf.Type ? fieldsOf(type, bytes) : null;
}

export function encodeEvent(actorType: string, name: string, fields: object): Uint8Array {
  const type = root.lookupType(`${actorType.slice(0, actorType.lastIndexOf('.'))}.${name}`);
  return type.encode(type.fromObject(fields)).finish();
}

export function encodeReply(actorType: string, name: string, fields: object): Uint8Array {
  const { reply } = commandOf(actorType, name);
  return reply.encode(reply.fromObject(fields)).finish();
}

export function encodeState(actorType: string, fields: object): Uint8Array {
  const type = root.lookupType(`${actorType}State`);
  return type.encode(type.fromObject(fields)).finish();
}

/** Normalised or not, as long as both mean the same; bytes of what is not of the shop are compared as they are. */
export function samePayload(actorType: string, name: string, a: Uint8Array, b: Uint8Array): boolean {
  if (Buffer.compare(a, b) === 0) return true;
  if (!actorType.startsWith('shop.v1.')) return false;
  const { request } = commandOf(actorType, name);
  return JSON.stringify(sorted(fieldsOf(request, a))) === JSON.stringify(sorted(fieldsOf(request, b)));
}

/** The same, whatever the order of keys of maps. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]));
}

function fieldsOf(type: protobuf.Type, bytes: Uint8Array): Fields {
  return type.toObject(type.decode(bytes), { longs: Number, enums: String, defaults: true, bytes: Buffer });
}
