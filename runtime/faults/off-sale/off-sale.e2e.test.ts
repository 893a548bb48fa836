/** A product goes off sale under three hundred unpaid orders; `npm run faults -- off-sale` does it under as many as one likes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { SHOP_BEHAVIORS } from '../node-process.ts';
import { breakShop } from './broken-shop.ts';
import type { Break } from './broken-shop.ts';
import { NodeVenue } from './node-venue.ts';
import { runOffSale } from './off-sale.ts';
import type { OffSaleResult } from './off-sale.ts';

t.setTimeout(1_200_000);

async function race(t: Test, orders: number, broken: Break | null = null): Promise<OffSaleResult> {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-off-sale-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const behaviors = broken === null ? SHOP_BEHAVIORS : breakShop(broken, directory);
  const venue = await NodeVenue.start(directory, []);
  try {
    return await runOffSale(venue, { orders, payPercent: 30, expirePercent: 10, wrongPercent: 10, rate: 50, seed: 20_261_122, behaviors, say: (text) => t.comment(text) });
  } finally {
    await venue.close();
  }
}

t.test('every order has one outcome, and nothing is lost', async (t) => {
  const { orders, outcomes, totals, payments, paymentsInFlight, findings, ...figures } = await race(t, 300);
  t.same(findings, []);
  t.ok(orders >= 300);
  const { ORDER_STATUS_CONFIRMED: confirmed = 0, ORDER_STATUS_EXPIRED: expired = 0, ORDER_STATUS_VOID: gone = 0, ...others } = outcomes;
  t.same(others, {}, 'nothing is left open');
  t.equal(confirmed + expired + gone, orders);
  t.same([confirmed, expired, gone], [figures.paidBefore + figures.paidBehind, figures.expiredBefore + figures.expiredBehind, figures.void + figures.refused], 'the times are those of all orders');
  t.ok(confirmed > 0 && expired > 0 && figures.void > 0 && payments.refunded > 0 && paymentsInFlight > 0, 'all of it has met');
  t.equal(totals.stock.available + totals.stock.sold, totals.stock.stocked);
  t.equal(totals.money.captured - totals.money.refunded, totals.money.paid);
});

t.test('a shop that forgets a refund is found out', async (t) => {
  const { findings } = await race(t, 60, 'refund');
  t.ok(findings.some((text) => /^C7: .* captured and not refunded/.test(text)), 'by the logs');
  t.ok(findings.some((text) => text.startsWith('money: ')), 'and by the final states');
});

t.test('a shop that makes an order void twice is found out', async (t) => {
  const { findings } = await race(t, 60, 'void');
  t.ok(findings.some((text) => /^C7: .* is void as ORDER_STATUS_VOID/.test(text)), findings.join('\n'));
});
