/** One connection of the load, and its slots: what is open on it, and what became sendable since the last write. */

import type { Connection } from './connection.ts';
import type { Choice } from './choice.ts';
import type { AnswerSink, KeySource } from './format.ts';
import { BY_MAX } from './format.ts';
import type { Load } from './load.ts';

const RETRY_PAUSE_MS = 2;
/** Codes after which the command certainly did nothing, so that it may be sent again even without a key. */
const NOTHING_DONE = new Set(['MAILBOX_FULL', 'OVERLOADED', 'TOO_MANY_IN_FLIGHT', 'NOT_READY']);

export class Line implements AnswerSink {
  /** Index of the node that it leads to. */
  readonly group: number;
  private readonly load: Load;
  private readonly connection: Connection;
  private readonly key: KeySource | null;
  /** Whom this line drives in a closed loop; null for nobody, and in a sweep. */
  private readonly choice: Choice | null;
  private readonly isOpenLoop: boolean;
  private keyNumber = 0;
  private readonly slotActor: Int32Array;
  private readonly slotBy: Int32Array;
  private readonly slotKey: Float64Array;
  /** From when its latency counts (D1). */
  private readonly slotSince: Float64Array;
  /** 1 while the slot waits for an answer. */
  private readonly slotOpen: Uint8Array;
  private readonly slotWritten: Uint8Array;
  private readonly sendable: Int32Array;
  private sendableCount = 0;
  private readonly free: Int32Array;
  private freeCount: number;
  private now = 0;
  private fresh = false;

  constructor(load: Load, connection: Connection, slots: number, number: number, choice: Choice | null, group: number) {
    const { options } = load;
    this.load = load;
    this.connection = connection;
    this.group = group;
    this.choice = choice;
    this.isOpenLoop = options.loop.kind === 'open';
    this.key = options.keys ? { prefix: `${options.seed.toString(36)}.${number}.` } : null;
    this.slotActor = new Int32Array(slots);
    this.slotBy = new Int32Array(slots);
    this.slotKey = new Float64Array(slots);
    this.slotSince = new Float64Array(slots);
    this.slotOpen = new Uint8Array(slots);
    this.slotWritten = new Uint8Array(slots);
    this.sendable = new Int32Array(slots);
    this.free = Int32Array.from({ length: slots }, (_, i) => slots - 1 - i);
    this.freeCount = slots;
    connection.owner = this;
  }

  get hasRoom(): boolean {
    return this.freeCount > 0;
  }

  startAll(): void {
    while (this.hasRoom && this.fill());
    this.send();
  }

  /** A request for an actor, sendable with the next write; there must be room. `since` is when it was due; in a closed loop the write sets it. */
  put(actor: number, since: number): void {
    const slot = this.free[--this.freeCount]!;
    this.slotActor[slot] = actor;
    this.slotBy[slot] = 1 + this.load.random.below(BY_MAX);
    this.slotKey[slot] = this.keyNumber++;
    this.slotSince[slot] = since;
    this.slotOpen[slot] = 1;
    this.slotWritten[slot] = 0;
    this.load.outstanding++;
    this.sendable[this.sendableCount++] = slot;
  }

  frame(buffer: Buffer, from: number, to: number): void {
    const { load } = this;
    if (!this.fresh) {
      this.fresh = true;
      this.now = performance.now();
      load.recorder.roll(this.now);
    }
    load.format.answers(buffer, from, to, this, load.expected !== null);
  }

  readEnd(): void {
    this.fresh = false;
    if (this.isOpenLoop) this.load.pump(this.now);
    this.send();
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
    this.freeCount = 0;
    this.sendableCount = 0;
  }

  done(slot: number, seq: number, value: number): void {
    const { expected } = this.load;
    const actor = this.slotActor[slot]!;
    if (expected !== null && (expected.counts[actor] !== seq || expected.sums[actor] !== value)) this.load.wrong++;
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

  /** One write of everything that became sendable. */
  send(): void {
    if (this.sendableCount === 0 || this.waitsForMore) return;
    const { connection, load } = this;
    const { format } = load;
    const { perFrame } = load.options;
    const now = performance.now();
    for (let at = 0; at < this.sendableCount; at += perFrame) {
      const end = Math.min(at + perFrame, this.sendableCount);
      const mark = connection.beginFrame();
      format.first(connection.out);
      for (let i = at; i < end; i++) this.write(i - at, this.sendable[i]!, now);
      format.last(connection.out);
      connection.endFrame(mark);
    }
    this.sendableCount = 0;
    connection.flush();
  }

  /** In a closed loop a frame is filled before it is sent, as long as there are answers to come that will fill it. */
  private get waitsForMore(): boolean {
    const open = this.slotOpen.length - this.freeCount;
    return !this.isOpenLoop && this.sendableCount < this.load.options.perFrame && this.sendableCount < open;
  }

  private write(index: number, slot: number, now: number): void {
    const { connection, load } = this;
    if (this.slotWritten[slot] === 0) {
      this.slotWritten[slot] = 1;
      if (this.isOpenLoop) load.recorder.written(this.slotSince[slot]!, now);
      else this.slotSince[slot] = now;
    }
    const actor = this.slotActor[slot]!;
    if (load.options.request === 'get') load.format.get(connection.out, index, slot, actor);
    else load.format.command(connection.out, index, slot, actor, this.slotBy[slot]!, this.key, this.slotKey[slot]!);
  }

  private acknowledge(slot: number): void {
    this.checkOpen(slot);
    const { load } = this;
    const actor = this.slotActor[slot]!;
    load.counts[actor] = load.counts[actor]! + 1;
    load.sums[actor] = load.sums[actor]! + this.slotBy[slot]!;
    load.recorder.answered(this.slotSince[slot]!, this.now);
    this.release(slot);
  }

  private checkOpen(slot: number): void {
    if (this.slotOpen[slot] !== 1) throw new Error(`an answer to request ${slot}, which is not open`);
  }

  private release(slot: number): void {
    this.slotOpen[slot] = 0;
    this.free[this.freeCount++] = slot;
    this.load.outstanding--;
    if (this.isOpenLoop) this.load.refill(this);
    else if (this.load.isSending) this.fill();
  }

  /** Chooses the next request of a free slot; whether there was one. */
  private fill(): boolean {
    const actor = this.load.options.loop.kind === 'sweep' ? this.load.nextSwept() : (this.choice?.next() ?? -1);
    if (actor < 0) return false;
    this.put(actor, 0);
    return true;
  }

  private again(slot: number): void {
    if (this.slotOpen[slot] !== 1) return;
    this.sendable[this.sendableCount++] = slot;
    this.send();
  }
}
