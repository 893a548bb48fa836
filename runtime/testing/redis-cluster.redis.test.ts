import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { isAlive } from '../faults/proc.ts';
import { startRedisCluster } from './redis-cluster.ts';
import type { RedisCluster, RedisClusterOptions } from './redis-cluster.ts';

async function clusterOf(t: Test, options: RedisClusterOptions): Promise<RedisCluster> {
  const cluster = await startRedisCluster(options);
  t.teardown(() => cluster.remove());
  return cluster;
}

t.test('three masters share the slots, and each sends elsewhere what is not its own', async (t) => {
  const cluster = await clusterOf(t, { masters: 3, server: { password: 'secret' } });
  t.equal(cluster.servers.length, 3);
  for (const server of cluster.servers) t.match(await server.command('CLUSTER', 'INFO'), /cluster_state:ok/);
  const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
  const counts = new Map(cluster.servers.map((server) => [server, 0]));
  for (const key of keys) {
    const owner = await cluster.ownerOf(key);
    counts.set(owner, counts.get(owner)! + 1);
    t.equal(await owner.command('SET', key, 'value'), 'OK');
    const other = cluster.servers.find((server) => server !== owner)!;
    await t.rejects(other.command('GET', key), { name: 'RespError', message: new RegExp(`^MOVED \\d+ 127.0.0.1:${owner.port}$`) });
  }
  t.ok([...counts.values()].every((count) => count > 0), 'every master owns some keys');

  const { pid } = cluster.masters[1]!;
  await cluster.masters[1]!.kill();
  t.notOk(isAlive(pid));
  // Without a replica nobody takes over: the others refuse until it is back.
  await eventually(async () => /cluster_state:fail/.test(String(await cluster.masters[0]!.command('CLUSTER', 'INFO'))));
  await cluster.masters[1]!.restart();
  await cluster.ready();
  for (const key of keys) t.equal(await (await cluster.ownerOf(key)).command('GET', key), 'value');
});

t.test('a replica takes over from a killed master', async (t) => {
  const cluster = await clusterOf(t, { masters: 3, replicas: 1 });
  t.equal(cluster.servers.length, 6);
  const [master] = cluster.masters;
  const [replica] = cluster.replicas;
  const key = await keyOf(cluster, 0);
  await master!.command('SET', key, 'value');
  await eventually(async () => Number(await replica!.command('DBSIZE')) === 1);
  await master!.kill();
  await cluster.ready();
  t.equal(await cluster.ownerOf(key), replica);
  t.equal(await replica!.command('GET', key), 'value');
  await master!.restart();
  await cluster.ready();
  t.equal(await cluster.ownerOf(key), replica, 'the old master comes back as a replica of the new one');
  t.match(await master!.command('ROLE'), ['slave', '127.0.0.1', replica!.port]);
});

t.test('what was removed leaves no process', async (t) => {
  const cluster = await startRedisCluster();
  const pids = cluster.servers.map(({ pid }) => pid);
  t.strictSame(pids.map(isAlive), [true, true, true]);
  await cluster.remove();
  t.strictSame(pids.map(isAlive), [false, false, false]);
  await t.rejects(startRedisCluster({ masters: 2 }), /three masters/);
});

/** A key that master number `i` owns. */
async function keyOf(cluster: RedisCluster, i: number): Promise<string> {
  for (let n = 0; ; n++) if ((await cluster.ownerOf(`key-${n}`)) === cluster.masters[i]) return `key-${n}`;
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(25);
}
