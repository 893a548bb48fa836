/** A disk that does not keep up is told before it has cost anything. */

import t from 'tap';

import { createMetrics } from '../../admin/metrics.ts';
import { startRedis } from '../../testing/redis-server.ts';
import { makeSlowDisk } from '../../testing/slow-disk.ts';
import { StoreLinks } from './links.ts';
import { SyncWatch } from './sync-watch.ts';
import type { ReportsOf } from './sync-watch.ts';
import { folderOf, rigFor, until } from './testing/rig.ts';

t.setTimeout(1_200_000);

function reports(counts: Record<string, number | null>): ReportsOf & { isAway: boolean } {
  return {
    isAway: false,
    async callAll() {
      if (this.isAway) throw new Error('away');
      return Object.entries(counts).map(([name, count]) => ({ name, answer: Buffer.from(`# Persistence\r\naof_enabled:1\r\n${count === null ? '' : `aof_delayed_fsync:${count}\r\n`}`) }));
    },
  };
}

await t.test('it counts what comes while it looks, of all servers, and never backwards (D1–D3)', async (t) => {
  const counts: Record<string, number | null> = { a: 7, b: null };
  const store = reports(counts);
  const warnings: string[] = [];
  const watch = new SyncWatch(store, (message) => warnings.push(message));
  const look = async (): Promise<number | undefined> => {
    await watch.look();
    return watch.delayed;
  };
  store.isAway = true;
  t.equal(await look(), undefined, 'nobody has said anything');
  store.isAway = false;
  t.equal(await look(), 0, 'what was before');
  t.same(warnings, []);
  counts['a'] = 8;
  t.equal(await look(), 1);
  t.match(warnings, [/^the disk of a does not keep up: once .*aof_delayed_fsync 8/]);
  t.equal(await look(), 1);
  counts['b'] = 3;
  t.equal(await look(), 1, 'heard for the first time');
  counts['b'] = 5;
  t.equal(await look(), 3);
  store.isAway = true;
  t.equal(await look(), 3);
  store.isAway = false;
  counts['a'] = 0;
  t.equal(await look(), 3, 'started anew');
  counts['a'] = 2;
  t.equal(await look(), 5);
  counts['a'] = 1;
  t.equal(await look(), 6, 'started anew, and slow again since');
  t.equal(warnings.length, 4);
  t.match(warnings[1], /^the disk of b does not keep up: 2 times/);
});

await t.test('a journal tells it in its log and its metrics', async (t) => {
  const disk = await makeSlowDisk(folderOf(t));
  const { redis, journal, owner } = await rigFor(t, { appendfsync: 'everysec', env: disk.env });
  t.teardown(() => disk.set(0));
  const warnings: string[] = [];
  const one = await owner('one', {}, { onWarning: (message) => warnings.push(message) });
  const exported = async (): Promise<string | undefined> =>
    /^troupe_journal_delayed_syncs_total (\d+)/m.exec(await createMetrics({ journal: () => one.journal.stat() }).registry.metrics())?.[1];
  await until(async () => (await exported()) === '0', 'the first look');
  disk.hold();
  one.start();
  await until(() => warnings.length > 0, 'a warning');
  disk.set(0);
  await one.stop();
  t.match(warnings[0], new RegExp(`^the disk of [^ ]+:\\d+ does not keep up: (once|\\d+ times) .*aof_delayed_fsync [1-9]`));
  t.equal(await exported(), String(one.journal.stat().delayedSyncs));
  t.ok(Number(await exported()) >= 1);
  t.same(one.left, []);
  t.equal((await journal('other')).stat().delayedSyncs ?? 0, 0, 'who comes later is not told');
  t.match(String(await redis.command('INFO', 'persistence')), /aof_delayed_fsync:[1-9]/);
});

await t.test('a user who may not see the report has a journal all the same, and no figure', async (t) => {
  const redis = await startRedis({});
  t.teardown(() => redis.remove());
  const links = new StoreLinks({ addresses: [{ host: '127.0.0.1', port: redis.port }] });
  t.teardown(() => links.close());
  await links.connect();
  const watch = new SyncWatch(links, (message) => t.fail(message));
  await redis.command('ACL', 'SETUSER', 'default', '-info');
  await watch.look();
  t.equal(watch.delayed, undefined);
  await redis.command('ACL', 'SETUSER', 'default', '+info');
  await watch.look();
  t.equal(watch.delayed, 0);
});
