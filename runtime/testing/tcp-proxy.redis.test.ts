/** The two faults that matter most to whoever writes into Redis, against a real one. */

import t from 'tap';
import type { Test } from 'tap';

import { startRedis } from './redis-server.ts';
import type { RedisServer } from './redis-server.ts';
import { RespClient } from './resp.ts';
import { startProxy } from './tcp-proxy.ts';
import type { TcpProxy } from './tcp-proxy.ts';

async function rigOf(t: Test): Promise<{ redis: RedisServer; proxy: TcpProxy; client: RespClient }> {
  const redis = await startRedis({ password: 'secret' });
  t.teardown(() => redis.remove());
  const proxy = await startProxy(redis.port);
  t.teardown(() => proxy.close());
  const client = await RespClient.open(proxy.port, { password: 'secret' });
  t.teardown(() => client.close());
  return { redis, proxy, client };
}

const isIncrement = (request: Buffer): boolean => request.includes('INCR');

t.test('executed, and the client never hears of it', async (t) => {
  const { redis, proxy, client } = await rigOf(t);
  const cut = proxy.cutBeforeReply(isIncrement);
  t.equal(await client.command('GET', 'n'), null);
  await t.rejects(client.command('INCR', 'n'), /server closed the connection/);
  t.equal((await cut).toString(), ':1\r\n');
  t.equal(await redis.command('GET', 'n'), '1');
});

t.test('executed when others have long read that it was not', async (t) => {
  const { redis, proxy, client } = await rigOf(t);
  const stalled = proxy.stall(isIncrement);
  await t.rejects(client.command('INCR', 'n'), /server closed the connection/);
  t.equal(await redis.command('GET', 'n'), null);
  t.equal((await (await stalled).deliver()).toString(), ':1\r\n');
  t.equal(await redis.command('GET', 'n'), '1');
});

t.test('a server that is killed takes the stalled request along', async (t) => {
  const { redis, proxy, client } = await rigOf(t);
  const stalled = proxy.stall(isIncrement);
  await t.rejects(client.command('INCR', 'n'), /server closed the connection/);
  const request = await stalled;
  await redis.kill();
  await redis.restart();
  await t.rejects(request.deliver(), /closed/);
  t.equal(await redis.command('GET', 'n'), null);
});
