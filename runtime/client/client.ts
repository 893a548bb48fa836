/**
 * The client for Node and browsers: commands as promises, reads, and watches, over the JSON subprotocol of docs/GATEWAY.md. It
 * needs nothing but a global WebSocket.
 *
 * P1  Every command carries a key, and keeps it through all retries: however often it is sent, it is applied once.
 * P2  Commands to one actor are applied in the order in which `send` was called (see lanes.ts, and `inFlightPerActorMax`), whichever
 *     connections they take. One that was given up with an unknown outcome (P3) may yet be applied, after later ones too.
 * P3  A promise of `send` that fails with a code that is not retryable tells the outcome. DEADLINE_EXCEEDED and DISCONNECTED do
 *     not: send again with the same key to learn it.
 */

import { backoffMs } from './backoff.ts';
import type { BackoffSettings } from './backoff.ts';
import { actorHash } from './bucket-map.ts';
import { Connections } from './connections.ts';
import type { ConnectionsOwner } from './connections.ts';
import { localError, TroupeClientError } from './errors.ts';
import type { WireErrorShape } from './errors.ts';
import { Lanes } from './lanes.ts';
import type { Command } from './lanes.ts';
import type { Link } from './link.ts';
import type {
  AddressOf, AnyCommands, CommandMap, CommandOf, ConnectOptions, Got, SendOptions, Sent, TypeOf, WatchedEvent, WatchOptions,
} from './types.ts';
import { EventStream } from './watch.ts';
import type { WatchHost } from './watch.ts';

export { TroupeClientError } from './errors.ts';
export type { AnyCommands, CommandMap, ConnectOptions, Got, SendOptions, Sent, WatchedEvent, WatchOptions } from './types.ts';

export interface Client<C extends CommandMap = AnyCommands> {
  /** Sends a command, again and again if need be, and gives its reply. @throws TroupeClientError */
  send<A extends AddressOf<C>, K extends CommandOf<C, A>>(
    to: A, command: K, body: C[TypeOf<C, A>][K]['body'], options?: SendOptions,
  ): Promise<Sent<C[TypeOf<C, A>][K]['reply']>>;

  /** The state of an actor. @throws TroupeClientError */
  get<S = unknown>(actor: AddressOf<C>, options?: { readonly deadlineMs?: number }): Promise<Got<S>>;

  /** The events of an actor, as they become durable, across reconnects. Leave the loop, or call `return`, to end it. */
  watch<B = unknown>(actor: AddressOf<C>, options?: WatchOptions): AsyncIterableIterator<WatchedEvent<B>, undefined, undefined>;

  /** Resolves once connected; rejects with UNREACHABLE when an attempt fails before that. Nobody needs to call it. */
  ready(): Promise<void>;

  /** Gives up whatever is open, with DISCONNECTED. */
  close(): void;
}

/** Connects in the background; what is sent meanwhile waits. Of several addresses the next is tried when one does not answer. */
export function connect<C extends CommandMap = AnyCommands>(urls: string | readonly string[], options: ConnectOptions = {}): Client<C> {
  return new TroupeClient(typeof urls === 'string' ? [urls] : urls, options) as unknown as Client<C>;
}

const DEADLINE_DEFAULT_MS = 30_000;
/** What a node accepts as a deadline. */
const DEADLINE_MAX_MS = 300_000;
const BODY_BYTES_MAX = 256 * 1_024;

interface Call extends Command {
  readonly id: string;
  readonly kind: 'command' | 'get';
  /** The request but for id and deadline, as JSON without its brackets. */
  readonly fields: string;
  readonly deadlineAt: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: TroupeClientError) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** When it was sent last; */
  sentAt: number;
  /** and when a try was sent first that may have taken effect. Infinity for none. */
  openSince: number;
}

/** A message of the node; which fields are there depends on what it answers. */
interface Message {
  readonly id: string | null;
  readonly ok?: boolean;
  readonly seq?: number;
  readonly reply?: unknown;
  readonly state?: unknown;
  readonly event?: string;
  readonly body?: unknown;
  readonly error?: WireErrorShape;
}

class TroupeClient implements ConnectionsOwner, WatchHost {
  private readonly options: ConnectOptions;
  private readonly backoff: BackoffSettings;
  private readonly random: () => number;
  private readonly attemptsMax: number;
  private readonly connections: Connections;
  private readonly lanes: Lanes<Call, Link>;
  private readonly calls = new Map<string, Call>();
  private readonly watches = new Map<string, { readonly stream: EventStream; readonly link: Link }>();
  private readonly streams = new Set<EventStream>();
  private readonly retries = new Set<ReturnType<typeof setTimeout>>();
  private readonly awaitingUp: { resolve: () => void; reject: (error: TroupeClientError) => void }[] = [];
  private readonly keyPrefix: string;
  private nextId = 0;
  private ended: TroupeClientError | null = null;

  constructor(seeds: readonly string[], options: ConnectOptions) {
    this.options = options;
    this.random = options.random ?? Math.random;
    this.attemptsMax = options.attemptsMax ?? 10;
    this.backoff = { firstMs: options.backoffFirstMs ?? 50, maxMs: options.backoffMaxMs ?? 5_000 };
    this.keyPrefix = randomText();
    this.lanes = new Lanes({
      inFlightPerActorMax: options.inFlightPerActorMax ?? 1,
      inFlightMax: options.inFlightMax ?? 512,
      route: (hash) => this.connections.route(hash),
      transmit: (call, link) => this.transmit(call, link),
    });
    this.connections = new Connections({
      seeds, token: options.token, backoff: this.backoff, random: this.random, WebSocket: options.WebSocket ?? globalThis.WebSocket,
      isDirect: options.direct ?? true,
      mapAgeMaxMs: options.mapAgeMaxMs ?? 3_000,
      silenceMaxMs: options.silenceMaxMs ?? 10_000,
    }, this);
    this.connections.start();
  }

  get isUp(): boolean {
    return this.connections.isUp;
  }

  send(to: string, command: string, body: unknown, options: SendOptions = {}): Promise<never> {
    const key = options.key ?? `${this.keyPrefix}-${(this.nextId + 1).toString(36)}`;
    const text = JSON.stringify(body ?? {});
    if (isLonger(text, BODY_BYTES_MAX)) {
      return Promise.reject(localError('BODY_TOO_LARGE', `the body has more than ${BODY_BYTES_MAX} bytes`));
    }
    const fields = `"key":${JSON.stringify(key)},"to":${JSON.stringify(to)},"command":${JSON.stringify(command)},"body":${text}`;
    const openSince = options.triedMs === undefined ? Infinity : performance.now() - options.triedMs;
    return this.call('command', to, to, fields, options.deadlineMs, openSince);
  }

  get(actor: string, options: { readonly deadlineMs?: number } = {}): Promise<never> {
    // A lane of its own for every read: it waits for nothing, and nothing waits for it.
    return this.call('get', `get ${this.nextId + 1}`, actor, `"get":${JSON.stringify(actor)}`, options.deadlineMs);
  }

  watch(actor: string, options: WatchOptions = {}): EventStream {
    const stream = new EventStream(this, actor, options.from ?? 0, this.options.watchBufferMax ?? 4_096);
    if (this.ended !== null) {
      stream.finish(this.ended);
      return stream;
    }
    this.streams.add(stream);
    stream.open();
    return stream;
  }

  ready(): Promise<void> {
    if (this.ended !== null) return Promise.reject(this.ended);
    if (this.isUp) return Promise.resolve();
    return new Promise((resolve, reject) => { this.awaitingUp.push({ resolve, reject }); });
  }

  close(): void {
    if (this.ended !== null) return;
    this.ended = localError('DISCONNECTED', 'the client was closed');
    for (const stream of [...this.streams]) stream.finish(null);
    this.connections.close();
    this.giveUpAll(this.ended);
  }

  // Of the connections.

  onWay(): void {
    for (const { resolve } of this.awaitingUp.splice(0)) resolve();
    this.lanes.flow();
    for (const stream of this.streams) stream.open();
  }

  onLost(link: Link): void {
    for (const call of this.lanes.down(link)) {
      leaveOpen(call);
      if (call.attempts >= this.attemptsMax) this.fail(call, localError('DISCONNECTED', 'the connection was lost again and again'));
    }
    for (const [id, watch] of this.watches) {
      if (watch.link !== link) continue;
      this.watches.delete(id);
      watch.stream.onDown();
    }
    if (this.isUp) this.onWay();
  }

  onUnreachable(): void {
    const error = localError('UNREACHABLE', 'no node answers at this address');
    for (const { reject } of this.awaitingUp.splice(0)) reject(error);
  }

  onEnd(error: TroupeClientError): void {
    this.ended = error;
    for (const stream of [...this.streams]) stream.finish(error);
    this.giveUpAll(error);
  }

  isBusy(link: Link): boolean {
    return this.lanes.isBusy(link);
  }

  hasWatches(link: Link): boolean {
    for (const watch of this.watches.values()) if (watch.link === link) return true;
    return false;
  }

  onMessage(link: Link, data: unknown): void {
    const message = data as Message;
    if (message.id === null) {
      // The node could not read a frame of ours, and nobody can tell whose requests were in it: all are sent again.
      link.renew();
      return;
    }
    const watch = this.watches.get(message.id);
    if (watch !== undefined) {
      this.onWatchMessage(watch.stream, message);
      return;
    }
    const call = this.calls.get(message.id);
    if (call === undefined || !call.isSent) return;
    if (message.ok === true) this.succeed(call, message);
    else this.refused(call, new TroupeClientError(message.error!));
  }

  // Of the watches.

  openWatch(stream: EventStream): string {
    const id = this.freshId();
    const link = this.connections.route(actorHash(stream.actor))!;
    this.watches.set(id, { stream, link });
    link.send(`{"id":"${id}","watch":${JSON.stringify(stream.actor)},"from":${stream.from}}`);
    return id;
  }

  endWatch(id: string): void {
    const watch = this.watches.get(id);
    this.watches.delete(id);
    // Its answer is of no interest; an id that nobody has keeps it from being taken for another's.
    watch?.link.send(`{"id":"${this.freshId()}","unwatch":"${id}"}`);
  }

  forgetWatch(stream: EventStream): void {
    this.streams.delete(stream);
  }

  retryLater(attempt: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.retries.delete(timer);
      then();
    }, backoffMs(attempt, this.backoff, this.random));
    this.retries.add(timer);
  }

  private onWatchMessage(stream: EventStream, message: Message): void {
    if (message.event !== undefined) {
      stream.onEvent(message.seq!, message.event, message.body);
    } else if (message.ok === true) {
      stream.onOpened(message.seq!);
    } else {
      this.watches.delete(message.id!);
      stream.onError(new TroupeClientError(message.error!));
    }
  }

  private call(
    kind: Call['kind'], lane: string, actor: string, fields: string, deadlineMs = this.options.deadlineMs ?? DEADLINE_DEFAULT_MS, openSince = Infinity,
  ): Promise<never> {
    if (this.ended !== null) return Promise.reject(this.ended);
    const waitingMax = this.options.waitingMax ?? 100_000;
    if (this.calls.size >= waitingMax) {
      return Promise.reject(localError('TOO_MANY_IN_FLIGHT', `${waitingMax} requests wait for their answers already`));
    }
    return new Promise<never>((resolve, reject) => {
      const call: Call = {
        id: this.freshId(), kind, lane, hash: actorHash(actor), fields, deadlineAt: performance.now() + deadlineMs, resolve, reject,
        timer: undefined, isSent: false, attempts: 0, sentAt: 0, openSince,
      };
      call.timer = setTimeout(() => {
        this.fail(call, localError('DEADLINE_EXCEEDED', `no answer within ${deadlineMs} ms`));
      }, deadlineMs);
      this.calls.set(call.id, call);
      this.lanes.add(call);
    });
  }

  private transmit(call: Call, link: Link): void {
    this.connections.used();
    if (call.kind === 'get') {
      link.send(`{"id":"${call.id}",${call.fields}}`);
      return;
    }
    const now = performance.now();
    call.sentAt = now;
    const left = Math.ceil(call.deadlineAt - now);
    const tried = call.openSince < now ? `"triedMs":${Math.ceil(now - call.openSince)},` : '';
    link.send(`{"id":"${call.id}","deadlineMs":${Math.min(Math.max(left, 1), DEADLINE_MAX_MS)},"sentMs":${link.sentMs(now)},${tried}${call.fields}}`);
  }

  private succeed(call: Call, message: Message): void {
    this.settle(call);
    const { seq } = message;
    call.resolve((call.kind === 'get' ? { seq, state: message.state } : { seq, reply: message.reply }) as never);
  }

  private refused(call: Call, error: TroupeClientError): void {
    const isFinal = !error.retryable || error.code === 'DEADLINE_EXCEEDED' || call.attempts >= this.attemptsMax;
    if (isFinal) {
      this.fail(call, error);
      return;
    }
    if (error.code === 'UNKNOWN_OUTCOME') leaveOpen(call);
    this.lanes.rest(call);
    this.retryLater(call.attempts, () => this.lanes.wake(call.lane));
  }

  private fail(call: Call, error: TroupeClientError): void {
    this.settle(call);
    call.reject(error);
  }

  private settle(call: Call): void {
    clearTimeout(call.timer);
    this.calls.delete(call.id);
    this.lanes.remove(call);
  }

  private giveUpAll(error: TroupeClientError): void {
    for (const timer of this.retries) clearTimeout(timer);
    this.retries.clear();
    for (const { reject } of this.awaitingUp.splice(0)) reject(error);
    for (const call of [...this.calls.values()]) this.fail(call, error);
  }

  private freshId(): string {
    return (++this.nextId).toString(36);
  }
}

function randomText(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36).padStart(2, '0')).join('');
}

function isLonger(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false;
  return text.length > bytesMax || new TextEncoder().encode(text).length > bytesMax;
}

/** What was sent last may have taken effect or may yet: whoever gets it next is told. */
function leaveOpen(call: Call): void {
  call.openSince = Math.min(call.openSince, call.sentAt);
}
