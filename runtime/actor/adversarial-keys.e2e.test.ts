/** What applies a key twice, or lets a duplicate wait for ever? */

import t from 'tap';

import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import type { KeyWindow } from './keys.ts';
import { accountBundle, startEngine } from './testing/harness.ts';
import type { TestEngine, TestEngineOptions } from './testing/harness.ts';

const account = 'test.v1.Account:a';

async function setUp(options: Partial<TestEngineOptions> = {}): Promise<TestEngine> {
  const journal = createMemoryJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 0, ...options });
  await node.engine.deploy(accountBundle());
  await node.send(account, 'Open', { amount: 1_000 });
  return node;
}

t.test('a duplicate that came while the first was on its way gets its answer, however many keys follow', async (t) => {
  const node = await setUp({ limits: { keysPerActorMax: 2 } });
  const first = node.send(account, 'Withdraw', { amount: 1 }, 'same');
  const second = node.send(account, 'Withdraw', { amount: 1 }, 'same');
  // No more may wait than keys are remembered, so they come as there is room: right behind the two, and evict the first.
  const untilTaken = async (key: string): Promise<void> => {
    for (;;) {
      const { error } = await node.send(account, 'Withdraw', { amount: 1 }, key);
      if (error?.code !== 'MAILBOX_FULL') return;
    }
  };
  const others = Array.from({ length: 20 }, (_, i) => untilTaken(`other ${i}`));
  t.same(await second, await first);
  await Promise.all(others);
  t.match((await node.get(account)).body, { withdrawals: 21 });
  await node.close();
});

t.test('a duplicate whose first ended without a record takes its place', async (t) => {
  const node = await setUp();
  const wrong = node.send(account, 'Withdraw', { amount: 'much' }, 'same');
  const right = node.send(account, 'Withdraw', { amount: 5 }, 'same');
  const again = node.send(account, 'Withdraw', { amount: 5 }, 'same');
  t.match(await wrong, { error: { code: 'BAD_BODY' } });
  t.match(await right, { error: null, seq: 2 });
  t.same(await again, await right);
  t.match((await node.get(account)).body, { withdrawals: 1 });
  t.equal(node.engine.stat().commandsWaiting, 0);
  await node.close();
});

t.test('keys with one hash: each is known for what it is, the older one too', async (t) => {
  const node = await setUp();
  // All keys get the same place in the window.
  const { catalog } = node.engine as unknown as { catalog: { find(address: string): { keys: KeyWindow } } };
  const { keys } = catalog.find(account);
  const enter = keys.enter.bind(keys);
  const find = keys.find.bind(keys);
  keys.enter = () => enter(1);
  keys.find = (_hash, others) => find(1, others);
  const a = await node.send(account, 'Withdraw', { amount: 1 }, 'a');
  const b = await node.send(account, 'Withdraw', { amount: 2 }, 'b');
  const c = node.send(account, 'Withdraw', { amount: 3 }, 'c');
  t.same(await node.send(account, 'Withdraw', { amount: 1 }, 'a'), a);
  t.same(await node.send(account, 'Withdraw', { amount: 2 }, 'b'), b);
  t.same(await node.send(account, 'Withdraw', { amount: 3 }, 'c'), await c);
  t.match((await node.get(account)).body, { withdrawals: 3 });
  await node.close();
});

t.test('a key is forgotten when its record is too old', async (t) => {
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() };
  const node = await setUp({ clock, limits: { keyAgeMaxMs: 60_000 } });
  const first = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  ahead = 50_000;
  t.same(await node.send(account, 'Withdraw', { amount: 1 }, 'k'), first);
  ahead = 70_000;
  const second = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  t.equal(second.seq, first.seq + 1, 'decided again');
  t.same(await node.send(account, 'Withdraw', { amount: 1 }, 'k'), second, 'and known again');
  // The clock may go back; recorded time does not.
  ahead = 0;
  t.same(await node.send(account, 'Withdraw', { amount: 1 }, 'k'), second);
  t.match((await node.get(account)).body, { withdrawals: 2 });
  await node.close();
});
