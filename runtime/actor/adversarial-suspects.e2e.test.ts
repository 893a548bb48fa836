/** Who is blamed when a sandbox ends, who is not, and does it end? */

import t from 'tap';

import { MemoryBundleStore } from '../bundle/memory-store.ts';
import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { limits } from '../limits.ts';
import { roundsFor } from '../sandbox/testing/cpu-time.ts';
import { accountBundle, accountModule, accountProto, makeBundle, startEngine } from './testing/harness.ts';
import type { TestEngine } from './testing/harness.ts';

t.setTimeout(1_200_000);

async function setUp(): Promise<{ node: TestEngine; restart: () => Promise<TestEngine> }> {
  const disk = new MemoryStore();
  const store = new MemoryBundleStore();
  const journal = createMemoryJournal(disk);
  await journal.open();
  const node = await startEngine({ journal, store, bucketBits: 1 });
  const restart = async (): Promise<TestEngine> => {
    await node.close();
    await journal.close();
    const again = createMemoryJournal(disk);
    await again.open();
    return startEngine({ journal: again, store, bucketBits: 1 });
  };
  return { node, restart };
}

/** A tenth of what a step may take. */
const EVENT_MS = limits.decideTimeMaxMs / 10;

const account = (i: number): string => `test.v1.Account:${i}`;

t.test('a culprit is recorded in its place, behind the commands of its actor that are in the sandbox', async (t) => {
  const { node } = await setUp();
  await node.engine.deploy(accountBundle());
  await node.send(account(0), 'Open', { amount: 5 });
  const answers = await Promise.all([
    node.send(account(0), 'Open', { amount: 1 }, 'before'),
    node.send(account(0), 'Loop', {}, 'culprit'),
    node.send(account(0), 'Open', { amount: 1 }, 'behind'),
    node.send(account(0), 'Open', { amount: 1 }, 'before'),
    node.send(account(1), 'Open', { amount: 1 }, 'other'),
  ]);
  t.same(answers.map(({ error }) => error?.code ?? 'ok'), ['ok', 'BEHAVIOR_FAILED', 'ok', 'ok', 'ok']);
  const records = await node.engine.records(account(0), 2, 10);
  t.same(records.map(({ kind, key }) => `${kind} ${key}`), ['decision before', 'failed culprit', 'decision behind']);
  t.match((await node.get(account(0))).body, { balance: '7' });
  await node.close();
});

t.test('strikes are known after a restart, quarantine too, and a fixed bundle lifts it', async (t) => {
  const { node, restart } = await setUp();
  await node.engine.deploy(accountBundle());
  await node.send(account(0), 'Open', { amount: 5 });
  const codes: string[] = [];
  for (let i = 0; i < 4; i++) codes.push((await node.send(account(0), 'Loop', {}, `k${i}`)).error!.code);
  t.same(new Set(codes), new Set(['BEHAVIOR_FAILED', 'QUARANTINED']));
  t.match(await node.send(account(1), 'Open', { amount: 5 }), { error: null }, 'others go on');
  const again = await restart();
  t.match(await again.send(account(0), 'Open', { amount: 5 }), { error: { code: 'QUARANTINED' } });
  t.match(await again.send(account(0), 'Loop', {}, 'k0'), { error: { code: 'BEHAVIOR_FAILED' } }, 'a recorded answer stays the answer');
  await again.engine.deploy(makeBundle(accountProto, accountModule.replace('for (;;) {}', "return {};")));
  t.match(await again.send(account(0), 'Open', { amount: 5 }), { error: null });
  t.match(await again.send(account(0), 'Loop', {}, 'fresh'), { error: null });
  t.match((await again.get(account(0))).body, { balance: '10' });
  await again.close();
});

t.test('a history that takes longer to fold than a batch may last ends nobody for ever', async (t) => {
  // Each event costs as much as it says; many of them together are longer than a batch may run.
  const slow = accountModule.replace('Opened: (state, event) => (', 'Opened: (state, event) => { for (let i = 0, x = 0; i < event.amount; i++) x = (x * 31 + i) | 0; return (')
    .replace('balance: state.balance + event.amount }),', 'balance: state.balance + event.amount }); },');
  const { node } = await setUp();
  await node.engine.deploy(makeBundle(accountProto, slow));
  const { activePid } = node.pool.stat();
  const amount = await roundsFor(EVENT_MS, activePid, (rounds) => node.send(account(1), 'Open', { amount: rounds }));
  const events = (2 * limits.batchTimeMaxMs) / EVENT_MS;
  for (let i = 0; i < events; i++) t.equal((await node.send(account(0), 'Open', { amount })).error, null);
  t.equal(node.pool.stat().activePid, activePid);
  process.kill(activePid, 'SIGKILL');
  const answers = await Promise.all(Array.from({ length: 3 }, () => node.send(account(0), 'Open', { amount })));
  t.same(answers.map(({ error }) => error), [null, null, null]);
  await node.close();
});
