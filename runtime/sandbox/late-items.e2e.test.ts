/** Who is late, with real processes (S3): the item that does not end, and nobody of a batch whose items are all in time. */

import t from 'tap';
import type { Test } from 'tap';

import { limits } from '../limits.ts';
import type { BatchWriter } from './batch.ts';
import { createSandboxPool } from './pool.ts';
import { FORMAT_JSON } from './sandbox.ts';
import type { SandboxLoss } from './sandbox.ts';
import { roundsFor } from './testing/cpu-time.ts';
import { bundle, counterProto, Driver } from './testing/bundles.ts';

t.setTimeout(1_200_000);

/** 13 never ends. */
const slow = `import { defineActor } from 'troupe';
export default defineActor('test.v1.Counter', {
  initialState: () => ({}),
  decide: {
    Add(state, { amount }) {
      if (amount === 13) for (;;);
      let x = 0;
      for (let i = 0; i < amount; i++) x = (x * 31 + i) | 0;
      return { count: x };
    },
  },
  evolve: { Added: (state) => state },
});
`;

/** And how many rounds take twenty milliseconds. */
async function start(t: Test): Promise<{ driver: Driver; losses: SandboxLoss[]; rounds: number }> {
  const pool = createSandboxPool();
  t.teardown(() => pool.close());
  const driver = new Driver(pool);
  const losses: SandboxLoss[] = [];
  const { onLost } = pool;
  pool.onLost = (loss) => {
    losses.push(loss);
    onLost(loss);
  };
  await pool.start();
  await pool.install(1, bundle(slow, counterProto));
  await driver.activate(1, 'test.v1.Counter', 'a', 1);
  const rounds = await roundsFor(20, pool.stat().activePid, async (amount) => driver.batch((writer) => add(writer, amount)));
  return { driver, losses, rounds };
}

function add(writer: BatchWriter, amount: number): void {
  writer.decide(1, 1, 0, FORMAT_JSON, Buffer.from(JSON.stringify({ amount })), 1, 1, 1, '', false);
}

t.test('the item that does not end is named', async (t) => {
  const { driver, losses, rounds } = await start(t);
  // What was answered in front of it must not be counted.
  await driver.batch((writer) => [rounds, 0, 0].forEach((amount) => add(writer, amount)));
  const hanging = driver.batch((writer) => [0, rounds, rounds, 0, 13, 0, 13].forEach((amount) => add(writer, amount)));
  const behind = driver.batch((writer) => add(writer, 13));
  await Promise.all([t.rejects(hanging, { code: 'BEHAVIOR_TIMEOUT' }), t.rejects(behind)]);
  t.match(losses, [{ item: 4, isNobodys: false }]);
});

t.test('a batch is answered that takes longer than one of its items may', async (t) => {
  const { driver, losses, rounds } = await start(t);
  const before = process.hrtime.bigint();
  const list = await driver.batch((writer) => {
    for (let i = 0; i < 40; i++) add(writer, rounds);
  });
  t.ok(list.every(({ error }) => error === null));
  t.ok(process.hrtime.bigint() - before > BigInt(limits.decideTimeMaxMs) * 1_000_000n, 'it was long enough to show it');
  t.same(losses, []);
});

t.test('a batch that keeps others waiting for too long is ended, by nobody\'s fault', async (t) => {
  const { driver, losses, rounds } = await start(t);
  const long = driver.batch((writer) => {
    for (let i = 0; i < 500; i++) add(writer, rounds);
  });
  await t.rejects(long, { code: 'BEHAVIOR_TIMEOUT' });
  t.match(losses, [{ isNobodys: true }]);
  t.ok(losses[0]!.item! > 0 && losses[0]!.item! < 499, 'it says how far it came');
});
