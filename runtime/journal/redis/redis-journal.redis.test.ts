/** The contract, on one server and on a cluster of three masters. */

import t from 'tap';

import { startRedisCluster } from '../../testing/redis-cluster.ts';
import { startRedis } from '../../testing/redis-server.ts';
import { journalContract } from '../contract.ts';
import type { StoreAddress } from './links.ts';
import { createRedisJournal } from './redis-journal.ts';

let places = 0;

function place(addresses: readonly StoreAddress[]): Parameters<typeof journalContract>[1]['place'] {
  return () => {
    const namespace = `place-${places++}`;
    return {
      journal: () => createRedisJournal({ store: { addresses }, namespace, bucketBits: 8, node: 'n1' }),
      remove: async () => undefined,
    };
  };
}

await t.test('the contract, on one server', async (t) => {
  const redis = await startRedis({ appendonly: true, appendfsync: 'no' });
  t.teardown(() => redis.remove());
  await journalContract(t, { place: place([{ host: '127.0.0.1', port: redis.port }]), seeds: [1, 2, 3], stepsPerSeed: 200 });
});

await t.test('the contract, on a cluster of three masters', async (t) => {
  const cluster = await startRedisCluster({ masters: 3 });
  t.teardown(() => cluster.remove());
  await journalContract(t, { place: place(cluster.servers.slice(0, 1).map(({ port }) => ({ host: '127.0.0.1', port }))), seeds: [4], stepsPerSeed: 150 });
  const used = await Promise.all(cluster.servers.map((server) => server.command('DBSIZE')));
  t.ok(used.every((keys) => Number(keys) > 50), `every master holds buckets: ${used.join()}`);
});
