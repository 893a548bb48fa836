/**
 * Commands over many accounts while sandboxes are killed, appends fail in every way the contract allows, deployments run and
 * clients repeat themselves. CHAOS_SEED chooses a run (timing is the machine's), CHAOS_SECONDS its length.
 */

import t from 'tap';

import { KeyWindow } from './keys.ts';
import { runChaos } from './testing/chaos-run.ts';
import type { ChaosOptions } from './testing/chaos-run.ts';
import type { TestEngine } from './testing/harness.ts';

const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);
const seconds = Number(process.env['CHAOS_SECONDS'] ?? 6);
const usual: ChaosOptions = { seed, seconds, clients: 12, actors: 40, failOneIn: 30, delayMaxMs: 3, killEveryMs: 600, killsMin: 1, deployEveryMs: 900, poisonEveryMs: 3_000 };

t.setTimeout(seconds * 1_000 + 600_000);

t.test(`seed ${seed}: the log bears out every answer`, async (t) => {
  const { problems, ...counts } = await runChaos(usual);
  t.same(problems.slice(0, 20), [], `${problems.length} problems, seed ${seed}`);
  t.comment(JSON.stringify(counts));
  for (const count of ['commands', 'duplicates', 'kills', 'failures', 'deployments', 'passivations'] as const) {
    t.ok(counts[count] > 0, `${count} took part`);
  }
});

/** Runs with a mechanism switched off until the checker objects. */
async function objections(sabotage: (node: TestEngine) => void, options: Partial<ChaosOptions>): Promise<readonly string[]> {
  for (let i = 0; i < 5; i++) {
    const { problems } = await runChaos({ ...usual, seconds: 1.5, ...options, seed: seed + i, sabotage });
    if (problems.length > 0) return problems;
  }
  return [];
}

t.test('without the window of keys the checker objects', async (t) => {
  const { find } = KeyWindow.prototype;
  t.teardown(() => {
    KeyWindow.prototype.find = find;
  });
  const problems = await objections(() => {
    KeyWindow.prototype.find = () => -1;
  }, { killEveryMs: 0, killsMin: 0, poisonEveryMs: 0 });
  t.ok(problems.some((problem) => problem.includes('key')), problems[0] ?? 'nothing');
});

t.test('without the wait for appends in flight the checker objects', async (t) => {
  const problems = await objections((node) => {
    const { gate } = node.engine as unknown as { gate: { idle: () => Promise<void> } };
    gate.idle = async () => {};
  }, { clients: 40, actors: 6, failOneIn: 0, delayMaxMs: 40, killEveryMs: 300, killsMin: 4, poisonEveryMs: 0 });
  t.ok(problems.some((problem) => /overdrawn|not in the log|behind|previous|the reply says|refused|the log has/.test(problem)), problems[0] ?? 'nothing');
});
