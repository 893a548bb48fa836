/** A command that comes once more when its actor has forgotten its key long ago (W1-W4 of tried-commands.ts). */

import t from 'tap';

import type { Journal } from '../journal/journal.ts';
import { MemoryBundleStore } from '../bundle/memory-store.ts';
import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { limits } from '../limits.ts';
import { TroupeError } from '../codec/errors.ts';
import { Address, FORMAT_JSON } from './engine.ts';
import type { LogPlace } from './engine.ts';
import { accountBundle, startEngine } from './testing/harness.ts';
import type { Answer, TestEngine, TestEngineOptions } from './testing/harness.ts';

const account = 'test.v1.Account:a';
const other = 'test.v1.Account:b';
const KEYS_MAX = 4;

interface Rig {
  readonly node: TestEngine;
  readonly journal: Journal;
  /** Withdraws 1 under a key that may have been tried since `triedSince`. */
  again(key: string, triedSince: LogPlace, options?: { readonly amount?: number; readonly principal?: string }): Promise<Answer>;
  /** The place behind everything that is recorded. */
  end(): LogPlace;
  withdraw(n: number): Promise<void>;
  withdrawals(): Promise<number>;
}

async function setUp(t: { teardown(task: () => unknown): void; equal(a: unknown, b: unknown): unknown }, options: Partial<TestEngineOptions> = {}): Promise<Rig> {
  const journal = createMemoryJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 0, limits: { keysPerActorMax: KEYS_MAX }, ...options });
  t.teardown(() => node.close());
  await node.engine.deploy(accountBundle());
  await node.send(account, 'Open', { amount: 1_000_000 });
  const { incarnation } = (node.engine as unknown as { buckets: { incarnation: LogPlace['incarnation'] }[] }).buckets[0]!;
  let fillers = 0;
  return {
    node, journal,
    again: (key, triedSince, { amount = 1, principal = '' } = {}) =>
      new Promise((resolve) => {
        const body = Buffer.from(JSON.stringify({ amount }));
        node.engine.submit({
          to: new Address(account), name: 'Withdraw', format: FORMAT_JSON, body, bodyFrom: 0, bodyTo: body.length, key, principal, session: '', triedSince,
          done: (seq, buffer, from, to) => resolve({ seq, body: JSON.parse(buffer.toString('utf8', from, to)), error: null }),
          failed: (error) => resolve({ seq: 0, body: null, error }),
        });
      }),
    end: () => ({ incarnation, position: node.engine.bucketStats()[0]!.position + 1 }),
    withdraw: async (n) => {
      for (let i = 0; i < n; i++) t.equal((await node.send(account, 'Withdraw', { amount: 1 }, `filler ${fillers++}`)).error, null);
    },
    withdrawals: async () => ((await node.get(account)).body as { withdrawals: number }).withdrawals,
  };
}

t.test('recorded and forgotten: it is answered from its record', async (t) => {
  const { node, again, end, withdraw, withdrawals } = await setUp(t);
  const since = end();
  const first = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  t.same(await again('k', since), first);
  t.equal(await withdrawals(), KEYS_MAX + 2);
  t.match(await again('k', since, { amount: 2 }), { error: { code: 'KEY_CONFLICT' } }, 'as if the window had it');
  t.match(await again('k', since, { principal: 'somebody else' }), { error: null }, 'whose key it is counts');
  t.equal(await withdrawals(), KEYS_MAX + 3);
  t.equal(node.engine.stat().triesSearched, 3);
});

t.test('without a place it was tried since, it is applied twice: what the window alone promises', async (t) => {
  const { node, withdraw, withdrawals } = await setUp(t);
  await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  t.match(await node.send(account, 'Withdraw', { amount: 1 }, 'k'), { error: null });
  t.equal(await withdrawals(), KEYS_MAX + 3);
});

t.test('never recorded: it is decided, once', async (t) => {
  const { again, end, withdraw, withdrawals } = await setUp(t);
  const since = end();
  await withdraw(KEYS_MAX + 1);
  t.match(await again('k', since), { error: null });
  t.match(await again('k', since), { error: null });
  t.equal(await withdrawals(), KEYS_MAX + 2);
});

t.test('nothing is read when the window reaches back far enough', async (t) => {
  const { node, again, end, withdraw, withdrawals } = await setUp(t);
  await withdraw(KEYS_MAX + 1);
  t.match(await again('k', end()), { error: null });
  t.equal(await withdrawals(), KEYS_MAX + 2);
  t.equal(node.engine.stat().triesSearched, 0);
});

t.test('a place in another log says nothing: everything is read', async (t) => {
  const { node, again, withdraw, withdrawals } = await setUp(t);
  const first = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  t.same(await again('k', { incarnation: { hi: 1, lo: 2 }, position: 1_000 }), first);
  t.equal(await withdrawals(), KEYS_MAX + 2);
});

/** Withdraws 1 under a key that a client has tried so long ago. */
function tried(node: TestEngine, key: string, triedMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const body = Buffer.from('{"amount":1}');
    node.engine.submit({
      to: new Address(account), name: 'Withdraw', format: FORMAT_JSON, body, bodyFrom: 0, bodyTo: body.length, key, principal: '', session: '', triedMs,
      done: (seq, buffer, from, to) => resolve({ seq, body: JSON.parse(buffer.toString('utf8', from, to)), error: null }),
      failed: (error) => resolve({ seq: 0, body: null, error }),
    });
  });
}

t.test('a client says how long ago: it is looked for from before that', async (t) => {
  // Its own, or a machine that stands still would look as if the node had.
  let nowMs = 1_000;
  const { node, withdraw } = await setUp(t, { clock: { now: () => Date.now(), monotonic: () => nowMs } });
  node.engine.notePlaces();
  nowMs += 20;
  const sinceMs = nowMs;
  const first = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  nowMs += 10;
  node.engine.notePlaces();
  t.same(await tried(node, 'k', nowMs - sinceMs), first);
  t.equal(node.engine.stat().triesSearched, 1);
});

t.test('of before it started a node knows what was not answered then', async (t) => {
  const disk = new MemoryStore();
  const store = new MemoryBundleStore();
  const start = async (): Promise<{ readonly node: TestEngine; readonly journal: Journal }> => {
    const journal = createMemoryJournal(disk);
    await journal.open();
    const node = await startEngine({ journal, store, bucketBits: 0, limits: { keysPerActorMax: KEYS_MAX } });
    node.engine.notePlaces();
    return { node, journal };
  };
  const { node: before, journal } = await start();
  await before.engine.deploy(accountBundle());
  for (let i = 0; i < 9; i++) await before.send(account, 'Open', { amount: 100 }, `earlier ${i}`);
  // As many as may wait, and none of them hears its answer.
  const keys = Array.from({ length: KEYS_MAX }, (_, i) => `k${i}`);
  const first = await Promise.all(keys.map((key) => before.send(account, 'Withdraw', { amount: 1 }, key)));
  await before.close();
  await journal.close();
  const { node } = await start();
  t.teardown(() => node.close());
  for (let i = 0; i < 30; i++) await node.send(account, 'Withdraw', { amount: 1 }, `others ${i}`);
  const again = await Promise.all(keys.map((key) => tried(node, key, 3_600_000)));
  t.same(again, first);
  t.equal(((await node.get(account)).body as { withdrawals: number }).withdrawals, KEYS_MAX + 30);
});

t.test('many at once, some of them recorded, and others behind them: each once, in order', async (t) => {
  const { node, again, end, withdraw, withdrawals, journal } = await setUp(t, { limits: { keysPerActorMax: 16 } });
  const since = end();
  const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
  const first = await Promise.all(keys.slice(0, 4).map((key) => node.send(account, 'Withdraw', { amount: 1 }, key)));
  await withdraw(17);
  const read = journal.readActorRecords.bind(journal);
  let reads = 0;
  journal.readActorRecords = async (...args) => {
    if (args[3]?.recordsMax !== undefined) {
      reads++;
      // Meanwhile others come.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return read(...args);
  };
  const answers = keys.map((key) => again(key, since));
  const behind = Array.from({ length: 5 }, (_, i) => node.send(account, 'Withdraw', { amount: 1 }, i % 2 === 0 ? `behind ${i}` : ''));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const later = Array.from({ length: 3 }, () => node.send(account, 'Withdraw', { amount: 1 }));
  const elsewhere = await node.send(other, 'Open', { amount: 1 });
  t.equal(elsewhere.error, null, 'other actors do not wait');
  const seqs = (list: readonly Answer[]): number[] => list.map(({ seq, error }) => (t.equal(error, null), seq));
  t.same((await Promise.all(answers)).slice(0, 4), first);
  const rest = seqs([...(await Promise.all(answers)).slice(4), ...(await Promise.all(behind)), ...(await Promise.all(later))]);
  t.same(rest, rest.map((_, i) => rest[0]! + i), 'in the order in which they came');
  t.equal(reads, 1, 'the log is read once for all');
  t.equal(await withdrawals(), 4 + 17 + rest.length);
  t.equal(node.engine.stat().commandsWaiting, 0);
});

t.test('hundreds that come again one after the other read the log once', async (t) => {
  const { node, again, end, withdraw, withdrawals, journal } = await setUp(t);
  const since = end();
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
  const first: Answer[] = [];
  for (const key of keys.slice(0, 100)) first.push(await node.send(account, 'Withdraw', { amount: 1 }, key));
  await withdraw(1_000);
  let records = 0;
  const read = journal.readActorRecords.bind(journal);
  journal.readActorRecords = async (...args) => {
    const found = await read(...args);
    // Not those from which somebody is answered.
    if (args[3]?.recordsMax !== undefined) records += found.length;
    return found;
  };
  const answers: Answer[] = [];
  for (const key of keys) answers.push(await again(key, since));
  t.same(answers.slice(0, 100), first);
  t.same(answers.slice(100).map(({ error }) => error), answers.slice(100).map(() => null));
  t.equal(await withdrawals(), 100 + 1_000 + 100);
  t.ok(records <= 100 + 1_000 + 100, `${records} records were read for them`);
  t.equal(node.engine.stat().triesSearched, 200);
});

t.test('a key that is too old is new, however it was found', async (t) => {
  const { node, again, end, withdraw, withdrawals } = await setUp(t, { limits: { keysPerActorMax: KEYS_MAX, keyAgeMaxMs: 5 } });
  const since = end();
  await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.match(await again('k', since), { error: null });
  t.equal(await withdrawals(), KEYS_MAX + 3);
});

t.test('a sandbox that ends meanwhile changes nothing, nor does the order', async (t) => {
  const { node, again, end, withdraw, withdrawals, journal } = await setUp(t);
  const since = end();
  const first = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  const read = journal.readActorRecords.bind(journal);
  journal.readActorRecords = async (...args) => {
    const records = await read(...args);
    if (args[3]?.recordsMax !== undefined) await new Promise((resolve) => setTimeout(resolve, 200));
    return records;
  };
  const hang = node.send(other, 'Loop', {});
  const answers = [again('k', since), again('new', since), node.send(account, 'Withdraw', { amount: 1 })];
  t.same(await answers[0], first);
  t.equal((await answers[1])!.seq + 1, (await answers[2])!.seq);
  await hang;
  t.equal(await withdrawals(), KEYS_MAX + 4);
  t.equal(node.engine.stat().commandsWaiting, 0);
});

t.test('a history that cannot be read, or is too long, leaves the outcome open', async (t) => {
  const { node, again, end, withdraw, withdrawals, journal } = await setUp(t);
  const since = end();
  const first = await node.send(account, 'Withdraw', { amount: 1 }, 'k');
  await withdraw(KEYS_MAX + 1);
  const read = journal.readActorRecords.bind(journal);
  journal.readActorRecords = () => Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'not now'));
  t.match(await again('k', since), { error: { code: 'UNKNOWN_OUTCOME', message: /not now/ } });
  let reads = 0;
  journal.readActorRecords = async (bucket, actor, hash, options) => {
    reads++;
    const [one] = await read(bucket, actor, hash, { ...options, recordsMax: 1 });
    // Without an end.
    return Array.from({ length: options!.recordsMax! }, () => ({ ...one!, position: options!.from! - 1 }));
  };
  t.match(await again('new', since), { error: { code: 'UNKNOWN_OUTCOME', message: /too many/ } });
  t.ok(reads <= limits.recordsSearchedMax / 256);
  journal.readActorRecords = read;
  t.same(await again('k', since), first);
  t.equal(await withdrawals(), KEYS_MAX + 2);
});
