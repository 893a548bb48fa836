/** The client among several nodes: gateways over scripted engines that share their actors, and pass on late what is not their own. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import t from 'tap';
import type { Test } from 'tap';
import { WebSocketServer } from 'ws';
import type { ServerOptions } from 'ws';

import type { CommandRequest } from '../actor/engine.ts';
import { createAuthenticator } from '../gateway/auth.ts';
import { createGateway } from '../gateway/gateway.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { until } from '../gateway/rig.ts';
import { ScriptedEngine } from '../gateway/scripted.ts';
import { actorHash, BucketMap, mayFollow } from './bucket-map.ts';
import { connect } from './client.ts';
import type { Client, ConnectOptions } from './client.ts';
import { LossyProxy } from './proxy.ts';

const BITS = 3;

interface FakeNode {
  readonly id: string;
  readonly engine: ScriptedEngine;
  readonly gateway: Gateway;
  readonly proxy: LossyProxy;
  readonly url: string;
}

class FakeCluster {
  readonly nodes: FakeNode[] = [];
  /** Where all commands are applied in the end. */
  readonly actors = new ScriptedEngine();
  readonly owners = new Int16Array(2 ** BITS);
  detourMs = 8;
  private version = 1;

  async add(): Promise<FakeNode> {
    const engine = new ScriptedEngine();
    const id = `n${this.nodes.length}`;
    const index = this.nodes.length;
    engine.node = id;
    // As nodes do: what comes in behind a command that makes a detour stays behind it.
    const away = new Map<string, number>();
    engine.onCommand = (request) => {
      const actor = request.to.text;
      const before = away.get(actor) ?? 0;
      if (before === 0 && this.ownerOf(actor) === index) {
        setImmediate(() => this.actors.apply(request));
        return true;
      }
      away.set(actor, before + 1);
      setTimeout(() => {
        away.set(actor, away.get(actor)! - 1);
        this.actors.apply(request);
      }, this.detourMs);
      return true;
    };
    const gateway = createGateway({ engine, host: '127.0.0.1', port: 0, auth: await createAuthenticator({ kind: 'none' }) });
    const proxy = new LossyProxy((await gateway.listen()).port);
    const node = { id, engine, gateway, proxy, url: `ws://127.0.0.1:${await proxy.listen()}` };
    this.nodes.push(node);
    return node;
  }

  ownerOf(actor: string): number {
    return this.owners[actorHash(actor) & (2 ** BITS - 1)]!;
  }

  /** Gives an actor's bucket away. */
  move(actor: string, to: number): void {
    this.owners[actorHash(actor) & (2 ** BITS - 1)] = to;
  }

  /** What the nodes say of owners from now on. */
  publish(urls = this.nodes.map(({ url }) => url)): void {
    const routes = { version: this.version++, bits: BITS, nodes: this.nodes.map(({ id }, i) => ({ id, url: urls[i]! })), owners: this.owners.slice() };
    for (const { engine } of this.nodes) engine.routes = routes;
  }
}

async function start(t: Test, nodes: number, options: ConnectOptions = {}): Promise<{ cluster: FakeCluster; client: Client; dial: (urls: string | string[], options?: ConnectOptions) => Client }> {
  const cluster = new FakeCluster();
  for (let i = 0; i < nodes; i++) await cluster.add();
  const clients: Client[] = [];
  const dial = (urls: string | string[], more: ConnectOptions = {}) => {
    const client = connect(urls, { backoffFirstMs: 2, backoffMaxMs: 10, mapAgeMaxMs: 20, ...options, ...more });
    clients.push(client);
    return client;
  };
  t.teardown(async () => {
    for (const client of clients) client.close();
    for (const { gateway, proxy } of cluster.nodes) {
      await proxy.close();
      await gateway.close();
    }
  });
  for (let i = 0; i < cluster.owners.length; i++) cluster.owners[i] = i % nodes;
  cluster.publish();
  return { cluster, client: dial(cluster.nodes[0]!.url), dial };
}

/** An actor that node `index` owns. */
function actorOf(cluster: FakeCluster, index: number): string {
  for (let i = 0; ; i++) if (cluster.ownerOf(`a.B:${i}`) === index) return `a.B:${i}`;
}

/** A WebSocket server that is no gateway of ours. */
async function listen(t: Test, options: ServerOptions): Promise<{ server: WebSocketServer; url: string }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  await once(server, 'listening');
  t.teardown(() => new Promise((resolve) => { server.close(resolve); }));
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const sleep = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });
const applied = (cluster: FakeCluster, actor: string) => (cluster.actors.applied.get(actor) ?? []).map(({ body }) => (JSON.parse(body) as { n: number }).n);
const sentTo = (node: FakeNode, actor: string) => node.engine.submitted.filter(({ to }) => to === actor).length;

/** Sends until the owner's own connection is in use. */
async function settle(cluster: FakeCluster, client: Client, actor: string, owner: number): Promise<void> {
  const before = sentTo(cluster.nodes[owner]!, actor);
  while (sentTo(cluster.nodes[owner]!, actor) === before) await client.send(actor, 'Settle', {});
}

t.test('commands, reads and watches go to the owner, once it is known', async (t) => {
  const { cluster, client } = await start(t, 2);
  const [n0, n1] = cluster.nodes as [FakeNode, FakeNode];
  const [here, there] = [actorOf(cluster, 0), actorOf(cluster, 1)];
  await settle(cluster, client, there, 1);
  const before = sentTo(n0, there);
  t.ok(before >= 1, 'the first went where there was a connection');
  await Promise.all(numbers(20).map((n) => client.send(n % 2 === 0 ? here : there, 'Add', { n })));
  t.equal(sentTo(n0, there), before, 'nothing more takes the detour');
  t.equal(sentTo(n0, here), 10);
  t.equal(sentTo(n1, here), 0);
  t.same([n0.proxy.connections, n1.proxy.connections], [1, 1], 'one connection to each; the one at hand serves for its node');
  const watch = client.watch(there, { from: 1 });
  await until(() => n1.engine.watches.length === 1);
  t.equal(n0.engine.watches.length, 0);
  await watch.return!();
  await client.get(there);
  t.equal(n1.gateway.stats.gets, 1);
});

t.test('order and once hold while owners change', async (t) => {
  const { cluster, client } = await start(t, 3, { inFlightPerActorMax: 8, mapAgeMaxMs: 5 });
  const actors = ['a.B:x', 'a.B:y', 'a.B:z'];
  let isDone = false;
  const moving = (async () => {
    for (let step = 0; !isDone; step++) {
      cluster.move(actors[step % 3]!, step % 4 === 0 ? 0 : 1 + (step % 2));
      cluster.publish();
      await sleep(7);
    }
  })();
  const sends: Promise<unknown>[] = [];
  // A few at a time, so that there is always one on its way and one to come.
  for (const n of numbers(600)) {
    for (const actor of actors) sends.push(client.send(actor, 'Add', { n }));
    if (n % 3 === 0) await sleep(1);
  }
  await Promise.all(sends);
  isDone = true;
  await moving;
  for (const actor of actors) {
    t.same(applied(cluster, actor), numbers(600), actor);
    t.ok(cluster.nodes.every((node) => sentTo(node, actor) > 0), 'its commands took every way');
  }
});

t.test('a lost node: the others are known from the map', async (t) => {
  const { cluster, client } = await start(t, 3);
  const [n0, n1, n2] = cluster.nodes as [FakeNode, FakeNode, FakeNode];
  const actors = [actorOf(cluster, 0), actorOf(cluster, 1), actorOf(cluster, 2)];
  await client.send(actors[0]!, 'Add', { n: 0 });
  // Only the home is connected, and it goes: its address leads nowhere.
  t.same([n1.proxy.connections, n2.proxy.connections], [0, 0]);
  n0.engine.onCommand = () => true;
  const open = client.send(actors[0]!, 'Add', { n: 1 });
  await until(() => sentTo(n0, actors[0]!) === 2);
  await n0.proxy.close();
  t.same(await open, { seq: 2, reply: { n: 1 } }, 'what it had not answered is sent to another node');
  await settle(cluster, client, actors[1]!, 1);
  await settle(cluster, client, actors[2]!, 2);
  // And once more, of two that are connected.
  n1.proxy.cut();
  await n1.proxy.close();
  t.match(await client.send(actors[1]!, 'Add', { n: 7 }), { reply: { n: 7 } });
  t.equal(applied(cluster, actors[0]!).length, 2);
});

t.test('however many requests a client makes, each has its answer, the one with the id "map", too', async (t) => {
  const { cluster, client } = await start(t, 1);
  const actor = actorOf(cluster, 0);
  const most = Number.parseInt('map', 36) + 100;
  const AT_ONCE = 500;
  let answered = 0;
  for (let from = 0; from < most; from += AT_ONCE) {
    const results = await Promise.all(numbers(AT_ONCE).map((n) => client.send(`${actor}-${n}`, 'Add', { n }, { deadlineMs: 10_000 })));
    answered += results.filter(({ reply }, n) => (reply as { n: number }).n === n).length;
  }
  t.equal(answered, Math.ceil(most / AT_ONCE) * AT_ONCE);
});

t.test('an owner that cannot be reached costs a detour', async (t) => {
  const { cluster, client } = await start(t, 2);
  const [n0, n1] = cluster.nodes as [FakeNode, FakeNode];
  const there = actorOf(cluster, 1);
  let dialled = 0;
  const nobody = await listen(t, {
    verifyClient: (_info: unknown, answer: (isWelcome: boolean, status: number) => void) => {
      dialled++;
      answer(false, 503);
    },
  });
  cluster.publish([n0.url, nobody.url]);
  const began = performance.now();
  let sends = 0;
  let tookMs = 0;
  while (tookMs < 250 || (dialled <= 1 && tookMs < 30_000)) {
    await client.send(there, 'Add', { n: sends++ });
    tookMs = performance.now() - began;
  }
  t.same(applied(cluster, there), numbers(sends));
  t.equal(sentTo(n1, there), 0);
  t.ok(dialled > 1, 'it is tried again');
  // Waits of 1 ms, 2 ms, 4 ms and so on, at least.
  t.ok(dialled <= 2 + Math.log2(tookMs), `but less and less often: ${dialled} times for ${sends} commands within ${tookMs} ms`);
});

t.test('another node at the address of an owner gets nothing', async (t) => {
  const { cluster, client } = await start(t, 2);
  const there = actorOf(cluster, 1);
  cluster.nodes[1]!.engine.node = 'stranger';
  for (const n of numbers(20)) await client.send(there, 'Add', { n });
  t.equal(cluster.nodes[1]!.proxy.connections, 1, 'it was asked who it is, once');
  t.equal(sentTo(cluster.nodes[1]!, there), 0);
  t.same(applied(cluster, there), numbers(20));
});

t.test('addresses are tried in turn', async (t) => {
  const { cluster, dial } = await start(t, 2);
  const [n0, n1] = cluster.nodes as [FakeNode, FakeNode];
  const client = dial(['ws://127.0.0.1:9', 'not an address', n0.url], { direct: false, backoffFirstMs: 2_000 });
  await client.ready();
  t.match(await client.send('a.B:1', 'Add', { n: 1 }), { seq: 1 }, 'without waiting in between');
  const both = dial([n0.url, n1.url], { direct: false });
  await both.ready();
  n0.proxy.cut();
  await until(() => n1.proxy.connections > 0);
  t.match(await both.send('a.B:1', 'Add', { n: 2 }), { seq: 2 }, 'after a loss the next one');
  const nowhere = dial(['ws://127.0.0.1:9', 'ws://127.0.0.1:10']);
  await t.rejects(nowhere.ready(), { code: 'UNREACHABLE' });
  await t.rejects(dial([]).ready(), { code: 'BAD_REQUEST' });
  await t.rejects(dial(['not an address', 'nor this']).ready(), { code: 'BAD_REQUEST' });
});

t.test('switched off, everything takes one connection', async (t) => {
  const { cluster, dial } = await start(t, 2);
  const client = dial(cluster.nodes[0]!.url, { direct: false });
  for (const n of numbers(10)) await client.send(`a.B:${n}`, 'Add', { n });
  await sleep(50);
  t.equal(cluster.nodes[1]!.proxy.connections, 0);
});

t.test('a node that knows of no maps', async (t) => {
  const { server, url } = await listen(t, {});
  server.on('connection', (socket) => socket.on('message', (data) => {
    const parsed = JSON.parse((data as Buffer).toString()) as { id: string; map?: number };
    const error = { code: 'BAD_REQUEST', message: 'the field "map" is not known', retryable: false };
    for (const { id, map } of [parsed].flat()) socket.send(JSON.stringify(map === undefined ? { id, ok: true, seq: 1, reply: {} } : { id, ok: false, error }));
  }));
  const client = connect(url, { mapAgeMaxMs: 5 });
  for (let i = 0; i < 20; i++) {
    t.match(await client.send('a.B:1', 'Add', {}), { seq: 1 });
    await sleep(2);
  }
  client.close();
});

t.test('an idle client asks nothing', async (t) => {
  const { cluster, client } = await start(t, 2);
  await client.send(actorOf(cluster, 0), 'Add', { n: 1 });
  const asked = () => cluster.nodes.reduce((sum, { engine }) => sum + engine.placesAsked, 0);
  for (let i = 0; i < 200 && asked() < 2; i++) await sleep(10);
  let before = 0;
  for (let i = 0; i < 50 && asked() !== before; i++) {
    before = asked();
    await sleep(100);
  }
  t.ok(before >= 2, 'at the beginning, and once since');
  await sleep(100);
  t.equal(asked(), before);
  cluster.publish();
  await client.send(actorOf(cluster, 0), 'Add', { n: 2 });
  for (let i = 0; i < 200 && asked() === before; i++) await sleep(10);
  t.ok(asked() > before, 'one that sends again asks again');
});

t.test('the connection to a node that owns nothing any more is closed, when it has answered', async (t) => {
  const { cluster, client } = await start(t, 3);
  const [, n1, n2] = cluster.nodes as [FakeNode, FakeNode, FakeNode];
  const there = actorOf(cluster, 1);
  await settle(cluster, client, there, 1);
  let held: CommandRequest | undefined;
  n1.engine.onCommand = (request) => {
    held = request;
    return true;
  };
  const last = client.send(there, 'Add', { n: 1 });
  await until(() => held !== undefined);
  const next = client.send(there, 'Add', { n: 2 });
  // Node 1 leaves the cluster.
  for (let i = 0; i < cluster.owners.length; i++) if (cluster.owners[i] === 1) cluster.owners[i] = 2;
  const routes = { ...n2.engine.routes!, version: 90, nodes: n2.engine.routes!.nodes.filter(({ id }) => id !== 'n1'), owners: cluster.owners.map((owner) => (owner === 2 ? 1 : owner)) };
  for (const { engine } of cluster.nodes) engine.routes = routes;
  // A read waits for no command: it goes to the new owner once the client has the new map.
  for (let i = 0; i < 3_000 && n2.gateway.stats.gets === 0; i++) {
    await client.get(there);
    await sleep(5);
  }
  t.not(n2.gateway.stats.gets, 0, 'the new owner is known');
  t.equal(n1.gateway.stats.connections, 1, 'it owes an answer');
  t.equal(sentTo(n2, there), 0, 'and what comes behind waits for that');
  cluster.actors.apply(held!);
  await last;
  await next;
  await settle(cluster, client, there, 2);
  await until(() => n1.gateway.stats.connections === 0);
  t.same(applied(cluster, there).filter((n) => n !== undefined).slice(-2), [1, 2]);
});

t.test('a connection that has gone silent is given up', async (t) => {
  const { cluster, dial } = await start(t, 2);
  const [n0, n1] = cluster.nodes as [FakeNode, FakeNode];
  const client = dial([n0.url, n1.url], { silenceMaxMs: 500, direct: false });
  await client.ready();
  n0.proxy.isDeaf = true;
  t.match(await client.send('a.B:1', 'Add', { n: 1 }), { reply: { n: 1 } });
  t.ok(sentTo(n1, 'a.B:1') >= 1, 'what it did not answer went to the next node');
  t.same(applied(cluster, 'a.B:1'), [1], 'and counts once, however often a late machine has it sent');
});

t.test('a map is taken as it is meant, or not at all', async (t) => {
  const nodes = [{ id: 'n0', url: '' }, { id: 'n1', url: '' }];
  const base64 = (...bytes: number[]) => btoa(String.fromCharCode(...bytes));
  const map = BucketMap.read({ version: 3, bits: 2, nodes, owners: base64(0, 1, 255, 2) })!;
  t.same([0, 1, 2, 3, 5].map((hash) => map.ownerOf(hash)), [0, 1, -1, -1, 1], 'an index without a node is none');
  const many = Array.from({ length: 300 }, (_, i) => ({ id: `n${i}`, url: '' }));
  const wide = BucketMap.read({ version: 3, bits: 1, nodes: many, owners: base64(43, 1, 255, 255) })!;
  t.same([0, 1].map((hash) => wide.ownerOf(hash)), [299, -1]);
  const good = { version: 3, bits: 2, nodes, owners: base64(0, 1, 0, 1) };
  t.ok(BucketMap.read(good));
  for (const wrong of [null, undefined, 7, {}, { ...good, bits: 3 }, { ...good, bits: 17 }, { ...good, bits: -1 }, { ...good, owners: '?' }, { ...good, nodes: [{}] }, { ...good, version: '3' }]) {
    t.equal(BucketMap.read(wrong), null, JSON.stringify(wrong));
  }
  t.equal(actorHash('shop.v1.Order:o-1') & 255, 159, 'the golden vectors of addresses');
  t.equal(actorHash('shop.v1.Address:{u1}/home') & 255, 63);
});

t.test('which addresses are followed', async (t) => {
  const cases: [url: string, from: string, follows: boolean][] = [
    ['ws://10.0.0.2:7070', 'ws://10.0.0.1:7070', true],
    ['wss://n2.example', 'ws://10.0.0.1:7070', true],
    ['wss://n2.example', 'wss://n1.example', true],
    ['ws://n2.example', 'wss://n1.example', false],
    ['ws://127.0.0.1:7075', 'ws://127.0.0.1:7070', true],
    ['ws://127.0.0.1:7075', 'ws://localhost:7070', true],
    ['ws://[::1]:7075', 'ws://localhost:7070', true],
    ['ws://127.0.0.1:7075', 'ws://10.0.0.1:7070', false],
    ['ws://localhost:7075', 'wss://n1.example', false],
    ['wss://localhost:7075', 'wss://n1.example', false],
    ['ws://[::1]:7075', 'ws://n1.example', false],
    ['http://10.0.0.2', 'ws://10.0.0.1:7070', false],
    ['n2', 'ws://10.0.0.1:7070', false],
  ];
  for (const [url, from, follows] of cases) t.equal(mayFollow(url, from), follows, `${url} from ${from}`);
});
