/**
 * The load of a fault campaign: on every connection a fixed number of commands in flight, each answer the reason for the next,
 * and now and then a command that was sent before, with its first key, over any connection. Answers go to the book.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Answer, Book } from './book.ts';
import { bodyOf, decodeReply, keyOf, nameOf } from './commands.ts';
import type { FaultActor } from './commands.ts';
import type { Link, LinkAnswer } from './link.ts';

export interface PressureOptions {
  readonly inFlight: number;
  /** Share of sends that repeat an earlier command. */
  readonly repeatShare: number;
  /** Repeats get keys of their own: what de-duplication that does not work looks like from outside. */
  readonly freshKeysOnRepeat: boolean;
  readonly random: () => number;
}

const RETRY_PAUSE_MS = 5;
const RESEND_MAX_MS = 60_000;
/** An actor remembers its last keys only (keysPerActorMax); commands further back than this are not repeated. */
const REPEAT_REACH = 40;

export class Pressure {
  /** Requests sent and not answered, repeats included. */
  inFlight = 0;
  private readonly book: Book;
  private readonly links: readonly Link[];
  private readonly options: PressureOptions;
  /** Requests open per link, by request id. */
  private readonly sent = new Map<string, number>();
  private readonly recent: number[] = [];
  private loading = false;
  private requests = 0;
  private repeatKeys = 0;
  private idle: (() => void) | null = null;
  private onRoom: (() => void) | null = null;
  private gone = false;

  constructor(book: Book, links: readonly Link[], options: PressureOptions) {
    this.book = book;
    this.links = links;
    this.options = options;
    for (const link of links) {
      link.onAnswer = (answer) => this.answered(link, answer);
      link.onLost = () => this.lost();
    }
  }

  /** Sends every command that has no answer once more, and of `answered` each one; resolves when all are answered. */
  async resend(answered: readonly number[]): Promise<void> {
    const all = [...this.book.open.keys(), ...answered];
    if (all.length === 0) return;
    const wait = new Promise<void>((resolve) => (this.idle = resolve));
    // In portions: the limit on commands in flight of a connection is the node's, not ours to test here.
    const queue = all.values();
    const pump = (): void => {
      while (this.inFlight < this.links.length * this.options.inFlight) {
        const next = queue.next();
        if (next.done === true) return;
        this.send(this.anyLink(), next.value, true);
      }
    };
    this.onRoom = pump;
    pump();
    await Promise.race([wait, sleep(RESEND_MAX_MS, undefined, { ref: false })]);
    this.onRoom = null;
    if (this.inFlight > 0 && !this.gone) throw new Error(`${this.inFlight} commands that were sent again are not answered after ${RESEND_MAX_MS} ms`);
    if (this.gone) throw new Error('the node was lost while commands were sent again');
  }

  start(): void {
    this.loading = true;
    for (const link of this.links) for (let i = 0; i < this.options.inFlight; i++) this.sendNext(link);
  }

  /** No new commands; resolves when all are answered. */
  async stop(): Promise<void> {
    this.loading = false;
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.idle = resolve));
  }

  /** Commands lately answered that an actor surely still knows the keys of. */
  recentlyAnswered(): number[] {
    return this.recent.filter((n) => this.isWithinReach(n));
  }

  private sendNext(link: Link): void {
    const { random, repeatShare } = this.options;
    if (random() < repeatShare) {
      const n = this.pickRepeat();
      if (n !== null) {
        this.send(link, n, true);
        return;
      }
    }
    const pages = this.book.pages;
    const { actor } = pages[Math.floor(random() * pages.length)]!;
    this.send(link, this.book.add(actor), false);
  }

  private pickRepeat(): number | null {
    const { random } = this.options;
    const n = this.recent[Math.floor(random() * this.recent.length)];
    return n === undefined || !this.isWithinReach(n) ? null : n;
  }

  private isWithinReach(n: number): boolean {
    if (this.book.isOpen(n)) return true;
    if (!this.book.wasAccepted(n)) return false;
    return this.book.pages[this.book.actor(n).index]!.seqMax - this.book.seq(n) < REPEAT_REACH;
  }

  private send(link: Link, n: number, repeat: boolean): void {
    const actor = this.book.actor(n);
    const id = String(this.requests++);
    this.sent.set(id, n);
    this.inFlight++;
    const key = keyOf(n, repeat && this.options.freshKeysOnRepeat ? ++this.repeatKeys : 0);
    link.command({ id, to: actor.address, name: nameOf(actor.kind), body: bodyOf(actor.kind, n), key });
    if (!repeat) this.remember(n);
  }

  private remember(n: number): void {
    // A ring of the last thousand: old enough to be answered often, young enough that its key is remembered.
    if (this.recent.length < 1_000) this.recent.push(n);
    else this.recent[n % 1_000] = n;
  }

  private answered(link: Link, answer: LinkAnswer): void {
    const n = this.sent.get(answer.id);
    if (n === undefined) {
      this.book.findings.add(`an answer to request ${answer.id}, which is not open`);
      return;
    }
    this.sent.delete(answer.id);
    this.inFlight--;
    const actor = this.book.actor(n);
    const outcome = outcomeOf(actor, answer);
    if (outcome === null) {
      this.refusedOrLater(link, n, answer);
      return;
    }
    this.book.answered(n, outcome);
    this.goOn(link);
  }

  private refusedOrLater(link: Link, n: number, answer: LinkAnswer): void {
    if (answer.error?.retryable !== true) {
      this.book.findings.add(`command ${n} of ${this.book.actor(n).address} was answered with ${answer.error?.code}: ${answer.error?.message}`);
      this.goOn(link);
      return;
    }
    // The outcome is not known, or nothing was done: the same key again.
    this.inFlight++;
    setTimeout(() => {
      this.inFlight--;
      if (!this.gone) this.send(link, n, true);
    }, RETRY_PAUSE_MS);
  }

  private goOn(link: Link): void {
    if (this.loading) this.sendNext(link);
    else this.onRoom?.();
    if (this.inFlight === 0) {
      this.idle?.();
      this.idle = null;
    }
  }

  private lost(): void {
    this.gone = true;
    this.loading = false;
    this.idle?.();
    this.idle = null;
  }

  private anyLink(): Link {
    return this.links[Math.floor(this.options.random() * this.links.length)]!;
  }
}

function outcomeOf(actor: FaultActor, answer: LinkAnswer): Answer | null {
  if (answer.done !== undefined) {
    const bytes = answer.done.body ?? new Uint8Array(0);
    return { kind: 'accepted', seq: answer.done.seq ?? 0, reply: decodeReply(actor.kind, bytes), bytes };
  }
  if (answer.error?.code === 'REJECTED') return { kind: 'refused', reason: answer.error.reason };
  return null;
}
