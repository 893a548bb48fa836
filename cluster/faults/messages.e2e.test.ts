/** A shop on three nodes, one of which is killed and one of which hands its buckets over; `npm run faults -- cluster --shop 20` does more of it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { runClusterCampaign } from './campaign.ts';
import { faultsByName } from './fault-list.ts';

t.setTimeout(1_200_000);

t.test('every message between actors of a cluster has had its effect once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-cluster-messages-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const { rounds, shop, findings } = await runClusterCampaign({
    directory, nodes: 3, redis: { appendfsync: 'always' }, seed: 20_261_122, say: (text) => t.comment(text),
    faults: [faultsByName['kill-sandboxes'], faultsByName['hand-off'], faultsByName['restart']],
    proofEvery: 3, perSecond: 20, burst: 10, shop: 10,
  });
  t.same(findings, []);
  t.equal(rounds.length, 3);
  const { orders, outcomes, figures } = shop!;
  t.equal(Object.values(outcomes).reduce((sum, count) => sum + count, 0), orders, 'every order has an outcome');
  t.ok(rounds.reduce((sum, { messages }) => sum + messages, 0) > 0, 'messages were in flight when the faults struck');
  for (const what of ['sent', 'replies', 'timersFired', 'links', 'broadcastSends'] as const) t.ok(figures[what] > 0, `${what} ${figures[what]}`);
});
