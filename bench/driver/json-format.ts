/** Subprotocol troupe.v1.json, with JSON.parse on the way back as any client would do it. */

import { BY_MAX, DOCUMENT_TYPE, FAN_TYPE, actorAddress, contentOf, keyText } from './format.ts';
import type { AnswerSink, Driven, FrameFormat } from './format.ts';
import type { WireWriter } from '../../runtime/codec/wire.ts';

interface JsonAnswer {
  readonly id: string;
  readonly ok?: boolean;
  readonly to?: string;
  readonly seq?: number;
  readonly reply?: { readonly value?: string | number };
  readonly state?: { readonly value?: string | number };
  readonly error?: { readonly code: string; readonly retryable?: boolean };
}

export function jsonFormat(driven: Driven): FrameFormat {
  const { type, actors, shape } = driven;
  const heads = Array.from({ length: actors }, (_, i) => `"to":"${actorAddress(driven, i)}","command":"Increment","body":`);
  const bodies = Array.from({ length: BY_MAX + 1 }, (_, by) =>
    JSON.stringify({
      by,
      ...(type === DOCUMENT_TYPE ? { content: contentOf(by, shape.valueBytes).toString('base64') } : {}),
      ...(type === FAN_TYPE ? { fanOut: shape.fanOut } : {}),
    }));
  let parts: string[] = [];
  return {
    subprotocol: 'troupe.v1.json',
    text: true,
    first() {
      parts = [];
    },
    command(_out, _index, slot, actor, by, key, keyNumber) {
      const keyPart = key === null ? '' : `"key":"${keyText(key, keyNumber)}",`;
      parts.push(`{"id":"${slot}",${keyPart}${heads[actor]}${bodies[by]}}`);
    },
    get(_out, _index, slot, actor) {
      parts.push(`{"id":"${slot}","get":"${actorAddress(driven, actor)}"}`);
    },
    last(out) {
      text(out, parts.length === 1 ? parts[0]! : `[${parts.join(',')}]`);
    },
    answers(buffer, from, to, sink) {
      const parsed = JSON.parse(buffer.latin1Slice(from, to)) as JsonAnswer | JsonAnswer[];
      if (Array.isArray(parsed)) for (const answer of parsed) give(answer, sink);
      else give(parsed, sink);
    },
  };
}

function give(answer: JsonAnswer, sink: AnswerSink): void {
  const slot = Number(answer.id);
  if (answer.to !== undefined) sink.echoed(slot);
  else if (answer.ok === true) sink.done(slot, answer.seq ?? 0, Number((answer.reply ?? answer.state)?.value ?? 0));
  else sink.failed(slot, answer.error?.code ?? 'INTERNAL', answer.error?.retryable === true);
}

function text(out: WireWriter, value: string): void {
  out.reserve(value.length);
  out.buffer.write(value, out.length, 'latin1');
  out.length += value.length;
}
