/**
 * One socket behind its handshake, as both sides have it: what waits to be written, what is read, and whether anybody is still
 * there. Who asks (dialled.ts) and who serves (served.ts) differ in what they make of messages.
 *
 * M1  The socket gets bytes only when it has passed on all that it got before. So what waits here was not handed over, and who
 *     asks knows which requests have not left (X1).
 * M2  While the socket of a side that serves holds back more than the mark, nothing is read from it; a peer that takes nothing of
 *     it for the time of X5 is gone. The side that asks always reads. [Both wait with full sockets until the other one reads.]
 */

import type { Socket } from 'node:net';

import { BadFrame, FrameReader, FrameWriter, PING, PONG, readFrame } from './frames.ts';
import type { Message } from './frames.ts';
import type { TransportHost } from './settings.ts';

/** What a connection tells the side that it serves. */
export interface ConnectionUser {
  /** What may come from the other side. */
  readonly allowed: number;
  /** Whether reading stops while too much waits to be written (M2). */
  readonly isPausedByOutput: boolean;
  /** One message of a frame that was read whole. A thrown BadFrame ends the connection. */
  onMessage(message: Message, buffer: Buffer): void;
  /** What waits is handed to the socket after this call. */
  onFlush(): void;
  /** Nothing waits any more. */
  onDrained(): void;
  /** The last call. */
  onClosed(message: string): void;
}

export class Connection {
  readonly out: FrameWriter;
  private readonly host: TransportHost;
  private readonly user: ConnectionUser;
  private readonly reader: FrameReader;
  private socket: Socket | null = null;
  private isTouched = false;
  private isWriting = false;
  private isPaused = false;
  private isEnding = false;
  private hasClosed = false;
  private wasHeard = true;
  private silentChecks = 0;

  constructor(host: TransportHost, user: ConnectionUser) {
    this.host = host;
    this.user = user;
    this.out = new FrameWriter(host.limits.messageBytesMax);
    this.reader = new FrameReader(host.limits.messageBytesMax);
  }

  get isClosed(): boolean {
    return this.hasClosed;
  }

  /** What waits, here and in the socket. */
  get queuedBytes(): number {
    return this.out.length + (this.socket?.writableLength ?? 0);
  }

  /** The handshake is done; `rest` came behind it. What was said before goes out now. */
  attach(socket: Socket, rest: Buffer): void {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('timeout', () => {
      if (this.isPaused) this.closeSilent('it takes nothing of what waits for it');
    });
    if (rest.length > 0) this.onData(rest);
    this.touch();
  }

  /** Something was written to `out`. */
  touch(): void {
    // A burst goes out in parts, so that its end meets a queue that has moved.
    if (this.out.length > this.host.limits.queuedBytesPauseAt && !this.isWriting) this.flush();
    if (this.isTouched || this.isWriting || this.out.length === 0) return;
    this.isTouched = true;
    this.host.flushSoon(this);
  }

  flush(): void {
    this.isTouched = false;
    const { out, socket } = this;
    // A socket that has failed calls back before it says so. What waits for it has not left, and must not be handed to it (M1).
    if (socket === null || socket.destroyed || this.hasClosed || this.isWriting) return;
    this.user.onFlush();
    if (out.length === 0) return;
    out.finish();
    this.host.stats.bytesOut += out.length;
    this.isWriting = true;
    socket.write(out.view(), this.onWritten);
    if (socket.writableLength === 0) {
      this.isWriting = false;
      out.reset();
    } else {
      out.replace();
      if (this.user.isPausedByOutput && socket.writableLength > this.host.limits.queuedBytesPauseAt) this.pause();
    }
  }

  /** Called every checkMs (X5). */
  check(): void {
    if (this.socket === null || this.isPaused || this.hasClosed) return;
    if (this.wasHeard) {
      this.wasHeard = false;
      this.silentChecks = 0;
    } else if (++this.silentChecks > this.host.limits.silentChecksMax) {
      this.closeSilent('nothing came from it');
    } else {
      this.out.signal(PING);
      this.touch();
    }
  }

  /** Hands over what waits, and ends when the other side has it, at the latest after closeTimeMaxMs. */
  end(message: string): void {
    if (this.socket === null || this.hasClosed) {
      this.close(message);
      return;
    }
    this.isEnding = true;
    this.flush();
    if (!this.isWriting) this.finish(message);
    else this.host.scheduler.later(this.host.limits.closeTimeMaxMs, () => this.close(message));
  }

  close(message: string): void {
    if (this.hasClosed) return;
    this.hasClosed = true;
    this.socket?.destroy();
    this.user.onClosed(message);
  }

  private readonly onWritten = (): void => {
    if (!this.isWriting || this.hasClosed || this.socket!.writableLength > 0) return;
    this.isWriting = false;
    this.flush();
    if (this.isWriting || this.socket!.destroyed) return;
    if (this.isEnding) {
      this.finish('the node is stopping');
      return;
    }
    this.resume();
    this.user.onDrained();
  };

  private finish(message: string): void {
    const { socket } = this;
    this.hasClosed = true;
    socket!.destroySoon();
    this.user.onClosed(message);
  }

  private pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    const { checkMs, silentChecksMax } = this.host.limits;
    // The socket's own clock: it knows whether something of a long write has gone.
    this.socket!.setTimeout(checkMs * (silentChecksMax + 1));
    this.socket!.pause();
  }

  private resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.wasHeard = true;
    this.socket!.setTimeout(0);
    this.socket!.resume();
  }

  private onData(chunk: Buffer): void {
    if (this.hasClosed || this.isEnding) return;
    this.wasHeard = true;
    this.host.stats.bytesIn += chunk.length;
    try {
      this.reader.push(chunk, this.onFrame);
    } catch (error) {
      if (!(error instanceof BadFrame)) {
        this.host.onDefect(error);
        this.close('a defect met while reading from it');
        return;
      }
      this.host.stats.badFrames++;
      this.close(error.message);
    }
  }

  private readonly onFrame = (buffer: Buffer, from: number, to: number): boolean => {
    const messages = readFrame(buffer, from, to, this.user.allowed);
    for (let i = 0; i < messages.length && !this.hasClosed; i++) this.onMessage(messages[i]!, buffer);
    return !this.hasClosed;
  };

  private onMessage(message: Message, buffer: Buffer): void {
    if (message.type === PING) {
      this.out.signal(PONG);
      this.touch();
    } else if (message.type !== PONG) {
      this.user.onMessage(message, buffer);
    }
  }

  private closeSilent(what: string): void {
    this.host.stats.closedSilent++;
    const { checkMs, silentChecksMax } = this.host.limits;
    this.close(`${what} for ${checkMs * (silentChecksMax + 1)} ms`);
  }
}
