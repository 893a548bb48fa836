/**
 * A watch that follows its actor from node to node: what the client sees has no gap and no duplicate, whoever owns the actor
 * meanwhile. Every owner is asked from the event on that is wanted next.
 */

import type { AnswerError, Watch, WatchRequest } from '../runtime/actor/engine.ts';
import type { Scheduler } from '../runtime/actor/seams.ts';
import { WATCH, WATCH_OPENED } from './methods.ts';
import type { WatchEventValue, WatchValue } from './methods.ts';
import type { Failure, Peer } from './transport/transport.ts';

export interface RoutedWatchParts {
  /** Opens a watch in this node's engine. */
  local(request: WatchRequest): Watch;
  /** Where the actor is now: here, at a peer, or not known. */
  locate(): 'here' | Peer | null;
  readonly scheduler: Pick<Scheduler, 'later'>;
}

const RETRY_MS = 25;
/** What a new owner will answer better. */
const passing = new Set(['NOT_OWNER', 'FENCED', 'NOT_READY', 'UNREACHABLE', 'UNKNOWN_OUTCOME', 'STORE_UNAVAILABLE']);

export class RoutedWatch implements Watch {
  private readonly request: WatchRequest;
  private readonly parts: RoutedWatchParts;
  private inner: Watch | null = null;
  /** The event wanted next; 0 until the first owner has said where the actor stands. */
  private next: number;
  private isOpened = false;
  private isClosed = false;

  constructor(request: WatchRequest, parts: RoutedWatchParts) {
    this.request = request;
    this.parts = parts;
    this.next = request.from;
    this.open();
  }

  resume(): void {
    this.inner?.resume();
  }

  close(): void {
    this.isClosed = true;
    this.inner?.close();
    this.inner = null;
  }

  private open(): void {
    if (this.isClosed) return;
    const place = this.parts.locate();
    if (place === null) this.again();
    else if (place === 'here') this.inner = this.parts.local(this.asRequest());
    else this.inner = this.openAt(place);
  }

  private asRequest(): WatchRequest {
    return {
      to: this.request.to,
      format: this.request.format,
      from: this.next,
      opened: (seq) => this.opened(seq),
      event: (seq, name, buffer, from, to) => this.event(seq, name, buffer, from, to),
      failed: (error) => this.failed(error),
    };
  }

  private openAt(peer: Peer): Watch {
    const value: WatchValue = [this.request.to, this.request.format, this.next];
    return peer.openStream(
      {
        event: (what, buffer, from, to) => {
          const [kind, seq, name] = what as WatchEventValue;
          if (kind === WATCH_OPENED) {
            this.opened(seq);
            return true;
          }
          return this.event(seq, name!, buffer, from, to);
        },
        ended: (failure: Failure | null) => this.failed(failure ?? { code: 'NOT_OWNER', message: 'the watch ended' }),
      },
      WATCH,
      value,
    );
  }

  private opened(seq: number): void {
    if (this.next === 0) this.next = seq + 1;
    if (this.isOpened || this.isClosed) return;
    this.isOpened = true;
    this.request.opened(seq);
  }

  private event(seq: number, name: string, buffer: Buffer, from: number, to: number): boolean {
    if (this.isClosed || seq < this.next) return true;
    this.next = seq + 1;
    return this.request.event(seq, name, buffer, from, to);
  }

  private failed(error: AnswerError): void {
    if (this.isClosed) return;
    this.inner = null;
    if (passing.has(error.code)) this.again();
    else {
      this.isClosed = true;
      const { code, message } = error;
      this.request.failed({ code, message });
    }
  }

  private again(): void {
    this.parts.scheduler.later(RETRY_MS, () => this.open());
  }
}
