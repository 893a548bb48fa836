/**
 * One WebSocket after another: connects, to one address or the next, reconnects with backoff, and packs what is sent within one
 * microtask turn into one frame.
 *
 * L1  What is sent while no connection stands is dropped: whoever has something to say is told by `onUp` and says it anew.
 * L2  A token that was refused, or a node that speaks no JSON, ends the link for good; everything else is tried again.
 * L3  A link that does not last makes one attempt, and is over with its first connection.
 * L4  A connection that does not come about in time, or on which nothing comes although something was asked, is taken for lost: of a
 *     machine that has lost its power nobody says goodbye.
 */

import { backoffMs } from './backoff.ts';
import type { BackoffSettings } from './backoff.ts';
import { localError } from './errors.ts';
import type { TroupeClientError } from './errors.ts';

const SUBPROTOCOL = 'troupe.v1.json';
/** Of UTF-16 units; each is at most three bytes, and a node takes frames of one MiB. */
const FRAME_UNITS_MAX = 300_000;
const FRAME_REQUESTS_MAX = 1_000;
/** Refusals of a token in a row that end the link, when a new one can be asked for. */
const REFUSALS_MAX = 3;
/** As a browser reports a connection that was lost. */
const LOST = 1006;

export interface LinkSettings {
  /** Asked for before every attempt; tried in turn. */
  readonly urls: () => readonly string[];
  readonly isLasting: boolean;
  readonly silenceMaxMs: number;
  readonly token: string | (() => string | Promise<string>) | undefined;
  readonly backoff: BackoffSettings;
  readonly random: () => number;
  readonly WebSocket: typeof WebSocket;
}

export interface LinkOwner {
  onUp(): void;
  /** The connection has gone; nothing that was sent and not answered will be. */
  onDown(): void;
  onMessage(message: unknown): void;
  /** There will be no other connection (L2). */
  onEnd(error: TroupeClientError): void;
  /** An attempt to connect failed at every address; others follow (L3). */
  onUnreachable(): void;
}

export class Link {
  isUp = false;
  /** Of the connection that stands, or the attempt made last. */
  url = '';
  private openedAt = 0;
  private readonly settings: LinkSettings;
  private readonly owner: LinkOwner;
  private socket: WebSocket | null = null;
  private batch: string[] = [];
  private failures = 0;
  private turn = 0;
  /** Addresses that no WebSocket takes. */
  private readonly unusable = new Set<string>();
  private silence: ReturnType<typeof setTimeout> | undefined;
  private refusals = 0;
  private isEnded = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: LinkSettings, owner: LinkOwner) {
    this.settings = settings;
    this.owner = owner;
  }

  start(): void {
    void this.open();
  }

  send(text: string): void {
    if (!this.isUp) return;
    if (this.batch.length === 0) queueMicrotask(() => this.flush());
    this.batch.push(text);
  }

  /** What is sent at `now` says so: milliseconds since this connection was seen open, 1 or more. The node sees then what comes late. */
  sentMs(now: number): number {
    return Math.max(1, Math.ceil(now - this.openedAt));
  }

  /** Sends what the node will answer at once, if it is there at all (L4). */
  ask(text: string): void {
    this.send(text);
    if (this.isUp) this.listen();
  }

  close(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.flush();
    this.isUp = false;
    this.socket?.close(1000);
  }

  /** Gives this connection up for another one. */
  renew(): void {
    this.socket?.close(1000);
  }

  private async open(): Promise<void> {
    if (this.isEnded) return;
    const { token } = this.settings;
    const urls = this.candidates();
    if (urls.length === 0) {
      this.end(localError('BAD_REQUEST', 'there is no address to connect to'));
      return;
    }
    this.url = urls[this.turn % urls.length]!;
    let socket: WebSocket;
    try {
      const value = typeof token === 'function' ? await token() : token;
      if (this.isEnded) return;
      const subprotocols = value === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, `troupe.bearer.${value}`];
      socket = new this.settings.WebSocket(this.url, subprotocols);
    } catch (error) {
      // A bad address or token throws here; no later attempt would do better.
      this.unusable.add(this.url);
      if (urls.length > 1) void this.open();
      else this.end(localError('BAD_REQUEST', error instanceof Error ? error.message : String(error)));
      return;
    }
    this.socket = socket;
    this.listen();
    socket.onopen = () => {
      this.isUp = true;
      this.openedAt = performance.now();
      this.hear();
      // A node that refuses the token closes right after opening: only an answer shows that it was taken.
      this.owner.onUp();
    };
    socket.onmessage = (event) => {
      this.failures = this.refusals = 0;
      this.hear();
      this.onFrame(event.data as string);
    };
    socket.onclose = (event) => this.onClose(event.code, event.reason);
    // What an error event could tell is told by the close event that follows it.
    socket.onerror = () => {};
  }

  private onFrame(text: string): void {
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      // Not one of our nodes: another connection may lead to one, and attempts are bounded.
      this.renew();
      return;
    }
    if (!Array.isArray(data)) {
      this.owner.onMessage(data);
      return;
    }
    for (const message of data as unknown[]) this.owner.onMessage(message);
  }

  private onClose(code: number, reason: string): void {
    this.socket = null;
    this.hear();
    const wasUp = this.isUp;
    this.isUp = false;
    this.batch = [];
    if (this.isEnded) return;
    if (code === 4401 && (typeof this.settings.token !== 'function' || ++this.refusals >= REFUSALS_MAX)) {
      this.end(localError('UNAUTHENTICATED', reason || 'the token was refused'));
    } else if (code === 4403) {
      this.end(localError('FORBIDDEN', reason || 'the token does not allow this'));
    } else if (code === 4406) {
      this.end(localError('BAD_REQUEST', `the node does not speak ${SUBPROTOCOL}`));
    } else {
      this.isEnded = !this.settings.isLasting;
      this.turn++;
      this.failures++;
      if (wasUp) this.owner.onDown();
      const inTurn = this.candidates().length;
      const isRoundOver = this.failures % inTurn === 0;
      if (!wasUp && isRoundOver) this.owner.onUnreachable();
      if (this.isEnded) return;
      const rounds = Math.ceil(this.failures / inTurn);
      const waitMs = wasUp || isRoundOver ? backoffMs(rounds, this.settings.backoff, this.settings.random) : 0;
      this.timer = setTimeout(() => void this.open(), waitMs);
    }
  }

  private candidates(): readonly string[] {
    return this.settings.urls().filter((url) => !this.unusable.has(url));
  }

  /** L4 */
  private listen(): void {
    this.silence ??= setTimeout(() => this.lose(), this.settings.silenceMaxMs);
  }

  private hear(): void {
    clearTimeout(this.silence);
    this.silence = undefined;
  }

  private lose(): void {
    const { socket } = this;
    if (socket === null) return;
    // A socket that nobody answers would report its end much later.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.onClose(LOST, '');
  }

  private end(error: TroupeClientError): void {
    this.isEnded = true;
    this.owner.onEnd(error);
  }

  private flush(): void {
    const { batch } = this;
    this.batch = [];
    if (this.socket === null || !this.isUp) return;
    let first = 0;
    while (first < batch.length) {
      let units = batch[first]!.length;
      let end = first + 1;
      while (end < batch.length && end - first < FRAME_REQUESTS_MAX && units + batch[end]!.length < FRAME_UNITS_MAX) {
        units += batch[end++]!.length;
      }
      this.socket.send(end === first + 1 ? batch[first]! : `[${batch.slice(first, end).join(',')}]`);
      first = end;
    }
  }
}
