/** The generated codec of a schema, evaluated in the test's own realm. */

import { readFileSync } from 'node:fs';

import { codecSource } from '../codec-source.ts';
import type { Schema } from '../schema.ts';

export interface TestCodec {
  decode(message: string, bytes: Uint8Array): unknown;
  normalise(message: string, value: unknown): unknown;
  encode(message: string, normal: unknown): Buffer;
  fromJson(message: string, text: string): unknown;
  toJson(message: string, normal: unknown): string;
}

const wire = readFileSync(new URL('../guest/wire.js', import.meta.url), 'utf8');

export function testCodec(schema: Schema, elementsMax = 100_000, depthMax = 64): TestCodec {
  const body = `'use strict';
const ELEMENTS_MAX = ${elementsMax}, DEPTH_MAX = ${depthMax};
${wire}
${codecSource(schema)}
const index = (name) => MESSAGE_NAMES.indexOf(name);
const faulty = (work) => { newBudget(); try { return work(); } catch (error) { throw error instanceof Fault ? new Error('fault: ' + error.text) : error; } };
return {
  decode: (name, bytes) => faulty(() => { buf = bytes; pos = 0; return READ[index(name)](bytes.length); }),
  normalise: (name, value) => faulty(() => NORMALISE[index(name)](value)),
  encode: (name, value) => { op = 0; const size = bytesOf(value); room(size); WRITE[index(name)](value); if (op !== size) throw new Error('wrote ' + op + ' bytes where the size was ' + size); return out.slice(0, op); },
  fromJson: (name, text) => faulty(() => FROM_JSON[index(name)](parseJson(text))),
  toJson: (name, value) => TO_JSON[index(name)](value),
};`;
  const codec = new Function('io', body)({ out: new Uint8Array(0) }) as Omit<TestCodec, 'encode'> & { encode(name: string, value: unknown): Uint8Array };
  return { ...codec, encode: (name, value) => Buffer.from(codec.encode(name, value)) };
}
