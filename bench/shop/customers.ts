/**
 * Customers of the shop, each with a story: an order is placed, paid for, and the customer waits to be told how it ended. Some do not pay, some pay
 * late by transfer, when the order may be void or expired already. What they were told is kept, for the check of the end.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { CarefulClient } from '../client-driver/careful-client.ts';
import type { DriverRandom } from '../driver/random.ts';
import { Recorder } from '../driver/recorder.ts';
import { conservationOf } from '../../runtime/demo/shop-conservation.ts';
import { ShopReader } from '../../runtime/demo/shop-reader.ts';
import type { AnsweredCommand } from '../../runtime/faults/messages/messages-check.ts';
import type { Settled, ShopJob } from './protocol.ts';

/** The most that an inventory takes at once, and more than is ever ordered. */
const STOCK = 1_000_000;
const PRICE = 250;
const LINES_MAX = 2;
const QUANTITY_MAX = 3;
/** Of those who pay at once: the money is there already. */
const TRANSFER_SHARE = 0.2;
/** Those who pay late come in this share of the time to pay, evenly: some of them behind it. */
const LATE_WITHIN = 1.2;
const PREPARED_AT_ONCE = 32;
const POLL_MS = 250;
/** What is seen at rest is looked at again before it counts as wrong: the last message may be on its way. */
const RESTLESS_MS = 3_000;
const VIOLATIONS_SHOWN = 10;
const MS_PER_S = 1_000;

interface Notice {
  readonly orderId: string;
  readonly status: string;
}

interface Desk {
  readonly client: CarefulClient;
  /** Id of the notification actor that everybody who uses this client is told by. */
  readonly desk: string;
}

export class Customers {
  readonly commands = new Recorder();
  readonly answered: AnsweredCommand[] = [];
  readonly errors = new Map<string, number>();
  placed = 0;
  placedInTime = 0;
  isInTime = false;
  /** Paying late, or about to. */
  readonly late = new Set<Promise<unknown>>();
  private readonly job: ShopJob;
  private readonly desks: readonly Desk[];
  private readonly random: DriverRandom;
  private readonly reader: ShopReader;
  private readonly onSale: string[];
  private readonly waiting = new Map<string, (status: string) => void>();
  private payments = 0;

  constructor(job: ShopJob, clients: readonly CarefulClient[], random: DriverRandom) {
    this.job = job;
    this.random = random;
    this.desks = clients.map((client, i) => ({ client, desk: `n-${i}` }));
    this.onSale = Array.from({ length: job.products }, (_, i) => productId(i));
    this.reader = new ShopReader(clients[0]!.client);
    for (const id of this.onSale) this.reader.stocked.set(id, STOCK);
  }

  /** Products on sale, stock, and somebody at every desk. `failed` hears of a watch that breaks. */
  async prepare(failed: (error: unknown) => void): Promise<void> {
    const { client } = this.desks[0]!;
    const stock = async (id: string): Promise<void> => {
      await this.command(client, `shop.v1.Product:${id}`, 'CreateProduct', { name: id, price: PRICE, onSale: true });
      await this.command(client, `shop.v1.Inventory:${id}`, 'AddStock', { quantity: STOCK });
    };
    for (let at = 0; at < this.onSale.length; at += PREPARED_AT_ONCE) await Promise.all(this.onSale.slice(at, at + PREPARED_AT_ONCE).map(stock));
    for (const desk of this.desks) this.listen(desk).catch(failed);
  }

  /** One story; whether it ended with a confirmed order. */
  async order(): Promise<boolean> {
    const { job, random } = this;
    const { client, desk } = this.desks[this.placed % this.desks.length]!;
    const id = `o-${++this.placed}`;
    if (this.isInTime) this.placedInTime++;
    this.reader.orders.push(id);
    const what = random.unit() * 100;
    const isPaidAtOnce = what >= job.unpaidPercent + job.latePercent;
    const told = isPaidAtOnce ? new Promise<string>((resolve) => this.waiting.set(id, resolve)) : null;
    const lines = this.basket();
    const total = lines.reduce((sum, { quantity }) => sum + quantity * PRICE, 0);
    const userId = `u-${this.placed % job.users}`;
    const isPlaced = await this.command(client, `shop.v1.Order:${id}`, 'PlaceOrder', { userId, lines, paymentTimeSeconds: job.paymentTimeSeconds, notify: desk });
    if (!isPlaced) return false;
    if (told !== null) {
      await this.pay(client, id, total, random.unit() < TRANSFER_SHARE);
      return (await told) === 'CONFIRMED';
    }
    if (what >= job.unpaidPercent) this.payLate(client, id, total);
    return false;
  }

  /** Resolves with when it was acknowledged, by the wall clock. */
  async takeOffSale(product: number): Promise<number> {
    const id = productId(product);
    await this.command(this.desks[0]!.client, `shop.v1.Product:${id}`, 'TakeOffSale', { reason: 'recalled' });
    const wallMs = Date.now();
    this.onSale.splice(this.onSale.indexOf(id), 1);
    return wallMs;
  }

  /** Reads until all orders have ended and nothing is amiss; or, when nothing moves any more, with what is amiss. */
  async settle(withinMs: number): Promise<Settled> {
    const until = performance.now() + withinMs;
    let alike = 0;
    for (let before = ''; ; await sleep(POLL_MS)) {
      const facts = await this.reader.read();
      const { totals, violations } = conservationOf(facts);
      const now = JSON.stringify(facts);
      // While an order has time to be paid it is quiet, and not at rest.
      if (now !== before || totals.orders.AWAITING_PAYMENT > 0) alike = 0;
      else alike++;
      before = now;
      if (violations.length === 0 || performance.now() > until || alike * POLL_MS > RESTLESS_MS) {
        return { totals, violations: violations.slice(0, VIOLATIONS_SHOWN).map(({ rule, what }) => `${rule}: ${what}`) };
      }
    }
  }

  private async listen({ client, desk }: Desk): Promise<void> {
    for await (const { body } of client.client.watch<Notice>(`shop.v1.Notification:${desk}`, { from: 1 })) {
      const status = body.status.replace('ORDER_STATUS_', '');
      if (status === 'AWAITING_PAYMENT') continue;
      this.reader.told(body.orderId, status);
      this.waiting.get(body.orderId)?.(status);
      this.waiting.delete(body.orderId);
    }
  }

  private basket(): { productId: string; quantity: number; unitPrice: number }[] {
    const { onSale, random } = this;
    const count = 1 + random.below(LINES_MAX);
    const picked = new Set(Array.from({ length: count }, () => onSale[random.below(onSale.length)]!));
    return [...picked].map((id) => ({ productId: id, quantity: 1 + random.below(QUANTITY_MAX), unitPrice: PRICE }));
  }

  private payLate(client: CarefulClient, id: string, total: number): void {
    const afterMs = this.random.unit() * LATE_WITHIN * this.job.paymentTimeSeconds * MS_PER_S;
    const paid = sleep(afterMs).then(() => this.pay(client, id, total, true));
    this.late.add(paid);
    void paid.finally(() => this.late.delete(paid));
  }

  private async pay(client: CarefulClient, orderId: string, amount: number, isTransfer: boolean): Promise<void> {
    const id = `pay-${++this.payments}`;
    this.reader.payments.push(id);
    await this.command(client, `shop.v1.Payment:${id}`, 'AuthorisePayment', { orderId, amount, method: isTransfer ? 'transfer' : 'card', capture: isTransfer });
  }

  /** Whether it was accepted: all of them should be. */
  private async command(client: CarefulClient, to: string, name: string, body: object): Promise<boolean> {
    const since = performance.now();
    const outcome = await client.send(to, name, body);
    if (outcome.is !== 'done') {
      const code = outcome.is === 'refused' ? `${name}: ${outcome.error.reason ?? outcome.error.code}` : `${name}: unknown`;
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
      return false;
    }
    const now = performance.now();
    this.commands.roll(now);
    this.commands.answered(since, now);
    this.answered.push({ actor: to, key: outcome.key, seq: outcome.seq });
    return true;
  }
}

export function productId(n: number): string {
  return `p-${n}`;
}
