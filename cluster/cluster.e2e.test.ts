/**
 * Three real nodes on a real Redis, under load, through a handful of faults; `npm run faults -- cluster` strikes them by the hundred. What each
 * fault is stands in faults/, what is proved afterwards in faults/proof.ts; that the proof can fail is shown in faults/proof.redis.test.ts.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { runClusterCampaign } from './faults/campaign.ts';
import type { RoundResult } from './faults/campaign.ts';
import { faultsByName } from './faults/fault-list.ts';

t.setTimeout(1_200_000);

const names = ['kill', 'hand-off', 'suspend', 'kill-scheduler', 'store-killed', 'store-cut', 'kill-all-and-store'] as const;

await t.test('what was answered is in the log once, as it was answered, and every bucket serves again', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-cluster-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const result = await runClusterCampaign({
    directory, nodes: 3, perSecond: 200, burst: 100, seed: 20_261_121,
    // Long runs hold to half a minute; here a machine may be as slow as it is.
    waitMaxMs: 120_000,
    redis: { appendfsync: 'always' },
    faults: names.map((name) => faultsByName[name]), proofEvery: 4,
    say: (text) => t.comment(text),
  });
  t.same(result.findings, []);
  t.equal(result.rounds.length, names.length);
  t.equal(result.proofs, 2);
  t.ok(result.rounds.every(({ inFlight }) => inFlight >= 50), 'commands were in flight at every strike');
  t.equal(result.load.late, 0, 'no client waited for minutes');
  t.ok(result.load.commands > 1_000 && result.load.repeats > 0 && result.records >= result.load.commands);
  const roundOf = (name: (typeof names)[number]): RoundResult => result.rounds[names.indexOf(name)]!;
  t.ok(roundOf('suspend').fenced > 0, 'the owner that stood still was refused when it went on');
  t.ok(roundOf('store-cut').fenced > 0, 'so was the one that came back from an island');
  t.equal(roundOf('hand-off').fenced, 0, 'a bucket that is handed over is taken from nobody');
  t.ok(result.eventsWatched > 100, `${result.eventsWatched} events were watched`);
  t.ok(result.epochsTaken > 500, 'buckets changed hands');
});
