/**
 * Message values outside the sandbox, for scenarios: what an author writes, completed with defaults, beside what was stored,
 * decoded. Both come out in one form, the one that a behaviour is given (docs/BEHAVIORS.md), so that they can be compared
 * field by field: 64-bit fields are bigint unless marked JS_NUMBER, enums are names, bytes are Buffers.
 */

import protobuf from 'protobufjs';
import type { Field, Type } from 'protobufjs';

export type Value = string | number | bigint | boolean | Buffer | undefined | Value[] | Fields;

export interface Fields {
  [name: string]: Value;
}

/** A value of a scenario that does not fit its message. */
export class ValueError extends Error {}

/** What an author wrote, checked against the message and completed. @throws ValueError with the path */
export function complete(type: Type, written: unknown, path: string): Fields {
  if (!isPlain(written)) throw new ValueError(`${path} must be an object, as ${nameOf(type)} is`);
  const fields: Fields = {};
  const known = new Set<string>();
  const members = new Map<string, string>();
  for (const field of type.fieldsArray) {
    const { jsonName } = field;
    known.add(jsonName);
    const value = written[jsonName];
    fields[jsonName] = value === undefined ? defaultOf(field) : completeField(field, value, `${path}.${jsonName}`);
    const choice = field.partOf?.name;
    if (choice === undefined || value === undefined) continue;
    const other = members.get(choice);
    if (other !== undefined) throw new ValueError(`${path} has both ${other} and ${jsonName}, which exclude each other`);
    members.set(choice, jsonName);
  }
  for (const name of Object.keys(written)) {
    if (!known.has(name)) throw new ValueError(`${path}.${name}: ${nameOf(type)} has no such field`);
  }
  return fields;
}

/** Stored bytes as a value. */
export function decode(type: Type, bytes: Uint8Array): Fields {
  return fromMessage(type, type.decode(bytes) as unknown as Record<string, unknown>);
}

/** A completed value as bytes. */
export function encode(type: Type, fields: Fields): Buffer {
  return Buffer.from(type.encode(type.fromObject(toObject(type, fields))).finish());
}

/** A completed value as ProtoJSON. */
export function toJson(type: Type, fields: Fields): string {
  return JSON.stringify(mapFields(type, fields, 'jsonName', jsonScalar));
}

function completeField(field: Field, written: unknown, path: string): Value {
  if (field instanceof protobuf.MapField) {
    if (!isPlain(written)) throw new ValueError(`${path} must be an object: it is a map`);
    const map: Fields = Object.create(null);
    for (const key of Object.keys(written).sort()) map[key] = completeOne(field, written[key], `${path}[${JSON.stringify(key)}]`);
    return map;
  }
  if (!field.repeated) return completeOne(field, written, path);
  if (!Array.isArray(written)) throw new ValueError(`${path} must be a list`);
  return written.map((item, i) => completeOne(field, item, `${path}[${i}]`));
}

function completeOne(field: Field, written: unknown, path: string): Value {
  const { resolvedType } = field.resolve();
  if (resolvedType instanceof protobuf.Type) return complete(resolvedType, written, path);
  if (resolvedType instanceof protobuf.Enum) {
    if (typeof written === 'string' && Object.hasOwn(resolvedType.values, written)) return written;
    throw new ValueError(`${path} must be one of ${Object.keys(resolvedType.values).join(', ')}`);
  }
  if (isLong(field)) return completeLong(field, written, path);
  const wanted = scalarKind(field.type);
  if (wanted === 'bytes') {
    if (written instanceof Uint8Array) return Buffer.from(written);
    throw new ValueError(`${path} must be a Uint8Array`);
  }
  if (typeof written !== wanted) throw new ValueError(`${path} must be a ${wanted}`);
  if (wanted === 'number' && !/float|double/.test(field.type) && !Number.isInteger(written)) {
    throw new ValueError(`${path} must be a whole number`);
  }
  return field.type === 'float' ? Math.fround(written as number) : (written as Value);
}

function completeLong(field: Field, written: unknown, path: string): number | bigint {
  if (asNumber(field)) {
    if (Number.isSafeInteger(written)) return written as number;
    throw new ValueError(`${path} must be a whole number below 2^53`);
  }
  // A literal such as 5 means no other number than 5n; only behaviours must tell them apart.
  if (typeof written === 'bigint') return written;
  if (Number.isSafeInteger(written)) return BigInt(written as number);
  throw new ValueError(`${path} must be a bigint`);
}

function defaultOf(field: Field): Value {
  const { resolvedType } = field.resolve();
  if (field instanceof protobuf.MapField) return Object.create(null) as Fields;
  if (field.repeated) return [];
  if (field.partOf !== null || resolvedType instanceof protobuf.Type) return undefined;
  if (resolvedType instanceof protobuf.Enum) return enumName(resolvedType, 0);
  if (isLong(field)) return asNumber(field) ? 0 : 0n;
  const kind = scalarKind(field.type);
  if (kind === 'bytes') return Buffer.alloc(0);
  return kind === 'string' ? '' : kind === 'boolean' ? false : 0;
}

function fromMessage(type: Type, message: Record<string, unknown>): Fields {
  const fields: Fields = {};
  for (const field of type.fieldsArray) {
    const present = Object.hasOwn(message, field.name) && message[field.name] !== null && message[field.name] !== undefined;
    fields[field.jsonName] = present ? fromField(field, message[field.name]) : defaultOf(field);
  }
  return fields;
}

function fromField(field: Field, value: unknown): Value {
  if (field instanceof protobuf.MapField) {
    const map: Fields = Object.create(null);
    const entries = value as Record<string, unknown>;
    for (const key of Object.keys(entries).sort()) map[mapKey(field, key)] = fromOne(field, entries[key]);
    return map;
  }
  return field.repeated ? (value as unknown[]).map((item) => fromOne(field, item)) : fromOne(field, value);
}

/** protobufjs keeps 64-bit keys as eight characters of raw bits. */
function mapKey(field: protobuf.MapField, key: string): string {
  if (!/64$/.test(field.keyType) || key.length !== 8) return key;
  return protobuf.util.longFromHash(key, /^(?:u|fixed)/.test(field.keyType)).toString();
}

function fromOne(field: Field, value: unknown): Value {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return fromMessage(resolvedType, value as Record<string, unknown>);
  if (resolvedType instanceof protobuf.Enum) return enumName(resolvedType, value as number);
  if (isLong(field)) return asNumber(field) ? Number(String(value)) : BigInt(String(value));
  return value instanceof Uint8Array ? Buffer.from(value) : (value as Value);
}

/** The form that protobufjs takes: names of its own, 64-bit integers as text. */
function toObject(type: Type, fields: Fields): Record<string, unknown> {
  return mapFields(type, fields, 'name', (field, value) => (isLong(field) ? String(value) : value));
}

function jsonScalar(field: Field, value: Value): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (isLong(field)) return String(value);
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function mapFields(
  type: Type,
  fields: Fields,
  key: 'name' | 'jsonName',
  scalar: (field: Field, value: Value) => unknown,
): Record<string, unknown> {
  const one = (field: Field, value: Value): unknown =>
    field.resolvedType instanceof protobuf.Type ? mapFields(field.resolvedType, value as Fields, key, scalar) : scalar(field, value);
  const object: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    const value = fields[field.jsonName];
    if (value === undefined) continue;
    if (field instanceof protobuf.MapField) {
      object[field[key]] = Object.fromEntries(Object.entries(value as Fields).map(([name, item]) => [name, one(field, item)]));
    } else object[field[key]] = field.repeated ? (value as Value[]).map((item) => one(field, item)) : one(field, value);
  }
  return object;
}

function enumName(type: protobuf.Enum, number: number): string {
  return type.valuesById[number] ?? String(number);
}

function isLong(field: Field): boolean {
  return /64$/.test(field.type);
}

function asNumber(field: Field): boolean {
  return field.options?.['jstype'] === 'JS_NUMBER';
}

function scalarKind(type: string): 'string' | 'boolean' | 'bytes' | 'number' {
  if (type === 'string' || type === 'bytes') return type;
  return type === 'bool' ? 'boolean' : 'number';
}

function nameOf(type: Type): string {
  return type.fullName.slice(1);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
