/**
 * The events of one actor as an async iterable that outlives connections.
 *
 * W1  Events come in order of seq, each once: after an interruption the watch opens again at the next seq that is missing, and what
 *     comes twice is dropped. An event that skips one is not given out; the watch opens again.
 * W2  What a slow consumer has not taken is bounded: the watch is ended at the node, and opens again once all is taken.
 */

import { TroupeClientError } from './errors.ts';
import type { WatchedEvent } from './types.ts';

export interface WatchHost {
  readonly isUp: boolean;
  /** Opens under a fresh id, and returns that. */
  openWatch(watch: EventStream): string;
  endWatch(id: string): void;
  forgetWatch(watch: EventStream): void;
  retryLater(attempt: number, then: () => void): void;
}

interface Waiting<B> {
  readonly resolve: (result: IteratorResult<WatchedEvent<B>, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export class EventStream<B = unknown> implements AsyncIterableIterator<WatchedEvent<B>, undefined, undefined> {
  readonly actor: string;
  /** The next event wanted; 0 until it is known where "now" is. */
  from: number;
  private readonly host: WatchHost;
  private readonly bufferMax: number;
  private id: string | null = null;
  private readonly events: WatchedEvent<B>[] = [];
  private readonly waiting: Waiting<B>[] = [];
  private failure: unknown = null;
  private isOver = false;
  private isHeld = false;
  private failures = 0;

  constructor(host: WatchHost, actor: string, from: number, bufferMax: number) {
    this.host = host;
    this.actor = actor;
    this.from = from;
    this.bufferMax = bufferMax;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<WatchedEvent<B>, undefined>> {
    const event = this.events.shift();
    if (event !== undefined) {
      if (this.isHeld && this.events.length === 0) {
        this.isHeld = false;
        this.open();
      }
      return Promise.resolve({ value: event, done: false });
    }
    if (this.failure !== null) {
      const { failure } = this;
      this.failure = null;
      return Promise.reject(failure);
    }
    if (this.isOver) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => { this.waiting.push({ resolve, reject }); });
  }

  return(): Promise<IteratorResult<WatchedEvent<B>, undefined>> {
    this.finish(null);
    this.events.length = 0;
    return Promise.resolve({ value: undefined, done: true });
  }

  // From the client.

  open(): void {
    if (this.isOver || this.isHeld || this.id !== null || !this.host.isUp) return;
    this.id = this.host.openWatch(this as EventStream);
  }

  onDown(): void {
    this.id = null;
  }

  onOpened(seq: number): void {
    this.failures = 0;
    if (this.from === 0) this.from = seq + 1;
  }

  onEvent(seq: number, event: string, body: unknown): void {
    if (this.isOver || seq < this.from) return;
    if (seq > this.from) {
      this.interrupt();
      this.open();
      return;
    }
    this.from = seq + 1;
    const watched: WatchedEvent<B> = { seq, event, body: body as B };
    const taker = this.waiting.shift();
    if (taker !== undefined) {
      taker.resolve({ value: watched, done: false });
      return;
    }
    this.events.push(watched);
    if (this.events.length < this.bufferMax) return;
    this.interrupt();
    this.isHeld = true;
  }

  onError(error: TroupeClientError): void {
    this.id = null;
    if (!error.retryable) {
      this.finish(error);
      return;
    }
    this.host.retryLater(++this.failures, () => this.open());
  }

  finish(failure: unknown): void {
    if (this.isOver) return;
    this.interrupt();
    this.isOver = true;
    this.host.forgetWatch(this as EventStream);
    const taker = failure === null ? undefined : this.waiting.shift();
    if (taker !== undefined) taker.reject(failure);
    else this.failure = failure;
    for (const waiting of this.waiting.splice(0)) waiting.resolve({ value: undefined, done: true });
  }

  private interrupt(): void {
    if (this.id !== null) this.host.endWatch(this.id);
    this.id = null;
  }
}
