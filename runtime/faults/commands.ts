/**
 * The commands of a fault campaign. Everything about command number n follows from n and its actor: key, token, body, and what
 * a right answer is. So millions of them can be remembered in a few bytes each, and nothing about them can be forgotten.
 */

import { join } from 'node:path';

import protobuf from 'protobufjs';

export type ActorKind = 'counter' | 'ledger';

export interface FaultActor {
  readonly index: number;
  readonly kind: ActorKind;
  readonly address: string;
}

/** State of an actor as its events make it, computed here and not by the engine. */
export interface Fold {
  /** Counter: sum. Ledger: number of tokens. */
  value: number;
  /** Ledger: FNV-1a over all tokens. Counter: 0. */
  checksum: number;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Every so often a ledger gets an empty token, which it refuses. */
const REFUSED_EVERY = 97;

const PROTO = join(import.meta.dirname, '../../proto');
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTO, target);
root.loadSync(['troupe/v1/gateway.proto', 'troupe/v1/record.proto', 'bench/v1/counter.proto', 'bench/v1/ledger.proto']);

export const messages = {
  requests: root.lookupType('troupe.v1.Requests'),
  answers: root.lookupType('troupe.v1.Answers'),
  record: root.lookupType('troupe.v1.Record'),
};
const increment = root.lookupType('bench.v1.Increment');
const incrementReply = root.lookupType('bench.v1.IncrementReply');
const incremented = root.lookupType('bench.v1.Incremented');
const counterState = root.lookupType('bench.v1.CounterState');
const append = root.lookupType('bench.v1.Append');
const appendReply = root.lookupType('bench.v1.AppendReply');
const appended = root.lookupType('bench.v1.Appended');
const ledgerState = root.lookupType('bench.v1.LedgerState');

export function faultActors(count: number): FaultActor[] {
  return Array.from({ length: count }, (_, index) => {
    const kind = index % 2 === 0 ? 'ledger' : 'counter';
    return { index, kind, address: kind === 'ledger' ? `bench.v1.Ledger:l-${index}` : `bench.v1.Counter:c-${index}` };
  });
}

/** `repeat` above 0 is a key of its own, for showing what is found when a re-sent command has another key than the first time. */
export function keyOf(n: number, repeat = 0): string {
  return repeat === 0 ? `k-${n}` : `k-${n}-${repeat}`;
}

export function numberOfKey(key: string): number | null {
  const match = /^k-(\d+)(?:-\d+)?$/.exec(key);
  return match === null ? null : Number(match[1]);
}

export function nameOf(kind: ActorKind): string {
  return kind === 'counter' ? 'Increment' : 'Append';
}

export function isRefused(kind: ActorKind, n: number): boolean {
  return kind === 'ledger' && n % REFUSED_EVERY === 0;
}

export function bodyOf(kind: ActorKind, n: number): Uint8Array {
  if (kind === 'counter') return increment.encode({ by: byOf(n) }).finish();
  return append.encode({ token: isRefused(kind, n) ? '' : tokenOf(n) }).finish();
}

/** The event that command n must leave, as its name and what is in it. */
export function isEventOf(kind: ActorKind, n: number, name: string, data: Uint8Array): boolean {
  if (kind === 'counter') return name === 'Incremented' && numbers(incremented.decode(data))['by'] === byOf(n);
  return name === 'Appended' && numbers(appended.decode(data))['token'] === tokenOf(n);
}

export function initialFold(kind: ActorKind): Fold {
  return { value: 0, checksum: kind === 'ledger' ? FNV_OFFSET : 0 };
}

/** Folds command n's event into `fold`. */
export function foldCommand(fold: Fold, kind: ActorKind, n: number): void {
  if (kind === 'counter') {
    fold.value += byOf(n);
    return;
  }
  fold.value++;
  const token = tokenOf(n);
  for (let i = 0; i < token.length; i++) fold.checksum = Math.imul(fold.checksum ^ token.charCodeAt(i), FNV_PRIME) >>> 0;
}

export function decodeReply(kind: ActorKind, body: Uint8Array): Fold {
  return decodeFold(kind, body, kind === 'counter' ? incrementReply : appendReply);
}

export function decodeState(kind: ActorKind, body: Uint8Array): Fold {
  return decodeFold(kind, body, kind === 'counter' ? counterState : ledgerState);
}

export function sameFold(a: Fold, b: Fold): boolean {
  return a.value === b.value && a.checksum === b.checksum;
}

function decodeFold(kind: ActorKind, body: Uint8Array, type: protobuf.Type): Fold {
  const fields = numbers(type.decode(body));
  if (kind === 'counter') return { value: Number(fields['value']), checksum: 0 };
  return { value: Number(fields['count']), checksum: Number(fields['checksum']) };
}

function numbers(message: protobuf.Message): Record<string, unknown> {
  return message.$type.toObject(message, { longs: Number, defaults: true });
}

function tokenOf(n: number): string {
  return `t-${n}`;
}

function byOf(n: number): number {
  return 1 + (n % 7);
}
