/** Final states of a run's actors, read through a node, as the facts that the conservation check takes. What has ended is not read again. */

import type { Client } from '../client/client.ts';
import { reservationsOn } from './shop-conservation.ts';
import type { InventoryFacts, OrderFacts, OrderStatus, PaymentFacts, PaymentStatus, Shelves, ShopFacts } from './shop-conservation.ts';

/** Reads at once. */
const READS_MAX = 64;
/** From which no way leads on; a captured payment may yet be refunded. */
const ORDER_ENDS: readonly OrderStatus[] = ['CONFIRMED', 'EXPIRED', 'VOID'];
const PAYMENT_ENDS: readonly PaymentStatus[] = ['REFUNDED', 'FAILED'];

/** As ProtoJSON gives them: 64-bit integers are text. */
interface InventoryState {
  readonly available: string;
  readonly reserved: string;
  readonly sold: string;
  readonly shelves: Shelves;
}

interface OrderState {
  readonly status: string;
  readonly lines: readonly { readonly inventoryId: string; readonly quantity: number }[];
  readonly total: string;
  readonly paymentId: string;
}

interface PaymentState {
  readonly status: string;
  readonly orderId: string;
  readonly amount: string;
}

export class ShopReader {
  /** Inventories, with what was put into them. */
  readonly stocked = new Map<string, number>();
  readonly orders: string[] = [];
  readonly payments: string[] = [];
  private readonly client: Client;
  private readonly outcomes = new Map<string, string[]>();
  private readonly ended = new Map<string, OrderFacts | PaymentFacts>();

  constructor(client: Client) {
    this.client = client;
  }

  /** Somebody was told that this has become of an order. */
  told(orderId: string, outcome: string): void {
    const before = this.outcomes.get(orderId);
    if (before === undefined) this.outcomes.set(orderId, [outcome]);
    else before.push(outcome);
  }

  async read(): Promise<ShopFacts> {
    // In this order: a reservation that is read after its order has ended would look forgotten when it is only on its way.
    const orders = await eachOf(this.orders, (id) => this.order(id));
    const payments = await eachOf(this.payments, (id) => this.payment(id));
    const inventories = await eachOf([...this.stocked.keys()], (id) => this.inventory(id));
    return { orders, payments, inventories };
  }

  private async order(id: string): Promise<OrderFacts> {
    const told = [...(this.outcomes.get(id) ?? [])];
    const before = this.ended.get(id) as OrderFacts | undefined;
    if (before !== undefined) return { ...before, told };
    const { state } = await this.client.get<OrderState>(`shop.v1.Order:${id}`);
    const { lines, total, paymentId } = state;
    const status = state.status.replace('ORDER_STATUS_', '') as OrderStatus;
    const facts = { id, status, total: Number(total), paymentId, told, lines: lines.map(({ inventoryId, quantity }) => ({ inventoryId, quantity })) };
    if (ORDER_ENDS.includes(status)) this.ended.set(id, facts);
    return facts;
  }

  private async payment(id: string): Promise<PaymentFacts> {
    const before = this.ended.get(id) as PaymentFacts | undefined;
    if (before !== undefined) return before;
    const { state } = await this.client.get<PaymentState>(`shop.v1.Payment:${id}`);
    const status = state.status.replace('PAYMENT_STATUS_', '') as PaymentStatus;
    const facts = { id, status, orderId: state.orderId, amount: Number(state.amount) };
    if (PAYMENT_ENDS.includes(status)) this.ended.set(id, facts);
    return facts;
  }

  private async inventory(id: string): Promise<InventoryFacts> {
    const { state } = await this.client.get<InventoryState>(`shop.v1.Inventory:${id}`);
    const { available, reserved, sold, shelves } = state;
    return { id, stocked: this.stocked.get(id)!, available: Number(available), reserved: Number(reserved), sold: Number(sold), reservations: reservationsOn(shelves) };
  }
}

async function eachOf<T>(ids: readonly string[], read: (id: string) => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let at = 0; at < ids.length; at += READS_MAX) found.push(...(await Promise.all(ids.slice(at, at + READS_MAX).map(read))));
  return found;
}
