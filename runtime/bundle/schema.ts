/**
 * Reads the .proto files of a bundle with protobufjs and finds the messages of an actor type by the convention of
 * docs/BEHAVIORS.md: state = <Type>State, commands = service <Type>Commands, events = the oneof of <Type>Event.
 *
 * Only authors' tools and the deployment check come here; what runs is read again, inside the sandbox.
 */

import protobuf from 'protobufjs';
import type { Root, Service, Type } from 'protobufjs';

import { invalid, PROTO_PREFIX } from './bundle.ts';

/** The one well-known type that exists: its JSON form is that of any empty message. It needs no file. */
export const EMPTY_PROTO = 'google/protobuf/empty.proto';
const EMPTY_TEXT = 'syntax = "proto3"; package google.protobuf; message Empty {}';

export interface ActorSchema {
  readonly type: string;
  readonly state: Type;
  readonly commands: ReadonlyMap<string, { readonly command: Type; readonly reply: Type }>;
  readonly events: ReadonlyMap<string, Type>;
}

/**
 * What one .proto file imports.
 * @throws TroupeError BUNDLE_INVALID when it is not proto3 or does not parse
 */
export function protoImports(path: string, source: string): string[] {
  const parsed = parse(path, source, new protobuf.Root());
  return [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])];
}

/** @throws TroupeError BUNDLE_INVALID */
export function loadSchema(protos: ReadonlyMap<string, string>): Root {
  const root = new protobuf.Root();
  let usesEmpty = false;
  for (const [path, source] of protos) usesEmpty = parse(path, source, root).imports?.includes(EMPTY_PROTO) || usesEmpty;
  if (usesEmpty) protobuf.parse(EMPTY_TEXT, root);
  try {
    root.resolveAll();
  } catch (error) {
    throw invalid(PROTO_PREFIX, `the schemas do not fit together: ${messageOf(error)}`);
  }
  return root;
}

/** Every actor type of which state, commands and events are all there. */
export function actorSchemas(root: Root): ActorSchema[] {
  const actors: ActorSchema[] = [];
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Service && nested.name.endsWith('Commands')) {
        const actor = actorSchema(root, nested.fullName.slice(1, -'Commands'.length));
        if (actor !== null) actors.push(actor);
      } else if (nested instanceof protobuf.Namespace) visit(nested);
    }
  };
  visit(root);
  return actors.sort((a, b) => (a.type < b.type ? -1 : 1));
}

/** The messages of one actor type; null when one of the three is missing. */
export function actorSchema(root: Root, type: string): ActorSchema | null {
  const state = find(root, `${type}State`, protobuf.Type);
  const service = find(root, `${type}Commands`, protobuf.Service);
  const event = find(root, `${type}Event`, protobuf.Type);
  if (state === null || service === null || event === null) return null;
  const members = event.oneofsArray[0]?.fieldsArray ?? [];
  const events = new Map<string, Type>();
  for (const member of members) {
    const message = member.resolve().resolvedType;
    if (message instanceof protobuf.Type) events.set(message.name, message);
  }
  return { type, state, commands: commandsOf(service), events };
}

export function stateMessage(root: Root, type: string): Type | null {
  return find(root, `${type}State`, protobuf.Type);
}

/** The command's message and its reply; null when the type or the command is not in these schemas. */
export function commandMessages(root: Root, type: string, name: string): { command: Type; reply: Type } | null {
  const service = find(root, `${type}Commands`, protobuf.Service);
  return service === null ? null : (commandsOf(service).get(name) ?? null);
}

function commandsOf(service: Service): Map<string, { command: Type; reply: Type }> {
  const commands = new Map<string, { command: Type; reply: Type }>();
  for (const method of service.methodsArray) {
    method.resolve();
    commands.set(method.name, { command: method.resolvedRequestType!, reply: method.resolvedResponseType! });
  }
  return commands;
}

function find<T extends Type | Service>(root: Root, name: string, kind: new (...args: never[]) => T): T | null {
  const found = root.lookup(`.${name}`, [kind as never]);
  return found instanceof kind ? found : null;
}

function parse(path: string, source: string, root: Root): protobuf.IParserResult {
  const file = `${PROTO_PREFIX}${path}`;
  try {
    if (!isProto3(source)) throw new Error('the file must begin with syntax = "proto3";');
    return protobuf.parse(source, root);
  } catch (error) {
    const message = messageOf(error);
    const line = /\(line (\d+)\)$/.exec(message);
    throw invalid(file, message.replace(/ \(line \d+\)$/, ''), line === null ? 0 : Number(line[1]));
  }
}

/** Other syntaxes have defaults of their own, required fields and groups, which a value table cannot promise. */
function isProto3(source: string): boolean {
  const { next } = protobuf.tokenize(source, false);
  let head = '';
  for (let i = 0; i < 6; i++) head += next() ?? '';
  return /^syntax=(?:"proto3"|'proto3');/.test(head);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
