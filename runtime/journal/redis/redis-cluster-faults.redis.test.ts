/** A Redis Cluster that moves slots, and fails over with and without the tail, under owners at work. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { startRedisCluster } from '../../testing/redis-cluster.ts';
import type { RedisCluster } from '../../testing/redis-cluster.ts';
import type { RedisServer } from '../../testing/redis-server.ts';
import { connectOperations } from './operations.ts';
import { createRedisJournal } from './redis-journal.ts';
import type { RedisJournalOptions } from './redis-journal.ts';
import { History } from './testing/history.ts';
import { complaintsOf, findBucket, keyOf } from './testing/oracle.ts';
import { Owner } from './testing/owner.ts';
import { BITS, progress, until } from './testing/rig.ts';

const ids = Array.from({ length: 8 }, (_, index) => ({ bits: BITS, index }));

interface ClusterRig {
  readonly cluster: RedisCluster;
  readonly history: History;
  readonly owner: Owner;
  readonly options: RedisJournalOptions;
  complaints(): Promise<string[]>;
}

async function rigFor(t: Test, replicas: number): Promise<ClusterRig> {
  const cluster = await startRedisCluster({ masters: 3, replicas });
  const addresses = cluster.servers.map(({ port }) => ({ host: '127.0.0.1', port }));
  const options: RedisJournalOptions = { store: { addresses, answerTimeMaxMs: 15_000 }, bucketBits: BITS, node: 'one' };
  const journal = createRedisJournal(options);
  await journal.open();
  const history = new History();
  const owner = new Owner({ name: 'one', journal, ids, history });
  await owner.take();
  t.teardown(async () => {
    await owner.stop();
    await journal.close();
    await cluster.remove();
  });
  return { cluster, history, owner, options, complaints: () => complaintsOf(history, BITS, (key) => cluster.ownerOf(key)) };
}

async function bucketsOf(cluster: RedisCluster, server: RedisServer): Promise<number[]> {
  const found: number[] = [];
  for (const { index } of ids) if ((await cluster.ownerOf(keyOf(BITS, index, 'meta'))) === server) found.push(index);
  return found;
}

/** Moves the slot of a bucket, with its keys, to the next master, as redis-cli --cluster does. */
async function moveSlot(cluster: RedisCluster, index: number): Promise<void> {
  const key = keyOf(BITS, index, 'meta');
  const from = await cluster.ownerOf(key);
  const to = cluster.masters[(cluster.masters.indexOf(from) + 1) % cluster.masters.length]!;
  const slot = Number(await from.command('CLUSTER', 'KEYSLOT', key));
  const [fromId, toId] = await Promise.all([from, to].map(async (server) => String(await server.command('CLUSTER', 'MYID'))));
  await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId!);
  await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId!);
  for (;;) {
    const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[];
    if (keys.length === 0) break;
    await from.command('MIGRATE', '127.0.0.1', to.port, '', 0, 30_000, 'KEYS', ...keys);
    // In between, one key of a bucket is here and another one there.
    await sleep(20);
  }
  for (const server of [to, from, ...cluster.masters]) await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId!);
}

await t.test('slots move while appends flow', async (t) => {
  const { cluster, history, owner, complaints } = await rigFor(t, 0);
  owner.start();
  await progress(history, [owner]);
  let struck = 0;
  for (let i = 0; i < 6; i++) {
    await until(() => owner.inFlight > 0);
    struck += owner.inFlight;
    await moveSlot(cluster, i);
    await progress(history, [owner], 10);
  }
  await owner.stop();
  t.comment(`${struck} appends were in flight; ${history.count('refused')} refused, ${history.count('conflict')} conflicts, ${history.count('appended')} appended`);
  t.ok(struck > 0 && history.count('refused') > 0);
  t.equal(history.count('unknown') + history.count('rolledBack'), 0);
  t.equal(owner.owned, ids.length);
  t.same(owner.errors, []);
  t.same(await complaints(), []);
});

await t.test('a failover in order, with replicas that have everything, costs nothing', async (t) => {
  const { cluster, history, owner, complaints } = await rigFor(t, 1);
  owner.start();
  await progress(history, [owner]);
  await until(() => owner.inFlight > 0);
  const struck = owner.inFlight;
  for (const [i, replica] of cluster.replicas.entries()) {
    await replica.command('CLUSTER', 'FAILOVER');
    await until(async () => (await cluster.ownerOf(keyOf(BITS, 0, 'meta')).catch(() => null)) !== null && String((await replica.command('ROLE') as string[])[0]) === 'master', `failover ${i}`);
  }
  await cluster.ready();
  await progress(history, [owner]);
  await owner.stop();
  t.comment(`${struck} appends were in flight; ${history.count('refused')} refused, ${history.count('unknown')} unknown, ${history.count('appended')} appended`);
  t.ok(struck > 0);
  t.same(owner.errors, []);
  t.same(await complaints(), []);
});

for (const working of [true, false]) {
  await t.test(`a failover that loses the tail (${working ? 'appends on their way' : 'nothing on its way'}) is rolled back, and never appended upon`, async (t) => {
    const { cluster, history, owner, options, complaints } = await rigFor(t, 1);
    owner.start();
    await progress(history, [owner]);
    const master = await cluster.ownerOf(keyOf(BITS, 0, 'meta'));
    const replica = cluster.replicas[cluster.masters.indexOf(master)]!;
    const lost = await bucketsOf(cluster, master);
    // It hears no more of what its master acknowledges: nothing is in its sockets, and its connection is gone.
    await replica.suspend();
    await master.command('CLIENT', 'KILL', 'TYPE', 'replica');
    await progress(history, [owner], 40);
    if (!working) await owner.stop();
    else await until(() => owner.inFlight > 0);
    const struck = owner.inFlight;
    await master.kill();
    const acknowledged = history.attempts.length;
    await replica.resume();
    await replica.command('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await cluster.ready();
    if (working) {
      await until(() => owner.owned === ids.length - lost.length);
      const others = history.attempts.length;
      await until(() => history.attempts.slice(others).filter(({ outcome }) => outcome?.kind === 'appended').length > 20, 'the other masters serve');
      await owner.stop();
    } else {
      // The owner learns where the slots are from what is refused.
      await until(async () => {
        await owner.reopen();
        await owner.once();
        return owner.owned === ids.length - lost.length || history.count('rolledBack') === lost.length;
      });
      t.equal(history.count('rolledBack'), lost.length, 'each by the append itself');
    }
    const late = history.attempts.slice(acknowledged).filter(({ bucket }) => lost.includes(bucket));
    t.comment(`${struck} appends were in flight; ${late.length} later ones to ${lost.length} buckets: ${[...new Set(late.map(({ outcome }) => outcome?.kind))].join()}`);
    if (working) t.ok(struck > 0);
    t.same(late.filter(({ outcome }) => outcome?.kind === 'appended'), []);
    const found = await complaints();
    t.ok(found.some((what) => what.startsWith('lost:')), 'acknowledged appends are indeed gone');
    t.same(found.filter((what) => !lost.some((index) => what.endsWith(`[bucket ${index}]`))), [], 'of those buckets alone');
    for (const index of lost) await t.rejects(owner.journal.openBucket({ bits: BITS, index }), { code: 'ROLLED_BACK' });

    const operations = await connectOperations(options);
    t.teardown(() => operations.close());
    const losses = await operations.losses();
    t.same(losses.buckets.map(({ bucket }) => bucket.index), lost);
    t.ok(losses.buckets.every(({ positionFound, positionKnown }) => positionKnown > positionFound!));
    await operations.accept(losses);
    await owner.take();
    t.same((await owner.once()).map(({ kind }) => kind), ids.map(() => 'appended'));
    for (const { index } of ids) t.same((await findBucket(await cluster.ownerOf(keyOf(BITS, index, 'meta')), BITS, index)).complaints, []);
  });
}
