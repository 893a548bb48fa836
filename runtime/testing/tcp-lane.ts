/** One direction of one connection through a TcpProxy: what came in at one end and has not gone out at the other. */

import type { Socket } from 'node:net';

/** Of all connections in one direction; changed by the proxy, which then calls `pump`. */
export interface Weather {
  isHeld: boolean;
  delayMs: number;
  /** Bytes that went out. */
  deliveredBytes: number;
}

export class Lane {
  /** As `Weather.isHeld`, of this connection alone; `pump` is called then too. */
  isHeld = false;
  /** Null is the end of the stream: it waits its turn like the bytes before it. */
  private readonly queue: { readonly chunk: Buffer | null; readonly dueAt: number }[] = [];
  private readonly target: Socket;
  private readonly weather: Weather;
  private timer: NodeJS.Timeout | undefined;
  private isEnded = false;

  constructor(target: Socket, weather: Weather) {
    this.target = target;
    this.weather = weather;
  }

  get heldBytes(): number {
    return this.queue.reduce((sum, { chunk }) => sum + (chunk?.length ?? 0), 0);
  }

  /** Whatever the target says about its room: a test's bytes are few. */
  push(chunk: Buffer): void {
    if (this.isEnded) return;
    this.queue.push({ chunk, dueAt: performance.now() + this.weather.delayMs });
    this.pump();
  }

  /** No more will come. A second call changes nothing. */
  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.queue.push({ chunk: null, dueAt: performance.now() + this.weather.delayMs });
    this.pump();
  }

  /** Sends what may go. */
  pump(): void {
    clearTimeout(this.timer);
    while (this.queue.length > 0 && !this.weather.isHeld && !this.isHeld) {
      const waitMs = this.queue[0]!.dueAt - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.pump(), Math.ceil(waitMs));
        return;
      }
      this.send(this.queue.shift()!.chunk);
    }
  }

  /** What has not gone out is lost. */
  drop(): void {
    clearTimeout(this.timer);
    this.queue.length = 0;
    this.isEnded = true;
  }

  /** As if everything that waits had been due long ago. */
  release(): void {
    for (const [i, { chunk }] of this.queue.entries()) this.queue[i] = { chunk, dueAt: 0 };
    this.pump();
  }

  private send(chunk: Buffer | null): void {
    if (this.target.destroyed) return;
    if (chunk === null) {
      this.target.end();
      return;
    }
    this.weather.deliveredBytes += chunk.length;
    this.target.write(chunk);
  }
}
