/**
 * The closed loop: every slot (connection x in flight) has one command outstanding; its answer is the reason for the next.
 * Keeps what is needed to check the run: per actor, how many commands were acknowledged and the sum of their increments.
 *
 * Latency is from just before the write that carried the command to the read that carried its answer; the clock is read once per
 * read and once per write, not once per command. A retried command keeps its first time.
 */

import type { Connection } from './connection.ts';
import type { AnswerSink, FrameFormat, KeySource } from './format.ts';
import { BY_MAX } from './format.ts';
import { Histogram } from './histogram.ts';

export interface LoadOptions {
  readonly inFlight: number;
  readonly actors: number;
  readonly perFrame: number;
  readonly keys: boolean;
  readonly seed: number;
}

const RETRY_PAUSE_MS = 2;
/** Codes after which the command certainly did nothing, so that it may be sent again even without a key. */
const NOTHING_DONE = new Set(['MAILBOX_FULL', 'OVERLOADED', 'TOO_MANY_IN_FLIGHT', 'NOT_READY']);

export class Load {
  readonly histogram = new Histogram();
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly errors = new Map<string, number>();
  retries = 0;
  outstanding = 0;
  /** Commands whose effect cannot be known: the run cannot be checked. */
  unknown = 0;
  measuring = false;
  acknowledged = 0;
  private sending = false;
  private random: number;

  private readonly options: LoadOptions;
  private readonly format: FrameFormat;
  private readonly lines: Line[];

  constructor(connections: readonly Connection[], format: FrameFormat, options: LoadOptions) {
    this.options = options;
    this.format = format;
    this.counts = new Float64Array(options.actors);
    this.sums = new Float64Array(options.actors);
    this.random = (options.seed | 0) || 1;
    this.lines = connections.map((connection, i) => new Line(this, connection, format, options, i));
  }

  start(): void {
    this.sending = true;
    for (const line of this.lines) line.startAll();
  }

  /** Stops sending; answers still count until none is outstanding. */
  stop(): void {
    this.sending = false;
  }

  get isSending(): boolean {
    return this.sending;
  }

  beginMeasuring(): void {
    this.histogram.reset();
    this.acknowledged = 0;
    this.retries = 0;
    this.measuring = true;
  }

  endMeasuring(): void {
    this.measuring = false;
  }

  countError(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** Uniform in [0, below), from the seed. */
  pick(below: number): number {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return (x >>> 0) % below;
  }

  get perFrame(): number {
    return this.options.perFrame;
  }

  get frameFormat(): FrameFormat {
    return this.format;
  }
}

/** One connection and its slots. */
class Line implements AnswerSink {
  private readonly load: Load;
  private readonly connection: Connection;
  private readonly format: FrameFormat;
  private readonly actors: number;
  private readonly key: KeySource | null;
  private keyNumber = 0;
  private readonly slotActor: Int32Array;
  private readonly slotBy: Int32Array;
  private readonly slotKey: Float64Array;
  private readonly slotSentAt: Float64Array;
  /** 1 while the slot waits for an answer. */
  private readonly slotOpen: Uint8Array;
  private readonly sendable: Int32Array;
  private sendableCount = 0;
  private now = 0;
  private fresh = false;

  constructor(load: Load, connection: Connection, format: FrameFormat, options: LoadOptions, index: number) {
    this.load = load;
    this.connection = connection;
    this.format = format;
    this.actors = options.actors;
    this.key = options.keys ? { prefix: `${options.seed.toString(36)}.${index}.` } : null;
    this.slotActor = new Int32Array(options.inFlight);
    this.slotBy = new Int32Array(options.inFlight);
    this.slotKey = new Float64Array(options.inFlight);
    this.slotSentAt = new Float64Array(options.inFlight);
    this.slotOpen = new Uint8Array(options.inFlight);
    this.sendable = new Int32Array(options.inFlight);
    connection.owner = this;
  }

  startAll(): void {
    for (let slot = 0; slot < this.slotOpen.length; slot++) this.fill(slot);
    this.send();
  }

  frame(buffer: Buffer, from: number, to: number): void {
    if (!this.fresh) {
      this.fresh = true;
      this.now = performance.now();
    }
    this.format.answers(buffer, from, to, this, false);
  }

  readEnd(): void {
    this.fresh = false;
    if (this.sendableCount > 0) this.send();
  }

  lost(reason: string): void {
    this.load.countError(`connection lost: ${reason}`);
    for (let slot = 0; slot < this.slotOpen.length; slot++) {
      if (this.slotOpen[slot] === 1) {
        this.load.unknown++;
        this.load.outstanding--;
      }
    }
    this.slotOpen.fill(0);
  }

  done(slot: number, _seq: number, _value: number): void {
    this.acknowledge(slot);
  }

  echoed(slot: number): void {
    this.acknowledge(slot);
  }

  failed(slot: number, code: string, retryable: boolean): void {
    this.checkOpen(slot);
    if (retryable && (this.key !== null || NOTHING_DONE.has(code))) {
      this.load.retries++;
      setTimeout(() => this.again(slot), RETRY_PAUSE_MS);
      return;
    }
    this.load.countError(code);
    if (retryable) this.load.unknown++;
    this.release(slot);
  }

  private acknowledge(slot: number): void {
    this.checkOpen(slot);
    const load = this.load;
    const actor = this.slotActor[slot]!;
    load.counts[actor] = load.counts[actor]! + 1;
    load.sums[actor] = load.sums[actor]! + this.slotBy[slot]!;
    if (load.measuring) {
      load.acknowledged++;
      load.histogram.record(this.now - this.slotSentAt[slot]!);
    }
    this.release(slot);
  }

  private checkOpen(slot: number): void {
    if (this.slotOpen[slot] !== 1) throw new Error(`an answer to request ${slot}, which is not open`);
  }

  private release(slot: number): void {
    this.slotOpen[slot] = 0;
    this.load.outstanding--;
    if (this.load.isSending) this.fill(slot);
  }

  /** Chooses the next command of a slot. */
  private fill(slot: number): void {
    this.slotActor[slot] = this.load.pick(this.actors);
    this.slotBy[slot] = 1 + this.load.pick(BY_MAX);
    this.slotKey[slot] = this.keyNumber++;
    this.slotSentAt[slot] = 0;
    this.slotOpen[slot] = 1;
    this.load.outstanding++;
    this.sendable[this.sendableCount++] = slot;
  }

  private again(slot: number): void {
    if (this.slotOpen[slot] !== 1) return;
    this.sendable[this.sendableCount++] = slot;
    this.send();
  }

  /** One write of everything that became sendable. */
  private send(): void {
    const { connection, format } = this;
    const perFrame = this.load.perFrame;
    const now = performance.now();
    for (let at = 0; at < this.sendableCount; at += perFrame) {
      const end = Math.min(at + perFrame, this.sendableCount);
      const mark = connection.beginFrame();
      format.first(connection.out);
      for (let i = at; i < end; i++) {
        const slot = this.sendable[i]!;
        if (this.slotSentAt[slot] === 0) this.slotSentAt[slot] = now;
        format.command(connection.out, i - at, slot, this.slotActor[slot]!, this.slotBy[slot]!, this.key, this.slotKey[slot]!);
      }
      format.last(connection.out);
      connection.endFrame(mark);
    }
    this.sendableCount = 0;
    connection.flush();
  }
}
