/**
 * A connection that this node dialled, seen as the side that asks: what is in flight on it, and what becomes of that when the
 * connection ends. It takes requests from the moment in which it is dialled; they wait until the handshake is done.
 *
 * D1  A request has a number of its own. Numbers grow, so that all below `handedOver` may have left this node, and all others
 *     have not (X1).
 * D2  An answer to a number that is not in flight is a message without a place (X6): no number is forgotten before its answer
 *     or the end of the connection.
 */

import type { Socket } from 'node:net';

import { isErrorCode } from '../../runtime/codec/errors.ts';
import { Connection } from './connection.ts';
import type { ConnectionUser } from './connection.ts';
import {
  ANSWER, BadFrame, CANCEL, EVENT, FAILED, FROM_SERVER, MESSAGE, MESSAGE_HEAD_BYTES_MAX, OPEN, PAUSE, REQUEST, RESUME, TooLarge,
} from './frames.ts';
import type { Message } from './frames.ts';
import type { TransportHost } from './settings.ts';
import type { Failure, PeerError, Pending, Stream, StreamSink } from './transport.ts';

export class Dialled implements ConnectionUser {
  readonly allowed = FROM_SERVER;
  readonly isPausedByOutput = false;
  readonly connection: Connection;
  private readonly host: TransportHost;
  /** As it is called in messages: node, host and port. */
  private readonly name: string;
  private readonly onEnded: (message: string) => void;
  private readonly inFlight = new Map<number, Pending | OpenStream>();
  private streams = 0;
  private next = 1;
  private handedOver = 1;
  /** Streams whose pause or resume the other side has not been told. */
  private toTell: OpenStream[] = [];

  /** `onEnded` is called before what is in flight fails, so that whoever asks again then asks another connection. */
  constructor(host: TransportHost, name: string, onEnded: (message: string) => void) {
    this.host = host;
    this.name = name;
    this.onEnded = onEnded;
    this.connection = new Connection(host, this);
  }

  attach(socket: Socket, rest: Buffer): void {
    this.connection.attach(socket, rest);
  }

  request(pending: Pending, method: number, value: unknown, buffer: Buffer, from: number, to: number): void {
    const { host } = this;
    if (this.inFlight.size - this.streams >= host.limits.requestsInFlightMax) {
      fail(host, pending, 'notSent', { code: 'OVERLOADED', message: `${host.limits.requestsInFlightMax} requests to ${this.name} are in flight` });
      return;
    }
    const fault = this.write(REQUEST, this.next, method, value, buffer, from, to);
    if (fault !== null) {
      fail(host, pending, 'notSent', fault);
      return;
    }
    host.stats.requestsSent++;
    this.inFlight.set(this.next++, pending);
    this.connection.touch();
  }

  tell(method: number, value: unknown, buffer: Buffer, from: number, to: number): boolean {
    const isWritten = this.write(MESSAGE, 0, method, value, buffer, from, to) === null;
    if (isWritten) this.connection.touch();
    else this.host.stats.notSent++;
    return isWritten;
  }

  openStream(sink: StreamSink, method: number, value: unknown, buffer: Buffer, from: number, to: number): Stream {
    const stream = new OpenStream(this, this.next, sink);
    const fault: PeerError | null = this.streams >= this.host.limits.streamsMax
      ? { code: 'OVERLOADED', message: `${this.streams} streams of ${this.name} are open` }
      : this.write(OPEN, stream.number, method, value, buffer, from, to);
    if (fault !== null) {
      fail(this.host, stream, 'notSent', fault);
      return stream;
    }
    this.streams++;
    this.inFlight.set(this.next++, stream);
    this.connection.touch();
    return stream;
  }

  close(message: string): void {
    this.connection.close(message);
  }

  tellSoon(stream: OpenStream): void {
    if (this.connection.isClosed) return;
    this.toTell.push(stream);
    this.host.flushSoon(this.connection);
  }

  onFlush(): void {
    const { toTell } = this;
    if (toTell.length > 0) {
      this.toTell = [];
      for (const stream of toTell) stream.tell(this.connection);
    }
    this.handedOver = this.next;
  }

  onDrained(): void {
    // Requests are not paused: behind the bound they fail.
  }

  onMessage({ type, number, value, from, to }: Message, buffer: Buffer): void {
    const asker = this.inFlight.get(number);
    if (asker === undefined) throw new BadFrame(`an answer to request ${number}, which is not in flight`);
    const isStream = asker instanceof OpenStream;
    if (type !== FAILED && isStream === (type === ANSWER)) throw new BadFrame(`a message of type ${type} for number ${number}`);
    if (type === EVENT) {
      this.guarded(() => (asker as OpenStream).event(value, buffer, from, to));
      return;
    }
    const failure: Failure | null = type === FAILED ? { outcome: 'answered', ...errorOf(value) } : null;
    this.inFlight.delete(number);
    if (isStream) this.streams--;
    this.guarded(() => {
      if (failure !== null) asker.failed(failure);
      else if (isStream) asker.ended();
      else asker.answered(value, buffer, from, to);
    });
  }

  onClosed(message: string): void {
    this.onEnded(message);
    const inFlight = [...this.inFlight];
    this.inFlight.clear();
    this.toTell = [];
    const { handedOver } = this;
    for (const [number, asker] of inFlight) {
      if (number < handedOver) {
        fail(this.host, asker, 'lost', { code: 'UNKNOWN_OUTCOME', message: `the connection to ${this.name} was lost: ${message}` });
      } else {
        fail(this.host, asker, 'notSent', { code: 'UNREACHABLE', message: `${this.name} cannot be reached: ${message}` });
      }
    }
  }

  private write(type: number, number: number, method: number, value: unknown, buffer: Buffer, from: number, to: number): PeerError | null {
    const { out, queuedBytes } = this.connection;
    const { queuedBytesMax } = this.host.limits;
    // The size of the value is known when it is written; the bound may be passed by one of them.
    if (queuedBytes > 0 && queuedBytes + (to - from) + MESSAGE_HEAD_BYTES_MAX > queuedBytesMax) {
      return { code: 'OVERLOADED', message: `${queuedBytes} bytes wait for ${this.name}` };
    }
    try {
      out.message(type, number, method, value, buffer, from, to);
      return null;
    } catch (error) {
      if (error instanceof TooLarge) return { code: 'BODY_TOO_LARGE', message: error.message };
      throw error;
    }
  }

  private guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.host.onDefect(error);
    }
  }
}

export function fail(host: TransportHost, pending: Pick<Pending, 'failed'>, outcome: 'notSent' | 'lost', error: PeerError): void {
  if (outcome === 'lost') host.stats.lost++;
  else host.stats.notSent++;
  try {
    pending.failed({ outcome, ...error });
  } catch (thrown) {
    host.onDefect(thrown);
  }
}

/** The peer may be newer, and have codes that are not known here. */
function errorOf(value: unknown): PeerError {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || typeof value[1] !== 'string') throw new BadFrame('an error without a code');
  const [code, message, reason] = value as [string, string, unknown];
  const error: PeerError = isErrorCode(code) ? { code, message } : { code: 'INTERNAL', message: `${code}: ${message}` };
  return typeof reason === 'string' ? { ...error, reason } : error;
}

class OpenStream implements Stream {
  readonly number: number;
  private readonly owner: Dialled;
  /** null when it is closed on this side. */
  private sink: StreamSink | null;
  private isPaused = false;
  /** What the other side knows. */
  private wasPaused = false;
  private isClosed = false;
  private isToTell = false;

  constructor(owner: Dialled, number: number, sink: StreamSink) {
    this.owner = owner;
    this.number = number;
    this.sink = sink;
  }

  resume(): void {
    this.isPaused = false;
    this.touch();
  }

  close(): void {
    if (this.sink === null) return;
    this.sink = null;
    this.touch();
  }

  event(value: unknown, buffer: Buffer, from: number, to: number): void {
    if (this.sink === null || this.sink.event(value, buffer, from, to)) return;
    this.isPaused = true;
    this.touch();
  }

  ended(): void {
    this.finish(null);
  }

  failed(failure: Failure): void {
    this.finish(failure);
  }

  /** Pausing and resuming in one turn says nothing. */
  tell({ out }: Connection): void {
    this.isToTell = false;
    if (this.isClosed) return;
    if (this.sink === null) {
      this.isClosed = true;
      out.signal(CANCEL, this.number);
    } else if (this.isPaused !== this.wasPaused) {
      this.wasPaused = this.isPaused;
      out.signal(this.isPaused ? PAUSE : RESUME, this.number);
    }
  }

  private touch(): void {
    if (this.isToTell || this.isClosed) return;
    this.isToTell = true;
    this.owner.tellSoon(this);
  }

  private finish(failure: Failure | null): void {
    const { sink } = this;
    this.sink = null;
    this.isClosed = true;
    sink?.ended(failure);
  }
}
