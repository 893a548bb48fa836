/**
 * Whether states that an older bundle encoded can be read by a newer one: the check before a deployment puts it in service.
 *
 * V1  Every field of the old state message is in the new one under the same number, with a type that reads the same bytes as
 *     the same value, at every depth. The sandbox refuses fields it does not know, so a field that is gone is not "ignored":
 *     the actor could never be activated again.
 * V2  A type whose new behaviour has `migrate` may change in any way.
 * Events need no such rule: an event is folded by the bundle that recorded it.
 */

import protobuf from 'protobufjs';
import type { Enum, Field, Type } from 'protobufjs';

import { TroupeError } from '../codec/errors.ts';
import { parseBundle, protoFiles } from './bundle.ts';
import { loadSchema, stateMessage } from './schema.ts';

export interface Incompatibility {
  /** Full name of the message or enum, a dot, and the field or value. */
  readonly field: string;
  readonly reason: string;
}

/** Scalars that read each other's bytes as the same value: new type behind old one. */
const widenings = new Set(['int32 int64', 'uint32 uint64', 'uint32 int64', 'sint32 sint64', 'bool uint32', 'bool uint64', 'string bytes']);

/**
 * Refuses new bundle content whose state messages do not read what `oldContent` stored. `types` are those to look at; the
 * caller leaves out the ones that migrate (V2).
 * @throws TroupeError STATE_INCOMPATIBLE naming the field, BUNDLE_INVALID
 */
export function checkStateCompatible(oldContent: Buffer, newContent: Buffer, types: readonly string[]): void {
  if (types.length === 0) return;
  const before = loadSchema(protoFiles(parseBundle(oldContent)));
  const after = loadSchema(protoFiles(parseBundle(newContent)));
  for (const type of types) {
    const oldState = stateMessage(before, type);
    const newState = stateMessage(after, type);
    // A type that is new, or that the new bundle leaves alone, has no state to carry.
    if (oldState === null || newState === null) continue;
    const found = firstIncompatibility(oldState, newState);
    if (found !== null) {
      throw new TroupeError('STATE_INCOMPATIBLE', `${type}: ${found.field} ${found.reason}; bring it back or add migrate`);
    }
  }
}

/** The first way in which `newType` cannot read what was stored as `oldType`; null when it can. */
export function firstIncompatibility(oldType: Type, newType: Type): Incompatibility | null {
  return compareTypes(oldType, newType, new Set());
}

function compareTypes(oldType: Type, newType: Type, seen: Set<string>): Incompatibility | null {
  const pair = `${oldType.fullName} ${newType.fullName}`;
  // Messages may hold themselves; a pair that is being compared needs no second look.
  if (seen.has(pair)) return null;
  seen.add(pair);
  const byNumber = new Map(newType.fieldsArray.map((field) => [field.id, field]));
  for (const oldField of oldType.fieldsArray) {
    const newField = byNumber.get(oldField.id);
    const reason = newField === undefined ? 'is gone' : fieldReason(oldField, newField);
    if (reason !== null) return { field: `${nameOf(oldType)}.${oldField.protoName} (number ${oldField.id})`, reason };
    const inner = compareResolved(oldField, newField!, seen);
    if (inner !== null) return inner;
  }
  return null;
}

/** What is wrong with a field itself, without looking into its type. */
function fieldReason(oldField: Field, newField: Field): string | null {
  const before = describe(oldField);
  const after = describe(newField);
  if (before.shape !== after.shape) return `was ${before.shape} and is ${after.shape}`;
  if (before.key !== after.key) return `had keys of ${before.key} and has keys of ${after.key}`;
  if (before.type !== after.type && !widenings.has(`${before.type} ${after.type}`)) return `was ${before.type} and is ${after.type}`;
  if (numberOnly(newField) && !numberOnly(oldField) && isLong(before.type)) {
    return 'became a JavaScript number, which cannot hold every value that may be stored';
  }
  const oldChoice = choiceOf(oldField);
  if (choiceOf(newField) !== oldChoice && choiceOf(newField) !== null) {
    return 'was moved into a oneof, which keeps only one of the values that may be stored';
  }
  return null;
}

interface Described {
  readonly shape: 'single' | 'repeated' | 'a map';
  readonly key: string;
  /** A scalar's name, "a message" or "an enum". */
  readonly type: string;
}

function describe(field: Field): Described {
  const { resolvedType } = field.resolve();
  const type = resolvedType === null ? field.type : resolvedType instanceof protobuf.Enum ? 'an enum' : 'a message';
  if (field instanceof protobuf.MapField) return { shape: 'a map', key: field.keyType, type };
  return { shape: field.repeated ? 'repeated' : 'single', key: '', type };
}

function compareResolved(oldField: Field, newField: Field, seen: Set<string>): Incompatibility | null {
  const before = oldField.resolvedType;
  const after = newField.resolvedType;
  if (before instanceof protobuf.Type && after instanceof protobuf.Type) return compareTypes(before, after, seen);
  if (before instanceof protobuf.Enum && after instanceof protobuf.Enum) return compareEnums(before, after);
  return null;
}

function compareEnums(oldEnum: Enum, newEnum: Enum): Incompatibility | null {
  const numbers = new Set(Object.values(newEnum.values));
  for (const [name, number] of Object.entries(oldEnum.values)) {
    if (!numbers.has(number)) return { field: `${nameOf(oldEnum)}.${name} (number ${number})`, reason: 'is gone' };
  }
  return null;
}

/** The oneof that a field stands in; `optional` makes one that counts for nothing. */
function choiceOf(field: Field): string | null {
  const { partOf } = field;
  return partOf === null || partOf.fieldsArray.length < 2 ? null : partOf.name;
}

function numberOnly(field: Field): boolean {
  return field.options?.['jstype'] === 'JS_NUMBER';
}

function isLong(type: string): boolean {
  return /64$/.test(type);
}

function nameOf(object: { readonly fullName: string }): string {
  return object.fullName.replace(/^\./, '');
}
