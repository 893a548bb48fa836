/**
 * A connection that another node dialled, seen as the side that serves: its requests on their way through handlers, and the
 * streams that it has open.
 *
 * Y1  Each request and each stream that was read gets exactly one ANSWER, FAILED or END: the other side forgets its number only then.
 * Y2  What is in flight is bounded in number and bytes, whatever the other side thinks of it. Beyond the bound a request is refused
 *     before a handler has seen it, which is a definite no.
 * Y3  When too much waits for the socket, an answer is replaced by UNKNOWN_OUTCOME: it is small, and the truth as far as the
 *     one who asks may build on it. A stream that goes on in spite of a pause ends with SLOW_READER.
 */

import type { Socket } from 'node:net';

import { Connection } from './connection.ts';
import type { ConnectionUser } from './connection.ts';
import { ANSWER, BadFrame, CANCEL, END, EVENT, FAILED, FROM_ASKER, MESSAGE, OPEN, PAUSE, REQUEST, RESUME, TooLarge } from './frames.ts';
import type { Message } from './frames.ts';
import type { TransportHost } from './settings.ts';
import type { Incoming, IncomingRequest, IncomingStream, NodeIdentity, PeerError, Stream } from './transport.ts';

const EMPTY = Buffer.alloc(0);

export interface Handlers {
  readonly requests: ReadonlyMap<number, (request: IncomingRequest) => void>;
  readonly messages: ReadonlyMap<number, (message: Incoming) => void>;
  readonly streams: ReadonlyMap<number, (stream: IncomingStream) => Stream>;
}

export class Served implements ConnectionUser {
  readonly allowed = FROM_ASKER;
  readonly isPausedByOutput = true;
  readonly from: NodeIdentity;
  readonly connection: Connection;
  readonly host: TransportHost;
  private readonly handlers: Handlers;
  private readonly onEnded: (message: string) => void;
  private readonly streams = new Map<number, ServedStream>();
  private requests = 0;
  private requestBytes = 0;
  /** Streams that wait until nothing waits for the socket. */
  private held: ServedStream[] = [];

  constructor(host: TransportHost, from: NodeIdentity, handlers: Handlers, onEnded: (message: string) => void) {
    this.host = host;
    this.from = from;
    this.handlers = handlers;
    this.onEnded = onEnded;
    this.connection = new Connection(host, this);
  }

  attach(socket: Socket, rest: Buffer): void {
    this.connection.attach(socket, rest);
  }

  close(message: string): void {
    this.connection.close(message);
  }

  onMessage(message: Message, buffer: Buffer): void {
    switch (message.type) {
      case REQUEST:
        this.onRequest(message, buffer);
        break;
      case MESSAGE:
        this.onTold(message, buffer);
        break;
      case OPEN:
        this.onOpen(message, buffer);
        break;
      default:
        // The stream may have ended while this was on its way.
        this.streams.get(message.number)?.told(message.type);
    }
  }

  onFlush(): void {
    // Everything that is to be said stands in `out` already.
  }

  onDrained(): void {
    const { held } = this;
    this.held = [];
    for (const stream of held) stream.goOn();
  }

  onClosed(message: string): void {
    this.onEnded(message);
    const streams = [...this.streams.values()];
    this.streams.clear();
    this.held = [];
    for (const stream of streams) stream.leave();
  }

  // For requests and streams.

  release(bytes: number): void {
    this.requests--;
    this.requestBytes -= bytes;
  }

  forget(stream: ServedStream): void {
    this.streams.delete(stream.number);
  }

  /** Whether as much waits as streams may fill. */
  get isHeld(): boolean {
    return this.connection.queuedBytes > this.host.limits.queuedBytesPauseAt;
  }

  get isFull(): boolean {
    return this.connection.queuedBytes > this.host.limits.queuedBytesMax;
  }

  hold(stream: ServedStream): void {
    this.held.push(stream);
  }

  write(type: number, number: number, value: unknown, buffer: Buffer, from: number, to: number): void {
    if (this.connection.isClosed) return;
    this.connection.out.message(type, number, 0, value, buffer, from, to);
    this.connection.touch();
  }

  writeError(number: number, { code, message, reason }: PeerError): void {
    this.write(FAILED, number, [code, message, reason ?? null], EMPTY, 0, 0);
  }

  writeEnd(number: number): void {
    if (this.connection.isClosed) return;
    this.connection.out.signal(END, number);
    this.connection.touch();
  }

  private onRequest(message: Message, buffer: Buffer): void {
    const { limits, stats } = this.host;
    const { bytes } = message;
    const handler = this.handlers.requests.get(message.method);
    if (handler === undefined) {
      this.writeError(message.number, unknownMethod('requests', message.method));
    } else if (this.requests >= limits.requestsInFlightMax || this.requestBytes + bytes > limits.requestBytesInFlightMax) {
      stats.refused++;
      this.writeError(message.number, { code: 'OVERLOADED', message: `${this.requests} requests of node ${this.from.node} are in flight, ${this.requestBytes} bytes` });
    } else {
      this.requests++;
      this.requestBytes += bytes;
      stats.requestsServed++;
      const request = new ServedRequest(this, message, buffer);
      try {
        handler(request);
      } catch (error) {
        this.host.onDefect(error);
        request.failOnce(thrown('request', message.method));
      }
    }
  }

  private onTold(message: Message, buffer: Buffer): void {
    const handler = this.handlers.messages.get(message.method);
    if (handler === undefined) {
      this.host.log.warn({ node: this.from.node, method: message.method }, 'a message that no handler takes');
      return;
    }
    try {
      handler({ from: this.from, value: message.value, buffer, bodyFrom: message.from, bodyTo: message.to });
    } catch (error) {
      this.host.onDefect(error);
    }
  }

  private onOpen(message: Message, buffer: Buffer): void {
    const { number, method } = message;
    const handler = this.handlers.streams.get(method);
    if (this.streams.has(number)) throw new BadFrame(`stream ${number} is open already`);
    if (handler === undefined) {
      this.writeError(number, unknownMethod('streams', method));
    } else if (this.streams.size >= this.host.limits.streamsMax) {
      this.host.stats.refused++;
      this.writeError(number, { code: 'OVERLOADED', message: `node ${this.from.node} has ${this.streams.size} streams open` });
    } else {
      const stream = new ServedStream(this, message, buffer);
      this.streams.set(number, stream);
      try {
        stream.start(handler(stream));
      } catch (error) {
        this.host.onDefect(error);
        stream.end(thrown('stream', method));
      }
    }
  }
}

function unknownMethod(what: string, method: number): PeerError {
  return { code: 'INTERNAL', message: `this node has no handler for ${what} of method ${method}` };
}

function thrown(what: string, method: number): PeerError {
  return { code: 'INTERNAL', message: `the handler for a ${what} of method ${method} has failed; see the log of the node` };
}

class ServedRequest implements IncomingRequest {
  readonly value: unknown;
  readonly buffer: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;
  private readonly owner: Served;
  private readonly number: number;
  private readonly bytes: number;
  private isAnswered = false;

  constructor(owner: Served, { number, value, from, to, bytes }: Message, buffer: Buffer) {
    this.owner = owner;
    this.number = number;
    this.bytes = bytes;
    this.value = value;
    this.buffer = buffer;
    this.bodyFrom = from;
    this.bodyTo = to;
  }

  get from(): NodeIdentity {
    return this.owner.from;
  }

  answer(value?: unknown, buffer: Buffer = EMPTY, from = 0, to = buffer.length): void {
    this.settle();
    const { owner } = this;
    if (owner.isFull) {
      owner.writeError(this.number, { code: 'UNKNOWN_OUTCOME', message: 'more answers wait for this node than it reads; this one was dropped' });
      return;
    }
    try {
      owner.write(ANSWER, this.number, value, buffer, from, to);
    } catch (error) {
      if (!(error instanceof TooLarge)) owner.host.onDefect(error);
      owner.writeError(this.number, { code: 'INTERNAL', message: `the answer cannot be sent: ${(error as Error).message}` });
    }
  }

  fail(error: PeerError): void {
    this.settle();
    this.owner.writeError(this.number, error);
  }

  failOnce(error: PeerError): void {
    if (!this.isAnswered) this.fail(error);
  }

  private settle(): void {
    if (this.isAnswered) throw new Error('a request is answered once');
    this.isAnswered = true;
    this.owner.release(this.bytes);
  }
}

class ServedStream implements IncomingStream {
  readonly number: number;
  readonly value: unknown;
  readonly buffer: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;
  private readonly owner: Served;
  /** What serves it; null until the handler has returned, and after the end. */
  private source: Stream | null = null;
  private hasEnded = false;
  private isLeft = false;
  private isPaused = false;
  /** The source was told to stop, and waits for `resume`. */
  private isWaiting = false;
  private isHeld = false;

  constructor(owner: Served, { number, value, from, to }: Message, buffer: Buffer) {
    this.owner = owner;
    this.number = number;
    this.value = value;
    this.buffer = buffer;
    this.bodyFrom = from;
    this.bodyTo = to;
  }

  get from(): NodeIdentity {
    return this.owner.from;
  }

  start(source: Stream): void {
    // The connection, or the stream, can break while the handler runs: its first events may have been too many.
    if (this.isLeft) source.close();
    else if (!this.hasEnded) this.source = source;
  }

  event(value?: unknown, buffer: Buffer = EMPTY, from = 0, to = buffer.length): boolean {
    if (this.hasEnded || this.isLeft) return false;
    const { owner } = this;
    if (owner.isFull) {
      this.break({ code: 'SLOW_READER', message: 'more events wait for this node than it reads' });
      return false;
    }
    try {
      owner.write(EVENT, this.number, value, buffer, from, to);
    } catch (error) {
      if (!(error instanceof TooLarge)) owner.host.onDefect(error);
      this.break({ code: 'INTERNAL', message: `an event cannot be sent: ${(error as Error).message}` });
      return false;
    }
    if (!this.isPaused && !owner.isHeld) return true;
    this.isWaiting = true;
    this.holdIfFull();
    return false;
  }

  end(error?: PeerError): void {
    if (this.hasEnded || this.isLeft) return;
    this.hasEnded = true;
    this.source = null;
    this.owner.forget(this);
    if (error === undefined) this.owner.writeEnd(this.number);
    else this.owner.writeError(this.number, error);
  }

  /** A signal of the side that opened it. */
  told(type: number): void {
    if (type === PAUSE) {
      this.isPaused = true;
    } else if (type === RESUME) {
      this.isPaused = false;
      this.goOn();
    } else if (type === CANCEL) {
      this.owner.forget(this);
      this.owner.writeEnd(this.number);
      this.leave();
    }
  }

  /** Resumes the source, unless something still stands against it. */
  goOn(): void {
    this.isHeld = false;
    if (!this.isWaiting || this.isPaused || this.holdIfFull()) return;
    this.isWaiting = false;
    const { source } = this;
    if (source !== null) this.guarded(() => source.resume());
  }

  /** Nobody listens any more. */
  leave(): void {
    this.isLeft = true;
    const { source } = this;
    this.source = null;
    if (source !== null) this.guarded(() => source.close());
  }

  private break(error: PeerError): void {
    const { source } = this;
    this.end(error);
    this.isLeft = true;
    if (source !== null) this.guarded(() => source.close());
  }

  private holdIfFull(): boolean {
    if (!this.owner.isHeld) return false;
    if (!this.isHeld) {
      this.isHeld = true;
      this.owner.hold(this);
    }
    return true;
  }

  private guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.owner.host.onDefect(error);
    }
  }
}
