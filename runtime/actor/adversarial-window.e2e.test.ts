/** What if everybody who waits for an answer loses it at once, and asks again? */

import t from 'tap';

import { MemoryBundleStore } from '../bundle/memory-store.ts';
import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { limits } from '../limits.ts';
import { accountBundle, startEngine } from './testing/harness.ts';

t.test('as many commands with keys as one actor may have waiting are all known again after a restart', async (t) => {
  const account = 'test.v1.Account:a';
  const disk = new MemoryStore();
  const store = new MemoryBundleStore();
  const start = async () => {
    const journal = createMemoryJournal(disk);
    await journal.open();
    return { journal, node: await startEngine({ journal, store, bucketBits: 0 }) };
  };
  const keys = Array.from({ length: limits.keysPerActorMax }, (_, i) => `k${i}`);
  const first = await start();
  await first.node.engine.deploy(accountBundle());
  const answers = await Promise.all(keys.map((key) => first.node.send(account, 'Open', { amount: 1 }, key)));
  t.same(answers.filter(({ error }) => error !== null), []);
  await first.node.close();
  await first.journal.close();
  // None of them heard its answer.
  const second = await start();
  const again = await Promise.all(keys.map((key) => second.node.send(account, 'Open', { amount: 1 }, key)));
  t.same(again.map(({ seq }) => seq), answers.map(({ seq }) => seq), 'the first answers');
  t.match((await second.node.get(account)).body, { balance: String(keys.length) }, 'applied once each');
  await second.node.close();
});

t.test('one more is refused, and can be sent again', async (t) => {
  const journal = createMemoryJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 0 });
  await node.engine.deploy(accountBundle());
  const count = limits.keysPerActorMax + 1;
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => node.send('test.v1.Account:b', 'Open', { amount: 1 }, `k${i}`)));
  t.same(answers.map(({ error }) => error?.code ?? 'ok'), [...Array.from({ length: count - 1 }, () => 'ok'), 'MAILBOX_FULL']);
  t.match(await node.send('test.v1.Account:b', 'Open', { amount: 1 }, `k${count - 1}`), { error: null, seq: count });
  await node.close();
});
