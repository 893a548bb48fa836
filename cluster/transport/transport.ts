/**
 * What nodes of a cluster say to each other: requests with one answer, messages without, and streams of events that come
 * back. `createTransport` (tcp-transport.ts) speaks it over TCP; whoever uses it imports only this file.
 *
 * A node dials every peer it has something to ask and keeps that connection; answers and events come back on it. What the
 * peer has to ask goes over the connection that the peer dialled. So each connection has one side that asks and one that
 * serves, and two nodes that dial each other at the same moment have nothing to sort out.
 *
 * X1  A request ends exactly once: *answered* (by the handler, with a value or an error), *notSent* (no byte of it was
 *     handed to a socket: it has had no effect and never will, and may be sent anywhere), or *lost* (it was handed to a
 *     socket that has ended since: whether it took effect is not known). Nothing is ever sent a second time from here.
 * X2  What is sent to a peer reaches its handlers in that order, as long as the connection lasts. A new connection of a
 *     node ends its older ones first: nothing of an older connection starts after something of a newer one. What is
 *     answered is taken in the order in which it was answered.
 * X3  Nobody is heard, and nothing is said to anybody, before both sides have proved that they know the secret, belong to
 *     the same cluster, and are the node that was dialled and the node that they say they are (handshake.ts).
 * X4  Everything that waits is bounded: bytes that wait for a socket, requests and their bytes in flight, streams, frames,
 *     and connections that have not yet proved themselves. At the bound the one who asks learns it at once.
 * X5  A connection on which nothing comes in for (silentChecksMax + 1) x checkMs ends, even when writing to it still seems
 *     to work. [A cable is cut in one direction: requests leave, and no answer and no error ever comes.]
 * X6  Bytes that cannot be read end the connection, and nothing of the frame that they stood in has an effect. A message that
 *     has no place, such as an answer that nobody waits for, ends it too.
 * X7  What is sent to a peer in one turn of the event loop leaves in one write, or in a few when it is very much.
 *
 * Without TLS, what follows the handshake is neither encrypted nor authenticated: whoever can change packets between two nodes
 * can read and change what they say. A network that others are in needs TLS.
 */

import { TroupeError } from '../../runtime/codec/errors.ts';
import type { ErrorCode } from '../../runtime/codec/errors.ts';

export interface NodeIdentity {
  readonly node: string;
  /** Another one after each start of the node's process. */
  readonly incarnation: string;
}

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** An error as a handler answers it; structurally the engine's AnswerError. */
export interface PeerError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly reason?: string;
}

/**
 * How a request failed (X1). `answered`: the peer's handler said so, or the peer refused to start it (OVERLOADED). `notSent`:
 * OVERLOADED (too much waits for this peer), UNREACHABLE (no connection), BODY_TOO_LARGE. `lost`: UNKNOWN_OUTCOME.
 */
export interface Failure extends PeerError {
  readonly outcome: 'answered' | 'notSent' | 'lost';
}

/** Who waits for an answer. Exactly one of the two is called, once; `failed` possibly before `request` has returned. */
export interface Pending {
  /** `buffer[from, to)` is the body; it and Buffers in `value` are views on what came in: copy them when they are kept. */
  answered(value: unknown, buffer: Buffer, from: number, to: number): void;
  failed(failure: Failure): void;
}

export interface StreamSink {
  /** The next event, in order, without gap; views as in `Pending.answered`. False asks for a pause; what is already on its way still comes. */
  event(value: unknown, buffer: Buffer, from: number, to: number): boolean;
  /** The last call: null when the other side has ended it well. Possibly before `openStream` has returned. */
  ended(failure: Failure | null): void;
}

/** A stream as the side that opened it holds it, and as the side that serves it offers it. */
export interface Stream {
  /** Go on after a pause. */
  resume(): void;
  /** No more: the sink is not called again. */
  close(): void;
}

/**
 * `idle`: nothing was asked yet. `connecting`: what is asked waits. `open`. `waiting`: the last attempt failed or the
 * connection was lost, and the next attempt has its time; what is asked meanwhile fails at once, notSent. `closed`.
 */
export type PeerState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

/**
 * Another node. The first thing asked makes the connection; from then on it is kept, and made again after a loss. Values are
 * whatever msgpack can carry, Buffers included; the body `buffer[from, to)` is for bytes that should be copied only once. Both are
 * copied before a call returns. A request has no deadline of its own: it ends with its answer or with the connection.
 */
export interface Peer {
  readonly node: string;
  readonly address: NodeAddress;
  readonly state: PeerState;
  /** Of the process that answered the last handshake; null before the first. */
  readonly incarnation: string | null;
  request(pending: Pending, method: number, value?: unknown, buffer?: Buffer, from?: number, to?: number): void;
  /** A message without an answer. False: notSent, for the reasons of a request. True: it may arrive, once. */
  tell(method: number, value?: unknown, buffer?: Buffer, from?: number, to?: number): boolean;
  openStream(sink: StreamSink, method: number, value?: unknown, buffer?: Buffer, from?: number, to?: number): Stream;
  /** The node was seen to live: a peer that waits for its next attempt makes it now. */
  dialNow(): void;
  /** What waits fails notSent, what is on its way is lost. */
  close(): void;
}

/** What came from a peer. Body and Buffers in `value` are views on what came in: copy them when they are kept. */
export interface Incoming {
  readonly from: NodeIdentity;
  readonly value: unknown;
  /** The body is `buffer[bodyFrom, bodyTo)`. */
  readonly buffer: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;
}

/**
 * A request to be answered exactly once, now or later. After its connection has ended an answer goes nowhere, and is no
 * error. When too much waits for the one who asked, UNKNOWN_OUTCOME is sent in place of the answer.
 */
export interface IncomingRequest extends Incoming {
  answer(value?: unknown, buffer?: Buffer, from?: number, to?: number): void;
  fail(error: PeerError): void;
}

export interface IncomingStream extends Incoming {
  /** False: no more until `resume` of what the handler returned. */
  event(value?: unknown, buffer?: Buffer, from?: number, to?: number): boolean;
  /** With an error, it is the reason. `close` is not called any more. */
  end(error?: PeerError): void;
}

export interface TransportStats {
  /** Connections that this node dialled and that are open. */
  dialled: number;
  /** Connections that other nodes dialled, and that have proved themselves. */
  accepted: number;
  handshakesFailed: number;
  requestsSent: number;
  requestsServed: number;
  notSent: number;
  lost: number;
  /** Requests that this node has refused for others to send too much. */
  refused: number;
  closedSilent: number;
  badFrames: number;
  bytesIn: number;
  bytesOut: number;
}

export interface Transport {
  readonly stats: Readonly<TransportStats>;
  /**
   * Starts to serve other nodes; the port is the one that was taken.
   * @throws TroupeError ADDRESS_IN_USE
   */
  listen(): Promise<NodeAddress>;
  /** The same object for the same node and address; another address closes the former peer. Nothing is dialled yet. */
  peer(node: string, address: NodeAddress): Peer;
  /** One handler a method, known before the first peer can ask. What it throws is answered as INTERNAL. */
  handle(method: number, handler: (request: IncomingRequest) => void): void;
  handleMessage(method: number, handler: (message: Incoming) => void): void;
  /** What the handler returns is resumed after a pause, and closed when the peer has closed the stream or is gone. */
  handleStream(method: number, handler: (stream: IncomingStream) => Stream): void;
  /** Closes every peer; answers that were given go out first, within closeTimeMaxMs. */
  close(): Promise<void>;
}

/** `Failure` as an error, for those who wait with `await`. */
export class RequestError extends TroupeError {
  readonly outcome: Failure['outcome'];

  constructor(failure: Failure) {
    super(failure.code, failure.message, failure.reason === undefined ? {} : { reason: failure.reason });
    this.outcome = failure.outcome;
  }
}

export interface Answer {
  readonly value: unknown;
  /** A copy. Buffers in `value` are views. */
  readonly body: Buffer;
}

/**
 * A request as a promise, where one object more does not matter.
 * @throws RequestError
 */
export function ask(peer: Peer, method: number, value?: unknown, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    peer.request({
      answered: (answer, buffer, from, to) => resolve({ value: answer, body: Buffer.from(buffer.subarray(from, to)) }),
      failed: (failure) => reject(new RequestError(failure)),
    }, method, value, body);
  });
}
