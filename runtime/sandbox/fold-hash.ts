/**
 * Hashes that say under what a decision was made. Both are the first eight bytes of a SHA-256.
 *
 * The fold hash of a type covers what folds its events: the source of its module, of every module that imports, and the
 * descriptors of its state and event messages with all they refer to. Two bundles with the same fold hash fold alike.
 */

import { createHash } from 'node:crypto';

import type { Hash64 } from '../codec/hash64.ts';
import { guestSources } from './realm-source.ts';
import type { FieldType, Schema, TypeSchema } from './schema.ts';

export const randomAlgorithm = 'xoshiro128** seeded by splitmix32, 53 bits';

export function engineHash(): Hash64 {
  return digest(['troupe engine 1', process.versions.v8, randomAlgorithm, ...guestSources]);
}

/** @param sources path and text of the type's module and of all that it imports */
export function foldHash(schema: Schema, type: TypeSchema, sources: ReadonlyMap<string, string>): Hash64 {
  const files = [...sources.keys()].sort().flatMap((path) => [path, sources.get(path)!]);
  return digest(['troupe fold 1', type.type, describe(schema, type), ...files]);
}

function digest(parts: readonly string[]): Hash64 {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  const bytes = hash.digest();
  return { hi: bytes.readUInt32BE(0), lo: bytes.readUInt32BE(4) };
}

function describe(schema: Schema, type: TypeSchema): string {
  const seen = new Set<string>();
  const lines: string[] = [];
  const todo: FieldType[] = [type.state, ...type.events.map((event) => event.message)].map((index) => ({ kind: 'message', index }));
  for (const event of type.events) lines.push(`event ${event.name} ${schema.messages[event.message]!.name}`);
  for (let item = todo.pop(); item !== undefined; item = todo.pop()) {
    if (item.kind === 'scalar' || seen.has(`${item.kind}${item.index}`)) continue;
    seen.add(`${item.kind}${item.index}`);
    if (item.kind === 'enum') {
      lines.push(`enum ${JSON.stringify(schema.enums[item.index])}`);
      continue;
    }
    const message = schema.messages[item.index]!;
    const fields = message.fields.map((field) => ({ ...field, type: typeName(schema, field.type) }));
    lines.push(`message ${JSON.stringify({ name: message.name, fields, oneofs: message.oneofs })}`);
    todo.push(...message.fields.map((field) => field.type));
  }
  return lines.sort().join('\n');
}

function typeName(schema: Schema, type: FieldType): string {
  if (type.kind === 'scalar') return `${type.scalar}${type.asNumber ? ' as number' : ''}`;
  return type.kind === 'enum' ? `enum ${schema.enums[type.index]!.name}` : `message ${schema.messages[type.index]!.name}`;
}
