/** What if everybody who waits for an answer loses it at once, and asks again? */

import t from 'tap';

import { MemoryBundleStore } from '../bundle/memory-store.ts';
import type { Append, AppendOutcome, Journal } from '../journal/journal.ts';
import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { limits } from '../limits.ts';
import { copyAppend } from './testing/copy-append.ts';
import { accountBundle, startEngine } from './testing/harness.ts';

const WAIT_MAX_MS = 60_000;

/** The journal appends; what is said of that is `answer`'s. */
function answering(inner: Journal, answer: (outcomes: AppendOutcome[]) => Promise<AppendOutcome[]>): Journal {
  return new Proxy(inner, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'append') return value.bind(target) as unknown;
      return async (batch: readonly Append[]) => answer(await target.append(batch.map(copyAppend)));
    },
  });
}

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

t.test('more than that wait for room, in order, up to the length of a mailbox', async (t) => {
  const journal = createMemoryJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 0, limits: { mailboxLengthMax: 500, keysPerActorMax: 16 } });
  await node.engine.deploy(accountBundle());
  const answers = await Promise.all(Array.from({ length: 501 }, (_, i) => node.send('test.v1.Account:b', 'Open', { amount: 1 }, `k${i}`)));
  t.same(answers.slice(0, 500).map(({ seq }) => seq), Array.from({ length: 500 }, (_, i) => i + 1));
  t.match(answers[500], { error: { code: 'MAILBOX_FULL' } });
  t.match(await node.send('test.v1.Account:b', 'Open', { amount: 1 }, 'k500'), { error: null, seq: 501 });
  // What has no key waits behind them, and reads do.
  const mixed = await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 20 === 19 ? node.get('test.v1.Account:b') : node.send('test.v1.Account:b', 'Open', { amount: 1 }, i % 3 === 0 ? '' : `m${i}`))));
  t.same(mixed.map(({ seq }) => seq), Array.from({ length: 60 }, (_, i) => 502 + i - Math.floor((i + 1) / 20)));
  t.equal(node.engine.stat().commandsWaiting, 0);
  await node.close();
});

/** A node records, answers nobody, and ends; whoever was not answered asks its successor. What the account holds then. */
async function askAgain(ruleOn: boolean): Promise<{ readonly recorded: number; readonly balance: number }> {
  const account = 'test.v1.Account:c';
  const disk = new MemoryStore();
  const store = new MemoryBundleStore();
  const inner = createMemoryJournal(disk);
  await inner.open();
  let isSilent = false;
  const journal = answering(inner, (outcomes) => (isSilent ? new Promise(() => {}) : Promise.resolve(outcomes)));
  const first = await startEngine({ journal, store, bucketBits: 0 });
  await first.engine.deploy(accountBundle());
  await first.send(account, 'Open', { amount: 0 });
  if (!ruleOn) Object.assign((first.engine as unknown as { routing: { mailboxes: object } }).routing.mailboxes, { keysMax: Infinity });
  const { records } = inner.stat();
  isSilent = true;
  const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
  for (const key of keys) void first.send(account, 'Open', { amount: 1 }, key);
  const all = ruleOn ? limits.keysPerActorMax : keys.length;
  await until(() => inner.stat().records >= records + all);
  let recorded = -1;
  for (let before = -2; recorded !== before; ) {
    before = recorded;
    await new Promise((resolve) => setTimeout(resolve, 100));
    recorded = inner.stat().records;
  }
  await first.pool.close();
  disk.openedBy = null;
  const journalAgain = createMemoryJournal(disk);
  await journalAgain.open();
  const second = await startEngine({ journal: journalAgain, store, bucketBits: 0 });
  const answers = await Promise.all(keys.map((key) => second.send(account, 'Open', { amount: 1 }, key)));
  for (const { error } of answers) if (error !== null) throw new Error(error.message);
  const { balance } = (await second.get(account)).body as { balance: string };
  await second.close();
  return { recorded, balance: Number(balance) };
}

t.test('a node that ends with many recorded and none answered: each is applied once', async (t) => {
  const { recorded, balance } = await askAgain(true);
  t.ok(recorded >= limits.keysPerActorMax, `${recorded} records`);
  t.equal(balance, 600);
});

t.test('without a bound for what is under way, some are applied twice', async (t) => {
  const { balance } = await askAgain(false);
  t.ok(balance > 600, `${balance}`);
});

t.test('who waits behind a try that is written, and not known to be, has it looked for when the bucket was opened again', async (t) => {
  const account = 'test.v1.Account:d';
  const inner = createMemoryJournal();
  await inner.open();
  let isHeld = false;
  const held: (() => void)[] = [];
  const journal = answering(inner, async (outcomes) => {
    if (!isHeld) return outcomes;
    await new Promise<void>((resolve) => held.push(resolve));
    return outcomes.map(() => ({ kind: 'unknown', message: 'the answer was lost' }));
  });
  const KEYS_MAX = 8;
  const node = await startEngine({ journal, bucketBits: 0, limits: { keysPerActorMax: KEYS_MAX } });
  await node.engine.deploy(accountBundle());
  await node.send(account, 'Open', { amount: 0 });
  for (let round = 0; round < 3; round++) {
    const send = (key: string) => node.send(account, 'Open', { amount: 1 }, `${round} ${key}`);
    const { records } = inner.stat();
    isHeld = true;
    const tried = Array.from({ length: KEYS_MAX }, (_, i) => `k${i}`);
    const first = tried.map(send);
    const others = Array.from({ length: KEYS_MAX }, (_, i) => send(`other ${i}`));
    const second = tried.map(send);
    await until(() => inner.stat().records === records + KEYS_MAX);
    isHeld = false;
    while (held.length > 0) held.shift()!();
    t.same((await Promise.all(first)).map(({ error }) => error?.code), tried.map(() => 'UNKNOWN_OUTCOME'));
    t.same((await Promise.all(others)).map(({ error }) => error), others.map(() => null));
    t.same((await Promise.all(second)).map(({ seq }) => seq), tried.map((_, i) => 2 + round * 2 * KEYS_MAX + i), 'answered with the first try');
  }
  t.match((await node.get(account)).body, { balance: String(3 * 2 * KEYS_MAX) }, 'applied once each');
  await node.close();
});

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MAX_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${WAIT_MAX_MS} ms: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
