/**
 * The load of a campaign against a cluster: commands at a steady rate over the gateways of all nodes, as careful clients send them.
 * Every answer goes to the book.
 *
 *  C1  A command has one key, however often it is sent and to whichever node, until it is answered well or refused by its behaviour.
 *  C2  When its connection is lost, when it is answered with an error that allows it, or when it has waited for `patienceMs`, it is sent
 *      again through another node. Its earlier sends stay open: what is answered late must be the same (B1).
 *      What is sent again says how long ago it was sent first, as a client has to for which the keys that an actor remembers are not enough: a share
 *      of all goes to a few actors, which record more than they remember while a fault lasts.
 *  C3  Nothing is given up. A command that waits for longer than `waitMaxMs` counts as late, and goes on.
 *
 * A share of what is sent repeats a command that was answered before, under its first key.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Answer, Book } from '../../runtime/faults/book.ts';
import { bodyOf, decodeReply, keyOf, nameOf } from '../../runtime/faults/commands.ts';
import type { FaultActor } from '../../runtime/faults/commands.ts';
import { Link } from '../../runtime/faults/link.ts';
import type { LinkAnswer } from '../../runtime/faults/link.ts';

export interface LoadOptions {
  readonly perSecond: number;
  readonly repeatShare: number;
  readonly random: () => number;
  readonly patienceMs?: number;
  readonly waitMaxMs?: number;
}

const TICK_MS = 10;
const SWEEP_MS = 100;
const RETRY_PAUSE_MS = 50;
const RECONNECT_MS = 100;
const CONNECT_TIME_MAX_MS = 2_000;
const RECENT = 1_000;
/** Commands further back than this are not repeated: what an actor remembers has to count, too. */
const REPEAT_REACH = 40;
const HOT_ACTORS = 2;
const HOT_SHARE = 0.4;

interface Call {
  readonly n: number;
  readonly sinceMs: number;
  /** When the command was sent first, which a repeat was before it began; 0 until it was. */
  firstMs: number;
  readonly answered: (() => void) | null;
  sentMs: number;
  gateway: Gateway | null;
  isOpen: boolean;
  isLate: boolean;
}

interface Gateway {
  readonly port: number;
  link: Link | null;
  /** What was sent over the link and not answered, by request id. */
  readonly sent: Map<string, Call>;
}

/** Figures since the start. */
export interface LoadFigures {
  readonly commands: number;
  readonly repeats: number;
  /** Waited for longer than `waitMaxMs`. */
  readonly late: number;
  readonly worstMs: number;
  /** Retryable errors by code; LOST for a lost connection, SILENT for patience that ended. */
  readonly again: Readonly<Record<string, number>>;
}

export class ClusterLoad {
  late = 0;
  /** What waited for too long, for people. */
  readonly lateList: string[] = [];
  /** Commands that were refused because the log of their actor went back: whether that may be is not for the load to say. */
  readonly rolledBack: string[] = [];
  private readonly book: Book;
  private readonly actors: readonly FaultActor[];
  private readonly options: Required<LoadOptions>;
  private readonly gateways: Gateway[] = [];
  private readonly calls = new Set<Call>();
  private readonly recent: { readonly n: number; readonly call: Call }[] = [];
  private readonly again: Record<string, number> = {};
  private timers: NodeJS.Timeout[] = [];
  private isLoading = false;
  private isClosed = false;
  private due = 0;
  private requests = 0;
  private worstMs = 0;

  constructor(book: Book, actors: readonly FaultActor[], options: LoadOptions) {
    this.book = book;
    this.actors = actors;
    this.options = { patienceMs: 2_000, waitMaxMs: 30_000, ...options };
    this.timers.push(setInterval(() => this.tick(), TICK_MS), setInterval(() => this.sweep(), SWEEP_MS));
  }

  /** Commands and repeats that wait for an answer. */
  get inFlight(): number {
    return this.calls.size;
  }

  get figures(): LoadFigures {
    const { book, late, worstMs, again } = this;
    return { commands: book.acknowledged, repeats: book.repeats, late, worstMs: Math.round(worstMs), again: { ...again } };
  }

  /** A gateway to be used from now on; kept connected as far as it lets. */
  use(port: number): void {
    const gateway: Gateway = { port, link: null, sent: new Map() };
    this.gateways.push(gateway);
    void this.keepConnected(gateway);
  }

  /** Resolves when at least one node takes connections. */
  async connected(): Promise<void> {
    while (this.gateways.every(({ link }) => link === null)) await sleep(TICK_MS);
  }

  start(): void {
    this.isLoading = true;
  }

  /** No new commands; false when some are not answered within the time. */
  async settle(withinMs: number): Promise<boolean> {
    this.isLoading = false;
    const until = performance.now() + withinMs;
    while (this.calls.size > 0 && performance.now() < until) await sleep(TICK_MS);
    return this.calls.size === 0;
  }

  /** One more command to `actor`. Resolves when it is answered, with the time that took, in milliseconds. */
  ask(actor: FaultActor): Promise<number> {
    const sinceMs = performance.now();
    return new Promise((resolve) => this.begin(this.book.add(actor), () => resolve(performance.now() - sinceMs)));
  }

  /** So many commands at once, on top of the rate. */
  burst(count: number): void {
    for (let i = 0; i < count; i++) this.next();
  }

  /** A link of its own to some node that lives, for reading. */
  async link(): Promise<Link> {
    await this.connected();
    return Link.open(this.pick(null)!.port);
  }

  close(): void {
    this.isClosed = true;
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    for (const { link } of this.gateways) link?.close();
    this.calls.clear();
  }

  private tick(): void {
    if (!this.isLoading) return;
    this.due += (this.options.perSecond * TICK_MS) / 1_000;
    for (; this.due >= 1; this.due--) this.next();
  }

  private next(): void {
    const { random, repeatShare } = this.options;
    const repeated = random() < repeatShare ? this.recent[Math.floor(random() * this.recent.length)] : undefined;
    if (repeated !== undefined && this.isWithinReach(repeated.n)) {
      this.begin(repeated.n, null, repeated.call.firstMs);
      return;
    }
    const among = random() < HOT_SHARE ? HOT_ACTORS : this.actors.length;
    const n = this.book.add(this.actors[Math.floor(random() * among)]!);
    this.recent[n % RECENT] = { n, call: this.begin(n, null) };
  }

  private isWithinReach(n: number): boolean {
    if (!this.book.wasAccepted(n)) return false;
    return this.book.pages[this.book.actor(n).index]!.seqMax - this.book.seq(n) < REPEAT_REACH;
  }

  private begin(n: number, answered: (() => void) | null, firstMs = 0): Call {
    const call: Call = { n, sinceMs: performance.now(), firstMs, answered, sentMs: 0, gateway: null, isOpen: true, isLate: false };
    this.calls.add(call);
    this.send(call);
    return call;
  }

  /** Through another node than before, if there is one; later, and false, if there is none at all. */
  private send(call: Call): boolean {
    const gateway = this.pick(call.gateway);
    call.sentMs = performance.now();
    if (gateway === null) return false;
    call.gateway = gateway;
    const triedMs = call.firstMs === 0 ? 0 : Math.ceil(call.sentMs - call.firstMs);
    call.firstMs ||= call.sentMs;
    const id = String(this.requests++);
    gateway.sent.set(id, call);
    const actor = this.book.actor(call.n);
    gateway.link!.command({ id, to: actor.address, name: nameOf(actor.kind), body: bodyOf(actor.kind, call.n), key: keyOf(call.n), triedMs });
    return true;
  }

  private pick(before: Gateway | null): Gateway | null {
    const up = this.gateways.filter(({ link }) => link !== null);
    const others = up.filter((gateway) => gateway !== before);
    const from = others.length > 0 ? others : up;
    return from[Math.floor(this.options.random() * from.length)] ?? null;
  }

  private answered(gateway: Gateway, answer: LinkAnswer): void {
    const call = gateway.sent.get(answer.id);
    if (call === undefined) {
      this.book.findings.add(`an answer to request ${answer.id} of port ${gateway.port}, which is not open`);
      return;
    }
    gateway.sent.delete(answer.id);
    const actor = this.book.actor(call.n);
    const outcome = outcomeOf(actor, answer);
    if (outcome !== null) {
      this.book.answered(call.n, outcome);
      this.finish(call);
    } else if (answer.error?.code === 'ROLLED_BACK') {
      this.rolledBack.push(`command ${call.n} of ${actor.address} was answered with ROLLED_BACK: ${answer.error.message}`);
      this.finish(call);
    } else if (answer.error?.retryable !== true) {
      this.book.findings.add(`command ${call.n} of ${actor.address} was answered with ${answer.error?.code}: ${answer.error?.message}`);
      this.finish(call);
    } else if (call.isOpen && call.gateway === gateway) {
      this.count(answer.error.code);
      setTimeout(() => {
        if (call.isOpen && !this.isClosed) this.send(call);
      }, RETRY_PAUSE_MS);
    }
  }

  private finish(call: Call): void {
    if (!call.isOpen) return;
    call.isOpen = false;
    this.calls.delete(call);
    this.worstMs = Math.max(this.worstMs, performance.now() - call.sinceMs);
    call.answered?.();
  }

  private lost(gateway: Gateway): void {
    const calls = new Set(gateway.sent.values());
    gateway.sent.clear();
    gateway.link = null;
    if (this.isClosed) return;
    for (const call of calls) {
      if (!call.isOpen || call.gateway !== gateway) continue;
      this.count('LOST');
      this.send(call);
    }
    void this.keepConnected(gateway);
  }

  private sweep(): void {
    const now = performance.now();
    const { patienceMs, waitMaxMs } = this.options;
    for (const call of this.calls) {
      if (!call.isLate && now - call.sinceMs > waitMaxMs) this.tooLate(call);
      if (now - call.sentMs < (call.gateway?.link == null ? SWEEP_MS : patienceMs)) continue;
      if (this.send(call)) this.count('SILENT');
    }
  }

  private tooLate(call: Call): void {
    call.isLate = true;
    this.late++;
    this.lateList.push(`command ${call.n} of ${this.book.actor(call.n).address}`);
  }

  private count(code: string): void {
    this.again[code] = (this.again[code] ?? 0) + 1;
  }

  private async keepConnected(gateway: Gateway): Promise<void> {
    while (!this.isClosed && gateway.link === null) {
      const link = await openInTime(gateway.port);
      if (link === null) {
        await sleep(RECONNECT_MS);
        continue;
      }
      if (this.isClosed) {
        link.close();
        return;
      }
      link.onAnswer = (answer) => this.answered(gateway, answer);
      link.onLost = () => this.lost(gateway);
      gateway.link = link;
    }
  }
}

/** null when nobody is there, or somebody who says nothing: a suspended process takes connections all the same. */
async function openInTime(port: number): Promise<Link | null> {
  const opening = Link.open(port);
  const timer = new AbortController();
  const link = await Promise.race([opening.catch(() => null), sleep(CONNECT_TIME_MAX_MS, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
  if (link === undefined) opening.then((late) => late.close(), () => undefined);
  return link ?? null;
}

/** null for an error that is no refusal of the behaviour. */
export function outcomeOf(actor: FaultActor, answer: LinkAnswer): Answer | null {
  if (answer.done !== undefined) {
    const bytes = answer.done.body ?? new Uint8Array(0);
    return { kind: 'accepted', seq: answer.done.seq ?? 0, reply: decodeReply(actor.kind, bytes), bytes };
  }
  if (answer.error?.code === 'REJECTED') return { kind: 'refused', reason: answer.error.reason };
  return null;
}
