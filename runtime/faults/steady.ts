/**
 * A steady stream of commands at a fixed rate, whatever the answers do. Latency counts from the moment a command was due, so a
 * node that stands still for half a second shows in every command that was due in it; a closed loop would send none and
 * show one slow answer.
 */

import { createHistogram } from 'node:perf_hooks';
import type { RecordableHistogram } from 'node:perf_hooks';

import type { Book } from './book.ts';
import { bodyOf, decodeReply, keyOf, nameOf } from './commands.ts';
import type { Link, LinkAnswer } from './link.ts';

const TICK_MS = 5;
/** As a client would: not at once, or the retries are a load of their own. */
const RETRY_PAUSE_MS = 50;
const US_PER_MS = 1_000;

export interface SteadyFigures {
  readonly commands: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Retryable errors by code. */
  readonly retries: Readonly<Record<string, number>>;
}

export class Steady {
  private readonly book: Book;
  private readonly links: readonly Link[];
  private readonly perTick: number;
  private histogram: RecordableHistogram = createHistogram();
  private retries: Record<string, number> = {};
  private readonly due = new Map<number, number>();
  private timer: NodeJS.Timeout | null = null;
  private nextTick = 0;
  private turn = 0;
  private requests = 0;
  private readonly sent = new Map<string, number>();

  constructor(book: Book, links: readonly Link[], perSecond: number) {
    this.book = book;
    this.links = links;
    this.perTick = Math.max(1, Math.round((perSecond * TICK_MS) / 1000));
    for (const link of links) link.onAnswer = (answer) => this.answered(answer);
  }

  start(): void {
    this.nextTick = performance.now() + TICK_MS;
    this.timer = setInterval(() => this.sendDue(), TICK_MS);
  }

  /** Figures since the last call; commands still open are counted with the time they have waited so far. */
  take(): SteadyFigures {
    const now = performance.now();
    for (const due of this.due.values()) this.record(now - due);
    const { histogram, retries } = this;
    this.histogram = createHistogram();
    this.retries = {};
    const ms = (value: number): number => Math.round(value / US_PER_MS * 10) / 10;
    return { commands: Number(histogram.count), p50Ms: ms(histogram.percentile(50)), p99Ms: ms(histogram.percentile(99)), maxMs: ms(histogram.max), retries };
  }

  /** No new commands; false when some are not answered within the time. */
  async stop(withinMs: number): Promise<boolean> {
    if (this.timer !== null) clearInterval(this.timer);
    const until = performance.now() + withinMs;
    while (this.due.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    return this.due.size === 0;
  }

  private sendDue(): void {
    for (const now = performance.now(); this.nextTick <= now; this.nextTick += TICK_MS) {
      for (let i = 0; i < this.perTick; i++) {
        const { actor } = this.book.pages[this.turn++ % this.book.pages.length]!;
        const n = this.book.add(actor);
        this.due.set(n, this.nextTick);
        this.send(n);
      }
    }
  }

  private send(n: number): void {
    const actor = this.book.actor(n);
    const number = this.requests++;
    const id = `s${number}`;
    this.sent.set(id, n);
    this.links[number % this.links.length]!.command({ id, to: actor.address, name: nameOf(actor.kind), body: bodyOf(actor.kind, n), key: keyOf(n) });
  }

  private answered(answer: LinkAnswer): void {
    const n = this.sent.get(answer.id)!;
    this.sent.delete(answer.id);
    const actor = this.book.actor(n);
    if (answer.done !== undefined) {
      const bytes = answer.done.body ?? new Uint8Array(0);
      this.book.answered(n, { kind: 'accepted', seq: answer.done.seq ?? 0, reply: decodeReply(actor.kind, bytes), bytes });
    } else if (answer.error?.code === 'REJECTED') {
      this.book.answered(n, { kind: 'refused', reason: answer.error.reason });
    } else if (answer.error?.retryable === true) {
      const { code } = answer.error;
      this.retries[code] = (this.retries[code] ?? 0) + 1;
      setTimeout(() => this.send(n), RETRY_PAUSE_MS);
      return;
    } else {
      this.book.findings.add(`command ${n} of ${actor.address}, which is not hostile, was answered with ${answer.error?.code}: ${answer.error?.message}`);
    }
    this.record(performance.now() - this.due.get(n)!);
    this.due.delete(n);
  }

  private record(ms: number): void {
    this.histogram.record(Math.max(1, Math.round(ms * US_PER_MS)));
  }
}
