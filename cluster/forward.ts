/** Requests on their way to another node, and those of another node on their way through this one's engine. */

import type { Address, AnswerError, CommandRequest, Format, GetRequest, LogPlace } from '../runtime/actor/engine.ts';
import { Address as ActorAddress } from '../runtime/actor/engine.ts';
import { catalogue } from '../runtime/codec/errors.ts';
import { COMMAND, GET } from './methods.ts';
import type { CommandValue, GetValue, Tried } from './methods.ts';
import type { Refusals } from './refusals.ts';
import type { Failure, IncomingRequest, Peer, Pending } from './transport/transport.ts';

export type Request = CommandRequest | GetRequest;

export function isCommand(request: Request): request is CommandRequest {
  return 'name' in request;
}

/** Hears what became of a request that was sent to another node. */
export interface ForwardListener {
  arrived(forward: Forward): void;
  /** Answered with an error, never sent, or of unknown outcome. */
  failed(forward: Forward, failure: Failure): void;
}

/** One request of this node's clients for an actor of another node, until it is answered, however often it has to be sent. */
export class Forward implements Pending {
  readonly request: Request;
  readonly index: number;
  readonly sinceMs: number;
  /** Its place among those of its bucket. */
  readonly order: number;
  /** A command's own key, or the one that was minted for it. */
  readonly key: string;
  /** Some earlier try may have taken effect. */
  isUnknown = false;
  /** It has waited here, and its client may have gone to another node with it meanwhile. */
  isLate = false;
  /** Its client has tried it so long before it came here, and this node does not know where the log stood then; 0 otherwise. */
  openMs = 0;
  private isRecalled = false;
  /** How far the log of its bucket had come at the least before the first try. */
  private readonly since: LogPlace;
  private readonly listener: ForwardListener;

  constructor(request: Request, index: number, sinceMs: number, order: number, key: string, since: LogPlace, listener: ForwardListener) {
    this.request = request;
    this.index = index;
    this.sinceMs = sinceMs;
    this.order = order;
    this.key = key;
    this.since = since;
    this.listener = listener;
  }

  /** The request as this node's own engine should get it: under the same key as on the way to others, and with what is known of earlier tries. */
  local(now: number): Request {
    const { request, key, triedSince } = this;
    const triedMs = this.triedMs(now);
    if (!isCommand(request) || (request.key === key && triedSince === undefined && triedMs === 0)) return request;
    return new RoutedCommand(request, key, triedSince, triedMs, this.isUnknown);
  }

  private get triedSince(): LogPlace | undefined {
    return this.openMs === 0 && (this.isUnknown || this.isLate) ? this.since : undefined;
  }

  private triedMs(now: number): number {
    return this.openMs === 0 ? 0 : Math.ceil(this.openMs + now - this.sinceMs);
  }

  /** What the client is told when a try ends with this error: that nothing has happened cannot be said when an earlier one may have taken effect. */
  errorOf(error: AnswerError): AnswerError {
    return this.isUnknown && isCommand(this.request) ? afterTries(error) : error;
  }

  /** `era`: see Refusals. */
  send(peer: Peer, era: number, now: number): void {
    const { request } = this;
    if (isCommand(request)) {
      const { triedSince } = this;
      const tried: Tried = triedSince === undefined ? this.triedMs(now) || null : [triedSince.incarnation.hi, triedSince.incarnation.lo, triedSince.position];
      const value: CommandValue = [request.to.text, request.name, request.format, this.key, request.principal, request.session, era, tried, Math.floor(now)];
      peer.request(this, COMMAND, value, request.body, request.bodyFrom, request.bodyTo);
    } else {
      const value: GetValue = [request.to.text, request.format, era];
      peer.request(this, GET, value);
    }
  }

  /** The same request, to be sent to somebody else; whoever has this one is not heard any more. */
  recall(): Forward {
    this.isRecalled = true;
    const again = new Forward(this.request, this.index, this.sinceMs, this.order, this.key, this.since, this.listener);
    again.isUnknown = true;
    again.openMs = this.openMs;
    return again;
  }

  answered(value: unknown, buffer: Buffer, from: number, to: number): void {
    if (this.isRecalled) return;
    this.listener.arrived(this);
    this.request.done(value as number, buffer, from, to);
  }

  failed(failure: Failure): void {
    if (this.isRecalled) return;
    this.listener.failed(this, failure);
  }
}

/** Of an error that says that nothing was done, so that it may be sent again. */
function afterTries(error: AnswerError): AnswerError {
  return catalogue[error.code].retryable ? { code: 'UNKNOWN_OUTCOME', message: `an earlier try may have taken effect; the last one: ${error.message}` } : error;
}

/** A command under a key that its client did not give, or that may have taken effect elsewhere. */
export class RoutedCommand implements CommandRequest {
  readonly key: string;
  readonly triedSince: LogPlace | undefined;
  readonly triedMs: number;
  /** See Forward. */
  readonly isUnknown: boolean;
  private readonly request: CommandRequest;

  constructor(request: CommandRequest, key: string, triedSince: LogPlace | undefined, triedMs: number, isUnknown: boolean) {
    this.request = request;
    this.key = key;
    this.triedSince = triedSince;
    this.triedMs = triedMs;
    this.isUnknown = isUnknown;
  }

  get to(): Address {
    return this.request.to;
  }

  get name(): string {
    return this.request.name;
  }

  get format(): Format {
    return this.request.format;
  }

  get body(): Buffer {
    return this.request.body;
  }

  get bodyFrom(): number {
    return this.request.bodyFrom;
  }

  get bodyTo(): number {
    return this.request.bodyTo;
  }

  get principal(): string {
    return this.request.principal;
  }

  get session(): string {
    return this.request.session;
  }

  done(seq: number, buffer: Buffer, from: number, to: number): void {
    this.request.done(seq, buffer, from, to);
  }

  failed(error: AnswerError): void {
    this.request.failed(this.isUnknown ? afterTries(error) : error);
  }
}

/** A command that another node has sent here. */
export class ServedCommand implements CommandRequest {
  readonly to: Address;
  readonly name: string;
  readonly format: Format;
  readonly body: Buffer;
  readonly bodyFrom = 0;
  readonly bodyTo: number;
  readonly key: string;
  readonly principal: string;
  readonly session: string;
  readonly triedSince: LogPlace | undefined;
  readonly triedMs: number;
  waitedMs = 0;
  readonly era: number;
  readonly incoming: IncomingRequest;
  private readonly refusals: Refusals;

  constructor(incoming: IncomingRequest, refusals: Refusals) {
    const [to, name, format, key, principal, session, era, tried] = incoming.value as CommandValue;
    this.to = new ActorAddress(to);
    this.name = name;
    this.format = format;
    this.key = key;
    this.principal = principal;
    this.session = session;
    this.body = Buffer.from(incoming.buffer.subarray(incoming.bodyFrom, incoming.bodyTo));
    this.bodyTo = this.body.length;
    this.triedMs = typeof tried === 'number' ? tried : 0;
    this.triedSince = tried === null || typeof tried === 'number' ? undefined : { incarnation: { hi: tried[0], lo: tried[1] }, position: tried[2] };
    this.era = era;
    this.incoming = incoming;
    this.refusals = refusals;
  }

  done(seq: number, buffer: Buffer, from: number, to: number): void {
    this.incoming.answer(seq, buffer, from, to);
  }

  failed(error: AnswerError): void {
    this.refusals.answered(this, error.code);
    this.incoming.fail(error);
  }
}

/** A read that another node has sent here. */
export class ServedGet implements GetRequest {
  readonly to: Address;
  readonly format: Format;
  readonly era: number;
  readonly incoming: IncomingRequest;
  private readonly refusals: Refusals;

  constructor(incoming: IncomingRequest, refusals: Refusals) {
    const [to, format, era] = incoming.value as GetValue;
    this.to = new ActorAddress(to);
    this.format = format;
    this.era = era;
    this.incoming = incoming;
    this.refusals = refusals;
  }

  done(seq: number, buffer: Buffer, from: number, to: number): void {
    this.incoming.answer(seq, buffer, from, to);
  }

  failed(error: AnswerError): void {
    this.refusals.answered(this, error.code);
    this.incoming.fail(error);
  }
}
