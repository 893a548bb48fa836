/**
 * One client: reads its frames, hands its requests to the engine, writes what comes back.
 *
 * C1  What a turn has to say goes out in one write at its end (`touch`, then `flush`).
 * C2  What waits for a client is bounded. Above one mark nothing more is read from it and its watches pause; above the
 *     second it is closed. A client that does not read can hold neither memory nor the engine.
 * C3  A frame that cannot be read has no effect, is answered, and the connection serves on. Many of them end it.
 */

import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

import type { AnswerError, Engine } from '../actor/engine.ts';
import type { Codec } from './codec.ts';
import type { Flusher } from './flusher.ts';
import { Intake, TAKEN_BYTES_MAX } from './intake.ts';
import { hashId, OpenRequests } from './open-requests.ts';
import { Outgoing } from './outgoing.ts';
import { OpenWatch } from './requests.ts';
import type { Incoming, PendingCommand, PendingGet } from './requests.ts';
import type { GatewayLimits, GatewayStats } from './settings.ts';
import type { Timers } from './timers.ts';
import { WayTime } from './way-time.ts';

export const CLOSE_BAD_FRAMES = 4400;
export const CLOSE_UNAUTHENTICATED = 4401;
export const CLOSE_FORBIDDEN = 4403;
export const CLOSE_SUBPROTOCOL = 4406;
export const CLOSE_IDLE = 4408;
export const CLOSE_SLOW_READER = 4429;
export const CLOSE_INTERNAL = 4500;
export const CLOSE_GOING_AWAY = 1001;

const PAUSED_FOR_OUTPUT = 1;
const PAUSED_FOR_ENGINE = 2;

const SAMPLE_EVERY = 64;
/** Clocks of clients go a little slower or faster than ours. */
const CLOCK_SHARE = 1.0002;

/** Requests of the frame being read. Shared: a frame is read and started in one go. */
const incoming: Incoming[] = [];

/** What a connection needs of its gateway. */
export interface ConnectionHost {
  readonly engine: Engine;
  readonly limits: GatewayLimits;
  readonly stats: GatewayStats;
  readonly timers: Timers;
  readonly flusher: Flusher;
  now(): number;
  onCommandTime(ms: number): void;
  /** Something of ours broke while serving this connection. */
  onDefect(error: unknown): void;
}

export class Connection {
  readonly codec: Codec;
  readonly principal: string;
  readonly session: string;
  readonly engine: Engine;
  readonly stats: GatewayStats;
  readonly out = new Outgoing();
  private readonly host: ConnectionHost;
  private readonly webSocket: WebSocket;
  private readonly socket: Socket;
  /** Open commands, gets and watches by their ids (R2). */
  private readonly open = new OpenRequests<PendingCommand | PendingGet | OpenWatch>();
  private inFlight = 0;
  private watches = 0;
  private badFrames = 0;
  private pausedFor = 0;
  private pausedWatches: OpenWatch[] = [];
  private readonly pauseAt: number;
  private readonly openedMs: number;
  private wayTime: WayTime | null = null;
  private isTouched = false;
  private isClosed = false;
  /** Whether anything came since the last look at idleness. */
  private wasActive = true;
  private wasPinged = false;
  private bytesTakenBefore = 0;

  constructor(host: ConnectionHost, webSocket: WebSocket, socket: Socket, codec: Codec, principal: string, session: string) {
    this.host = host;
    this.openedMs = host.now();
    this.engine = host.engine;
    this.stats = host.stats;
    this.webSocket = webSocket;
    this.socket = socket;
    this.codec = codec;
    this.principal = principal;
    this.session = session;
    // Below the socket's own mark no drain event would tell us to go on.
    this.pauseAt = Math.max(host.limits.queuedBytesPauseAt, socket.writableHighWaterMark);
    webSocket.on('message', (data, isBinary) => this.onFrame(data as Buffer, 0, (data as Buffer).length, isBinary));
    if (host.limits.frameBytesMax >= TAKEN_BYTES_MAX) this.takeShortWay();
    webSocket.on('pong', () => { this.wasActive = true; });
    webSocket.on('ping', () => { this.wasActive = true; });
    socket.on('drain', () => this.onDrain());
  }

  // Requests.

  startCommand(command: PendingCommand): void {
    if (!this.admit(command)) return;
    if (++this.stats.commands % SAMPLE_EVERY === 0) command.timing = { startedMs: this.host.now() };
    if (command.deadlineMs > 0) {
      command.timer = this.host.timers.add(command.deadlineMs, () => {
        command.failed({ code: 'DEADLINE_EXCEEDED', message: `no answer within ${command.deadlineMs} ms` });
      });
    }
    if (command.sentMs > 0 && command.key !== '') command.waitedMs = this.lateBy(command.sentMs);
    this.engine.submit(command);
  }

  /** How late something comes that was sent `sentMs` after the client saw this connection open, by its clock: that was no sooner than we did. */
  private lateBy(sentMs: number): number {
    const now = this.host.now();
    this.wayTime ??= new WayTime();
    return this.wayTime.heard(sentMs, now, (now - this.openedMs) * CLOCK_SHARE - sentMs);
  }

  startGet(get: PendingGet): void {
    if (!this.admit(get)) return;
    this.stats.gets++;
    this.engine.get(get);
  }

  /** Whether the engine's answer is still wanted (R1); it is then the answer. */
  settle(request: PendingCommand | PendingGet): boolean {
    if (request.answered) return false;
    request.answered = true;
    if (request.timer !== null) this.host.timers.cancel(request.timer);
    if (this.isClosed) return false;
    this.open.remove(request);
    this.inFlight--;
    if (request.timing !== null) this.host.onCommandTime(this.host.now() - request.timing.startedMs);
    return true;
  }

  admitWatch(watch: OpenWatch): boolean {
    if (!this.admitId(watch)) return false;
    if (this.watches >= this.host.limits.watchesPerConnectionMax) {
      this.tooMany(watch, `${this.host.limits.watchesPerConnectionMax} watches`);
      return false;
    }
    this.open.add(watch);
    this.watches++;
    this.stats.watches++;
    return true;
  }

  forgetWatch(watch: OpenWatch): void {
    if (!this.open.remove(watch)) return;
    this.watches--;
    this.stats.watches--;
  }

  openWatch(id: string): OpenWatch | null {
    const found = this.open.find(id, hashId(id));
    return found instanceof OpenWatch ? found : null;
  }

  answerError(id: string | null, listed: boolean, error: AnswerError): void {
    if (this.isClosed) return;
    const { errors } = this.stats;
    errors.set(error.code, (errors.get(error.code) ?? 0) + 1);
    this.codec.failed(this.out, id, listed, error);
    this.touch();
    if (error.code === 'OVERLOADED') this.restForEngine();
  }

  // Output.

  touch(): void {
    if (this.isTouched) return;
    this.isTouched = true;
    this.host.flusher.add(this);
  }

  /** Writes what this turn has to say (C1). */
  flush(): void {
    this.isTouched = false;
    const { out, socket } = this;
    if (this.isClosed || out.length === 0) return;
    // After a close frame nothing may follow.
    if (this.webSocket.readyState !== this.webSocket.OPEN) {
      out.reset();
      return;
    }
    out.finish();
    socket.write(out.view());
    if (socket.writableLength === 0) out.reset();
    else out.replace();
    this.checkQueue();
  }

  /** Whether this watch may go on; if not, it is resumed when what waits for the client has gone (C2). */
  mayGoOn(watch: OpenWatch): boolean {
    if (this.queuedBytes() <= this.pauseAt) return true;
    this.pausedWatches.push(watch);
    return false;
  }

  // Life.

  /** Says goodbye after what was said before; the close frame is the last thing this client gets. */
  close(code: number, reason: string): void {
    this.flush();
    this.webSocket.close(code, reason);
    this.onClosed();
  }

  onClosed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const request of this.open.all()) {
      if (request instanceof OpenWatch) {
        request.close();
        this.stats.watches--;
      } else if (request.timer !== null) {
        this.host.timers.cancel(request.timer);
      }
    }
    this.open.clear();
    this.pausedWatches = [];
    this.out.reset();
  }

  /** Called once an idle period: a silent client is asked once, and taken for gone when it stays silent. */
  checkIdle(): void {
    if (this.isClosed) return;
    if (this.pausedFor !== 0) {
      // We do not read from it, so its pong cannot be seen; but it must take something of what waits for it.
      const taken = this.socket.bytesWritten - this.socket.writableLength;
      if ((this.pausedFor & PAUSED_FOR_OUTPUT) !== 0 && taken === this.bytesTakenBefore) this.closeSlowReader();
      this.bytesTakenBefore = taken;
      this.wasActive = true;
      return;
    }
    if (this.wasActive) {
      this.wasActive = this.wasPinged = false;
    } else if (this.wasPinged) {
      this.stats.closedIdle++;
      this.close(CLOSE_IDLE, 'no answer to a ping');
    } else {
      this.wasPinged = true;
      this.webSocket.ping();
    }
  }

  /** Puts `Intake` before the listener through which ws gets the bytes of the socket. */
  private takeShortWay(): void {
    const { socket, webSocket } = this;
    const listeners = socket.listeners('data') as ((chunk: Buffer) => void)[];
    // As ws is today. Should it ever listen in another way, everything goes through it, and only time is lost.
    if (listeners.length !== 1) return;
    const toWs = listeners[0]!;
    let isBroken = false;
    webSocket.on('error', () => { isBroken = true; });
    const intake = new Intake(
      (buffer, from, to, isBinary) => {
        // What follows the client's close frame is not for us.
        if (webSocket.readyState === webSocket.OPEN) this.onFrame(buffer, from, to, isBinary);
      },
      (chunk) => { if (!isBroken) toWs.call(socket, chunk); },
    );
    socket.off('data', toWs);
    socket.on('data', (chunk: Buffer) => intake.data(chunk));
  }

  private onFrame(buffer: Buffer, from: number, to: number, isBinary: boolean): void {
    // Frames of a chunk in which we have closed the connection may still come.
    if (this.isClosed) return;
    this.wasActive = true;
    this.stats.framesIn++;
    try {
      this.readFrame(buffer, from, to, isBinary);
    } catch (error) {
      incoming.length = 0;
      this.host.onDefect(error);
      this.close(CLOSE_INTERNAL, 'internal error');
    }
  }

  private readFrame(buffer: Buffer, from: number, to: number, isBinary: boolean): void {
    const { codec } = this;
    if (isBinary !== codec.isBinary) {
      this.badFrame({ code: 'BAD_FRAME', message: `${codec.subprotocol} has ${codec.isBinary ? 'binary' : 'text'} frames only` });
      return;
    }
    const fault = codec.read(buffer, from, to, this, incoming);
    if (fault !== null) {
      incoming.length = 0;
      this.badFrame(fault);
      return;
    }
    this.badFrames = 0;
    for (let i = 0; i < incoming.length; i++) incoming[i]!.start();
    incoming.length = 0;
  }

  private badFrame(fault: AnswerError): void {
    this.answerError(null, false, fault);
    if (++this.badFrames < this.host.limits.badFramesPerConnectionMax) return;
    this.close(CLOSE_BAD_FRAMES, 'too many frames that cannot be read');
  }

  private admit(request: PendingCommand | PendingGet): boolean {
    if (!this.admitId(request)) return false;
    if (this.inFlight >= this.host.limits.requestsInFlightPerConnectionMax) {
      this.tooMany(request, `${this.host.limits.requestsInFlightPerConnectionMax} requests`);
      return false;
    }
    this.open.add(request);
    this.inFlight++;
    return true;
  }

  private admitId(request: PendingCommand | PendingGet | OpenWatch): boolean {
    if (this.isClosed) return false;
    if (this.open.find(request.id, request.idHash) === null) return true;
    this.answerError(request.id, request.listed, { code: 'DUPLICATE_ID', message: 'an open request of this connection has this id' });
    return false;
  }

  private tooMany(request: PendingCommand | PendingGet | OpenWatch, what: string): void {
    const message = `this connection has ${what} open already`;
    this.answerError(request.id, request.listed, { code: 'TOO_MANY_IN_FLIGHT', message });
  }

  private queuedBytes(): number {
    return this.socket.writableLength + this.out.length;
  }

  private checkQueue(): void {
    const queued = this.queuedBytes();
    if (queued > this.host.limits.queuedBytesPerConnectionMax) this.closeSlowReader();
    else if (queued > this.pauseAt) this.pause(PAUSED_FOR_OUTPUT);
    else this.resumeOutput();
  }

  private onDrain(): void {
    if (!this.isClosed) this.resumeOutput();
  }

  private resumeOutput(): void {
    this.resume(PAUSED_FOR_OUTPUT);
    if (this.pausedWatches.length === 0) return;
    const paused = this.pausedWatches;
    this.pausedWatches = [];
    for (const watch of paused) watch.resume();
  }

  private closeSlowReader(): void {
    this.stats.closedSlow++;
    this.close(CLOSE_SLOW_READER, 'SLOW_READER');
  }

  /** The engine is full: this client's next frames wait in its own send buffer for a moment, not in ours. */
  private restForEngine(): void {
    if ((this.pausedFor & PAUSED_FOR_ENGINE) !== 0) return;
    this.pause(PAUSED_FOR_ENGINE);
    this.host.timers.add(this.host.limits.overloadPauseMs, () => this.resume(PAUSED_FOR_ENGINE));
  }

  private pause(reason: number): void {
    if (this.pausedFor === 0) this.webSocket.pause();
    this.pausedFor |= reason;
  }

  private resume(reason: number): void {
    if ((this.pausedFor & reason) === 0) return;
    this.pausedFor &= ~reason;
    if (this.pausedFor === 0 && !this.isClosed) this.webSocket.resume();
  }
}
