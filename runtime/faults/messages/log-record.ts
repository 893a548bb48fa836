/**
 * A record as the checks of what goes on between actors see it: decoded by protobufjs from proto/troupe/v1/record.proto, so that no
 * reader or writer of the engine has a part in it.
 */

import { join } from 'node:path';

import protobuf from 'protobufjs';

import { hashTextLow32 } from '../../codec/xxh64.ts';

/** Values of troupe.v1.RecordKind. */
export const DECISION = 1;
export const REJECTION = 2;
export const FAILED = 3;
export const PARKED = 5;
export const CURSOR = 8;
export const LINKED = 9;
export const DROPPED = 10;

export interface Cause {
  incarnation: string;
  bucketBits: number;
  bucketIndex: number;
  position: number;
  index: number;
  session: string;
  number: number;
}

export interface TimerRef {
  position: number;
  index: number;
}

export interface SendEntry {
  to: string;
  name: string;
  data: Buffer;
  onReply: string;
}

export interface TimerEntry {
  name: string;
  armed: { dueMs: number; command: string; data: Buffer; everyMs: number; cron: string; zone: string } | null;
}

export interface Firing {
  timer: TimerRef | null;
  name: string;
  dueMs: number;
  missed: number;
  nextDueMs: number;
}

export interface LogRecord {
  kind: number;
  minReaderVersion: number;
  actor: string;
  bucketBits: number;
  bucketIndex: number;
  position: number;
  epoch: number;
  /** Decimal: a number would round it. */
  incarnation: string;
  firstSeq: number;
  key: string;
  principal: string;
  name: string;
  cause: Cause | null;
  nowMs: number;
  previous: number;
  sendNumbers: number[];
  timerNotes: { replaces: TimerRef | null; dueMs: number }[];
  linkNotes: { number: number; linkedNumber: number }[];
  firing: Firing | null;
  resumes: number;
  onReply: string;
  addressee: string;
  payload: { data: Buffer } | null;
  events: { name: string; data: Buffer }[];
  sends: SendEntry[];
  timers: TimerEntry[];
  links: { actor: string; unlink: boolean }[];
  broadcasts: { name: string; data: Buffer }[];
  reply: { data: Buffer } | null;
  rejection: { code: string; message: string } | null;
  failure: { code: string; message: string } | null;
  linkTaken: { target: string; actor: string; unlink: boolean; linkedNumber: number } | null;
  cursor: { position: number; index: number; through: number; done: boolean; actor: string } | null;
}

/** One rule's complaint. */
export type Complain = (rule: string, text: string) => void;

const PROTO = join(import.meta.dirname, '../../../proto');
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTO, target);
root.loadSync(['troupe/v1/record.proto']);
export const recordType = root.lookupType('troupe.v1.Record');

interface Exact {
  readonly incarnation: { toString(): string };
  readonly cause: { readonly incarnation: { toString(): string } } | null;
}

export function decodeRecord(bytes: Uint8Array): LogRecord {
  const message = recordType.decode(bytes);
  const record = recordType.toObject(message, { longs: Number, defaults: true, bytes: Buffer }) as LogRecord;
  const { incarnation, cause } = message as unknown as Exact;
  record.incarnation = incarnation.toString();
  if (record.cause !== null) record.cause.incarnation = cause!.incarnation.toString();
  return record;
}

/** Whose state the record concerns: also where the record itself is the bucket's. */
export function subjectOf(record: LogRecord): string {
  return record.actor || record.addressee;
}

/**
 * The bucket of an actor: the text in the first non-empty {...} of its id, else the whole address; XXH64 of that; the low bits. The rule is
 * written down here once more, and the hash is the one for clients: nodes use WebAssembly.
 */
export function bucketOf(address: string, bits: number): number {
  const id = address.slice(address.indexOf(':') + 1);
  const key = /\{([^}]+)\}/.exec(id)?.[1] ?? address;
  return hashTextLow32(key) % 2 ** bits;
}

export function typeOf(address: string): string {
  return address.slice(0, address.indexOf(':'));
}

/** For people: where a record is. */
export function placeOf({ bucketIndex, position }: Pick<LogRecord, 'bucketIndex' | 'position'>): string {
  return `${bucketIndex}/${position}`;
}
