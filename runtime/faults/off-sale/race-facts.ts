/** Final states of a race's actors, read through a node, as the facts that the shop's conservation check takes (../../demo/shop-conservation.ts). */

import { reservationsOn } from '../../demo/shop-conservation.ts';
import type { OrderStatus, PaymentStatus, Shelves, ShopFacts } from '../../demo/shop-conservation.ts';
import type { CarefulClient } from '../messages/careful-client.ts';
import { typeOf } from '../messages/log-record.ts';
import type { OrderState, PaymentState } from '../messages/shop-fold.ts';
import { decodeState } from '../messages/shop-messages.ts';
import { INVENTORY } from './race.ts';
import type { Race } from './race.ts';

const GETS = 64;

interface StoredInventory {
  readonly available: number;
  readonly reserved: number;
  readonly sold: number;
  readonly shelves: Shelves;
}

export async function factsOf(race: Race, client: CarefulClient): Promise<ShopFacts> {
  const read = async <State>(actor: string): Promise<State> => decodeState(typeOf(actor), (await client.get(actor)).body) as State;
  // What its user has noted of an order is what somebody was told.
  const told = new Map<string, string>();
  const users = Array.from({ length: race.users }, (_, n) => `u-${n}`);
  for (const { orders } of await each(users, (id) => read<{ orders: { orderId: string; status: string }[] }>(`shop.v1.User:${id}`))) {
    for (const { orderId, status } of orders) told.set(orderId, short(status));
  }
  const orders = await each(race.orders, async (id) => {
    const { status, lines, total, paymentId } = await read<OrderState>(`shop.v1.Order:${id}`);
    return { id, status: short(status) as OrderStatus, lines, total, paymentId, told: told.has(id) ? [told.get(id)!] : [] };
  });
  const payments = await each(race.payments, async (id) => {
    const { status, orderId, amount } = await read<PaymentState>(`shop.v1.Payment:${id}`);
    return { id, status: short(status) as PaymentStatus, orderId, amount };
  });
  const { available, reserved, sold, shelves } = await read<StoredInventory>(INVENTORY);
  return { orders, payments, inventories: [{ id: 'sale', stocked: race.stocked, available, reserved, sold, reservations: reservationsOn(shelves) }] };
}

/** ORDER_STATUS_VOID is VOID here. */
function short(status: string): string {
  return status.replace(/^[A-Z]+_STATUS_/, '');
}

async function each<T>(ids: readonly string[], read: (id: string) => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let at = 0; at < ids.length; at += GETS) found.push(...(await Promise.all(ids.slice(at, at + GETS).map(read))));
  return found;
}
