/**
 * The shop's whole story, told against a running node through its gateway: stock comes in, customers order and pay, or do not, or too late; a
 * product goes off sale; and when all has come to rest nothing may be missing. Every run has products, users and orders of its own.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { TroupeClientError } from '../client/client.ts';
import type { Client } from '../client/client.ts';
import { conservationOf } from './shop-conservation.ts';
import type { Conservation } from './shop-conservation.ts';
import { ShopReader } from './shop-reader.ts';

export interface StoryOptions {
  /** Names the run's actors. */
  readonly run: string;
  /** How long customers come in. */
  readonly seconds: number;
  /** Connections, each with one customer at a time. */
  readonly clients: number;
  readonly paymentTimeSeconds: number;
  /** For all to come to rest after the last order has run out of time. */
  readonly settleMs: number;
  readonly random: () => number;
}

/** What happens, as it happens. */
export interface StoryView {
  /** Something worth a line. */
  tell(line: string): void;
  readonly counts: StoryCounts;
}

export interface StoryCounts {
  placed: number;
  reserved: number;
  confirmed: number;
  expired: number;
  /** By reason. */
  readonly void: Map<string, number>;
  payments: number;
}

interface Product {
  readonly id: string;
  readonly price: number;
  readonly stock: number;
}

/** Of the least there is not enough for all. */
const STOCKS = [100_000, 100_000, 100_000, 100_000, 100_000, 300];
const OFF_SALE_AT = 0.5;
/** Who has ordered what goes off sale, and pays all the same. */
const UNLUCKY = 3;
const QUANTITY_MAX = 3;
const USERS = 5;
/** Between two customers of a connection: this is a story, not a benchmark. */
const PAUSE_MAX_MS = 20;
const POLL_MS = 200;
/** What is seen at rest is looked at again before it counts as wrong: the last message may be on its way. */
const RESTLESS_MS = 3_000;

export class ShopStory {
  private readonly options: StoryOptions;
  private readonly main: Client;
  private readonly clients: readonly Client[];
  private readonly view: StoryView;
  private readonly reader: ShopReader;
  private readonly products: Product[];
  private readonly late: Promise<void>[] = [];
  private orders = 0;
  private payments = 0;

  /** @param main reads and watches, `clients` are the customers' connections */
  constructor(main: Client, clients: readonly Client[], view: StoryView, options: StoryOptions) {
    this.main = main;
    this.clients = clients;
    this.view = view;
    this.options = options;
    this.products = STOCKS.map((stock, i) => ({ id: `p-${options.run}-${i}`, price: 250 + 125 * i, stock }));
    this.reader = new ShopReader(main);
    for (const { id, stock } of this.products) this.reader.stocked.set(id, stock);
  }

  /** @throws TroupeClientError */
  async play(): Promise<Conservation> {
    await this.open();
    const watching = this.watch();
    try {
      const until = performance.now() + this.options.seconds * 1_000;
      const customers = this.clients.map((client) => this.customers(client, until));
      await Promise.all([...customers, this.takeOffSale()]);
      this.view.tell(`the shop is closed after ${this.orders} orders; the unpaid ones have ${this.options.paymentTimeSeconds} s left`);
      await Promise.all(this.late);
      return await this.settle();
    } finally {
      await watching.stop();
    }
  }

  private async open(): Promise<void> {
    const { run } = this.options;
    await Promise.all(this.products.flatMap(({ id, price, stock }, i) => [
      this.main.send(`shop.v1.Product:${id}`, 'CreateProduct', { name: `Tea no. ${i + 1}`, price, onSale: true }),
      this.main.send(`shop.v1.Inventory:${id}`, 'AddStock', { quantity: stock }),
    ]));
    await Promise.all(Array.from({ length: USERS }, async (_, i) => {
      const user = this.user(i);
      await this.main.send(`shop.v1.User:${user}`, 'RegisterUser', { name: `Customer ${i + 1}`, email: `customer-${i + 1}@example.org` });
      await this.main.send(`shop.v1.Address:${user}/home`, 'ChangeAddress', {
        address: { recipient: `Customer ${i + 1}`, street: `Rua Um ${i + 1}`, postcode: '1000-001', city: 'Lisboa', country: 'PT' },
      });
    }));
    this.view.tell(`${this.products.length} products on sale (p-${run}-0 ...), ${USERS} users, each with an address in the bucket of its own`);
  }

  private user(i: number): string {
    return `{u-${this.options.run}-${i % USERS}}`;
  }

  /** The notices of all orders, and what happens to the product that goes off sale. */
  private watch(): { stop(): Promise<void> } {
    const notices = this.main.watch<{ orderId: string; status: string; reason: string }>(this.notification, { from: 1 });
    const offSale = this.main.watch<{ reason: string }>(`shop.v1.Product:${this.products[0]!.id}`);
    const both = Promise.all([
      (async () => {
        for await (const { body } of notices) this.noticed(body);
      })(),
      (async () => {
        for await (const { event } of offSale) {
          if (event === 'ProductTakenOffSale') this.view.tell(`product ${this.products[0]!.id} goes off sale: every unpaid order with it is void`);
        }
      })(),
    ]);
    // Whoever waits for `stop` hears of it.
    both.catch(() => undefined);
    return {
      stop: async () => {
        await Promise.all([notices.return?.(), offSale.return?.()]);
        await both;
      },
    };
  }

  private get notification(): string {
    return `shop.v1.Notification:n-${this.options.run}`;
  }

  private noticed({ orderId, status, reason }: { orderId: string; status: string; reason: string }): void {
    const { counts } = this.view;
    const outcome = status.replace('ORDER_STATUS_', '');
    if (outcome === 'AWAITING_PAYMENT') {
      counts.reserved++;
      return;
    }
    this.reader.told(orderId, outcome);
    if (outcome === 'CONFIRMED') counts.confirmed++;
    else if (outcome === 'EXPIRED') counts.expired++;
    else counts.void.set(reason, (counts.void.get(reason) ?? 0) + 1);
  }

  private async customers(client: Client, until: number): Promise<void> {
    while (performance.now() < until) {
      await this.customer(client);
      await sleep(this.options.random() * PAUSE_MAX_MS);
    }
  }

  /** One of many. */
  private async customer(client: Client): Promise<void> {
    const { random, paymentTimeSeconds } = this.options;
    const order = await this.place(client, this.basket());
    const what = random();
    if (what < 0.55) await this.pay(client, order, false);
    // By transfer, which may cross the order's end: within its time to pay, and behind it.
    else if (what < 0.7) this.payLater(client, order, random() * paymentTimeSeconds * 1_000);
    else if (what < 0.75) this.payLater(client, order, (paymentTimeSeconds + random()) * 1_000);
    else if (what < 0.78) await this.refused(client.send(`shop.v1.Order:${order.id}`, 'PayOrder', { amount: order.total + 1 }));
    // The others forget about it.
  }

  private basket(): Product[] {
    const { random } = this.options;
    const count = 1 + Math.floor(random() * 2);
    const picked = new Set(Array.from({ length: count }, () => Math.floor(random() * this.products.length)));
    return [...picked].map((i) => this.products[i]!);
  }

  private async place(client: Client, products: readonly Product[]): Promise<{ readonly id: string; readonly total: number }> {
    const { random, run, paymentTimeSeconds } = this.options;
    const number = ++this.orders;
    const id = `o-${run}-${number}`;
    this.reader.orders.push(id);
    const { reply } = await client.send(`shop.v1.Order:${id}`, 'PlaceOrder', {
      userId: this.user(number),
      lines: products.map(({ id: productId, price }) => ({ productId, quantity: 1 + Math.floor(random() * QUANTITY_MAX), unitPrice: price })),
      paymentTimeSeconds,
      notify: `n-${run}`,
    });
    this.view.counts.placed++;
    return { id, total: Number((reply as { total: string }).total) };
  }

  private payLater(client: Client, order: { readonly id: string; readonly total: number }, afterMs: number): void {
    const paid = sleep(afterMs).then(() => this.pay(client, order, true));
    // `play` waits for it, and hears of its failure, when the shop is closed.
    paid.catch(() => undefined);
    this.late.push(paid);
  }

  private async pay(client: Client, { id, total }: { readonly id: string; readonly total: number }, byTransfer: boolean): Promise<void> {
    const payment = `pay-${this.options.run}-${++this.payments}`;
    this.reader.payments.push(payment);
    await client.send(`shop.v1.Payment:${payment}`, 'AuthorisePayment', { orderId: id, amount: total, method: byTransfer ? 'transfer' : 'card', capture: byTransfer });
    this.view.counts.payments++;
  }

  /** A command that must not succeed, whatever else has become of the order by now. */
  private async refused(answer: Promise<unknown>): Promise<void> {
    const error = await answer.then(() => null, (thrown: unknown) => thrown);
    if (error instanceof TroupeClientError && error.code === 'REJECTED') return;
    throw error ?? new Error('an order took another amount than it costs');
  }

  /** Half way through, and some pay for what is off sale all the same. */
  private async takeOffSale(): Promise<void> {
    await sleep(this.options.seconds * 1_000 * OFF_SALE_AT);
    const product = this.products[0]!;
    const unlucky = await Promise.all(Array.from({ length: UNLUCKY }, () => this.place(this.main, [product])));
    await this.main.send(`shop.v1.Product:${product.id}`, 'TakeOffSale', { reason: 'recalled' });
    for (const order of unlucky) this.payLater(this.main, order, POLL_MS);
  }

  /** Reads until nothing moves and nothing is wrong, or until it is plain that something is. */
  private async settle(): Promise<Conservation> {
    const { paymentTimeSeconds, settleMs } = this.options;
    const until = performance.now() + paymentTimeSeconds * 1_000 + settleMs;
    let before = '';
    // Looks, not time: a machine that stands still between two of them shows nothing.
    let alike = 0;
    for (;; alike++) {
      const facts = await this.reader.read();
      const found = conservationOf(facts);
      if (found.violations.length === 0) return found;
      const now = JSON.stringify(facts);
      if (now !== before) alike = 0;
      before = now;
      // While an order has time to be paid it is quiet, and not at rest.
      const stillMs = found.totals.orders.AWAITING_PAYMENT > 0 ? paymentTimeSeconds * 1_000 + settleMs : RESTLESS_MS;
      if (performance.now() > until || alike * POLL_MS > stillMs) return found;
      await sleep(POLL_MS);
    }
  }
}
