/** The inventory's reservations lie on shelves: what was one map before is carried over to where the new code looks for it. */

import t from 'tap';

import { reservationsOn } from './shop-conservation.ts';
import { ShopModel } from './testing/shop-model.ts';

const ORDERS = 500;
const model = await ShopModel.load();
const inventory = 'shop.v1.Inventory:tea';
const caller = (orderId: string): string => `shop.v1.Order:${orderId}`;
const idOf = (n: number): string => (n === 0 ? '__proto__' : n === 1 ? 'toString' : `o-${n}`);

function reserved(): ReturnType<ShopModel['world']> {
  const world = model.world(0);
  model.command(world, inventory, 'AddStock', { quantity: 10 * ORDERS }, 'keeper');
  for (let n = 0; n < ORDERS; n++) model.command(world, inventory, 'Reserve', { orderId: idOf(n), quantity: 1 + (n % 7) }, caller(idOf(n)));
  return world;
}

t.test('what was one map is carried over to the same state as the events make', async (t) => {
  const { shelves, reservations: _empty, ...state } = model.state(reserved(), inventory) as any;
  const reservations = Object.fromEntries(Array.from({ length: ORDERS }, (_, n) => [idOf(n), 1 + (n % 7)]));
  t.equal(Object.keys(reservations).length, ORDERS);
  t.strictSame(model.migrate('shop.v1.Inventory', { ...state, reservations, shelves: {} }), { ...state, reservations: {}, shelves });
});

t.test('a state that has shelves stays as it is', async (t) => {
  const state = model.state(reserved(), inventory);
  t.strictSame(model.migrate('shop.v1.Inventory', state), state);
});

t.test('every reservation is found again, and no shelf is long or left behind', async (t) => {
  const world = reserved();
  const { shelves } = model.state(world, inventory) as any;
  const sizes = Object.values(shelves).map((shelf: any) => Object.keys(shelf.reservations).length);
  t.equal(Object.keys(reservationsOn(shelves)).length, ORDERS);
  t.ok(Math.max(...sizes) < ORDERS / 10, `the longest shelf has ${Math.max(...sizes)} of ${ORDERS}`);
  for (let n = 0; n < ORDERS; n++) model.command(world, inventory, n % 2 === 0 ? 'Confirm' : 'Release', { orderId: idOf(n) }, caller(idOf(n)));
  const sold = Array.from({ length: ORDERS }, (_, n) => (n % 2 === 0 ? 1 + (n % 7) : 0)).reduce((sum, quantity) => sum + quantity, 0);
  t.match(model.state(world, inventory), { available: 10 * ORDERS - sold, reserved: 0, sold, shelves: {} });
});
