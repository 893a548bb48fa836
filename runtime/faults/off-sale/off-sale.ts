/**
 * `faults off-sale`: very many unpaid orders refer to one product that goes off sale, while payments for them stream in and the time to pay
 * ends for others. Every order may have one outcome, and no piece and no amount may appear or vanish: by the logs (C1–C8 of
 * ../messages/messages-check.ts), and by the final states (Q1–Q4 of ../../demo/shop-conservation.ts). How long it took is read from the logs.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { conservationOf } from '../../demo/shop-conservation.ts';
import type { Totals } from '../../demo/shop-conservation.ts';
import { Findings } from '../book.ts';
import { MemoryWatch, memoryText, nodeMemory } from '../memory.ts';
import { CarefulClient } from '../messages/careful-client.ts';
import { MessagesCheck } from '../messages/messages-check.ts';
import type { MessagesFigures } from '../messages/messages-check.ts';
import { atRest, compareStates, logsStill } from '../messages/rest.ts';
import { decodeState, encodeCommand } from '../messages/shop-messages.ts';
import { descendantsOf, sampleProcess } from '../proc.ts';
import { randomFrom } from '../random.ts';
import { Waiter, quantile, waitsText } from '../waiter.ts';
import type { Wait } from '../waiter.ts';
import { BEFORE_MS, INVENTORY, Race } from './race.ts';
import { factsOf } from './race-facts.ts';
import { RaceTimes } from './race-times.ts';
import type { RaceFigures } from './race-times.ts';

/** The node, or the nodes, that the race takes place on. */
export interface Venue {
  /** Of the gateways. */
  readonly ports: readonly number[];
  /** Of the nodes' processes. */
  readonly pids: readonly number[];
  deploy(directory: string): Promise<void>;
  /** How far the logs have come; the same text twice: they have not grown. */
  positions(): Promise<string>;
  /** Reads the logs as they are at rest. */
  read(check: MessagesCheck): Promise<void>;
}

export interface OffSaleOptions {
  readonly orders: number;
  /** Of the orders, in percent. */
  readonly payPercent: number;
  readonly expirePercent: number;
  /** Of the payments, in percent. */
  readonly wrongPercent: number;
  /** Commands a second of clients who want something else. */
  readonly rate: number;
  readonly seed: number;
  readonly behaviors: string;
  readonly say: (text: string) => void;
}

export interface OffSaleResult extends RaceFigures {
  readonly orders: number;
  /** Commands without an answer when the off-sale was acknowledged. */
  readonly openCommands: number;
  /** Of clients who want something else: before the race, and from the off-sale to the last void. */
  readonly clientsBefore: ClientFigures;
  readonly clientsMeanwhile: ClientFigures;
  /** What payments had to wait until they were authorised, over the whole race. */
  readonly paymentWaits: ClientFigures;
  /** CPU time of nodes and sandboxes from the beginning of the race to its end, for each order. */
  readonly cpuUsPerOrder: number;
  readonly nodeMib: readonly number[];
  readonly sandboxMib: readonly number[];
  readonly outcomes: Readonly<Record<string, number>>;
  readonly totals: Totals;
  readonly messages: MessagesFigures;
  readonly findings: readonly string[];
  readonly findingsCount: number;
}

export interface ClientFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const QUIET_MS = 3_000;
const PLACED_MAX_MS = 300_000;
const STOCK_FREE_MAX_MS = 120_000;
const LOOK_MS = 250;
const TIMER_GRACE_MS = 10_000;
/** Of the time that the orders before have taken: those at the end take longer than the first. */
const SLOWER = 3;
const PLACE_MS_MIN = 10_000;
const OTHERS = 1_000;

export async function runOffSale(venue: Venue, options: OffSaleOptions): Promise<OffSaleResult> {
  const run = new OffSale(venue, options);
  try {
    return await run.all();
  } catch (error) {
    const [what] = run.found;
    throw what === undefined ? error : new Error(`${what}; then: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    run.close();
  }
}

class OffSale {
  private readonly venue: Venue;
  private readonly options: OffSaleOptions;
  private readonly findings = new Findings();
  private readonly times = new RaceTimes();
  private readonly check: MessagesCheck;
  private readonly client: CarefulClient;
  private readonly race: Race;
  private waiter: Waiter | null = null;
  private waiterSinceMs = 0;
  private memory: readonly MemoryWatch[] = [];

  constructor(venue: Venue, options: OffSaleOptions) {
    const { findings } = this;
    const random = randomFrom(options.seed);
    this.venue = venue;
    this.options = options;
    this.check = new MessagesCheck(findings, (record) => this.times.record(record));
    this.client = new CarefulClient({ findings, random, repeatShare: 0.02 });
    this.race = new Race(this.client, { ...options, findings, random });
  }

  get found(): readonly string[] {
    return this.findings.list;
  }

  async all(): Promise<OffSaleResult> {
    const { venue, race, client, options, findings, check } = this;
    await venue.deploy(options.behaviors);
    for (const port of venue.ports) client.use(port);
    await race.prepare();
    const atMs = await this.place();
    const ran = await this.run(atMs);
    const resting = { load: race, client, check, positions: () => venue.positions(), read: () => venue.read(check) };
    await atRest(resting);
    await race.payLate();
    await atRest(resting);
    check.settle({ nowMs: Date.now(), timerGraceMs: TIMER_GRACE_MS }, client.answered);
    await compareStates(check, client);
    const { violations, totals } = conservationOf(await factsOf(race, client));
    for (const { rule, what } of violations) findings.add(`${rule}: ${what}`);
    const figures = this.times.figures(ran.acknowledgedWallMs);
    this.mustBeARace(figures);
    const { outcomes } = check.shop;
    const settled = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
    if (settled !== race.orders.length) findings.add(`${race.orders.length} orders were placed, the logs have ${settled}`);
    const lastVoidMs = ran.acknowledgedMs + figures.voidLagMs.last;
    const meanwhile = ran.waits.filter(({ sentMs }) => sentMs >= ran.acknowledgedMs && sentMs <= lastVoidMs);
    return {
      orders: race.orders.length, ...figures, openCommands: ran.openCommands,
      clientsBefore: ran.before, clientsMeanwhile: clientFigures(meanwhile, lastVoidMs - ran.acknowledgedMs), paymentWaits: clientFigures(race.waits, ran.streamMs),
      cpuUsPerOrder: Math.round((ran.cpuMs * 1_000) / race.orders.length),
      nodeMib: this.memory.map(({ nodeMaxMib }) => nodeMaxMib), sandboxMib: this.memory.map(({ sandboxMaxMib }) => sandboxMaxMib),
      outcomes, totals, messages: check.figures, findings: findings.list, findingsCount: findings.count,
    };
  }

  close(): void {
    this.waiter?.close();
    for (const watch of this.memory) watch.stop();
    this.client.close();
  }

  /** All orders are placed and have their answers. Resolves with the moment, by the wall clock, around which the time to pay of some ends. */
  private async place(): Promise<number> {
    const { race, venue, options } = this;
    const began = performance.now();
    await race.place();
    await this.reservedBecomes(race.pieces, PLACED_MAX_MS);
    const tookMs = performance.now() - began;
    const patienceMs = Math.max(PLACE_MS_MIN, (tookMs / race.orders.length) * race.expiring * SLOWER);
    const atMs = Date.now() + patienceMs + QUIET_MS + BEFORE_MS;
    await race.placeExpiring(atMs);
    await this.reservedBecomes(race.pieces, PLACED_MAX_MS);
    await logsStill(() => venue.positions(), PLACED_MAX_MS);
    const seconds = (performance.now() - began) / 1_000;
    options.say(`${race.orders.length} unpaid orders refer to one product, after ${seconds.toFixed(1)} s; ${this.memoryText()}; the time to pay of ${race.expiring} is about to end`);
    const leftMs = atMs - Date.now() - BEFORE_MS;
    if (leftMs < 0) options.say(`  they have taken ${Math.round(-leftMs)} ms longer than was thought: their time to pay ends earlier than the product goes off sale`);
    this.waiterSinceMs = performance.now();
    this.waiter = await Waiter.open({ port: venue.ports[0]!, rate: options.rate, command: (n) => ({ to: `shop.v1.Inventory:other-${n % OTHERS}`, name: 'AddStock', body: ONE_PIECE }) });
    await sleep(Math.max(QUIET_MS, leftMs));
    return Math.max(atMs, Date.now() + BEFORE_MS);
  }

  private async run(atMs: number): Promise<Ran> {
    const { race, venue, options } = this;
    const waiter = this.waiter!;
    const before = waiter.take();
    options.say(`  commands of other clients before: ${waitsText(before)}`);
    this.memory = venue.pids.map((pid) => new MemoryWatch(pid));
    const cpuMs = this.cpuMs();
    const began = performance.now();
    const { wallMs, ms, open } = await race.run(atMs);
    await this.reservedBecomes(0, STOCK_FREE_MAX_MS);
    const ended = performance.now();
    waiter.stop();
    while (waiter.open > 0) await sleep(LOOK_MS);
    for (const watch of this.memory) watch.stop();
    const waits = waiter.take();
    if (Object.keys(waiter.errors).length > 0) options.say(`  refused to other clients: ${JSON.stringify(waiter.errors)}`);
    return {
      acknowledgedWallMs: wallMs, acknowledgedMs: ms, openCommands: open,
      before: clientFigures(before, began - this.waiterSinceMs), waits, streamMs: ended - began, cpuMs: this.cpuMs() - cpuMs,
    };
  }

  /** @throws Error when the inventory does not come to have so many pieces reserved */
  private async reservedBecomes(wanted: number, withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    for (let last: unknown = 'unknown'; ; await sleep(LOOK_MS)) {
      // An inventory that is not served any more does not answer.
      const state = await Promise.race([this.client.get(INVENTORY), sleep(Math.max(0, until - performance.now()), null, { ref: false })]);
      if (state !== null) last = decodeState('shop.v1.Inventory', state.body)['reserved'];
      if (last === wanted) return;
      if (performance.now() >= until) throw new Error(`rest: after ${withinMs} ms the pieces reserved are ${String(last)} instead of ${wanted}`);
    }
  }

  /** A run in which nothing met anything proves nothing. */
  private mustBeARace(figures: RaceFigures): void {
    const { paidBefore, paidBehind, expiredBefore, expiredBehind, void: voids, paymentsInFlight, payments } = figures;
    const needed = { paid: paidBefore + paidBehind, expired: expiredBefore + expiredBehind, void: voids, 'payments in flight at the off-sale': paymentsInFlight, 'payments refunded': payments.refunded };
    for (const [what, count] of Object.entries(needed)) if (count === 0) this.findings.add(`no race: ${what} 0`);
  }

  private memoryText(): string {
    return this.venue.pids.map((pid) => memoryText(nodeMemory(pid))).join('; ');
  }

  private cpuMs(): number {
    const pids = this.venue.pids.flatMap((pid) => [pid, ...descendantsOf(pid)]);
    return pids.reduce((sum, pid) => sum + (sampleProcess(pid).cpuMs ?? 0), 0);
  }
}

interface Ran {
  readonly acknowledgedWallMs: number;
  readonly acknowledgedMs: number;
  readonly openCommands: number;
  readonly before: ClientFigures;
  readonly waits: readonly Wait[];
  readonly streamMs: number;
  readonly cpuMs: number;
}

const ONE_PIECE = encodeCommand('shop.v1.Inventory', 'AddStock', { quantity: 1 });

function clientFigures(waits: readonly Wait[], overMs: number): ClientFigures {
  const sorted = waits.map(({ ms }) => ms).sort((a, b) => a - b);
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  return { perSecond: overMs > 0 ? Math.round((sorted.length * 1_000) / overMs) : 0, p50Ms: round(quantile(sorted, 0.5)), p99Ms: round(quantile(sorted, 0.99)) };
}
