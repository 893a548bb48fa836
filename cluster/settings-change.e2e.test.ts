/** What an operator sees of a running node when the settings of its Redis change: in its metrics and its log. It goes on serving. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';

t.setTimeout(1_200_000);

const FOUND_MAX_MS = 30_000;

const directory = mkdtempSync(path.join(tmpdir(), 'troupe-settings-'));
const redis = await startRedis({ appendfsync: 'always' });
const node = new NodeProcess({
  data: path.join(directory, 'n1'), port: await freePort(), adminPort: await freePort(),
  startArgs: ['--redis', redis.url, '--node', 'n1', '--buckets', '8', '--log-format', 'json', '--cluster-port', String(await freePort())],
});
t.teardown(async () => {
  if (!node.ended) await node.stop();
  await redis.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** The class and the flag that a scrape shows. */
async function scraped(): Promise<string> {
  const text = await node.metrics();
  const classes = [...text.matchAll(/^troupe_journal_info\{durability="([^"]+)"\} 1$/gm)].map(([, found]) => found);
  return `${classes.join()} ${/^troupe_journal_unsafe_settings (\d)/m.exec(text)?.[1]}`;
}

async function becomes(t: Test, wanted: string): Promise<void> {
  const end = performance.now() + FOUND_MAX_MS;
  let found = await scraped();
  while (found !== wanted && performance.now() < end) {
    await sleep(50);
    found = await scraped();
  }
  t.equal(found, wanted);
}

/** The levels of pino of the lines that say so; the first may still be on its way here when the metrics have told. */
async function levelsOf(pattern: RegExp): Promise<number[]> {
  const end = performance.now() + FOUND_MAX_MS;
  for (;;) {
    const lines = node.lastOutput.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}') && pattern.test(line));
    if (lines.length > 0 || performance.now() > end) return lines.map((line) => (JSON.parse(line) as { level: number }).level);
    await sleep(20);
  }
}

await t.test('a Redis that is set otherwise, and one that is started anew, under a node that goes on', async (t) => {
  await node.ready();
  await becomes(t, 'redis-always 0');
  await redis.stop();
  await redis.restart({ appendfsync: 'everysec' });
  await becomes(t, 'redis-everysec 0');
  t.same(await levelsOf(/redis-everysec now, and was redis-always/), [40]);
  await redis.command('CONFIG', 'SET', 'appendfsync', 'always', 'maxmemory-policy', 'allkeys-lru');
  await becomes(t, 'redis-always 1');
  t.same(await levelsOf(/UNSAFE SETTINGS: .*allkeys-lru/), [50]);
  await redis.command('CONFIG', 'SET', 'appendonly', 'no', 'maxmemory-policy', 'noeviction');
  await becomes(t, 'memory 1');
  t.same(await levelsOf(/UNSAFE SETTINGS: .*appendonly no/), [50]);
  t.equal((await fetch(`${node.admin}/ready`)).status, 200, 'it serves');
  await redis.command('CONFIG', 'SET', 'appendonly', 'yes');
  await becomes(t, 'redis-always 0');
});
