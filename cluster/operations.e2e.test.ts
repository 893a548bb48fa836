/** Two real nodes on a real Redis, as an operator sees and moves them: through the command line, and through either node. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import type { BucketView, NodeView, PlannedMove } from '../runtime/admin/operations.ts';
import { connect } from '../runtime/client/client.ts';
import { NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';

const ROOT = path.join(import.meta.dirname, '..');
const CLI = path.join(ROOT, 'runtime/cli/main.ts');
const BUCKETS = 32;
const WAIT_MAX_MS = 60_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `troupe ...`, with the admin port of `node`. */
async function troupe(node: NodeProcess, ...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, ['--no-node-snapshot', CLI, ...args], {
    cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'],
    env: { TROUPE_ADMIN: node.admin, TROUPE_URL: `ws://127.0.0.1:${node.port}` },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** One document a line. */
async function listed<T>(node: NodeProcess, ...args: string[]): Promise<T[]> {
  const ran = await troupe(node, ...args, '--json');
  if (ran.code !== 0) throw new Error(`troupe ${args.join(' ')} ended with ${ran.code}: ${ran.err}`);
  return ran.out.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as T);
}

/** Until each has answered what it was asked: a node that is slow is shown without measures. */
async function measured<T extends { readonly load: unknown }>(list: () => Promise<T[]>): Promise<T[]> {
  for (;;) {
    const views = await list();
    if (views.every(({ load }) => load !== null)) return views;
  }
}

const nodesAt = (node: NodeProcess): Promise<NodeView[]> => listed(node, 'nodes');
const bucketsAt = (node: NodeProcess, ...args: string[]): Promise<BucketView[]> => listed(node, 'buckets', 'list', ...args);

/** "n1 16, n2 16" */
async function sharesAt(node: NodeProcess): Promise<string> {
  return (await nodesAt(node)).map(({ id, buckets }) => `${id} ${buckets}`).join(', ');
}

async function until<T>(wanted: T, look: () => Promise<T>): Promise<void> {
  const end = performance.now() + WAIT_MAX_MS;
  for (;;) {
    const seen = await look();
    if (seen === wanted) return;
    if (performance.now() > end) throw new Error(`still ${String(seen)} and not ${String(wanted)} after ${WAIT_MAX_MS} ms`);
    await sleep(50);
  }
}

async function start(id: string, ...args: string[]): Promise<NodeProcess> {
  const node = new NodeProcess({ data, port: await freePort(), adminPort: await freePort(), startArgs: ['--node', id, '--buckets', String(BUCKETS), ...args] });
  t.teardown(() => node.kill());
  await node.ready();
  return node;
}

t.setTimeout(1_200_000);
// Made anew: what nodes of an earlier run remember there, this run's store does not have.
const data = t.testdir();
// It is killed: with everysec, what was acknowledged last may be lost.
const redis = await startRedis({ appendfsync: 'no' });
t.teardown(() => redis.remove());
// Patient, so that a node that a test stops for a moment is not given up.
const inCluster = ['--redis', redis.url, '--cluster-port', '0', '--lease-ttl-ms', '60000'];
const n1 = await start('n1', ...inCluster);
await n1.deploy(path.join(ROOT, 'behaviors/bench'));
const n2 = await start('n2', ...inCluster);

/** How often Redis was asked for entries of a log so far. */
async function logReads(): Promise<number> {
  return Number(/^cmdstat_xrange:calls=(\d+)/m.exec(String(await redis.command('INFO', 'commandstats')))?.[1] ?? 0);
}

t.test('either node answers for both', async (t) => {
  t.match(n1.lastOutput, /^cluster {5}[0-9a-f]{16} on redis:\/\/127\.0\.0\.1:\d+, as n1; the first node.*\n {12}node bin\/troupe\.cjs nodes --admin http/m);
  t.match(n2.lastOutput, /, as n2; 2 nodes$/m);
  await until('n1 16, n2 16', () => sharesAt(n2));
  const client = connect(`ws://127.0.0.1:${n1.port}`);
  await Promise.all(Array.from({ length: 20 }, (_, i) => client.send(`bench.v1.Counter:c-${i}`, 'Increment', { by: 1 })));
  client.close();
  for (const asked of [n1, n2]) {
    const nodes = await measured(() => nodesAt(asked));
    t.match(nodes, [
      { id: 'n1', state: 'live', isScheduler: true, version: '0.1.0', addresses: { admin: n1.admin.slice(7) }, buckets: 16 },
      { id: 'n2', state: 'live', isScheduler: false, addresses: { admin: n2.admin.slice(7) }, buckets: 16 },
    ]);
    const [actors, records, hotBytes] = (['actors', 'records', 'hotBytes'] as const).map((what) => nodes.reduce((sum, { load }) => sum + load![what]!, 0));
    t.equal(actors, 20);
    // One of each bucket says that the behaviours are in service.
    t.equal(records, 20 + BUCKETS);
    t.ok(hotBytes! > 2_000, `${hotBytes} hot bytes`);
    const buckets = await measured(() => bucketsAt(asked));
    t.strictSame(buckets.map(({ index }) => index), Array.from({ length: BUCKETS }, (_, index) => index));
    t.equal(buckets.reduce((sum, { load }) => sum + load!.records, 0), records);
    t.equal(buckets.reduce((sum, { load }) => sum + load!.actors, 0), actors);
    t.ok(buckets.every(({ state, epoch, load }) => state === 'held' && epoch === load!.epoch));
    t.same((await bucketsAt(asked, '--node', 'n2')).map(({ node }) => node), Array(16).fill('n2'));
  }
  t.match(await troupe(n2, 'nodes'), { code: 0, out: /^NODE +STATE +BUCKETS .*\nn1 +live, scheduler +16 .*\nn2 +live +16 / });
  t.match(await troupe(n2, 'buckets'), { code: 0, out: /^BUCKET +NODE +STATE +EPOCH .*\n0 +n[12] +held +\d+ / });
  t.match(await troupe(n1, 'buckets', 'plan'), { code: 0, out: '', err: /where it belongs/ });
});

t.test('metrics of both sides of the hand-offs', async (t) => {
  const [first, second] = await Promise.all([n1.metrics(), n2.metrics()]);
  t.match(first, /^troupe_cluster_nodes 2$/m);
  t.match(first, /^troupe_cluster_is_scheduler 1$/m);
  t.match(first, /^troupe_cluster_buckets_owned 16$/m);
  t.match(first, /^troupe_cluster_hand_offs_total 16$/m);
  t.match(second, /^troupe_cluster_takeovers_total 16$/m);
  t.match(second, /^troupe_cluster_is_scheduler 0$/m);
  const forwarded = Number(/^troupe_cluster_forwarded_total (\d+)$/m.exec(first)?.[1]);
  t.ok(forwarded > 0 && forwarded <= 25, `${forwarded} of 20 commands were sent on`);
  const own = await (await fetch(`${n2.admin}/metrics?buckets=true`)).text();
  t.equal(own.match(/^troupe_bucket_position\{/gm)?.length, 16);
});

t.test('a bucket goes where it is wanted, and stays', async (t) => {
  const [bucket] = await bucketsAt(n1, '--node', 'n1');
  const index = bucket!.index;
  t.match(await troupe(n2, 'buckets', 'move', String(index), 'n2'), { code: 0, out: `bucket ${index} belongs to n2 from now on\n` });
  const look = async (): Promise<string> => {
    const { node, state, pinned } = (await bucketsAt(n1))[index]!;
    return `${node} ${state} ${pinned}`;
  };
  await until('n2 held n2', look);
  await until('n1 16, n2 16', () => sharesAt(n1));
  t.equal(await look(), 'n2 held n2', 'another one went the other way, not this one');
  t.match(await troupe(n1, 'buckets', 'unpin', String(index)), { code: 0, out: `bucket ${index} goes wherever it fits\n` });
  t.equal(await look(), 'n2 held null');
});

t.test('who is handed a bucket does not read its log', async (t) => {
  const before = await logReads();
  for (const node of ['n1', 'n2', 'n1']) {
    t.match(await troupe(n1, 'buckets', 'move', '0', node), { code: 0 });
    await until(`${node} held`, async () => {
      const [bucket] = await bucketsAt(n1);
      return `${bucket!.node} ${bucket!.state}`;
    });
  }
  t.equal(await logReads(), before, 'its index came along');
  t.match(await troupe(n1, 'buckets', 'unpin', '0'), { code: 0 });
});

t.test('draining waits until the node is empty, and nothing is lost', async (t) => {
  const ran = await troupe(n1, 'nodes', 'drain', 'n2', '--wait');
  t.match(ran, { code: 0, out: 'n2 is empty and can be stopped\n', err: /^(n2: \d+ buckets? left\n)*$/ });
  t.match(await nodesAt(n1), [{ id: 'n1', state: 'live', buckets: BUCKETS }, { id: 'n2', state: 'draining', buckets: 0, load: { records: 0 } }]);
  t.match(await troupe(n2, 'send', 'bench.v1.Counter:c-0', 'Increment', '{"by":1}'), { code: 0, out: /^seq 2\n/ }, 'what came in there is answered all the same');

  t.match(await troupe(n1, 'nodes', 'drain', 'n1'), { code: 3, err: /error NOT_READY: no other node can take/ });
  t.match(await troupe(n1, 'buckets', 'move', '0', 'n2'), { code: 3, err: /error NOT_READY: n2 is draining/ });
  t.match(await troupe(n1, 'nodes', 'drain', 'n3'), { code: 2, err: /error BAD_REQUEST: the cluster has no node "n3"/ });
  t.match(await troupe(n1, 'buckets', 'move', String(BUCKETS), 'n1'), { code: 2, err: /error BAD_REQUEST/ });
  t.match(await troupe(n1, 'buckets', 'move', 'x', 'n1'), { code: 2, err: /error CONFIG_INVALID/ });
  t.match(await troupe(n1, 'buckets', '--node', 'n3'), { code: 2, err: /error BAD_REQUEST[^]*n1, n2/ });
});

t.test('a plan is what comes, and a node that stands still is shown without measures', async (t) => {
  t.equal((await nodesAt(n2))[0]!.isScheduler, true);
  process.kill(n1.pid, 'SIGSTOP');
  try {
    t.match(await troupe(n2, 'nodes', 'drain', 'n2', '--off'), { code: 0, out: 'n2 takes buckets again\n' });
    const moves = await listed<PlannedMove>(n2, 'buckets', 'plan');
    t.equal(moves.length, BUCKETS / 2);
    t.ok(moves.every(({ from, to }) => from === 'n1' && to === 'n2'));
    t.same(moves.map(({ round }) => round), Array.from({ length: BUCKETS / 2 }, (_, i) => 1 + Math.floor(i / 4)), 'four at a time');
    t.match(await nodesAt(n2), [{ id: 'n1', state: 'live', buckets: BUCKETS, load: null }, { id: 'n2', buckets: 0, load: { records: 0 } }]);
  } finally {
    process.kill(n1.pid, 'SIGCONT');
  }
  await until('n1 16, n2 16', () => sharesAt(n2));
});

t.test('without the store what was known is shown, wishes are refused, and everything resumes', async (t) => {
  await redis.kill();
  t.match(await troupe(n1, 'nodes', 'drain', 'n2'), { code: 3, err: /error STORE_UNAVAILABLE/ });
  await sleep(5_500);
  const ran = await troupe(n1, 'nodes');
  t.match(ran, { code: 0, out: /\nn1 +live.*\nn2 +live/, err: /the store has not answered for \d+ s/ });
  const age = Number(/^troupe_cluster_view_age_seconds (\S+)$/m.exec(await n1.metrics())?.[1]);
  t.ok(age > 5 && age < 60, `the view is ${age} s old`);
  t.match(await n1.metrics(), /^troupe_cluster_store_errors_total [1-9]/m);
  await redis.restart();
  const drained = async (): Promise<number | null> => (await troupe(n2, 'nodes', 'drain', 'n2', '--wait')).code;
  await until(0, drained);
  t.equal(await sharesAt(n2), `n1 ${BUCKETS}, n2 0`);
});

t.test('a node by itself', async (t) => {
  const alone = await start('alone', '--journal', 'memory');
  t.match(await nodesAt(alone), [{ id: 'alone', state: 'live', isScheduler: false, buckets: BUCKETS, load: { actors: 0 } }]);
  t.equal((await bucketsAt(alone)).filter(({ node, state }) => node === 'alone' && state === 'held').length, BUCKETS);
  t.match(await troupe(alone, 'buckets', 'plan'), { code: 0, out: '' });
  for (const args of [['nodes', 'drain', 'alone'], ['buckets', 'move', '0', 'alone'], ['buckets', 'unpin', '0']]) {
    t.match(await troupe(alone, ...args), { code: 2, out: '', err: /error BAD_REQUEST: this node runs by itself/ }, args.join(' '));
  }
  t.notMatch(await alone.metrics(), /troupe_cluster_/);
});
