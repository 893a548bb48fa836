/** The durability class follows the servers' settings, whoever changes them and however, and what no journal opens with is told while it lasts. */

import t from 'tap';
import type { Test } from 'tap';

import { createMetrics } from '../../admin/metrics.ts';
import { startRedisCluster } from '../../testing/redis-cluster.ts';
import { startRedis } from '../../testing/redis-server.ts';
import type { RedisOptions, RedisServer } from '../../testing/redis-server.ts';
import type { Journal } from '../journal.ts';
import { StoreLinks } from './links.ts';
import { createRedisJournal } from './redis-journal.ts';
import { SettingsWatch } from './settings-watch.ts';
import { connected, ids, until } from './testing/rig.ts';

t.setTimeout(1_200_000);

const NEVER_MS = 3_600_000;

interface Told {
  readonly warnings: string[];
  readonly alarms: string[];
}

interface Watched extends Told {
  readonly redis: RedisServer;
  readonly watch: SettingsWatch;
  /** The watch's clock. */
  readonly clock: { ms: number };
  set(name: string, value: string): Promise<void>;
}

/** A watch that looks when it is told to, or when the server is there again. */
async function watchOn(t: Test, options: RedisOptions, memoryAllowed = false): Promise<Watched> {
  const redis = await startRedis(options);
  t.teardown(() => redis.remove());
  const { watch, ...told } = await watchAt(t, redis, memoryAllowed);
  const set = async (name: string, value: string): Promise<void> => {
    await redis.command('CONFIG', 'SET', name, value);
    await watch.look();
  };
  return { redis, watch, set, ...told };
}

async function watchAt(t: Test, redis: RedisServer, memoryAllowed = false): Promise<Told & { watch: SettingsWatch; clock: { ms: number }; links: StoreLinks }> {
  const links = new StoreLinks({ addresses: [{ host: '127.0.0.1', port: redis.port }] });
  t.teardown(() => links.close());
  await links.connect();
  const warnings: string[] = [];
  const alarms: string[] = [];
  const clock = { ms: 0 };
  const watch = new SettingsWatch({
    links, memoryAllowed, lookEveryMs: NEVER_MS,
    now: () => clock.ms,
    warn: (message) => warnings.push(message),
    alarm: (message) => alarms.push(message),
  });
  await watch.start();
  watch.follow();
  t.teardown(() => watch.close());
  await watch.look();
  return { watch, links, clock, warnings, alarms };
}

/** What a scrape of /metrics shows of the journal: the values of the class that are there, and whether the settings are unsafe. */
async function scraped(journal: Journal): Promise<{ classes: string[]; unsafe: string | undefined }> {
  const text = await createMetrics({ durability: () => journal.durability, journal: () => journal.stat() }).registry.metrics();
  return {
    classes: [...text.matchAll(/^troupe_journal_info\{durability="([^"]+)"\} 1$/gm)].map(([, found]) => found!),
    unsafe: /^troupe_journal_unsafe_settings (\d)/m.exec(text)?.[1],
  };
}

await t.test('a class that was changed is told once, up or down (T2)', async (t) => {
  const { redis, watch, set, warnings, alarms } = await watchOn(t, { appendfsync: 'always' });
  t.equal(watch.durability, 'redis-always');
  await set('appendfsync', 'everysec');
  t.equal(watch.durability, 'redis-everysec');
  t.match(warnings, [new RegExp(`redis-everysec now, and was redis-always: 127.0.0.1:${redis.port} has appendonly yes, appendfsync everysec`)]);
  await watch.look();
  await set('appendfsync', 'no');
  t.equal(watch.durability, 'redis-no');
  await set('appendfsync', 'always');
  t.equal(watch.durability, 'redis-always');
  t.equal(warnings.length, 3);
  t.same(alarms, []);
  t.same(watch.refusals, []);
});

await t.test('a start warns where appendfsync promises more than is kept, and only there', async (t) => {
  const { warnings } = await watchOn(t, { appendfsync: 'always', config: { 'no-appendfsync-on-rewrite': 'yes' } });
  t.match(warnings, [/redis-no: .* appendfsync always, no-appendfsync-on-rewrite yes/]);
  for (const appendfsync of ['always', 'everysec', 'no'] as const) t.same((await watchOn(t, { appendfsync })).warnings, []);
});

await t.test('what no node starts with is an alarm at once, and every minute as long as it lasts (T2)', async (t) => {
  const { watch, set, clock, warnings, alarms } = await watchOn(t, { appendfsync: 'always', maxmemory: '64mb', maxmemoryPolicy: 'noeviction' });
  await set('maxmemory-policy', 'allkeys-lru');
  t.match(alarms, [/UNSAFE SETTINGS: .*maxmemory-policy allkeys-lru/]);
  t.equal(watch.refusals.length, 1);
  t.equal(watch.durability, 'redis-always');
  clock.ms += 59_000;
  await watch.look();
  t.equal(alarms.length, 1, 'not yet');
  clock.ms += 1_000;
  await watch.look();
  t.equal(alarms.length, 2, 'again');
  await set('maxmemory-policy', 'volatile-lru');
  t.match(alarms[2], /volatile-lru/, 'another one is not kept waiting');
  t.same(warnings, [], 'the class is the same');
  await set('maxmemory-policy', 'noeviction');
  t.same(watch.refusals, []);
  t.match(warnings, [/such again/]);
  await set('appendonly', 'no');
  t.equal(watch.durability, 'memory');
  t.match(alarms[3], /appendonly no/, 'although the last minute is not over');
  t.match(warnings[1], /memory now, and was redis-always/);
  t.equal(alarms.length, 4);
});

await t.test('who has taken a server that keeps nothing is told of its class, and not alarmed', async (t) => {
  const { watch, set, warnings, alarms } = await watchOn(t, { appendfsync: 'everysec' }, true);
  await set('appendonly', 'no');
  t.equal(watch.durability, 'memory');
  t.same([warnings.length, alarms], [1, []]);
});

await t.test('a server that was started anew is asked at once, and one that is away says nothing (T1)', async (t) => {
  const { redis, watch, warnings, alarms } = await watchOn(t, { appendfsync: 'always' });
  await redis.stop();
  await watch.look();
  t.equal(watch.durability, 'redis-always');
  await redis.restart({ appendfsync: 'everysec' });
  await until(() => watch.durability === 'redis-everysec', 'found without a look of the timer, which comes in an hour');
  t.match(warnings, [/redis-everysec/]);
  await redis.kill();
  await redis.restart({ maxmemoryPolicy: 'allkeys-random' });
  await until(() => alarms.length > 0, 'an alarm');
  t.match(alarms, [/allkeys-random/]);
});

await t.test('a user who may not ask any more, and one who may not ask at all', async (t) => {
  const { redis, watch, warnings } = await watchOn(t, { appendfsync: 'always' });
  await redis.command('ACL', 'SETUSER', 'default', '-config');
  for (let i = 0; i < 3; i++) await watch.look();
  t.equal(watch.durability, 'redis-no', 'nobody says when it is synchronised');
  t.match(warnings, [/appendfsync unknown/]);
  const denied = (await redis.command('ACL', 'LOG')) as unknown[][];
  t.equal(denied.length, 1);
  t.equal(Number(denied[0]![1]), 1, 'asked for once, and not at every look');
  await redis.command('ACL', 'SETUSER', 'default', '+config');
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
  await until(() => watch.durability === 'redis-always', 'asked again over a new connection');
});

await t.test('of a cluster the weakest master counts, and is named', async (t) => {
  const cluster = await startRedisCluster({ masters: 3, server: { appendfsync: 'always' } });
  t.teardown(() => cluster.remove());
  const { watch, warnings, alarms } = await watchAt(t, cluster.servers[0]!);
  t.equal(watch.durability, 'redis-always');
  const [, second, third] = cluster.servers;
  await third!.command('CONFIG', 'SET', 'appendfsync', 'everysec');
  await second!.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  await watch.look();
  t.equal(watch.durability, 'redis-everysec');
  t.match(warnings, [new RegExp(`:${third!.port} has`)]);
  t.match(alarms, [new RegExp(`:${second!.port} may evict`)]);
});

await t.test('a journal follows by itself, tells it in metrics, and goes on serving (T3)', async (t) => {
  const redis = await startRedis({ appendfsync: 'always' });
  t.teardown(() => redis.remove());
  const warnings: string[] = [];
  const alarms: string[] = [];
  const journal = createRedisJournal({
    store: { addresses: [{ host: '127.0.0.1', port: redis.port }] }, bucketBits: 4, node: 'n1',
    onWarning: (message) => warnings.push(message),
    onAlarm: (message) => alarms.push(message),
  });
  t.teardown(() => journal.close());
  await journal.open();
  const { epoch } = await journal.openBucket(ids[0]!);
  t.same(await scraped(journal), { classes: ['redis-always'], unsafe: '0' });
  await redis.command('CONFIG', 'SET', 'appendfsync', 'no');
  await until(() => journal.durability === 'redis-no', 'the timer looks');
  t.same(await scraped(journal), { classes: ['redis-no'], unsafe: '0' });
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  await until(() => alarms.length > 0, 'the timer looks');
  t.same(await scraped(journal), { classes: ['redis-no'], unsafe: '1' });
  t.same(await journal.confirm([{ bucket: ids[0]!, epoch }]), [true], 'served all the same');
  await redis.stop();
  await redis.restart({ appendfsync: 'everysec' });
  await connected(journal);
  await until(() => journal.durability === 'redis-everysec', 'asked over the new connection');
  t.same(await scraped(journal), { classes: ['redis-everysec'], unsafe: '0' });
  t.same(await journal.confirm([{ bucket: ids[0]!, epoch }]), [true]);
  t.same([warnings.length, alarms.length], [3, 1]);
});

await t.test('one scrape after the other shows one class', async (t) => {
  let durability: 'redis-always' | 'redis-no' = 'redis-always';
  const { registry } = createMetrics({ durability: () => durability });
  const series = async (): Promise<string[]> => (await registry.metrics()).match(/^troupe_journal_info.*$/gm) ?? [];
  t.same(await series(), ['troupe_journal_info{durability="redis-always"} 1']);
  durability = 'redis-no';
  t.same(await series(), ['troupe_journal_info{durability="redis-no"} 1']);
});
