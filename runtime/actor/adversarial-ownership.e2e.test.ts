/** What leaves a bucket that this node owns and nobody opens, or one that it serves and does not own? */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { bucketIndex, hashText, parseAddress, shardKey } from '../codec/address.ts';
import { TroupeError } from '../codec/errors.ts';
import type { Journal } from '../journal/journal.ts';
import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import type { NodeEngine } from './node-engine.ts';
import { FaultyJournal } from './testing/faulty-journal.ts';
import { accountBundle, startEngine } from './testing/harness.ts';
import type { TestEngine } from './testing/harness.ts';
import { until } from './testing/timer-actor.ts';

const account = 'test.v1.Account:a';
const nothing = async (): Promise<void> => undefined;

const BITS = 1;
const all = [0, 1];

function bucketOf(address: string): number {
  return bucketIndex(hashText(shardKey(parseAddress(address))), BITS);
}

interface Rig extends TestEngine {
  readonly faulty: FaultyJournal;
  readonly ownership: NodeEngine['ownership'];
}

/** An engine of a cluster with two buckets, which it does not own yet; what it gives back is answered NOT_OWNER. */
async function setUp(t: Test, around: (journal: Journal) => Journal = (journal) => journal): Promise<Rig> {
  const inner = createMemoryJournal();
  await inner.open();
  const faulty = new FaultyJournal(inner);
  const back = ({ failed }: { failed(error: { code: 'NOT_OWNER'; message: string }): void }): void => failed({ code: 'NOT_OWNER', message: 'given back' });
  const node = await startEngine({ journal: around(faulty.asJournal()), bucketBits: BITS, elsewhere: { command: back, get: back } });
  t.teardown(() => node.close());
  const { bundle, types } = await node.engine.prepare(accountBundle());
  await node.engine.putInService(bundle, types);
  return { ...node, faulty, ownership: node.engine.ownership };
}

async function open(t: Test, rig: Rig): Promise<void> {
  t.match(await rig.ownership.acquire(all, nothing), all.map((index) => ({ index, epoch: Number })));
  t.equal((await rig.send(account, 'Open', { amount: 100 })).error, null);
}

t.test('what cannot be made ready is given back, and can be taken later', async (t) => {
  const rig = await setUp(t);
  await t.rejects(rig.ownership.acquire(all, async () => {
    throw new TroupeError('STORE_UNAVAILABLE', 'the store does not answer');
  }), { code: 'STORE_UNAVAILABLE' });
  t.notOk(rig.engine.owns(0));
  t.match(await rig.send(account, 'Open', { amount: 1 }), { error: { code: 'NOT_OWNER' } });
  await open(t, rig);
});

t.test('a bucket that is given up while it is opened stays given up', async (t) => {
  const rig = await setUp(t);
  const { promise: ready, resolve: goOn } = Promise.withResolvers<void>();
  const opening = rig.ownership.acquire(all, () => ready);
  await sleep(5);
  await rig.ownership.release(all);
  t.notOk(rig.engine.owns(0));
  goOn();
  t.same(await opening, []);
  t.notOk(rig.engine.owns(0));
  t.equal(rig.engine.epochOf(0), 0);
  await open(t, rig);
});

t.test('a bucket that is given up and taken again while it recovers is opened once, by whoever took it last', async (t) => {
  const rig = await setUp(t);
  await open(t, rig);
  rig.faulty.holdOpens();
  rig.faulty.loseNextAnswer();
  t.match(await rig.send(account, 'Open', { amount: 1 }), { error: { code: 'UNKNOWN_OUTCOME' } });
  await sleep(10);
  t.equal(rig.faulty.opens, 1, 'its recovery waits for the journal');
  await rig.ownership.release(all);
  const taken = await rig.ownership.acquire(all, nothing);
  rig.faulty.releaseOpens();
  await sleep(100);
  t.same(taken.map(({ index }) => rig.engine.epochOf(index)), taken.map(({ epoch }) => epoch), 'the recovery of before has changed nothing');
});

t.test('a bucket that stops while it is to be handed over, and then stays after all, is opened again', async (t) => {
  const rig = await setUp(t);
  await open(t, rig);
  const other = Array.from({ length: 20 }, (_, i) => `test.v1.Account:${i}`).find((address) => bucketOf(address) !== bucketOf(account))!;
  t.equal((await rig.send(other, 'Open', { amount: 1 })).error, null);
  rig.faulty.holdOpens();
  rig.faulty.loseNextAnswer();
  t.match(await rig.send(account, 'Open', { amount: 1 }), { error: { code: 'UNKNOWN_OUTCOME' } });
  rig.faulty.hold();
  const slow = rig.send(other, 'Open', { amount: 1 });
  await until(() => rig.faulty.opens === 1 && rig.faulty.appendsHeld === 1, 'one bucket recovers, the other appends');
  // The hand-off waits for all that is being appended, for longer than it may; the recovery ends meanwhile, for the bucket is to leave.
  const released = rig.ownership.release([bucketOf(account)], 60);
  rig.faulty.releaseOpens();
  t.equal(await released, false);
  await rig.faulty.release();
  t.equal((await slow).error, null);
  const after = await Promise.race([rig.send(account, 'Open', { amount: 1 }), sleep(20_000, null, { ref: false })]);
  t.match(after, { error: null }, 'somebody has opened it');
});

t.test('what the store cannot show now is no defect', async (t) => {
  let isAway = false;
  const rig = await setUp(t, (journal) => new Proxy(journal, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (name === 'readActorRecords' && isAway) return async () => Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'not connected'));
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  }));
  await open(t, rig);
  t.equal((await rig.send(account, 'Open', { amount: 1 }, 'key')).error, null);
  isAway = true;
  t.match(await rig.send(account, 'Open', { amount: 1 }, 'key'), { error: { code: 'STORE_UNAVAILABLE' } }, 'a duplicate');
  isAway = false;
  t.equal((await rig.send(account, 'Open', { amount: 1 }, 'key')).error, null);
});

t.test('commands that wait for room when a hand-off is given up go on in their order', async (t) => {
  const rig = await setUp(t);
  await open(t, rig);
  rig.faulty.hold();
  const send = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => rig.send(account, 'Open', { amount: 1 }, `k${from + i}`));
  const before = send(0, 400);
  await sleep(20);
  const released = rig.ownership.release([bucketOf(account)], 60);
  const during = send(400, 420);
  t.equal(await released, false, 'its appends do not end in time');
  const behind = send(420, 440);
  await rig.faulty.release();
  const answers = await Promise.all([...before, ...during, ...behind]);
  t.same(answers.map(({ seq }) => seq), Array.from({ length: 440 }, (_, i) => i + 2));
});

t.test('commands that wait for room when their bucket is handed over are given back, behind those that are answered', async (t) => {
  const rig = await setUp(t);
  await open(t, rig);
  const sent = Array.from({ length: 400 }, (_, i) => rig.send(account, 'Open', { amount: 1 }, `k${i}`));
  await sleep(1);
  await rig.ownership.release(all);
  const answers = await Promise.all(sent);
  const codes = answers.map(({ error }) => error?.code ?? 'ok');
  t.ok(codes.includes('NOT_OWNER'), 'some were given back');
  t.same(codes, [...codes].sort((a, b) => Number(a === 'NOT_OWNER') - Number(b === 'NOT_OWNER')));
  t.equal(rig.engine.stat().commandsWaiting, 0);
  await rig.ownership.acquire(all, nothing);
  const again = await Promise.all(answers.map((_, i) => rig.send(account, 'Open', { amount: 1 }, `k${i}`)));
  t.same(again.map(({ error }) => error), again.map(() => null));
  t.match((await rig.get(account)).body, { balance: '500' }, 'each applied once');
});
