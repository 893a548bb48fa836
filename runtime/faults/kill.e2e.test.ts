/**
 * kill -9 under load, a few times; `npm run faults -- kill` does it two hundred times. And the proof that the proof can fail: with
 * the sync off under a power cut, and with repeats that the node cannot recognise.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { runKillCampaign } from './kill.ts';
import type { KillOptions, KillResult } from './kill.ts';

t.setTimeout(1_200_000);

async function campaign(name: string, options: Partial<KillOptions>): Promise<KillResult> {
  const directory = mkdtempSync(join(tmpdir(), `troupe-kill-${name}-`));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return runKillCampaign({
    directory, rounds: 3, connections: 4, inFlight: 32, actors: 64, loadMinMs: 200, loadMaxMs: 700, againShare: 0.2,
    loseUnsynced: false, break: 'nothing', seed: 20_261_121, startArgs: [], say: (text) => t.comment(text), ...options,
  });
}

t.test('kill -9: every acknowledged command is there, once, as it was answered', async (t) => {
  const result = await campaign('plain', { rounds: 4 });
  t.same(result.findings, []);
  t.equal(result.rounds, 4);
  t.ok(result.inFlightAtKills > 0, `${result.inFlightAtKills} commands were in flight at the kills`);
  t.ok(result.acknowledged > 0 && result.repeats > 0 && result.records >= result.acknowledged);
});

t.test('kill -9 and a power cut that takes what was not synced', async (t) => {
  const result = await campaign('power', { loseUnsynced: true });
  t.same(result.findings, []);
  t.equal(result.rounds, 3);
  t.ok(result.inFlightAtKills > 0);
});

t.test('the proof fails when the node does not sync', async (t) => {
  const result = await campaign('nosync', { loseUnsynced: true, break: 'sync', againShare: 0 });
  const missing = /^L6: .* was acknowledged and is not in the log|its acknowledged commands say/;
  t.ok(result.findings.some((text) => missing.test(text)), 'acknowledged commands are missed', { findings: result.findings });
  t.notOk(result.findings.some((text) => /has ended/.test(text)), 'the node comes up: the loss is silent to it');
});

t.test('the proof fails when a repeated command is not recognised', async (t) => {
  const result = await campaign('nokeys', { break: 'keys', againShare: 0 });
  t.ok(result.findings.some((text) => /^B1: .* was first answered with seq/.test(text)), 'a repeat is answered anew', { findings: result.findings });
  t.ok(result.findings.some((text) => /^L5: /.test(text)), 'commands are seen to be applied twice');
});
