/** The conservation of the shop (Q1-Q4) over states that hold, and over states with one thing wrong each. */

import t from 'tap';

import { conservationOf } from './shop-conservation.ts';
import type { InventoryFacts, OrderFacts, PaymentFacts, ShopFacts } from './shop-conservation.ts';

const inventory = (change: Partial<InventoryFacts> = {}): InventoryFacts => ({ id: 'tea', stocked: 10, available: 7, reserved: 0, sold: 3, reservations: {}, ...change });
const order = (id: string, change: Partial<OrderFacts> = {}): OrderFacts => ({
  id, status: 'CONFIRMED', lines: [{ inventoryId: 'tea', quantity: 3 }], total: 900, paymentId: `pay-${id}`, told: ['CONFIRMED'], ...change,
});
const payment = (id: string, change: Partial<PaymentFacts> = {}): PaymentFacts => ({ id: `pay-${id}`, orderId: id, status: 'CAPTURED', amount: 900, ...change });
const over = (id: string, status: 'EXPIRED' | 'VOID', paymentId = ''): OrderFacts => order(id, { status, told: [status], paymentId });

/** One order that was bought, one that expired under its payment, one that went void after it was paid, one that nobody paid. */
function whole(): ShopFacts {
  return {
    inventories: [inventory()],
    orders: [order('a'), over('b', 'EXPIRED'), over('c', 'VOID', 'pay-c'), over('d', 'EXPIRED')],
    payments: [payment('a'), payment('b', { status: 'FAILED' }), payment('c', { status: 'REFUNDED' }), payment('b2', { orderId: 'b', status: 'REFUNDED' })],
  };
}

t.test('it holds', async (t) => {
  const { violations, totals } = conservationOf(whole());
  t.same(violations, []);
  t.same(totals, {
    stock: { stocked: 10, available: 7, reserved: 0, sold: 3 },
    orders: { UNSPECIFIED: 0, AWAITING_PAYMENT: 0, PAID: 0, CONFIRMED: 1, EXPIRED: 2, VOID: 1 },
    money: { captured: 2_700, refunded: 1_800, paid: 900, byHand: 0 },
    payments: { UNSPECIFIED: 0, AUTHORISED: 0, CAPTURED: 1, REFUNDED: 2, FAILED: 1 },
  });
  t.same(conservationOf({ inventories: [], orders: [], payments: [] }).violations, [], 'where nothing happened');
});

t.test('an order that is paid by hand has no payment, and is counted apart', async (t) => {
  const facts = { ...whole(), orders: [order('a', { paymentId: '' })], payments: [] };
  t.same(conservationOf(facts).violations, []);
  t.match(conservationOf(facts).totals.money, { captured: 0, paid: 0, byHand: 900 });
});

t.test('lines that share an inventory are one reservation and one sale', async (t) => {
  const lines = [{ inventoryId: 'tea', quantity: 1 }, { inventoryId: 'tea', quantity: 2 }];
  t.same(conservationOf({ inventories: [inventory()], orders: [order('a', { lines })], payments: [payment('a')] }).violations, []);
});

const held = (quantity: number, orderId = 'a'): InventoryFacts => inventory({ available: 10 - quantity, reserved: quantity, sold: 0, reservations: { [orderId]: quantity } });
/** What an open order may hold is no violation of its own, only that the order is open. */
const open: ShopFacts = { inventories: [held(3)], orders: [order('a', { status: 'AWAITING_PAYMENT', told: [], paymentId: '' })], payments: [] };
t.same(conservationOf(open).violations, [{ rule: 'outcome', what: 'order a is AWAITING_PAYMENT' }], 'an open order, and nothing else');

const wrongs: readonly [name: string, rule: string, change: (facts: ShopFacts) => ShopFacts, what: RegExp][] = [
  ['a piece vanishes', 'stock', (f) => ({ ...f, inventories: [inventory({ available: 6 })] }), /given 10 and has 6 available \+ 0 reserved \+ 3 sold/],
  ['a piece appears', 'stock', (f) => ({ ...f, inventories: [inventory({ available: 8 })] }), /given 10/],
  ['more is reserved than held', 'stock', (f) => ({ ...f, inventories: [inventory({ available: 6, reserved: 1 })] }), /reservations come to 0/],
  ['sold twice', 'stock', (f) => ({ ...f, inventories: [inventory({ available: 4, sold: 6 })] }), /sold 6, confirmed orders have bought 3/],
  ['confirmed and not sold', 'stock', (f) => ({ ...f, inventories: [inventory({ available: 10, sold: 0 })] }), /sold 0, confirmed orders have bought 3/],
  ['less than nothing', 'stock', (f) => ({ ...f, inventories: [inventory({ available: -1, reserved: 8, reservations: { a: 8 } })] }), /less than nothing/],
  ['bought where nothing is', 'stock', (f) => ({ ...f, inventories: [] }), /inventory tea, which nobody knows/],
  ['held for an order that is over', 'reservation', (f) => ({ ...f, inventories: [inventory({ available: 4, reserved: 3, reservations: { d: 3 } })] }), /for order d, which is EXPIRED/],
  ['held for nobody', 'reservation', (f) => ({ ...f, inventories: [inventory({ available: 4, reserved: 3, reservations: { x: 3 } })] }), /for order x, which is unknown/],
  ['held for an open order, too much', 'reservation', () => ({ ...open, inventories: [held(4)] }), /holds 4 for order a, which wants 3/],
  ['held elsewhere', 'reservation', () => ({ ...open, inventories: [{ ...held(3), id: 'cup' }] }), /inventory cup holds 3 for order a, which wants 0/],
  ['without an outcome', 'outcome', (f) => ({ ...f, orders: [...f.orders, order('e', { status: 'PAID', told: [], paymentId: '' })] }), /order e is PAID/],
  ['never placed', 'outcome', (f) => ({ ...f, orders: [...f.orders, order('e', { status: 'UNSPECIFIED', told: null, paymentId: '' })] }), /order e is UNSPECIFIED/],
  ['two outcomes', 'outcome', (f) => ({ ...f, orders: f.orders.with(1, { ...over('b', 'EXPIRED'), told: ['VOID', 'EXPIRED'] }) }), /told to be VOID, EXPIRED/],
  ['told twice', 'outcome', (f) => ({ ...f, orders: f.orders.with(1, { ...over('b', 'EXPIRED'), told: ['EXPIRED', 'EXPIRED'] }) }), /told to be EXPIRED, EXPIRED/],
  ['told of another outcome', 'outcome', (f) => ({ ...f, orders: f.orders.with(1, { ...over('b', 'EXPIRED'), told: ['VOID'] }) }), /told to be VOID/],
  ['never told', 'outcome', (f) => ({ ...f, orders: f.orders.with(1, { ...over('b', 'EXPIRED'), told: [] }) }), /told to be nothing/],
  ['money kept for an order that is over', 'money', (f) => ({ ...f, payments: f.payments.with(1, payment('b')) }), /payment pay-b keeps 900, and order b is not paid by it/],
  ['not refunded', 'money', (f) => ({ ...f, payments: f.payments.with(2, payment('c')) }), /payment pay-c keeps 900/],
  ['refunded although it is paid', 'money', (f) => ({ ...f, payments: f.payments.with(0, payment('a', { status: 'REFUNDED' })) }), /order a is paid by payment pay-a, which is REFUNDED/],
  ['paid twice', 'money', (f) => ({ ...f, payments: [...f.payments, payment('a2', { orderId: 'a' })] }), /payment pay-a2 keeps 900/],
  ['the wrong amount', 'money', (f) => ({ ...f, payments: f.payments.with(0, payment('a', { amount: 899 })) }), /order a costs 900, payment pay-a has 899/],
  ['of another order', 'money', (f) => ({ ...f, payments: f.payments.with(0, payment('a', { orderId: 'b' })) }), /for order b/],
  ['a payment that hangs', 'money', (f) => ({ ...f, payments: f.payments.with(1, payment('b', { status: 'AUTHORISED' })) }), /payment pay-b has not heard of order b/],
  ['a payment that nobody made', 'money', (f) => ({ ...f, payments: f.payments.slice(1) }), /paid by payment pay-a, which nobody knows/],
  ['the sums differ', 'money', (f) => ({ ...f, payments: f.payments.slice(1) }), /1800 captured less 1800 refunded is not the 900/],
];

for (const [name, rule, change, what] of wrongs) {
  t.test(`seen: ${name}`, async (t) => {
    const { violations } = conservationOf(change(whole()));
    t.ok(violations.some((violation) => violation.rule === rule && what.test(violation.what)), JSON.stringify(violations));
  });
}
