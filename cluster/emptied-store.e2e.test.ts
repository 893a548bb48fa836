/**
 * What an operator meets: a store that was emptied under running nodes, the loss accepted, and everything goes on without a restart; and nodes
 * that are started with something wrong.
 */

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { BENCH_BEHAVIORS, NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';

t.setTimeout(1_200_000);

const cli = path.join(import.meta.dirname, '../runtime/cli/main.ts');
const directory = mkdtempSync(path.join(tmpdir(), 'troupe-emptied-'));
const redis = await startRedis({ appendonly: true, appendfsync: 'no' });
const nodes: NodeProcess[] = [];
t.teardown(async () => {
  for (const node of nodes) if (!node.ended) await node.stop();
  await redis.remove();
  rmSync(directory, { recursive: true, force: true });
});

async function start(name: string, ...args: string[]): Promise<NodeProcess> {
  const node = new NodeProcess({
    data: path.join(directory, name), port: await freePort(), adminPort: await freePort(),
    startArgs: ['--redis', redis.url, '--node', name, '--cluster-port', String(await freePort()), ...args],
  });
  nodes.push(node);
  return node;
}

async function troupe(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--no-node-snapshot', '--disable-warning=ExperimentalWarning', cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

const increment = (node: NodeProcess, actor: string): ReturnType<typeof troupe> =>
  troupe('send', '--url', `ws://127.0.0.1:${node.port}`, `bench.v1.Counter:${actor}`, 'Increment', '{"by":1}');

await t.test('the store is emptied; the loss is accepted; nodes and behaviours are there again', async (t) => {
  const first = await start('n1', '--buckets', '8');
  await first.ready();
  // Not told how many buckets there are: it takes what is there.
  const second = await start('n2');
  await second.ready();
  await first.deploy(BENCH_BEHAVIORS);
  for (const actor of ['a', 'b', 'c', 'd', 'e', 'f']) t.equal((await increment(first, actor)).code, 0);
  // What each node knows of the logs is written once a second.
  await sleep(1_500);
  await redis.command('FLUSHALL');
  await sleep(500);
  const refused = await increment(second, 'a');
  t.match(refused, { code: /^[^0]/, err: /ROLLED_BACK|STORE_UNAVAILABLE|UNKNOWN_OUTCOME|DEADLINE/ });
  // What an operator sees of it, asking either node; whose bucket it is does not matter.
  const refusedBuckets = async (): Promise<{ state: string; load: { refused: string } | null }[]> =>
    (await troupe('buckets', '--json', '--admin', second.admin)).out.trim().split('\n').map((line) => JSON.parse(line) as { state: string; load: { refused: string } | null }).filter(({ state }) => state === 'refused');
  let seen = await refusedBuckets();
  for (let tries = 0; !seen.some(({ load }) => load?.refused === 'ROLLED_BACK') && tries < 15; tries++) {
    await increment(tries % 2 === 0 ? first : second, 'abcdef'[tries % 6]!);
    seen = await refusedBuckets();
  }
  t.ok(seen.some(({ load }) => load?.refused === 'ROLLED_BACK'), 'refused buckets are in the list, with the code');
  t.match((await troupe('buckets', '--admin', first.admin)).out, /refused \(ROLLED_BACK\)/);
  t.ok((await Promise.all([first, second].map((node) => node.metrics()))).some((text) => /^troupe_buckets_refused\{code="ROLLED_BACK"\} [1-9]/m.test(text)));
  // All eight are refused by now, or as soon as somebody asks: what lists an actor's timers says so as what sends to it does.
  let sent = await increment(first, 'a');
  for (let tries = 0; !sent.err.includes('ROLLED_BACK') && tries < 10; tries++) sent = await increment(first, 'a');
  t.match(sent.err, /error ROLLED_BACK/);
  for (const { admin } of [first, second]) t.match(await troupe('timers', 'bench.v1.Counter:a', '--admin', admin), { code: sent.code, err: /error ROLLED_BACK/ });
  const folder = path.join(directory, 'n1');
  const accepted = await troupe('journal', 'accept-loss', '--redis', redis.url, '--data', folder, '--all', '--yes');
  t.equal(accepted.code, 0, accepted.err);
  t.match(accepted.out, /positions 1 to \d+ are lost/);
  let answer = await increment(first, 'a');
  for (let tries = 0; answer.code !== 0 && tries < 30; tries++) {
    await sleep(1_000);
    answer = await increment(tries % 2 === 0 ? second : first, 'a');
  }
  t.equal(answer.code, 0, answer.err);
  for (const actor of ['b', 'c', 'd', 'e', 'f']) t.equal((await increment(second, actor)).code, 0, `bench.v1.Counter:${actor} on both nodes`);
  const listed = await troupe('nodes', '--json', '--admin', first.admin);
  t.match(listed.out, /"n1"/);
  t.match(listed.out, /"n2"/);
});

await t.test('the store is restored from an older copy: what only its nodes remember is not read any more', async (t) => {
  const [first] = nodes as [NodeProcess];
  const get = (): ReturnType<typeof troupe> => troupe('get', '--url', `ws://127.0.0.1:${first.port}`, '--json', 'bench.v1.Counter:r');
  t.equal((await increment(first, 'r')).code, 0);
  const [folder, copy] = [path.join(redis.directory, 'appendonlydir'), path.join(directory, 'copy')];
  cpSync(folder, copy, { recursive: true });
  for (let i = 0; i < 2; i++) t.equal((await increment(first, 'r')).code, 0);
  t.match((await get()).out, /"seq":\s*3/);
  await redis.kill();
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
  await redis.restart();
  let read = await get();
  for (let tries = 0; !/ROLLED_BACK/.test(read.err) && tries < 10; tries++) {
    t.not(read.code, 0, `an answer: ${read.out}`);
    read = await get();
  }
  t.match(read.err, /ROLLED_BACK/);
  const accepted = await troupe('journal', 'accept-loss', '--redis', redis.url, '--data', path.join(directory, 'n1'), '--all', '--yes');
  t.equal(accepted.code, 0, accepted.err);
  for (let tries = 0; read.code !== 0 && tries < 30; tries++) {
    await sleep(1_000);
    read = await get();
  }
  t.match(read.out, /"seq":\s*1/, 'and then what is there');
});

await t.test('a second node of the same name is refused, and the first one runs on', async (t) => {
  const twin = await start('n1');
  await t.rejects(twin.ready(), /a node named n1 is running in this cluster/);
  t.notOk(nodes[0]!.ended);
  t.equal((await increment(nodes[0]!, 'z')).code, 0);
});

await t.test('a cold tier that is not there is refused', async (t) => {
  const node = await start('n3', '--cold', path.join(directory, 'nowhere'));
  await t.rejects(node.ready(), /cannot be the cold tier/);
});
