/**
 * TypeScript declarations of a directory's messages, so that an editor checks a behaviour against its schemas:
 * `import('./types.js')` in JSDoc, or `import type` in TypeScript. The declarations describe values as a behaviour is given
 * them: complete, frozen, camelCase, enums as their names.
 */

import protobuf from 'protobufjs';
import type { Enum, Field, NamespaceBase, Type } from 'protobufjs';

import { packProtos } from './pack.ts';
import type { ActorSchema } from './schema.ts';
import { actorSchemas, loadSchema } from './schema.ts';

/**
 * The text of `types.d.ts` for a behaviour directory.
 * @throws TroupeError BUNDLE_INVALID, BUNDLE_TOO_LARGE
 */
export async function typesOf(directory: string): Promise<string> {
  const root = loadSchema(await packProtos(directory));
  const lines = ['// Written by `troupe types` from the .proto files; write it again when they change.', ''];
  for (const nested of root.nestedArray) declare(nested, lines, '', true);
  lines.push('/** The messages of each actor type. */', 'export interface Actors {');
  for (const actor of actorSchemas(root)) lines.push(...actorLines(actor));
  lines.push('}', '');
  return lines.join('\n');
}

function declare(object: protobuf.ReflectionObject, lines: string[], indent: string, outermost = false): void {
  const prefix = outermost ? 'export ' : '';
  if (object instanceof protobuf.Enum) {
    lines.push(`${indent}${prefix}type ${object.name} = ${enumUnion(object)};`, '');
  } else if (object instanceof protobuf.Type) {
    lines.push(`${indent}${prefix}interface ${object.name} {`);
    for (const field of object.fieldsArray) lines.push(`${indent}  ${fieldLine(field)}`);
    lines.push(`${indent}}`, '');
    const inner = object.nestedArray.filter((nested) => !(nested instanceof protobuf.Field));
    if (inner.length > 0) declareNamespace(object, inner, lines, indent, prefix);
  } else if (object instanceof protobuf.Namespace && !(object instanceof protobuf.Service)) {
    declareNamespace(object, object.nestedArray, lines, indent, prefix);
  }
}

function declareNamespace(
  namespace: NamespaceBase,
  nested: readonly protobuf.ReflectionObject[],
  lines: string[],
  indent: string,
  prefix: string,
): void {
  lines.push(`${indent}${prefix}namespace ${namespace.name} {`);
  for (const object of nested) declare(object, lines, `${indent}  `);
  // The blank line behind the last declaration.
  if (lines.at(-1) === '') lines.pop();
  lines.push(`${indent}}`, '');
}

function enumUnion(of: Enum): string {
  return Object.keys(of.values).map((name) => `'${name}'`).join(' | ');
}

function fieldLine(field: Field): string {
  const type = valueType(field);
  if (field instanceof protobuf.MapField) return `readonly ${field.jsonName}: { readonly [key: string]: ${type} };`;
  if (field.repeated) return `readonly ${field.jsonName}: readonly ${/[ |]/.test(type) ? `(${type})` : type}[];`;
  // A message, a member of a oneof and an `optional` field may be absent; everything else has its default.
  const mayBeAbsent = field.resolvedType instanceof protobuf.Type || field.partOf !== null;
  return `readonly ${field.jsonName}${mayBeAbsent ? '?' : ''}: ${type}${mayBeAbsent ? ' | undefined' : ''};`;
}

function valueType(field: Field): string {
  const { resolvedType } = field.resolve();
  if (resolvedType !== null) return qualified(resolvedType);
  switch (field.type) {
    case 'string':
      return 'string';
    case 'bool':
      return 'boolean';
    case 'bytes':
      return 'Uint8Array';
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64':
      return field.options?.['jstype'] === 'JS_NUMBER' ? 'number' : 'bigint';
    default:
      return 'number';
  }
}

function qualified(type: Type | Enum): string {
  return type.fullName.replace(/^\./, '');
}

function actorLines(actor: ActorSchema): string[] {
  const lines = [`  '${actor.type}': {`, `    type: '${actor.type}';`, `    state: ${qualified(actor.state)};`, '    commands: {'];
  for (const [name, { command, reply }] of actor.commands) {
    lines.push(`      ${name}: { command: ${qualified(command)}; reply: ${qualified(reply)} };`);
  }
  lines.push('    };', '    events: {');
  for (const [name, event] of actor.events) lines.push(`      ${name}: ${qualified(event)};`);
  return [...lines, '    };', '  };'];
}
