/** Kill -9 of a node and of its sandboxes while a shop is open, a few times; `npm run faults -- messages` does it as often as one likes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { runMessagesCampaign } from './campaign.ts';

t.setTimeout(1_200_000);

t.test('every message between actors has had its effect once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-messages-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const { rounds, orders, outcomes, figures, findings, proofs } = await runMessagesCampaign({
    directory, rounds: 5, proofEvery: 5, products: 12, ordersPerSecond: 30, burst: 20, paymentTimeMaxSeconds: 2, loadMinMs: 300, loadMaxMs: 700, seed: 20_261_122,
    startArgs: [], say: (text) => t.comment(text),
  });
  t.same(findings, []);
  t.equal(rounds.length, 5);
  t.ok(proofs > 0);
  t.equal(Object.values(outcomes).reduce((sum, count) => sum + count, 0), orders, 'every order has an outcome');
  t.ok(rounds.reduce((sum, { inFlight }) => sum + inFlight, 0) > 0, 'messages were in flight when the faults struck');
  for (const what of ['sent', 'replies', 'timersFired', 'links', 'broadcastSends'] as const) t.ok(figures[what] > 0, `${what} ${figures[what]}`);
});
