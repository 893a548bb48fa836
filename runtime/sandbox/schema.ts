/**
 * The schemas of a bundle: .proto text to flat descriptors, and the convention that ties an actor type to its messages.
 *
 * Actor type shop.v1.Order has: message shop.v1.OrderState; service shop.v1.OrderCommands, one rpc per command, whose request is
 * the command's message and whose response is the reply; message shop.v1.OrderEvent with one oneof, whose member
 * messages are the events, named by their short names.
 */

import protobuf from 'protobufjs';

import { invalid } from './bundle-error.ts';

export type Scalar =
  | 'int32' | 'uint32' | 'sint32' | 'fixed32' | 'sfixed32'
  | 'int64' | 'uint64' | 'sint64' | 'fixed64' | 'sfixed64'
  | 'float' | 'double' | 'bool' | 'string' | 'bytes';

export type FieldType =
  | { readonly kind: 'scalar'; readonly scalar: Scalar; /** jstype = JS_NUMBER */ readonly asNumber: boolean }
  | { readonly kind: 'enum'; readonly index: number }
  | { readonly kind: 'message'; readonly index: number };

export interface FieldSchema {
  readonly number: number;
  /** As in the .proto file. */
  readonly name: string;
  /** What scripts and JSON see: lowerCamelCase, or the field's json_name. */
  readonly key: string;
  readonly type: FieldType;
  readonly label: 'plain' | 'presence' | 'repeated' | 'map';
  readonly mapKey: Scalar | null;
  readonly packed: boolean;
}

export interface MessageSchema {
  readonly name: string;
  readonly fields: FieldSchema[];
  /** Of each oneof its name and the keys of its members; synthetic ones are left out. */
  readonly oneofs: { readonly name: string; readonly keys: readonly string[] }[];
}

export interface EnumSchema {
  readonly name: string;
  /** In the order of the file; the first name of a number is the one that is written. */
  readonly values: readonly (readonly [name: string, number: number])[];
}

export interface TypeSchema {
  readonly type: string;
  readonly state: number;
  readonly commands: readonly { readonly name: string; readonly request: number; readonly reply: number }[];
  readonly events: readonly { readonly name: string; readonly message: number }[];
}

export interface Schema {
  readonly messages: MessageSchema[];
  readonly enums: EnumSchema[];
  /** By actor type; a string says why a type that has a Commands service is not complete. */
  readonly types: Map<string, TypeSchema | string>;
}

const EMPTY_PROTO = 'google/protobuf/empty.proto';
const EMPTY_TEXT = 'syntax = "proto3"; package google.protobuf; message Empty {}';
const scalars = new Set<string>([
  'int32', 'uint32', 'sint32', 'fixed32', 'sfixed32', 'int64', 'uint64', 'sint64', 'fixed64', 'sfixed64',
  'float', 'double', 'bool', 'string', 'bytes',
]);

/**
 * @param files path below proto/ to text
 * @throws BundleError with file and line
 */
export function readSchema(files: ReadonlyMap<string, string>): Schema {
  const root = new protobuf.Root();
  for (const [path, text] of files) parseFile(root, path, text, files);
  try {
    root.resolveAll();
  } catch (error) {
    throw invalid('proto', (error as Error).message);
  }
  return new SchemaBuilder(root).build();
}

function parseFile(root: protobuf.Root, path: string, text: string, files: ReadonlyMap<string, string>): void {
  const file = `proto/${path}`;
  if (path === EMPTY_PROTO) return;
  if (!/^\s*(\/\/[^\n]*\n\s*|\/\*[^]*?\*\/\s*)*syntax\s*=\s*["']proto3["']/.test(text)) {
    throw invalid(`${file}:1:1`, 'the file must begin with syntax = "proto3"');
  }
  const parser = protobuf.parse as { filename?: string | null };
  parser.filename = path;
  let result: protobuf.IParserResult;
  try {
    result = protobuf.parse(text, root, { keepCase: true });
  } catch (error) {
    const message = (error as Error).message;
    const line = /line (\d+)\)/.exec(message);
    throw invalid(`${file}:${line?.[1] ?? '1'}:1`, message.replace(/ \([^()]*line \d+\)/, ''));
  } finally {
    parser.filename = null;
  }
  for (const imported of result.imports ?? []) {
    if (imported === EMPTY_PROTO) addEmpty(root);
    else if (!files.has(imported)) throw invalid(`${file}:${lineOf(text, imported)}:1`, `it imports ${imported}, which is not in the bundle`);
  }
}

function lineOf(text: string, part: string): number {
  return text.slice(0, Math.max(0, text.indexOf(part))).split('\n').length;
}

function addEmpty(root: protobuf.Root): void {
  if (root.lookup('google.protobuf.Empty') === null) protobuf.parse(EMPTY_TEXT, root);
}

class SchemaBuilder {
  private readonly root: protobuf.Root;
  private readonly messages: MessageSchema[] = [];
  private readonly enums: EnumSchema[] = [];
  private readonly messageIndex = new Map<protobuf.Type, number>();
  private readonly enumIndex = new Map<protobuf.Enum, number>();

  constructor(root: protobuf.Root) {
    this.root = root;
  }

  build(): Schema {
    const types = new Map<string, TypeSchema | string>();
    this.visit(this.root, types);
    return { messages: this.messages, enums: this.enums, types };
  }

  private visit(space: protobuf.NamespaceBase, types: Map<string, TypeSchema | string>): void {
    for (const item of space.nestedArray) {
      if (item instanceof protobuf.Service) this.service(item, types);
      if (item instanceof protobuf.Field) throw invalid(where(item), 'extensions are not supported');
      if (item instanceof protobuf.Namespace) this.visit(item, types);
    }
  }

  private service(service: protobuf.Service, types: Map<string, TypeSchema | string>): void {
    const full = service.fullName.slice(1);
    if (!full.endsWith('Commands')) return;
    const type = full.slice(0, -'Commands'.length);
    const state = this.find(`${type}State`);
    const event = this.find(`${type}Event`);
    if (state === null) return void types.set(type, `message ${type}State is missing in the schemas`);
    if (event === null) return void types.set(type, `message ${type}Event is missing in the schemas`);
    types.set(type, {
      type,
      state: this.message(state),
      commands: service.methodsArray.map((method) => this.command(method)),
      events: this.events(event),
    });
  }

  private command(method: protobuf.Method): TypeSchema['commands'][number] {
    if (method.requestStream || method.responseStream) throw invalid(where(method), `rpc ${method.name} streams, which a command cannot`);
    const { resolvedRequestType, resolvedResponseType } = method.resolve() as protobuf.Method;
    if (resolvedRequestType === null || resolvedResponseType === null) throw invalid(where(method), `rpc ${method.name} names an unknown message`);
    return { name: method.name, request: this.message(resolvedRequestType), reply: this.message(resolvedResponseType) };
  }

  private events(type: protobuf.Type): TypeSchema['events'] {
    const [oneof, another] = type.oneofsArray;
    if (type.fieldsArray.length === 0) return [];
    if (oneof === undefined || another !== undefined || oneof.fieldsArray.length !== type.fieldsArray.length) {
      throw invalid(where(type), `message ${type.name} must hold one oneof and nothing else`);
    }
    const names = new Set<string>();
    return oneof.fieldsArray.map((field) => {
      const message = field.resolve().resolvedType;
      if (!(message instanceof protobuf.Type)) throw invalid(where(type), `${type.name}.${field.name} must be a message: the event`);
      if (names.has(message.name)) throw invalid(where(type), `${type.name} has two events named ${message.name}`);
      names.add(message.name);
      return { name: message.name, message: this.message(message) };
    });
  }

  private find(name: string): protobuf.Type | null {
    const found = this.root.lookup(`.${name}`);
    return found instanceof protobuf.Type ? found : null;
  }

  private message(type: protobuf.Type): number {
    const known = this.messageIndex.get(type);
    if (known !== undefined) return known;
    const index = this.messages.length;
    const schema: MessageSchema = { name: type.fullName.slice(1), fields: [], oneofs: [] };
    this.messageIndex.set(type, index);
    this.messages.push(schema);
    const fields = [...type.fieldsArray].sort((a, b) => a.id - b.id);
    const keys = new Set<string>();
    for (const field of fields) {
      const made = this.field(type, field);
      for (const name of new Set([made.key, made.name])) {
        if (keys.has(name)) throw invalid(where(type), `two fields of ${type.name} are called ${name}`);
        keys.add(name);
      }
      schema.fields.push(made);
    }
    for (const oneof of type.oneofsArray) {
      if (isSynthetic(oneof)) continue;
      const members = new Set(oneof.fieldsArray.map((field) => field.id));
      schema.oneofs.push({ name: oneof.name, keys: schema.fields.filter((field) => members.has(field.number)).map((field) => field.key) });
    }
    return index;
  }

  private field(owner: protobuf.Type, field: protobuf.Field): FieldSchema {
    field.resolve();
    const jsonName = (field as { jsonName?: string }).jsonName ?? field.name;
    const label = field.map ? 'map' : field.repeated ? 'repeated' : hasPresence(field) ? 'presence' : 'plain';
    return {
      number: field.id,
      name: field.name,
      key: jsonName,
      type: this.fieldType(owner, field),
      label,
      mapKey: field instanceof protobuf.MapField ? (field.keyType as Scalar) : null,
      packed: field.repeated && field.packed,
    };
  }

  private fieldType(owner: protobuf.Type, field: protobuf.Field): FieldType {
    const resolved = field.resolvedType;
    if (resolved instanceof protobuf.Type) {
      const google = resolved.fullName.startsWith('.google.protobuf.') && resolved.name !== 'Empty';
      if (google) throw invalid(where(owner), `${resolved.fullName.slice(1)} is not supported; write a message of your own`);
      return { kind: 'message', index: this.message(resolved) };
    }
    if (resolved instanceof protobuf.Enum) return { kind: 'enum', index: this.enum(resolved) };
    if (!scalars.has(field.type)) throw invalid(where(owner), `field ${field.name} has the unknown type ${field.type}`);
    const jstype: unknown = field.options?.['jstype'];
    if (jstype !== undefined && jstype !== 'JS_NUMBER' && jstype !== 'JS_NORMAL') {
      throw invalid(where(owner), `field ${field.name}: jstype ${String(jstype)} is not supported, only JS_NUMBER`);
    }
    return { kind: 'scalar', scalar: field.type as Scalar, asNumber: jstype === 'JS_NUMBER' };
  }

  private enum(type: protobuf.Enum): number {
    const known = this.enumIndex.get(type);
    if (known !== undefined) return known;
    const values = Object.entries(type.values);
    if (values[0]?.[1] !== 0) throw invalid(where(type), `the first value of enum ${type.name} must be 0`);
    this.enumIndex.set(type, this.enums.length);
    this.enums.push({ name: type.fullName.slice(1), values });
    return this.enums.length - 1;
  }
}

function hasPresence(field: protobuf.Field): boolean {
  return field.partOf !== null || field.resolvedType instanceof protobuf.Type;
}

function isSynthetic(oneof: protobuf.OneOf): boolean {
  const [only] = oneof.fieldsArray;
  return oneof.fieldsArray.length === 1 && only?.options?.['proto3_optional'] === true;
}

function where(item: protobuf.ReflectionObject): string {
  let at: protobuf.ReflectionObject | null = item;
  while (at !== null && at.filename === null) at = at.parent;
  return at?.filename === null || at === null ? 'proto' : `proto/${at.filename}:1:1`;
}
