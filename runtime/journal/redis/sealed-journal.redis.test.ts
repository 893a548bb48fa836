/** The contract once more, on journals without a folder whose hot log is so short that nearly everything is sealed in Redis. */

import t from 'tap';

import { startRedisCluster } from '../../testing/redis-cluster.ts';
import { startRedis } from '../../testing/redis-server.ts';
import type { RedisServer } from '../../testing/redis-server.ts';
import { journalContract } from '../contract.ts';
import type { Journal } from '../journal.ts';
import type { Demotion } from './demotion.ts';
import { createRedisJournal } from './redis-journal.ts';

let places = 0;

/** Every second append is answered when what it made too long is sealed: the work in between meets demotions under way. */
function demoting(journal: Journal): Journal {
  const { demotion } = journal as unknown as { demotion: Demotion };
  const append = journal.append.bind(journal);
  let appends = 0;
  journal.append = async (batch) => {
    const outcomes = await append(batch);
    if (appends++ % 2 === 0) await demotion.idle();
    return outcomes;
  };
  return journal;
}

function place({ port }: RedisServer): Parameters<typeof journalContract>[1]['place'] {
  return () => {
    const namespace = `place-${places++}`;
    const store = { addresses: [{ host: '127.0.0.1', port }] };
    return {
      journal: () => demoting(createRedisJournal({ store, namespace, bucketBits: 8, node: 'n1', hotBytesPerBucketMax: 600 })),
      remove: async () => undefined,
    };
  };
}

async function sealedOn(server: RedisServer): Promise<number> {
  const keys = (await server.command('KEYS', '*:sealed:*')) as unknown[];
  return keys.length;
}

await t.test('the contract, on one server', async (t) => {
  const redis = await startRedis({ appendfsync: 'no' });
  t.teardown(() => redis.remove());
  await journalContract(t, { place: place(redis), seeds: [1, 2, 3], stepsPerSeed: 150 });
  const sealed = await sealedOn(redis);
  t.ok(sealed > 100, `${sealed} ranges were sealed`);
});

await t.test('the contract, on a cluster of three masters', async (t) => {
  const cluster = await startRedisCluster({ masters: 3 });
  t.teardown(() => cluster.remove());
  await journalContract(t, { place: place(cluster.servers[0]!), seeds: [4], stepsPerSeed: 150 });
  const sealed = await Promise.all(cluster.servers.map(sealedOn));
  t.ok(sealed.every((ranges) => ranges > 5), `every master has sealed ranges: ${sealed.join()}`);
});
