import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { isAlive } from '../faults/proc.ts';
import { RedisServer, startRedis } from './redis-server.ts';
import type { RedisOptions } from './redis-server.ts';

async function serverOf(t: Test, options: RedisOptions = {}): Promise<RedisServer> {
  const redis = await startRedis(options);
  t.teardown(() => redis.remove());
  return redis;
}

t.test('a server answers, keeps text and bytes, and refuses by an error', async (t) => {
  const redis = await serverOf(t);
  t.equal(await redis.command('PING'), 'PONG');
  const bytes = Buffer.from([0, 13, 10, 255, 36]);
  t.equal(await redis.command('SET', 'key', bytes), 'OK');
  t.strictSame(await redis.commandBytes('GET', 'key'), bytes);
  t.equal(await redis.command('GET', 'nothing'), null);
  t.strictSame(await redis.command('EVAL', "return {1, 'two', false, {3}, {}}", 0), [1, 'two', null, [3], []]);
  await t.rejects(redis.command('INCR', 'key'), { name: 'RespError', message: /not an integer/ });
  const text = 'x'.repeat(300_000);
  await redis.command('SET', 'long', text);
  t.equal(await redis.command('GET', 'long'), text, 'a reply that comes in pieces');
  t.equal(redis.url, `redis://127.0.0.1:${redis.port}`);
});

t.test('a connection that stays has its commands answered in order', async (t) => {
  const redis = await serverOf(t);
  const client = await redis.connect();
  const replies = await Promise.all([client.command('MULTI'), client.command('INCR', 'n'), client.command('LPUSH', 'n', 1), client.command('EXEC')]);
  t.strictSame(replies.slice(0, 3), ['OK', 'QUEUED', 'QUEUED']);
  t.match(replies[3], [1, { name: 'RespError' }]);
  const waiting = client.command('BLPOP', 'list', 0);
  client.close();
  await t.rejects(waiting, /closed here/);
  await t.rejects(client.command('PING'), /closed here/);
});

t.test('killed with -9 and started again, it has its data from the append-only file', async (t) => {
  const redis = await serverOf(t);
  const { pid, port } = redis;
  await redis.command('SET', 'key', 'value');
  await redis.kill();
  t.notOk(isAlive(pid));
  await t.rejects(redis.command('PING'), { code: 'ECONNREFUSED' });
  await redis.restart();
  t.equal(await redis.command('GET', 'key'), 'value');
  t.equal(redis.port, port);
  t.not(redis.pid, pid);
});

t.test('without the append-only file, kill -9 loses it', async (t) => {
  const redis = await serverOf(t, { appendonly: false });
  await redis.command('SET', 'key', 'value');
  await redis.kill();
  await redis.restart();
  t.equal(await redis.command('GET', 'key'), null);
});

t.test('an end in order writes what it was told to save', async (t) => {
  const redis = await serverOf(t, { appendonly: false, save: '3600 1' });
  await redis.command('SET', 'key', 'value');
  await redis.stop();
  t.notOk(redis.isRunning);
  await redis.restart();
  t.equal(await redis.command('GET', 'key'), 'value');
});

t.test('options reach the server, and a restart may change them', async (t) => {
  const password = 'a "quoted" word';
  const redis = await serverOf(t, { maxmemory: '64mb', maxmemoryPolicy: 'allkeys-lru', appendfsync: 'always', password, config: { hz: '50' } });
  const settings = async (): Promise<unknown> => redis.command('CONFIG', 'GET', 'maxmemory', 'maxmemory-policy', 'appendfsync', 'hz');
  const asMap = (reply: unknown): Map<string, string> => new Map(Array.from({ length: 4 }, (_, i) => (reply as string[]).slice(2 * i, 2 * i + 2) as [string, string]));
  t.same(asMap(await settings()), new Map([['maxmemory', '67108864'], ['maxmemory-policy', 'allkeys-lru'], ['appendfsync', 'always'], ['hz', '50']]));
  t.equal(redis.url, `redis://:a%20%22quoted%22%20word@127.0.0.1:${redis.port}`);
  await redis.stop();
  await redis.restart({ maxmemoryPolicy: 'noeviction' });
  t.same(asMap(await settings()), new Map([['maxmemory', '67108864'], ['maxmemory-policy', 'noeviction'], ['appendfsync', 'always'], ['hz', '50']]));
});

t.test('a suspended server answers nothing until it is resumed', async (t) => {
  const redis = await serverOf(t);
  const client = await redis.connect();
  t.teardown(() => client.close());
  await redis.suspend();
  const answer = client.command('PING');
  t.equal(await Promise.race([answer, sleep(200, 'silence')]), 'silence');
  await redis.resume();
  t.equal(await answer, 'PONG');
  await redis.suspend();
  await redis.stop();
  t.notOk(redis.isRunning, 'a suspended server can be stopped');
  await redis.suspend();
  await redis.resume();
  t.notOk(redis.isRunning, 'one that has ended is left alone');
});

t.test('a server that cannot start says why', async (t) => {
  await t.rejects(startRedis({ config: { 'no-such-setting': '1' } }), /did not become ready:[^]*no-such-setting/);
  const redis = await serverOf(t);
  await t.rejects(redis.restart(), /is running/);
});

t.test('the answer of another server at the same port is not taken for its own (R1)', async (t) => {
  const redis = await serverOf(t);
  const late = new RedisServer(redis.port, {});
  t.teardown(() => late.remove());
  await t.rejects(late.restart(), /did not become ready:[^]*Address already in use/);
  t.equal(await redis.command('PING'), 'PONG');
});

t.test('what was removed leaves no process and no folder', async (t) => {
  const redis = await startRedis();
  const { pid, directory } = redis;
  t.ok(isAlive(pid) && existsSync(directory));
  await redis.remove();
  t.notOk(isAlive(pid));
  t.notOk(existsSync(directory));
  await redis.remove();
});

t.test('a test that is killed takes its server along (R2)', async (t) => {
  const program = `
    import { startRedis } from '${new URL('redis-server.ts', import.meta.url)}';
    const redis = await startRedis();
    console.log(JSON.stringify({ pid: redis.pid, directory: redis.directory }));
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { pid, directory } = JSON.parse(line) as { pid: number; directory: string };
  t.ok(isAlive(pid) && existsSync(directory));
  child.kill('SIGKILL');
  for (let i = 0; i < 500 && (isAlive(pid) || existsSync(directory)); i++) await sleep(10);
  t.notOk(isAlive(pid));
  t.notOk(existsSync(directory));
});
