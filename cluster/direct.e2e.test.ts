/** Two real nodes on a real Redis, and a client that goes straight to the owners: also while a bucket moves, and when a node is killed. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { actorHash, BucketMap } from '../runtime/client/bucket-map.ts';
import { connect } from '../runtime/client/client.ts';
import type { Client } from '../runtime/client/client.ts';
import { BENCH_BEHAVIORS, NodeProcess } from '../runtime/faults/node-process.ts';
import { freePort } from '../runtime/testing/ports.ts';
import { startRedis } from '../runtime/testing/redis-server.ts';
import { RedisControlStore } from './control/redis-store.ts';
import { IoredisCalls } from './control/testing/ioredis-calls.ts';

const DEADLINE_MS = 60_000;
const OPEN_MAX = 200;
const BUCKETS = 256;
const ACTORS = Array.from({ length: 24 }, (_, i) => `bench.v1.Counter:c-${i}`);

interface Place {
  readonly node: NodeProcess;
  readonly id: string;
  readonly url: string;
}

const redis = await startRedis();
const folder = await mkdtemp(join(tmpdir(), 'troupe-direct-'));
const calls = await new IoredisCalls(redis.port).open();
const control = new RedisControlStore(calls, 'main');
const places = [await startNode(), await startNode()] as const;
const [first, second] = places;
// Their cluster stands; this tells the adapter its id.
await control.found({ id: 'unused', bucketBits: 8 });
t.setTimeout(1_200_000);

t.teardown(async () => {
  calls.close();
  for (const { node } of places) if (!node.ended) await node.kill();
  await redis.remove();
  await rm(folder, { recursive: true, force: true });
});

async function startNode(): Promise<Place> {
  const [port, adminPort, clusterPort] = [await freePort(), await freePort(), await freePort()];
  const id = `node-${clusterPort}`;
  const node = new NodeProcess({
    data: join(folder, id), port, adminPort, startArgs: ['--redis', redis.url, '--cluster-port', String(clusterPort)],
  });
  await node.ready();
  return { node, id, url: `ws://127.0.0.1:${port}` };
}

/** The map as a client gets it of a node. */
async function mapOf({ url }: Place): Promise<BucketMap> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`no connection to ${url}`));
  });
  const answer = new Promise<string>((resolve) => { socket.onmessage = ({ data }) => resolve(data as string); });
  socket.send('{"id":"m","map":0}');
  const { map } = JSON.parse(await answer) as { map: unknown };
  socket.close();
  return BucketMap.read(map)!;
}

function bucketsOf(map: BucketMap, { id }: Place): number {
  return Array.from({ length: BUCKETS }, (_, hash) => map.nodes[map.ownerOf(hash)]?.id).filter((owner) => owner === id).length;
}

async function ownerOf(place: Place, actor: string): Promise<string> {
  const map = await mapOf(place);
  return map.nodes[map.ownerOf(actorHash(actor))]?.id ?? '';
}

/** Commands that clients have sent to this node's gateway. */
async function commandsAt({ node }: Place): Promise<number> {
  return Number(/^troupe_gateway_commands_total (\d+)/m.exec(await node.metrics())![1]);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end; await sleep(50)) if (await holds()) return;
  throw new Error(`not within 20 s: ${what}`);
}

/** Sends one command to each, again and again, until every one goes to its owner's gateway. */
async function settled(client: Client): Promise<void> {
  await until('every command goes to its owner', async () => {
    // Buckets may be on their way still: a node that has joined gets its share by and by.
    const map = await mapOf(first);
    const own = ACTORS.filter((actor) => map.nodes[map.ownerOf(actorHash(actor))]!.id === first.id).length;
    const before = [await commandsAt(first), await commandsAt(second)];
    await Promise.all(ACTORS.map((actor) => client.send(actor, 'Increment', { by: 0 })));
    return (await commandsAt(first)) - before[0]! === own && (await commandsAt(second)) - before[1]! === ACTORS.length - own;
  });
}

/** What the log holds of an actor: the increments in order. */
async function increments(client: Client, actor: string): Promise<number[]> {
  const { seq: newest } = await client.get(actor);
  const found: number[] = [];
  if (newest === 0) return found;
  for await (const { seq, body } of client.watch<{ by?: number }>(actor, { from: 1 })) {
    if ((body.by ?? 0) > 0) found.push(body.by!);
    if (seq === newest) break;
  }
  return found;
}

const client = connect(first.url, { inFlightPerActorMax: 4, mapAgeMaxMs: 200, deadlineMs: DEADLINE_MS });
t.teardown(() => client.close());

t.test('every node tells the same map, with where the gateways are', async (t) => {
  await first.node.deploy(BENCH_BEHAVIORS);
  let [a, b] = [await mapOf(first), await mapOf(second)];
  const isShared = (map: BucketMap): boolean => bucketsOf(map, first) === BUCKETS / 2 && bucketsOf(map, second) === BUCKETS / 2;
  await until('each owns half of the buckets, by both maps', async () => {
    [a, b] = [await mapOf(first), await mapOf(second)];
    return a.version === b.version && isShared(a) && isShared(b);
  });
  t.same(a, b);
  t.same([...a.nodes].sort((x, y) => (x.id < y.id ? -1 : 1)), [first, second].map(({ id, url }) => ({ id, url })).sort((x, y) => (x.id < y.id ? -1 : 1)));
});

t.test('commands go to the gateway of the owner, and with direct off to the one at hand', async (t) => {
  await settled(client);
  const before = [await commandsAt(first), await commandsAt(second)];
  for (let round = 0; round < 5; round++) await Promise.all(ACTORS.map((actor) => client.send(actor, 'Increment', { by: 0 })));
  const atSecond = (await commandsAt(second)) - before[1]!;
  t.ok(atSecond > 0, `${atSecond} of ${5 * ACTORS.length} are the second node's`);
  t.equal((await commandsAt(first)) - before[0]! + atSecond, 5 * ACTORS.length, 'each came to one gateway');
  const detour = connect(first.url, { direct: false });
  await Promise.all(ACTORS.map((actor) => detour.send(actor, 'Increment', { by: 0 })));
  t.equal((await commandsAt(second)) - before[1]!, atSecond);
  detour.close();
});

t.test('a bucket moves while commands flow: order and once', async (t) => {
  const actor = ACTORS[0]!;
  const bucket = actorHash(actor) & (BUCKETS - 1);
  let isDone = false;
  let sent = 0;
  const sends: Promise<unknown>[] = [];
  let open = 0;
  const flowing = (async () => {
    while (!isDone) {
      // However slow the machine is, nothing waits for long behind others.
      for (let i = 0; i < 3 && open < OPEN_MAX; i++, open++) sends.push(client.send(actor, 'Increment', { by: ++sent }).finally(() => open--));
      await sleep(2);
    }
  })();
  const from = await ownerOf(first, actor);
  const [here, there] = from === first.id ? [first, second] : [second, first];
  try {
    for (const to of [there, here, there]) {
      t.equal(await control.pin(bucket, to.id), 'done');
      await until(`the bucket is at ${to.id}`, async () => (await ownerOf(first, actor)) === to.id);
      const before = await commandsAt(to);
      await until('the client sends there', async () => (await commandsAt(to)) > before + 50);
    }
  } finally {
    isDone = true;
  }
  await flowing;
  await Promise.all(sends);
  t.same(await increments(client, actor), Array.from({ length: sent }, (_, i) => i + 1), `${sent} commands`);
});

t.test('kill -9 of one node: every command is answered within its deadline, and applied once', async (t) => {
  await settled(client);
  const before = new Map(await Promise.all(ACTORS.map(async (actor) => [actor, await increments(client, actor)] as const)));
  let sent = 0;
  let slowestMs = 0;
  const failures: string[] = [];
  const sends: Promise<void>[] = [];
  const flow = async (count: number) => {
    for (let round = 0; round < count; round++) {
      sent++;
      for (const actor of ACTORS) {
        const began = performance.now();
        sends.push(client.send(actor, 'Increment', { by: sent }).then(
          () => { slowestMs = Math.max(slowestMs, performance.now() - began); },
          (error: Error) => { failures.push(error.message); },
        ));
      }
      await sleep(10);
    }
  };
  await flow(20);
  const gone = flow(60);
  // The one that the client was told of, so that it must find the other by itself.
  await first.node.kill();
  await gone;
  await Promise.all(sends);
  t.same(failures, []);
  t.comment(`slowest answer ${Math.round(slowestMs)} ms, of ${sends.length} commands`);
  t.ok(slowestMs < DEADLINE_MS);
  for (const actor of ACTORS) {
    const after = (await increments(client, actor)).slice(before.get(actor)!.length);
    t.same(after, Array.from({ length: sent }, (_, i) => i + 1), actor);
  }
});
