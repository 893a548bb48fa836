/**
 * Everybody who wants something of one product at once: unpaid orders, payments that stream in with right amounts and wrong ones, orders whose
 * time to pay ends in the same seconds, orders that come when it is too late, and in the middle of it the product goes off sale.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Findings } from '../book.ts';
import type { CarefulClient } from '../messages/careful-client.ts';
import { restlessOf } from '../messages/rest.ts';
import type { Restful } from '../messages/rest.ts';
import type { Wait } from '../waiter.ts';

export interface RaceOptions {
  readonly orders: number;
  /** Of the orders, in percent: those somebody pays for during the race, and those whose time to pay ends in it. */
  readonly payPercent: number;
  readonly expirePercent: number;
  /** Of the payments, in percent. */
  readonly wrongPercent: number;
  readonly findings: Findings;
  readonly random: () => number;
}

/** By both clocks; `open`: commands that had no answer then. */
export interface OffSaleAcknowledged {
  readonly wallMs: number;
  readonly ms: number;
  readonly open: number;
}

export const PRODUCT = 'shop.v1.Product:sale';
export const INVENTORY = 'shop.v1.Inventory:sale';
/** Payments and expiries come from so long before the product goes off sale to so long behind it. */
export const BEFORE_MS = 1_000;
const BEHIND_MS = 2_000;
const PRICE = 100;
const QUANTITY_MAX = 3;
const IN_FLIGHT = 256;
const TICK_MS = 10;
/** Far below what a user remembers. */
const ORDERS_PER_USER = 40;
/** Of the payments: the money is there already; a second one comes for the same order; somebody orders in the same moment. */
const CAPTURE_SHARE = 0.4;
const TWICE_SHARE = 0.05;
const NEWCOMER_SHARE = 0.05;
/** Of the payments: in front of the off-sale, in the same moment; and when all is over. */
const BURST_SHARE = 0.2;
const LATE_SHARE = 0.05;
const USERS_MIN = 20;

export class Race implements Restful {
  /** Ids. */
  readonly orders: string[] = [];
  readonly payments: string[] = [];
  /** Pieces that the inventory was given. */
  readonly stocked: number;
  /** What payments had to wait until they were authorised. */
  readonly waits: Wait[] = [];
  private readonly client: CarefulClient;
  private readonly options: RaceOptions;
  private readonly unsettled = new Set<string>();
  /** That the orders want together. */
  pieces = 0;
  private readonly totals = new Map<string, number>();
  private readonly work = new Set<Promise<unknown>>();

  constructor(client: CarefulClient, options: RaceOptions) {
    this.client = client;
    this.options = options;
    this.stocked = options.orders * QUANTITY_MAX * 2;
  }

  get expiring(): number {
    return Math.max(1, Math.round((this.options.orders * this.options.expirePercent) / 100));
  }

  get paying(): number {
    return Math.max(1, Math.round((this.options.orders * this.options.payPercent) / 100));
  }

  get users(): number {
    return USERS_MIN + Math.ceil(this.options.orders / ORDERS_PER_USER);
  }

  async prepare(): Promise<void> {
    await this.accepted(PRODUCT, 'CreateProduct', { name: 'for sale', price: PRICE, onSale: true });
    await this.accepted(INVENTORY, 'AddStock', { quantity: this.stocked });
  }

  /** Orders with all the time to pay that the shop gives, so many at a time; resolves when each is acknowledged. */
  async place(): Promise<void> {
    await this.placing(this.options.orders - this.expiring, () => 0);
  }

  /** Orders whose time to pay ends around `atMs`, by the wall clock. */
  async placeExpiring(atMs: number): Promise<void> {
    await this.placing(this.expiring, () => {
      const due = atMs - BEFORE_MS + this.options.random() * (BEFORE_MS + BEHIND_MS);
      return Math.max(1, Math.round((due - Date.now()) / 1_000));
    });
  }

  /** From `BEFORE_MS` before `atMs` on. Resolves when everybody has come, with when the off-sale was acknowledged. */
  async run(atMs: number): Promise<OffSaleAcknowledged> {
    const { random } = this.options;
    const burst = Math.ceil(this.paying * BURST_SHARE);
    const chosen = shuffled(this.orders, random).slice(0, this.paying);
    const streamed = chosen.splice(burst);
    const streaming = this.stream(streamed, atMs - BEFORE_MS, BEFORE_MS + BEHIND_MS);
    await sleep(Math.max(0, atMs - Date.now()));
    for (const order of chosen) this.track(this.pay(order));
    await this.accepted(PRODUCT, 'TakeOffSale', { reason: 'recall' });
    const acknowledged = { wallMs: Date.now(), ms: performance.now(), open: this.client.open };
    await streaming;
    return acknowledged;
  }

  /** Money for orders that have come to nothing: it was sent before anybody knew. */
  async payLate(): Promise<void> {
    const count = Math.ceil(this.paying * LATE_SHARE);
    const paid = new Set(this.payments.map((id) => id.slice(0, id.lastIndexOf('-'))));
    const late = this.orders.filter((id) => !paid.has(`pay-${id}`)).slice(0, count);
    await Promise.all(late.map((order) => this.payment(order, 'late', this.totals.get(order)!, true)));
  }

  async close(withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs;
    while (this.work.size + this.client.open > 0) {
      if (performance.now() > until) return false;
      await sleep(TICK_MS);
    }
    return true;
  }

  restless(): Promise<string[]> {
    return restlessOf(this.client, this.unsettled, [INVENTORY]);
  }

  private async placing(count: number, seconds: () => number): Promise<void> {
    let left = count;
    await Promise.all(Array.from({ length: Math.min(count, IN_FLIGHT) }, async () => {
      while (left-- > 0) await this.order(seconds());
    }));
  }

  private async order(paymentTimeSeconds: number): Promise<void> {
    const id = `o-${this.orders.length}`;
    this.orders.push(id);
    this.unsettled.add(`shop.v1.Order:${id}`);
    const quantity = 1 + Math.floor(this.options.random() * QUANTITY_MAX);
    this.totals.set(id, quantity * PRICE);
    this.pieces += quantity;
    await this.accepted(`shop.v1.Order:${id}`, 'PlaceOrder', {
      userId: `u-${this.orders.length % this.users}`, lines: [{ productId: 'sale', quantity, unitPrice: PRICE }], paymentTimeSeconds,
    });
  }

  /** At an even rate, whatever the answers take. */
  private async stream(orders: readonly string[], fromMs: number, ms: number): Promise<void> {
    for (let n = 0; n < orders.length; await sleep(TICK_MS)) {
      for (const due = Math.min(orders.length, ((Date.now() - fromMs) / ms) * orders.length); n < due; n++) {
        this.track(this.pay(orders[n]!));
        if (this.options.random() < NEWCOMER_SHARE) this.track(this.order(0));
      }
    }
  }

  private async pay(order: string): Promise<void> {
    const { random, wrongPercent } = this.options;
    const isWrong = random() * 100 < wrongPercent;
    const amount = this.totals.get(order)! + (isWrong ? (random() < 0.5 ? 1 : -1) : 0);
    const first = this.payment(order, '1', amount, random() < CAPTURE_SHARE);
    if (random() < TWICE_SHARE) await this.payment(order, '2', amount, true);
    await first;
  }

  private async payment(order: string, by: string, amount: number, capture: boolean): Promise<void> {
    const id = `pay-${order}-${by}`;
    this.payments.push(id);
    this.unsettled.add(`shop.v1.Payment:${id}`);
    const sentMs = performance.now();
    await this.accepted(`shop.v1.Payment:${id}`, 'AuthorisePayment', { orderId: order, amount, method: capture ? 'transfer' : 'card', capture });
    this.waits.push({ sentMs, ms: performance.now() - sentMs });
  }

  private async accepted(to: string, name: string, fields: object): Promise<void> {
    const outcome = await this.client.command(to, name, fields);
    if ('refused' in outcome) this.options.findings.add(`${name} to ${to} was refused: ${outcome.refused}`);
  }

  private track(work: Promise<unknown>): void {
    this.work.add(work);
    void work.finally(() => this.work.delete(work));
  }
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
