/** What both subprotocols offer to the load: write requests of one frame, read answers of one frame. */

import type { WireWriter } from '../../runtime/codec/wire.ts';
import { DriverRandom } from './random.ts';

/** Takes the answers of a frame, one call each. `slot` is the request's id. */
export interface AnswerSink {
  done(slot: number, seq: number, value: number): void;
  failed(slot: number, code: string, retryable: boolean): void;
  /** An echo of the request itself, from a baseline. */
  echoed(slot: number): void;
}

export interface FrameFormat {
  readonly subprotocol: string;
  readonly text: boolean;
  /** Requests of one frame: `first` opens it, each request follows, `last` closes it. */
  first(out: WireWriter): void;
  command(out: WireWriter, index: number, slot: number, actor: number, by: number, key: KeySource | null, keyNumber: number): void;
  get(out: WireWriter, index: number, slot: number, actor: number): void;
  last(out: WireWriter): void;
  /** `wantValue`: decode the reply's or state's number too; costs nothing where it is not asked for. */
  answers(buffer: Buffer, from: number, to: number, sink: AnswerSink, wantValue: boolean): void;
}

/** Command keys of one connection: its prefix and a number. */
export interface KeySource {
  readonly prefix: string;
}

export const COUNTER_TYPE = 'bench.v1.Counter';
export const FAN_TYPE = 'bench.v1.Fan';
export const DOCUMENT_TYPE = 'bench.v1.Document';
export type DrivenType = typeof COUNTER_TYPE | typeof FAN_TYPE | typeof DOCUMENT_TYPE;

/** Whom a driver talks to. */
export interface Driven {
  readonly type: DrivenType;
  readonly actors: number;
  /** Part of every actor's name. */
  readonly prefix: string;
  readonly shape: BodyShape;
}

/** What is sent to every actor of a run, beside the increment. */
export interface BodyShape {
  /** Of a document: so many bytes of content in each command, event and state. */
  readonly valueBytes: number;
  /** Of a fan: so many counters are sent the increment. */
  readonly fanOut: number;
}
export const BY_MAX = 7;

/** Content that does not compress; the same for the same increment. */
export function contentOf(by: number, bytes: number): Buffer {
  const random = new DriverRandom(by + 1);
  return Buffer.from(Array.from({ length: bytes }, () => random.below(256)));
}

export function actorAddress({ type, prefix }: Pick<Driven, 'type' | 'prefix'>, index: number): string {
  return `${type}:${prefix}c-${index}`;
}

/** Digits of a key's number, fixed width, so that every command has the same size. */
export const KEY_DIGITS = 7;

export function keyText(key: KeySource, number: number): string {
  return key.prefix + number.toString(32).padStart(KEY_DIGITS, '0');
}
