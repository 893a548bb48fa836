/** What a journal says it keeps, and the servers that it refuses. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import t from 'tap';
import type { Test } from 'tap';

import { startRedisCluster } from '../../testing/redis-cluster.ts';
import { startRedis } from '../../testing/redis-server.ts';
import type { RedisOptions } from '../../testing/redis-server.ts';
import type { DurabilityClass } from '../journal.ts';
import { RedisLink } from './link.ts';
import { createRedisJournal } from './redis-journal.ts';
import type { RedisJournalOptions } from './redis-journal.ts';
import { until } from './testing/rig.ts';

async function durabilityAt(port: number, options: Partial<RedisJournalOptions> & { username?: string; password?: string; answerTimeMaxMs?: number } = {}): Promise<DurabilityClass> {
  const { username = '', password = '', answerTimeMaxMs = 15_000, ...more } = options;
  const journal = createRedisJournal({ store: { addresses: [{ host: '127.0.0.1', port }], username, password, answerTimeMaxMs }, bucketBits: 4, node: 'n1', ...more });
  try {
    await journal.open();
    return journal.durability;
  } finally {
    await journal.close();
  }
}

async function serverWith(t: Test, options: RedisOptions): Promise<number> {
  const redis = await startRedis(options);
  t.teardown(() => redis.remove());
  return redis.port;
}

/** A server of a few words, for each command line its answer. */
async function fakeServer(t: Test, answer: (command: string, socket: Socket) => string | null): Promise<{ port: number; connections(): number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const [, command] of chunk.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
        const text = answer(command!.toUpperCase(), socket);
        if (text !== null) socket.write(text);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => sockets.length };
}

await t.test('the class is what the server is set to', async (t) => {
  for (const appendfsync of ['always', 'everysec', 'no'] as const) {
    t.equal(await durabilityAt(await serverWith(t, { appendfsync })), `redis-${appendfsync}`);
    const config = { 'no-appendfsync-on-rewrite': 'yes' };
    t.equal(await durabilityAt(await serverWith(t, { appendfsync, config })), 'redis-no', 'now and then it synchronises nothing');
  }
});

await t.test('a server that keeps nothing is refused, unless that is what was asked for', async (t) => {
  const port = await serverWith(t, { appendonly: false, save: '3600 1' });
  await t.rejects(durabilityAt(port), { code: 'CONFIG_INVALID', message: /append-only/ });
  t.equal(await durabilityAt(port, { memoryAllowed: true }), 'memory');
});

await t.test('a server that evicts is refused, whatever else it keeps', async (t) => {
  for (const maxmemoryPolicy of ['allkeys-lru', 'volatile-ttl']) {
    const port = await serverWith(t, { maxmemory: '64mb', maxmemoryPolicy });
    await t.rejects(durabilityAt(port, { memoryAllowed: true }), { code: 'CONFIG_INVALID', message: new RegExp(maxmemoryPolicy) });
  }
});

await t.test('a cluster is worth what its weakest master is', async (t) => {
  const cluster = await startRedisCluster({ masters: 3, server: { appendfsync: 'always' } });
  t.teardown(() => cluster.remove());
  t.equal(await durabilityAt(cluster.servers[0]!.port), 'redis-always');
  await cluster.servers[2]!.command('CONFIG', 'SET', 'appendfsync', 'everysec');
  t.equal(await durabilityAt(cluster.servers[0]!.port), 'redis-everysec');
  await cluster.servers[1]!.command('CONFIG', 'SET', 'appendonly', 'no');
  await t.rejects(durabilityAt(cluster.servers[0]!.port), { code: 'CONFIG_INVALID' });
  await cluster.servers[1]!.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
  await t.rejects(durabilityAt(cluster.servers[0]!.port, { memoryAllowed: true }), { code: 'CONFIG_INVALID', message: new RegExp(String(cluster.servers[1]!.port)) });
});

await t.test('where nobody may ask for the settings, the report of the server counts', async (t) => {
  const config = { 'rename-command': 'CONFIG ""' };
  t.equal(await durabilityAt(await serverWith(t, { config, appendfsync: 'always' })), 'redis-no', 'when it is synchronised nobody says');
  const forgetful = await serverWith(t, { config, appendonly: false });
  await t.rejects(durabilityAt(forgetful), { code: 'CONFIG_INVALID', message: /append-only/ });
  t.equal(await durabilityAt(forgetful, { memoryAllowed: true }), 'memory');
  const evicting = await serverWith(t, { config, maxmemory: '64mb', maxmemoryPolicy: 'allkeys-lfu' });
  await t.rejects(durabilityAt(evicting), { code: 'CONFIG_INVALID', message: /allkeys-lfu/ });
});

await t.test('a user who may not ask for the settings', async (t) => {
  const redis = await startRedis({});
  t.teardown(() => redis.remove());
  await redis.command('ACL', 'SETUSER', 'troupe', 'on', '>secret', '~*', '+@all', '-config');
  t.equal(await durabilityAt(redis.port, { username: 'troupe', password: 'secret' }), 'redis-no');
});

await t.test('a wrong password, none, and an unknown user are settings to be corrected', async (t) => {
  const port = await serverWith(t, { password: 'right' });
  t.equal(await durabilityAt(port, { password: 'right' }), 'redis-everysec');
  await t.rejects(durabilityAt(port, { password: 'wrong' }), { code: 'CONFIG_INVALID', message: /WRONGPASS/ });
  await t.rejects(durabilityAt(port), { code: 'CONFIG_INVALID', message: /NOAUTH/ });
  await t.rejects(durabilityAt(port, { username: 'nobody', password: 'right' }), { code: 'CONFIG_INVALID' });
});

await t.test('a server that is too old is refused by its version', async (t) => {
  const report = 'redis_version:5.0.14\r\nredis_mode:standalone\r\nloading:0\r\ncluster_enabled:0\r\n';
  const { port } = await fakeServer(t, (command) => (command === 'INFO' ? `$${report.length}\r\n${report}\r\n` : `-ERR unknown command \`${command}\`\r\n`));
  await t.rejects(durabilityAt(port), { code: 'CONFIG_INVALID', message: /is Redis 5\.0; functions need 7\.0/ });
});

await t.test('a server that takes connections and says nothing is an unavailable one, and each connection to it is given up', async (t) => {
  const { port, connections } = await fakeServer(t, () => null);
  await t.rejects(durabilityAt(port, { answerTimeMaxMs: 1_000 }), { code: 'STORE_UNAVAILABLE' });
  const before = connections();
  const link = new RedisLink({ host: '127.0.0.1', port, username: '', password: '', tls: false, answerTimeMaxMs: 200 });
  t.teardown(() => link.close());
  await t.rejects(link.connect(), { code: 'UNREACHABLE', kind: 'refused' });
  await until(() => connections() >= before + 3, 'it goes on trying, each time anew');
  await t.rejects(link.call('PING', []), { code: 'UNREACHABLE', kind: 'refused' });
});

await t.test('nobody there', async (t) => {
  const { port } = await fakeServer(t, (_command, socket) => {
    socket.destroy();
    return null;
  });
  await t.rejects(durabilityAt(port), { code: 'STORE_UNAVAILABLE' });
});
