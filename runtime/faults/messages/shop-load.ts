/**
 * Customers and shopkeepers, through the gateway: orders are placed, paid (by a payment, by hand, by two payments at once), left to expire, or
 * called off; products go off sale and come back, prices change, stock arrives. At rest every order of theirs has its outcome.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { CarefulClient, Outcome } from './careful-client.ts';
import { restlessOf } from './rest.ts';
import type { Restful } from './rest.ts';

export interface ShopOptions {
  readonly products: number;
  readonly ordersPerSecond: number;
  /** Customers who have not come to their end yet; no more come in then. */
  readonly customersMax: number;
  readonly paymentTimeMaxSeconds: number;
  readonly random: () => number;
}

const TICK_MS = 10;
const PRICE = 100;
/** Enough that none has more orders than it remembers. */
const USERS = 500;
const SHOPKEEPERS = 4;
const SHOPKEEPER_PAUSE_MS = 150;
const OFF_SALE_MS = 100;

export class ShopLoad implements Restful {
  /** Orders and payments that are not known to have come to their end. */
  private readonly unsettled = new Set<string>();
  private readonly client: CarefulClient;
  private readonly options: ShopOptions;
  private readonly work = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | null = null;
  private due = 0;
  private orders = 0;
  private isOpen = false;

  constructor(client: CarefulClient, options: ShopOptions) {
    this.client = client;
    this.options = options;
  }

  get placed(): number {
    return this.orders;
  }

  /** Products on sale, and stock. */
  async prepare(): Promise<void> {
    await Promise.all(Array.from({ length: this.options.products }, async (_, n) => {
      await this.client.command(productOf(n), 'CreateProduct', { name: `product ${n}`, price: PRICE, onSale: true });
      await this.client.command(inventoryOf(n), 'AddStock', { quantity: 1_000 });
    }));
  }

  /** Opens the shop; `again` after `close`. */
  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    for (let i = 0; i < SHOPKEEPERS; i++) this.track(this.keep(i));
  }

  /** So many customers at once. */
  burst(count: number): void {
    for (let i = 0; i < count; i++) this.track(this.customer(++this.orders));
  }

  /** Nobody comes in any more. Resolves when whoever is inside has sent what he wanted; false when that takes too long. */
  async close(withinMs: number): Promise<boolean> {
    this.leave();
    const until = performance.now() + withinMs;
    while (this.work.size + this.client.open > 0) {
      if (performance.now() > until) return false;
      await sleep(TICK_MS);
    }
    return true;
  }

  /** For good, whoever is still inside. */
  leave(): void {
    this.isOpen = false;
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** What is not at rest yet, by its state as a node gives it; empty when everything is. */
  async restless(): Promise<string[]> {
    return restlessOf(this.client, this.unsettled, Array.from({ length: this.options.products }, (_, n) => inventoryOf(n)));
  }

  private tick(): void {
    this.due += (this.options.ordersPerSecond * TICK_MS) / 1_000;
    for (; this.due >= 1; this.due--) if (this.work.size < this.options.customersMax) this.track(this.customer(++this.orders));
  }

  private track(work: Promise<void>): void {
    this.work.add(work);
    void work.finally(() => this.work.delete(work));
  }

  private async customer(n: number): Promise<void> {
    const { random, products, paymentTimeMaxSeconds } = this.options;
    const order = `shop.v1.Order:o-${n}`;
    const ids = new Set(Array.from({ length: 1 + Math.floor(random() * 3) }, () => Math.floor(random() * products)));
    // Somebody remembers an old price now and then.
    const lines = [...ids].map((id) => ({ productId: `p-${id}`, quantity: 1 + Math.floor(random() * 3), unitPrice: random() < 0.02 ? PRICE + 1 : PRICE }));
    this.unsettled.add(order);
    const placed = await this.client.command(order, 'PlaceOrder', {
      userId: `u-${n % USERS}`, lines, paymentTimeSeconds: 1 + Math.floor(random() * paymentTimeMaxSeconds), notify: random() < 0.3 ? `n-${n % USERS}` : '',
    });
    if (!('reply' in placed)) return;
    const amount = placed.reply['total'];
    await sleep(random() * 300);
    const what = random();
    if (what < 0.55) await this.pay(n, order, amount, 1);
    else if (what < 0.65) await Promise.all([this.pay(n, order, amount, 1), this.pay(n, order, amount, 2)]);
    else if (what < 0.75) await this.client.command(order, 'PayOrder', { amount });
    else if (what < 0.85) await this.client.command(order, 'VoidOrder', { reason: 'NOT_WANTED' });
    // The others forget about it.
  }

  private async pay(n: number, order: string, amount: unknown, by: number): Promise<void> {
    const payment = `shop.v1.Payment:pay-${n}-${by}`;
    this.unsettled.add(payment);
    await this.client.command(payment, 'AuthorisePayment', { orderId: order.slice(14), amount, method: 'card', capture: this.options.random() < 0.2 });
  }

  /** Each looks after every so-manyth product, so that none is taken off sale by two at once. */
  private async keep(first: number): Promise<void> {
    const { random, products } = this.options;
    const own = Math.floor((products - first - 1) / SHOPKEEPERS) + 1;
    while (this.isOpen && own > 0) {
      await sleep(SHOPKEEPER_PAUSE_MS * (0.5 + random()));
      const n = first + SHOPKEEPERS * Math.floor(random() * own);
      await this.client.command(inventoryOf(n), 'AddStock', { quantity: 1 + Math.floor(random() * 20) });
      if (random() < 0.4) await this.away(productOf(n));
    }
  }

  private async away(product: string): Promise<Outcome> {
    await this.client.command(product, 'TakeOffSale', { reason: 'season' });
    await sleep(this.options.random() * OFF_SALE_MS);
    return this.client.command(product, 'PutOnSale', {});
  }
}

function productOf(n: number): string {
  return `shop.v1.Product:p-${n}`;
}

function inventoryOf(n: number): string {
  return `shop.v1.Inventory:p-${n}`;
}
