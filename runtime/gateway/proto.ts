/** Subprotocol troupe.v1.proto: binary frames of proto/troupe/v1/gateway.proto, read and written by hand. */

import { Address, FORMAT_PROTO } from '../actor/engine.ts';
import type { AnswerError } from '../actor/engine.ts';
import { catalogue } from '../codec/errors.ts';
import { WireError, WireReader } from '../codec/wire.ts';
import { limits } from '../limits.ts';
import { badRequest, checkAddress, checkBody, checkCommandName, checkDeadline, checkId, checkKey, checkTried } from './checks.ts';
import { NOTHING } from './codec.ts';
import type { Codec, FrameFault } from './codec.ts';
import type { Connection } from './connection.ts';
import { BINARY_FRAME } from './outgoing.ts';
import type { Outgoing } from './outgoing.ts';
import { ownerBytes } from './owner-bytes.ts';
import { BadRequest, MapRequest, OpenWatch, PendingCommand, PendingGet, Unwatch } from './requests.ts';
import type { Incoming } from './requests.ts';
import { names } from './names.ts';

const NO_BYTES = Buffer.alloc(0);
const ANSWER_BYTES = 32;
const LENGTH_DELIMITED = 2;
const VARINT = 0;

// Fields of Request.
const COMMAND = 2;
const GET = 3;
const WATCH = 4;
const UNWATCH = 5;
const MAP = 6;

interface RequestFields {
  id: string;
  /** Which of the oneof; 0 for none yet. */
  kind: number;
  problem: string;
  to: Address;
  /** Id of a watch. */
  target: string;
  name: string;
  key: string;
  from: number;
  /** Version of the bucket map that is known. */
  map: number;
  deadlineMs: number;
  triedMs: number;
  sentMs: number;
  bodyFrom: number;
  bodyTo: number;
}

const NO_ADDRESS = new Address('');

/** The request being read: reused, because one frame holds up to a thousand. */
const fields: RequestFields = {
  id: '', kind: 0, problem: '', to: NO_ADDRESS, target: '', name: '', key: '', from: 0, map: 0, deadlineMs: 0, triedMs: 0, sentMs: 0, bodyFrom: 0, bodyTo: 0,
};

const outer = new WireReader();
const request = new WireReader();
const inner = new WireReader();

export const protoCodec: Codec = {
  subprotocol: 'troupe.v1.proto',
  format: FORMAT_PROTO,
  isBinary: true,

  read(buffer, from, to, connection, into) {
    try {
      return readFrame(buffer, from, to, connection, into);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { code: 'BAD_FRAME', message: `the frame is not a troupe.v1.Requests: ${error.message}` };
    } finally {
      outer.buffer = request.buffer = inner.buffer = NO_BYTES;
    }
  },

  done(out, id, _listed, kind, seq, body, from, to) {
    const answer = openAnswer(out, id.length + to - from + ANSWER_BYTES);
    out.string(1, id);
    const done = out.begin(2);
    out.uint(1, seq);
    if (kind !== NOTHING && to > from) out.bytes(2, body, from, to);
    out.end(done);
    out.end(answer);
  },

  failed(out, id, _listed, error) {
    const { hint, retryable } = catalogue[error.code];
    const answer = openAnswer(out, error.message.length + hint.length + ANSWER_BYTES);
    out.string(1, id ?? '');
    const field = out.begin(3);
    out.string(1, error.code);
    out.string(2, (error.reason ?? '').toWellFormed());
    out.string(3, error.message.toWellFormed());
    out.string(4, hint);
    out.uint(5, retryable ? 1 : 0);
    out.end(field);
    out.end(answer);
  },

  map(out, id, _listed, node, routes) {
    const owners = routes === null ? NO_BYTES : ownerBytes(routes);
    const answer = openAnswer(out, id.length + owners.length + ANSWER_BYTES);
    out.string(1, id);
    const got = out.begin(5);
    out.string(1, node);
    if (routes !== null) {
      const map = out.begin(2);
      out.uint(1, routes.version);
      out.uint(2, routes.bits);
      for (const { id: name, url } of routes.nodes) {
        const entry = out.begin(3);
        out.string(1, name);
        out.string(2, url);
        out.end(entry);
      }
      out.bytes(4, owners, 0, owners.length);
      out.end(map);
    }
    out.end(got);
    out.end(answer);
  },

  event(out, id, seq, name, body, from, to) {
    const answer = openAnswer(out, id.length + name.length + to - from + ANSWER_BYTES);
    out.string(1, id);
    const event = out.begin(4);
    out.uint(1, seq);
    out.string(2, name);
    if (to > from) out.bytes(3, body, from, to);
    out.end(event);
    out.end(answer);
  },
};

/** All answers of a turn share one Answers message, up to a size. */
function openAnswer(out: Outgoing, bytes: number): number {
  if (out.isFrameOpen && out.payloadBytes + bytes > limits.answerFrameBytesMax) out.finish();
  if (!out.isFrameOpen) out.openFrame(BINARY_FRAME, bytes, 0);
  return out.begin(1);
}

function readFrame(frame: Buffer, from: number, to: number, connection: Connection, into: Incoming[]): FrameFault | null {
  outer.over(frame, from, to);
  while (outer.next()) {
    if (outer.field !== 1 || outer.wireType !== LENGTH_DELIMITED) {
      return { code: 'BAD_FRAME', message: `the frame is not a troupe.v1.Requests: it has a field ${outer.field}` };
    }
    if (into.length === limits.requestsPerFrameMax) {
      return { code: 'FRAME_TOO_LARGE', message: `a frame has at most ${limits.requestsPerFrameMax} requests` };
    }
    outer.span();
    readRequest(frame, outer.from, outer.to);
    into.push(makeRequest(connection, frame));
  }
  return into.length > 0 ? null : { code: 'BAD_FRAME', message: 'the frame has no request' };
}

function readRequest(frame: Buffer, from: number, to: number): void {
  fields.id = fields.problem = fields.target = fields.name = fields.key = '';
  fields.kind = fields.from = fields.map = fields.deadlineMs = fields.triedMs = fields.sentMs = fields.bodyFrom = fields.bodyTo = 0;
  fields.to = NO_ADDRESS;
  request.over(frame, from, to);
  while (request.next()) {
    const { field } = request;
    if (field > MAP || request.wireType !== LENGTH_DELIMITED) {
      wrong(`a request has no field ${field} of this type`);
      request.skip();
    } else if (field === 1) {
      fields.id = request.string();
    } else {
      // Protobuf would merge two of a oneof; for a request that is a mistake.
      if (fields.kind !== 0) wrong('a request has one of command, get, watch, unwatch or map, once');
      fields.kind = field;
      request.span();
      inner.over(frame, request.from, request.to);
      while (inner.next()) readInner(field);
    }
  }
}

function readInner(kind: number): void {
  if (kind === MAP && inner.wireType === VARINT && inner.field === 1) {
    fields.map = inner.varint();
  } else if (kind !== MAP && inner.wireType === LENGTH_DELIMITED && inner.field === 1) {
    if (kind === UNWATCH) fields.target = inner.string();
    else fields.to = address();
  } else if (kind === COMMAND && inner.wireType === LENGTH_DELIMITED && inner.field === 2) {
    fields.name = text();
  } else if (kind === COMMAND && inner.wireType === LENGTH_DELIMITED && inner.field === 3) {
    inner.span();
    fields.bodyFrom = inner.from;
    fields.bodyTo = inner.to;
  } else if (kind === COMMAND && inner.wireType === LENGTH_DELIMITED && inner.field === 4) {
    fields.key = inner.string();
  } else if (kind === COMMAND && inner.wireType === VARINT && inner.field === 5) {
    fields.deadlineMs = inner.varint();
  } else if (kind === COMMAND && inner.wireType === VARINT && inner.field === 6) {
    fields.triedMs = inner.varint();
  } else if (kind === COMMAND && inner.wireType === VARINT && inner.field === 7) {
    fields.sentMs = inner.varint();
  } else if (kind === WATCH && inner.wireType === VARINT && inner.field === 2) {
    fields.from = inner.varint();
  } else {
    wrong(`this kind of request has no field ${inner.field} of this type`);
    inner.skip();
  }
}

/** A string that is likely to come again. */
function text(): string {
  inner.span();
  return names.text(inner.buffer, inner.from, inner.to);
}

function address(): Address {
  inner.span();
  return names.address(inner.buffer, inner.from, inner.to);
}

function makeRequest(connection: Connection, frame: Buffer): Incoming {
  const { id } = fields;
  const idError = checkId(id);
  if (idError !== null) return new BadRequest(connection, null, true, idError);
  const error = checkRequest();
  if (error !== null) return new BadRequest(connection, id, true, error);
  switch (fields.kind) {
    case COMMAND:
      return new PendingCommand(
        connection, id, true, fields.to, fields.name, frame, fields.bodyFrom, fields.bodyTo, fields.key, fields.deadlineMs, fields.triedMs, fields.sentMs,
      );
    case GET: return new PendingGet(connection, id, true, fields.to);
    case WATCH: return new OpenWatch(connection, id, true, fields.to.text, fields.from);
    case MAP: return new MapRequest(connection, id, true, fields.map);
    default: return new Unwatch(connection, id, true, fields.target);
  }
}

function checkRequest(): AnswerError | null {
  if (fields.problem !== '') return badRequest(fields.problem);
  switch (fields.kind) {
    case COMMAND:
      return checkAddress('to', fields.to.text)
        ?? checkCommandName(fields.name)
        ?? (fields.key === '' ? null : checkKey(fields.key))
        ?? checkBody(fields.bodyTo - fields.bodyFrom)
        ?? checkDeadline(fields.deadlineMs)
        ?? checkTried(fields.triedMs, fields.key !== '');
    case GET:
    case WATCH: return checkAddress('actor', fields.to.text);
    case UNWATCH:
    case MAP: return null;
    default: return badRequest('a request has one of command, get, watch, unwatch or map');
  }
}

function wrong(problem: string): void {
  if (fields.problem === '') fields.problem = problem;
}
