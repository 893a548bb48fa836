/**
 * Requests of a connection, one object each, which the engine answers through its own interfaces.
 *
 * R1  Every request that was started is answered at most once on the wire: by the engine, or by its deadline, whichever
 *     comes first. What comes later, or after the connection has gone, is dropped.
 * R2  An id is in use from the start of its request to its answer (a watch: to its end), and only once at a time.
 */

import type { Address, AnswerError, CommandRequest, Format, GetRequest, Watch, WatchRequest } from '../actor/engine.ts';
import { NOTHING, REPLY, STATE } from './codec.ts';
import type { Connection } from './connection.ts';
import { hashId } from './open-requests.ts';
import type { TimerEntry } from './timers.ts';

const NO_BYTES = Buffer.alloc(0);

/** When the gateway got it. */
export interface Timing {
  readonly startedMs: number;
}

/** A request that was read from a frame and has had no effect yet. */
export interface Incoming {
  start(): void;
}

export class PendingCommand implements CommandRequest, Incoming {
  readonly connection: Connection;
  readonly id: string;
  readonly idHash: number;
  readonly listed: boolean;
  readonly to: Address;
  readonly name: string;
  readonly body: Buffer;
  readonly bodyFrom: number;
  readonly bodyTo: number;
  readonly key: string;
  readonly deadlineMs: number;
  readonly triedMs: number;
  /** When the client has sent it, see Connection.lateBy; 0 when it does not say. */
  readonly sentMs: number;
  waitedMs = 0;
  timer: TimerEntry | null = null;
  answered = false;
  /** For the few commands whose time is measured; apart, as a number with fractions would cost every command an object. */
  timing: Timing | null = null;

  constructor(
    connection: Connection, id: string, listed: boolean, to: Address, name: string, body: Buffer, bodyFrom: number, bodyTo: number,
    key: string, deadlineMs: number, triedMs: number, sentMs: number,
  ) {
    this.connection = connection;
    this.id = id;
    this.idHash = hashId(id);
    this.listed = listed;
    this.to = to;
    this.name = name;
    this.body = body;
    this.bodyFrom = bodyFrom;
    this.bodyTo = bodyTo;
    this.key = key;
    this.deadlineMs = deadlineMs;
    this.triedMs = triedMs;
    this.sentMs = sentMs;
  }

  get format(): Format {
    return this.connection.codec.format;
  }

  get principal(): string {
    return this.connection.principal;
  }

  get session(): string {
    return this.connection.session;
  }

  start(): void {
    this.connection.startCommand(this);
  }

  done(seq: number, buffer: Buffer, from: number, to: number): void {
    const { connection } = this;
    if (!connection.settle(this)) return;
    connection.codec.done(connection.out, this.id, this.listed, REPLY, seq, buffer, from, to);
    connection.touch();
  }

  failed(error: AnswerError): void {
    if (this.connection.settle(this)) this.connection.answerError(this.id, this.listed, error);
  }
}

export class PendingGet implements GetRequest, Incoming {
  readonly connection: Connection;
  readonly id: string;
  readonly idHash: number;
  readonly listed: boolean;
  readonly to: Address;
  timer: TimerEntry | null = null;
  answered = false;
  timing: Timing | null = null;

  constructor(connection: Connection, id: string, listed: boolean, to: Address) {
    this.connection = connection;
    this.id = id;
    this.idHash = hashId(id);
    this.listed = listed;
    this.to = to;
  }

  get format(): Format {
    return this.connection.codec.format;
  }

  start(): void {
    this.connection.startGet(this);
  }

  done(seq: number, buffer: Buffer, from: number, to: number): void {
    const { connection } = this;
    if (!connection.settle(this)) return;
    connection.codec.done(connection.out, this.id, this.listed, STATE, seq, buffer, from, to);
    connection.touch();
  }

  failed(error: AnswerError): void {
    if (this.connection.settle(this)) this.connection.answerError(this.id, this.listed, error);
  }
}

export class OpenWatch implements WatchRequest, Incoming {
  readonly connection: Connection;
  readonly id: string;
  readonly idHash: number;
  readonly listed: boolean;
  readonly to: string;
  readonly from: number;
  /** Of the last event that was written, or of the actor when the watch opened. */
  lastSeq = 0;
  private handle: Watch | null = null;
  private isOver = false;
  private isPaused = false;

  constructor(connection: Connection, id: string, listed: boolean, to: string, from: number) {
    this.connection = connection;
    this.id = id;
    this.idHash = hashId(id);
    this.listed = listed;
    this.to = to;
    this.from = from;
  }

  get format(): Format {
    return this.connection.codec.format;
  }

  start(): void {
    if (!this.connection.admitWatch(this)) return;
    const handle = this.connection.engine.watch(this);
    // The engine may have failed it within the call.
    if (this.isOver) handle.close();
    else this.handle = handle;
  }

  opened(seq: number): void {
    if (this.isOver) return;
    const { connection } = this;
    if (this.from === 0) this.lastSeq = seq;
    connection.codec.done(connection.out, this.id, this.listed, NOTHING, seq, NO_BYTES, 0, 0);
    connection.touch();
  }

  event(seq: number, name: string, buffer: Buffer, from: number, to: number): boolean {
    if (this.isOver) return false;
    const { connection } = this;
    connection.codec.event(connection.out, this.id, seq, name, buffer, from, to);
    connection.touch();
    connection.stats.events++;
    this.lastSeq = seq;
    if (this.isPaused) return false;
    this.isPaused = !connection.mayGoOn(this);
    return !this.isPaused;
  }

  failed(error: AnswerError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection.forgetWatch(this);
    this.connection.answerError(this.id, false, error);
  }

  resume(): void {
    this.isPaused = false;
    if (!this.isOver) this.handle?.resume();
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.handle?.close();
  }
}

export class Unwatch implements Incoming {
  private readonly connection: Connection;
  private readonly id: string;
  private readonly listed: boolean;
  private readonly watchId: string;

  constructor(connection: Connection, id: string, listed: boolean, watchId: string) {
    this.connection = connection;
    this.id = id;
    this.listed = listed;
    this.watchId = watchId;
  }

  start(): void {
    const { connection, id, listed } = this;
    const watch = connection.openWatch(this.watchId);
    if (watch === null) {
      connection.answerError(id, listed, { code: 'UNKNOWN_WATCH', message: 'no watch with this id is open on this connection' });
      return;
    }
    watch.close();
    connection.forgetWatch(watch);
    connection.codec.done(connection.out, id, listed, NOTHING, watch.lastSeq, NO_BYTES, 0, 0);
    connection.touch();
  }
}

/** Where actors are, for a client that knows `known` (0: nothing yet). */
export class MapRequest implements Incoming {
  private readonly connection: Connection;
  private readonly id: string;
  private readonly listed: boolean;
  private readonly known: number;

  constructor(connection: Connection, id: string, listed: boolean, known: number) {
    this.connection = connection;
    this.id = id;
    this.listed = listed;
    this.known = known;
  }

  start(): void {
    const { connection, id, listed, known } = this;
    const { node, routes } = connection.engine.place?.() ?? { node: '', routes: null };
    connection.codec.map(connection.out, id, listed, node, routes === null || routes.version === known ? null : routes);
    connection.touch();
  }
}

/** A request that could be told from its neighbours but is not one. */
export class BadRequest implements Incoming {
  private readonly connection: Connection;
  private readonly id: string | null;
  private readonly listed: boolean;
  private readonly error: AnswerError;

  constructor(connection: Connection, id: string | null, listed: boolean, error: AnswerError) {
    this.connection = connection;
    this.id = id;
    this.listed = listed;
    this.error = error;
  }

  start(): void {
    this.connection.answerError(this.id, this.listed, this.error);
  }
}
