/** Subprotocol troupe.v1.proto, written and read by hand: a library's object per message would cost the driver its core. */

import { WireReader, WireWriter } from '../../runtime/codec/wire.ts';
import { BY_MAX, DOCUMENT_TYPE, FAN_TYPE, KEY_DIGITS, actorAddress, contentOf } from './format.ts';
import type { AnswerSink, Driven, FrameFormat, KeySource } from './format.ts';

const DIGITS = Buffer.from('0123456789abcdefghijklmnopqrstuv');

export function protoFormat(driven: Driven): FrameFormat {
  const { type, actors, shape } = driven;
  // Address and name of every actor, and every body, are encoded once.
  const heads = encodeAll(actors, (writer, i) => {
    writer.string(1, actorAddress(driven, i));
    writer.string(2, 'Increment');
  });
  const gets = encodeAll(actors, (writer, i) => writer.string(1, actorAddress(driven, i)));
  const bodies = encodeAll(BY_MAX + 1, (writer, by) => {
    const start = writer.begin(3);
    writer.uint(1, by);
    if (type === DOCUMENT_TYPE) writer.bytes(2, contentOf(by, shape.valueBytes));
    if (type === FAN_TYPE) writer.uint(2, shape.fanOut);
    writer.end(start);
  });
  const ids = encodeAll(4096, (writer, i) => writer.string(1, String(i)));
  const prefixes = new Map<KeySource, Buffer>();

  function prefixOf(key: KeySource): Buffer {
    let prefix = prefixes.get(key);
    if (prefix === undefined) {
      prefix = Buffer.from(key.prefix);
      prefixes.set(key, prefix);
    }
    return prefix;
  }

  return {
    subprotocol: 'troupe.v1.proto',
    text: false,
    first() {},
    command(out, _index, slot, actor, by, key, keyNumber) {
      const request = out.begin(1);
      out.raw(ids[slot]!);
      const command = out.begin(2);
      out.raw(heads[actor]!);
      out.raw(bodies[by]!);
      if (key !== null) writeKey(out, prefixOf(key), keyNumber);
      out.end(command);
      out.end(request);
    },
    get(out, _index, slot, actor) {
      const request = out.begin(1);
      out.raw(ids[slot]!);
      out.bytes(3, gets[actor]!);
      out.end(request);
    },
    last() {},
    answers: readAnswers,
  };
}

function encodeAll(count: number, write: (writer: WireWriter, index: number) => void): Buffer[] {
  const writer = new WireWriter(1024);
  return Array.from({ length: count }, (_, i) => {
    writer.reset();
    write(writer, i);
    return writer.copy();
  });
}

function writeKey(out: WireWriter, prefix: Buffer, number: number): void {
  out.byte((4 << 3) | 2);
  out.byte(prefix.length + KEY_DIGITS);
  out.raw(prefix);
  out.reserve(KEY_DIGITS);
  let left = number;
  for (let i = KEY_DIGITS - 1; i >= 0; i--) {
    out.buffer[out.length + i] = DIGITS[left & 31]!;
    left = Math.floor(left / 32);
  }
  out.length += KEY_DIGITS;
}

const outer = new WireReader();
const inner = new WireReader();
const body = new WireReader();

function readAnswers(buffer: Buffer, from: number, to: number, sink: AnswerSink, wantValue: boolean): void {
  outer.over(buffer, from, to);
  while (outer.next()) {
    if (outer.field !== 1 || outer.wireType !== 2) throw new Error('not an Answers message');
    outer.span();
    readAnswer(buffer, outer.from, outer.to, sink, wantValue);
  }
}

function readAnswer(buffer: Buffer, from: number, to: number, sink: AnswerSink, wantValue: boolean): void {
  let slot = -1;
  inner.over(buffer, from, to);
  while (inner.next()) {
    inner.span();
    if (inner.field === 1) {
      slot = digits(buffer, inner.from, inner.to);
    } else if (inner.field === 2) {
      // A Done has its number first or, when both are empty, nothing; an echoed Command starts with its address.
      const start = inner.from;
      if (start < inner.to && buffer[start] === ((1 << 3) | 2)) sink.echoed(slot);
      else readDone(buffer, start, inner.to, slot, sink, wantValue);
    } else if (inner.field === 3) {
      readError(buffer, inner.from, inner.to, slot, sink);
    } else {
      throw new Error(`answer with field ${inner.field}`);
    }
  }
}

function readDone(buffer: Buffer, from: number, to: number, slot: number, sink: AnswerSink, wantValue: boolean): void {
  let seq = 0;
  let value = 0;
  body.over(buffer, from, to);
  while (body.next()) {
    if (body.field === 1) {
      seq = body.varint();
    } else {
      body.span();
      if (wantValue && body.field === 2) value = firstNumber(buffer, body.from, body.to);
    }
  }
  sink.done(slot, seq, value);
}

/** Field 1 of IncrementReply and CounterState. */
function firstNumber(buffer: Buffer, from: number, to: number): number {
  const reader = new WireReader().over(buffer, from, to);
  while (reader.next()) {
    if (reader.field === 1) return reader.varint();
    reader.skip();
  }
  return 0;
}

function readError(buffer: Buffer, from: number, to: number, slot: number, sink: AnswerSink): void {
  let code = '';
  let retryable = false;
  const reader = new WireReader().over(buffer, from, to);
  while (reader.next()) {
    if (reader.field === 1) code = reader.string();
    else if (reader.field === 5) retryable = reader.varint() === 1;
    else reader.skip();
  }
  sink.failed(slot, code, retryable);
}

function digits(buffer: Buffer, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + buffer[i]! - 48;
  return value;
}
