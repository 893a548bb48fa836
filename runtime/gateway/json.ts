/** Subprotocol troupe.v1.json: text frames of one request or an array of them. Shapes are in docs/GATEWAY.md. */

import { Address, FORMAT_JSON } from '../actor/engine.ts';
import type { AnswerError, Routes } from '../actor/engine.ts';
import { catalogue } from '../codec/errors.ts';
import { limits } from '../limits.ts';
import { badRequest, checkAddress, checkBody, checkCommandName, checkDeadline, checkId, checkKey, checkTried } from './checks.ts';
import { NOTHING, REPLY } from './codec.ts';
import type { AnswerKind, Codec, FrameFault } from './codec.ts';
import type { Connection } from './connection.ts';
import { TEXT_FRAME } from './outgoing.ts';
import type { Outgoing } from './outgoing.ts';
import { ownerBytes } from './owner-bytes.ts';
import { BadRequest, MapRequest, OpenWatch, PendingCommand, PendingGet, Unwatch } from './requests.ts';
import type { Incoming } from './requests.ts';
import { BODY, COMMAND, DEADLINE, FROM, GET, ID, KEY, MAP, RequestScanner, SENT, TO, TRIED, UNWATCH, WATCH } from './scanner.ts';

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;
const COMMA = 0x2c;
const QUOTE = 0x22;

const EMPTY_OBJECT = Buffer.from('{}');
const START = Buffer.from('{"id":');
const OK_SEQ = Buffer.from(',"ok":true,"seq":');
const SEQ = Buffer.from(',"seq":');
const EVENT = Buffer.from(',"event":');
const BODY_MEMBER = Buffer.from(',"body":');
const REPLY_MEMBER = Buffer.from(',"reply":');
const STATE_MEMBER = Buffer.from(',"state":');
/** Bytes of an answer besides id and body, roughly. */
const ANSWER_BYTES = 48;

const fieldNames: readonly (readonly [number, string])[] = [
  [KEY, 'key'], [TO, 'to'], [COMMAND, 'command'], [GET, 'get'], [WATCH, 'watch'], [UNWATCH, 'unwatch'],
  [FROM, 'from'], [BODY, 'body'], [DEADLINE, 'deadlineMs'], [TRIED, 'triedMs'], [SENT, 'sentMs'], [MAP, 'map'],
];

const scanner = new RequestScanner();

export const jsonCodec: Codec = {
  subprotocol: 'troupe.v1.json',
  format: FORMAT_JSON,
  isBinary: false,

  read(buffer, from, to, connection, into) {
    scanner.over(buffer, from, to);
    const fault = readFrame(buffer, from, to, connection, into);
    scanner.release();
    return fault;
  },

  done(out, id, listed, kind, seq, body, from, to) {
    openAnswer(out, listed, id.length + to - from + ANSWER_BYTES);
    out.raw(START);
    writeText(out, id);
    out.raw(OK_SEQ);
    writeNumber(out, seq);
    if (kind !== NOTHING) writeMember(out, memberOf(kind), body, from, to);
    closeAnswer(out, listed);
  },

  failed(out, id, listed, error) {
    const text = JSON.stringify({ id, ok: false, error: shown(error) });
    openAnswer(out, listed, text.length);
    out.text(text.slice(0, -1));
    closeAnswer(out, listed);
  },

  map(out, id, listed, node, routes) {
    const head = JSON.stringify({ id, ok: true, node });
    const map = routes === null ? 'null' : mapText(routes);
    openAnswer(out, listed, head.length + map.length + ANSWER_BYTES);
    out.text(`${head.slice(0, -1)},"map":${map}`);
    closeAnswer(out, listed);
  },

  event(out, id, seq, name, body, from, to) {
    // Events of a watch come one a frame: a client that knows nothing of lists can always watch.
    openAnswer(out, false, id.length + name.length + to - from + ANSWER_BYTES);
    out.raw(START);
    writeText(out, id);
    out.raw(SEQ);
    writeNumber(out, seq);
    out.raw(EVENT);
    writeText(out, name);
    writeMember(out, BODY_MEMBER, body, from, to);
    closeAnswer(out, false);
  },
};

function readFrame(frame: Buffer, from: number, to: number, connection: Connection, into: Incoming[]): FrameFault | null {
  let at = scanner.space(from);
  const listed = at < to && frame[at] === OPEN_BRACKET;
  if (listed) {
    at = scanner.space(at + 1);
    if (at < to && frame[at] === CLOSE_BRACKET) return { code: 'BAD_FRAME', message: 'the frame is an empty list, which asks for nothing' };
    for (;;) {
      if (into.length === limits.requestsPerFrameMax) {
        return { code: 'FRAME_TOO_LARGE', message: `a frame has at most ${limits.requestsPerFrameMax} requests` };
      }
      at = scanner.request(at);
      if (at < 0) return badFrame();
      into.push(makeRequest(frame, connection, true));
      at = scanner.space(at);
      const byte = at < to ? frame[at] : 0;
      if (byte !== COMMA && byte !== CLOSE_BRACKET) {
        scanner.broken(at, 'expected , or ]');
        return badFrame();
      }
      at = scanner.space(at + 1);
      if (byte === CLOSE_BRACKET) break;
    }
  } else {
    at = scanner.request(at);
    if (at < 0) return badFrame();
    into.push(makeRequest(frame, connection, false));
    at = scanner.space(at);
  }
  if (at < to) {
    scanner.broken(at, 'something follows the end');
    return badFrame();
  }
  return null;
}

function badFrame(): FrameFault {
  return { code: 'BAD_FRAME', message: `the frame is not a JSON request or a list of them: ${scanner.fault}` };
}

function makeRequest(frame: Buffer, connection: Connection, listed: boolean): Incoming {
  const { id } = scanner;
  const idError = checkId(id);
  if (idError !== null) return new BadRequest(connection, null, listed, scanner.problem === '' ? idError : badRequest(scanner.problem));
  const error = checkRequest();
  if (error !== null) return new BadRequest(connection, id, listed, error);
  if ((scanner.seen & COMMAND) !== 0) {
    const { to, command, bodyFrom, bodyTo, key, deadlineMs, triedMs, sentMs } = scanner;
    if ((scanner.seen & BODY) !== 0) return new PendingCommand(connection, id, listed, to, command, frame, bodyFrom, bodyTo, key, deadlineMs, triedMs, sentMs);
    return new PendingCommand(connection, id, listed, to, command, EMPTY_OBJECT, 0, EMPTY_OBJECT.length, key, deadlineMs, triedMs, sentMs);
  }
  if ((scanner.seen & GET) !== 0) return new PendingGet(connection, id, listed, new Address(scanner.target));
  if ((scanner.seen & WATCH) !== 0) return new OpenWatch(connection, id, listed, scanner.target, scanner.from);
  if ((scanner.seen & MAP) !== 0) return new MapRequest(connection, id, listed, scanner.map);
  return new Unwatch(connection, id, listed, scanner.target);
}

function checkRequest(): AnswerError | null {
  if (scanner.problem !== '') return badRequest(scanner.problem);
  const { seen } = scanner;
  if ((seen & COMMAND) !== 0) return checkFields(seen, ID | COMMAND | TO | KEY | BODY | DEADLINE | TRIED | SENT) ?? checkCommand(seen);
  if ((seen & GET) !== 0) return checkFields(seen, ID | GET) ?? checkAddress('get', scanner.target);
  if ((seen & WATCH) !== 0) return checkFields(seen, ID | WATCH | FROM) ?? checkAddress('watch', scanner.target);
  if ((seen & UNWATCH) !== 0) return checkFields(seen, ID | UNWATCH);
  if ((seen & MAP) !== 0) return checkFields(seen, ID | MAP);
  return badRequest('a request has one of command, get, watch, unwatch or map');
}

function checkCommand(seen: number): AnswerError | null {
  if ((seen & TO) === 0) return badRequest('to is missing');
  return checkAddress('to', scanner.to.text)
    ?? checkCommandName(scanner.command)
    ?? ((seen & KEY) === 0 ? null : checkKey(scanner.key))
    ?? checkBody(scanner.bodyTo - scanner.bodyFrom)
    ?? checkDeadline(scanner.deadlineMs)
    ?? checkTried(scanner.triedMs, (seen & KEY) !== 0);
}

function checkFields(seen: number, allowed: number): AnswerError | null {
  const extra = seen & ~allowed;
  if (extra === 0) return null;
  const name = fieldNames.find(([field]) => (extra & field) !== 0)![1];
  return badRequest(`the field ${name} does not belong to this kind of request`);
}

function openAnswer(out: Outgoing, listed: boolean, bytes: number): void {
  if (!listed) {
    out.finish();
    out.openFrame(TEXT_FRAME, bytes, 0);
    return;
  }
  if (out.isFrameOpen && out.payloadBytes + bytes > limits.answerFrameBytesMax) out.finish();
  if (out.isFrameOpen) {
    out.byte(COMMA);
  } else {
    out.openFrame(TEXT_FRAME, bytes, CLOSE_BRACKET);
    out.byte(OPEN_BRACKET);
  }
}

function closeAnswer(out: Outgoing, listed: boolean): void {
  out.byte(CLOSE_BRACE);
  if (!listed) out.closeFrame();
}

/** One text for all who ask, as a map is asked for by every client in turn. */
let shownMap: { readonly routes: Routes; readonly text: string } | null = null;

function mapText(routes: Routes): string {
  if (shownMap?.routes !== routes) {
    const { version, bits, nodes } = routes;
    shownMap = { routes, text: JSON.stringify({ version, bits, nodes, owners: ownerBytes(routes).toString('base64') }) };
  }
  return shownMap.text;
}

function memberOf(kind: AnswerKind): Buffer {
  return kind === REPLY ? REPLY_MEMBER : STATE_MEMBER;
}

function writeMember(out: Outgoing, member: Buffer, body: Buffer, from: number, to: number): void {
  out.raw(member);
  if (to > from) out.raw(body, from, to);
  else out.raw(EMPTY_OBJECT);
}

/** A string as JSON; short texts that need no escape are written byte by byte. */
function writeText(out: Outgoing, text: string): void {
  const start = out.length;
  out.reserve(text.length + 2);
  const { buffer } = out;
  let at = start;
  buffer[at++] = QUOTE;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === QUOTE || code === 0x5c) {
      out.text(JSON.stringify(text));
      return;
    }
    buffer[at++] = code;
  }
  buffer[at++] = QUOTE;
  out.length = at;
}

function writeNumber(out: Outgoing, value: number): void {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  out.reserve(digits);
  let rest = value;
  for (let at = out.length + digits - 1; at >= out.length; at--) {
    const next = Math.floor(rest / 10);
    out.buffer[at] = 0x30 + rest - next * 10;
    rest = next;
  }
  out.length += digits;
}

function shown(error: AnswerError): object {
  const { hint, retryable } = catalogue[error.code];
  const { code, message } = error;
  return error.reason === undefined ? { code, message, hint, retryable } : { code, reason: error.reason, message, hint, retryable };
}
