/**
 * Redis is killed while its disk is slow, under a cluster at work: with `always` nothing is lost, with `everysec` something is, in buckets that no
 * node serves; and a campaign says so and ends.
 */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { runClusterCampaign } from './campaign.ts';
import type { CampaignResult } from './campaign.ts';
import { faultsByName, randomFaults } from './fault-list.ts';
import { verdictOn } from './store-loss.ts';

t.setTimeout(1_200_000);

/** Redis writes by force what it has held back for two seconds: when that comes right in front of the kill, a round loses nothing. */
const EVERYSEC_ROUNDS = 4;

async function killedBehindSlowDisk(t: Test, appendfsync: 'always' | 'everysec', rounds: number): Promise<CampaignResult & { readonly keptStore: boolean }> {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-store-loss-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const result = await runClusterCampaign({
    directory, nodes: 2, perSecond: 200, burst: 50, seed: 20_261_122,
    redis: { appendfsync },
    faults: Array.from({ length: rounds }, () => faultsByName['store-killed-slow']), proofEvery: 2,
    say: (text) => t.comment(text),
  });
  return { ...result, keptStore: existsSync(join(directory, 'redis', 'appendonlydir')) };
}

await t.test('always: nothing that was answered is lost, however slow the disk', async (t) => {
  const { findings, rounds, proofs, load, keptStore } = await killedBehindSlowDisk(t, 'always', 2);
  t.same(findings, []);
  t.equal(rounds.length, 2);
  t.equal(proofs, 1);
  t.notOk(keptStore);
  t.ok(load.commands > 500);
});

await t.test('everysec: what is lost is refused, counted, and the end of the campaign', async (t) => {
  const { findings, findingsCount, rounds, load, keptStore } = await killedBehindSlowDisk(t, 'everysec', EVERYSEC_ROUNDS);
  t.comment(findings.join('\n'));
  t.equal(findingsCount, 1);
  const [, lost, refused] = /(\d+) acknowledged commands are lost, and (\d+) buckets are refused as ROLLED_BACK; every lost one is in a bucket that is refused\. .* appendfsync everysec/.exec(findings[0]!)!;
  t.ok(Number(lost) > 0 && Number(lost) < load.commands, `${lost} of ${load.commands}`);
  t.ok(Number(refused) > 0);
  t.ok(rounds.length < EVERYSEC_ROUNDS, `it ended with round ${rounds.length + 1}`);
  t.ok(keptStore, 'what was found can be looked at');
});

t.test('what is lost and served all the same, or where nothing may be lost, is told apart', (t) => {
  t.match(verdictOn({ lost: 3, unnoticed: 1, refused: [7] }, true), /^3 acknowledged commands are lost, and 1 buckets .* 1 OF THEM IN BUCKETS THAT ARE SERVED, which no class allows/);
  t.match(verdictOn({ lost: 3, unnoticed: 0, refused: [7, 8] }, false), /this store may not lose anything$/);
  t.end();
});

t.test('a random campaign loses only where the class forbids it', (t) => {
  const drawn = (mayLose: boolean): boolean => randomFaults(200, () => 0.5, mayLose).some(({ slowsDisk }) => slowsDisk === true);
  t.ok(drawn(false));
  t.notOk(drawn(true));
  t.end();
});
