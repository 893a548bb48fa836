/** What `troupe demo shop` prints. */

import t from 'tap';

import { conservationOf } from '../demo/shop-conservation.ts';
import type { ShopFacts } from '../demo/shop-conservation.ts';
import { conservationText, countsText, Stillness } from './demo.ts';

const facts: ShopFacts = {
  inventories: [{ id: 'tea', stocked: 10, available: 7, reserved: 0, sold: 3, reservations: {} }],
  orders: [{ id: 'o-1', status: 'CONFIRMED', lines: [{ inventoryId: 'tea', quantity: 3 }], total: 900, paymentId: 'pay-1', told: ['CONFIRMED'] }],
  payments: [{ id: 'pay-1', orderId: 'o-1', status: 'CAPTURED', amount: 900 }, { id: 'pay-2', orderId: 'o-1', status: 'REFUNDED', amount: 900 }],
};

t.test('a table of what came in and what became of it', async (t) => {
  const lines = conservationText(conservationOf(facts)).split('\n');
  t.same(lines.map((line) => line.split(/ {2,}/)), [
    ['', 'IN', 'OUT', 'DIFFERENCE'],
    ['stock', '10 put in', '7 available + 0 reserved + 3 sold', '0'],
    ['money', '1800 captured - 900 refunded', '900 paid for orders', '0'],
    ['orders', '1 placed', '1 confirmed + 0 expired + 0 void', '0'],
    ['payments', '2 made', '1 kept + 1 refunded + 0 never taken', '0'],
    [''],
    ['nothing is missing'],
  ]);
});

t.test('what is missing is said, and not without end', async (t) => {
  const inventories = Array.from({ length: 30 }, (_, i) => ({ id: `i-${i}`, stocked: 1, available: 0, reserved: 0, sold: 0, reservations: {} }));
  const text = conservationText(conservationOf({ inventories, orders: [], payments: [] }));
  t.match(text, /\nstock +30 put in +0 available \+ 0 reserved \+ 0 sold +30\n/);
  t.match(text, '\n30 violations:\n  stock        inventory i-0 was given 1 and has 0 available + 0 reserved + 0 sold\n');
  t.match(text, /\n {2}stock {8}inventory i-19 [^\n]*\n {2}and 10 more$/);
});

t.test('the line that goes along', async (t) => {
  const counts = { placed: 9, reserved: 8, payments: 7, confirmed: 4, expired: 2, void: new Map([['OUT_OF_STOCK', 1], ['NOT_ON_SALE', 3]]) };
  t.equal(countsText(counts), '9 placed  8 reserved  7 payments | 4 confirmed  2 expired  3 void (NOT_ON_SALE)  1 void (OUT_OF_STOCK)');
  t.equal(countsText({ ...counts, void: new Map() }), '9 placed  8 reserved  7 payments | 4 confirmed  2 expired');
});

t.test('a story in which nothing happens any more is noticed, once each time', async (t) => {
  const stillness = new Stillness(0);
  const told = ([['a', 1_000], ['a', 6_000], ['a', 6_001], ['a', 20_000], ['b', 21_000], ['b', 26_000], ['b', 26_001], ['b', 27_000]] as const).filter(([line, nowMs]) => stillness.begins(line, nowMs));
  t.same(told, [['a', 6_001], ['b', 26_001]]);
  t.ok(new Stillness(0).begins('', 5_001), 'also before anything has happened');
});
