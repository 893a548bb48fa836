/** What a node tells of a store that is away: when it goes, and when it is back; not every time it looks. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { BENCH_BEHAVIORS, NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';

t.setTimeout(1_200_000);

/** A node looks every two seconds: time for some looks in vain. */
const AWAY_MS = 9_000;

const directory = mkdtempSync(path.join(tmpdir(), 'troupe-away-'));
const redis = await startRedis({ appendonly: true, appendfsync: 'no' });
const log = path.join(directory, 'log');
const node = new NodeProcess({
  data: path.join(directory, 'n1'), port: await freePort(), adminPort: await freePort(), log,
  startArgs: ['--redis', redis.url, '--node', 'n1', '--buckets', '8', '--cluster-port', String(await freePort())],
});
t.teardown(async () => {
  if (!node.ended) await node.stop();
  await redis.remove();
  rmSync(directory, { recursive: true, force: true });
});

const linesAbout = (what: RegExp): string[] => readFileSync(log, 'utf8').split('\n').filter((line) => what.test(line));

await t.test('one line when it goes, one when it is back', async (t) => {
  await node.ready();
  const before = readFileSync(log, 'utf8').length;
  await redis.kill();
  await t.rejects(node.deploy(BENCH_BEHAVIORS), /STORE_UNAVAILABLE/);
  await sleep(AWAY_MS);
  t.equal(linesAbout(/what is in service cannot be looked up/).length, 1);
  t.notMatch(readFileSync(log, 'utf8').slice(before), /\n\s+at /, 'no stack for what is no defect');
  t.equal(linesAbout(/looked up again/).length, 0);
  await redis.restart();
  for (let tries = 0; linesAbout(/looked up again/).length === 0 && tries < 200; tries++) await sleep(100);
  await sleep(3_000);
  t.equal(linesAbout(/what is in service can be looked up again/).length, 1);
  t.equal(linesAbout(/what is in service cannot be looked up/).length, 1);
});
