import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SignJWT } from 'jose';
import t from 'tap';
import type { Test } from 'tap';

import type { CommandRequest } from '../actor/engine.ts';
import { createAuthenticator } from '../gateway/auth.ts';
import type { AuthSettings } from '../gateway/auth.ts';
import { createGateway } from '../gateway/gateway.ts';
import { until } from '../gateway/rig.ts';
import { ScriptedEngine } from '../gateway/scripted.ts';
import { connect } from './client.ts';
import type { ConnectOptions } from './client.ts';
import { LossyProxy } from './proxy.ts';

/** A small generator with a seed, so that a failing run can be had again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

async function start(t: Test, options: ConnectOptions = {}, auth: AuthSettings = { kind: 'none' }) {
  const engine = new ScriptedEngine();
  const gateway = createGateway({ engine, host: '127.0.0.1', port: 0, auth: await createAuthenticator(auth) });
  const { port } = await gateway.listen();
  const proxy = new LossyProxy(port);
  const url = `ws://127.0.0.1:${await proxy.listen()}`;
  const client = connect(url, { backoffFirstMs: 2, backoffMaxMs: 10, ...options });
  t.teardown(async () => {
    client.close();
    await gateway.close();
    await proxy.close();
  });
  return { engine, gateway, proxy, client, url };
}

const bodies = (engine: ScriptedEngine, actor: string) => (engine.applied.get(actor) ?? []).map(({ body }) => (JSON.parse(body) as { n: number }).n);
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

t.test('send, get, and what a behaviour refuses', async (t) => {
  const { engine, gateway, client } = await start(t, { mapAgeMaxMs: 3_600_000 });
  await client.ready();
  t.same(await client.send('shop.v1.Order:o-1', 'Place', { n: 1, text: 'ä"\\\u2028' }), { seq: 1, reply: { n: 1, text: 'ä"\\\u2028' } });
  t.same(await client.get('shop.v1.Order:o-1'), { seq: 1, state: { count: 1 } });
  t.same(await client.send('shop.v1.Order:o-1', 'Pay', undefined), { seq: 2, reply: {} }, 'no body is an empty one');

  const framesBefore = gateway.stats.framesIn;
  await Promise.all(numbers(20).map((n) => client.send(`shop.v1.Order:many-${n}`, 'Place', { n })));
  t.equal(gateway.stats.framesIn - framesBefore, 1, 'what is sent in one turn is one frame');

  engine.onCommand = (request) => {
    setImmediate(() => request.failed({ code: 'REJECTED', reason: 'OUT_OF_STOCK', message: 'nothing left' }));
    return true;
  };
  await t.rejects(client.send('shop.v1.Order:o-1', 'Place', {}), {
    name: 'TroupeClientError', code: 'REJECTED', reason: 'OUT_OF_STOCK', message: 'nothing left', hint: /behaviour/, retryable: false,
  });
  await t.rejects(client.send('shop.v1.Order:o-1', 'Place', { text: 'x'.repeat(300_000) }), { code: 'BODY_TOO_LARGE' });
  const keys = new Set(engine.submitted.map(({ key }) => key));
  t.equal(keys.size, engine.submitted.length, 'every command has a key of its own');
  t.notOk(keys.has(''));
});

t.test('a lost answer: the same key again, applied once', async (t) => {
  const { engine, proxy, client } = await start(t);
  await client.ready();
  proxy.isDeaf = true;
  const sent = client.send('a.B:1', 'Add', { n: 7 });
  const named = client.send('a.B:2', 'Add', { n: 8 }, { key: 'mine' });
  await until(() => engine.applied.size === 2);
  proxy.isDeaf = false;
  proxy.cut();
  t.same(await sent, { seq: 1, reply: { n: 7 } });
  t.same(await named, { seq: 1, reply: { n: 8 } });
  t.equal(engine.submitted.length, 4, 'both were sent twice');
  t.equal(new Set(engine.submitted.map(({ key }) => key)).size, 2, 'under the keys they had');
  t.ok(engine.submitted.some(({ key }) => key === 'mine'));
  t.equal(engine.applied.get('a.B:1')!.length, 1);
  t.equal(engine.applied.get('a.B:2')!.length, 1);
});

t.test('the check of "once" sees a second time when keys are forgotten', async (t) => {
  const { engine, proxy, client } = await start(t);
  engine.forgetsKeys = true;
  await client.ready();
  proxy.isDeaf = true;
  const sent = client.send('a.B:1', 'Add', { n: 7 });
  await until(() => engine.applied.size === 1);
  proxy.isDeaf = false;
  proxy.cut();
  t.match(await sent, { seq: 2 });
  t.equal(engine.applied.get('a.B:1')!.length, 2);
});

/** Refuses now and then, answers late now and then, and loses connections now and then. */
async function storm(t: Test, options: ConnectOptions) {
  const random = seeded(42);
  const { engine, proxy, client } = await start(t, { attemptsMax: 1_000, ...options });
  let commands = 0;
  engine.onCommand = (request: CommandRequest) => {
    commands++;
    if (commands % 97 === 0) setImmediate(() => proxy.cut());
    if (random() > 0.2) return false;
    setImmediate(() => request.failed({ code: 'MAILBOX_FULL', message: 'full' }));
    return true;
  };
  const actors = ['a.B:1', 'a.B:2', 'a.B:3'];
  const sends = numbers(150).flatMap((n) => actors.map((actor) => client.send(actor, 'Add', { n })));
  const answers = await Promise.all(sends);
  return { engine, proxy, actors, answers };
}

t.test('refusals and lost connections: every command once, in order', async (t) => {
  const { engine, proxy, actors, answers } = await storm(t, {});
  for (const actor of actors) t.same(bodies(engine, actor), numbers(150), actor);
  t.equal(answers.length, 450);
  t.ok(proxy.connections > 3, 'connections were lost');
  t.ok(engine.submitted.length > 450, 'commands were sent again');
});

t.test('the check of order sees it broken when more than one is under way', async (t) => {
  const { engine, actors } = await storm(t, { inFlightPerActorMax: 8 });
  const orders = actors.map((actor) => bodies(engine, actor));
  for (const order of orders) t.same([...order].sort((a, b) => a - b), numbers(150), 'each is applied once all the same');
  t.ok(orders.some((order) => order.some((n, i) => n !== i)), 'but not in order');
});

t.test('without refusals eight under way keep their order through reconnects', async (t) => {
  const { engine, proxy, client } = await start(t, { inFlightPerActorMax: 8, attemptsMax: 1_000 });
  let commands = 0;
  engine.onCommand = () => {
    if (++commands % 31 === 0) setImmediate(() => proxy.cut());
    return false;
  };
  await Promise.all(numbers(200).map((n) => client.send('a.B:1', 'Add', { n })));
  t.same(bodies(engine, 'a.B:1'), numbers(200));
  t.ok(proxy.connections > 3);
});

t.test('attempts and deadlines are bounded', async (t) => {
  const { engine, client } = await start(t, { attemptsMax: 3 });
  engine.onCommand = (request) => {
    setImmediate(() => request.failed({ code: 'OVERLOADED', message: 'too much' }));
    return true;
  };
  await t.rejects(client.send('a.B:1', 'Add', {}), { code: 'OVERLOADED', retryable: true });
  t.equal(engine.submitted.length, 3);
  engine.onCommand = () => true;
  await t.rejects(client.send('a.B:1', 'Add', {}, { deadlineMs: 30 }), { code: 'DEADLINE_EXCEEDED', retryable: true });
  engine.onCommand = null;
  t.match(await client.send('a.B:1', 'Add', { n: 1 }), { reply: { n: 1 } }, 'a command given up does not block those behind it');
});

t.test('what may have taken effect says so when it is sent again, and since when', async (t) => {
  const { engine, proxy, client } = await start(t, { attemptsMax: 10 });
  const sentAt: number[] = [];
  const codes = ['OVERLOADED', 'cut', 'OVERLOADED', 'UNKNOWN_OUTCOME', 'ok'];
  engine.onCommand = (request) => {
    sentAt.push(performance.now());
    const code = codes[sentAt.length - 1] ?? 'ok';
    if (code === 'ok') return false;
    if (code === 'cut') setImmediate(() => proxy.cut());
    else setImmediate(() => request.failed({ code: code as 'OVERLOADED', message: 'no' }));
    return true;
  };
  await client.send('a.B:1', 'Add', { n: 1 });
  const [first, cut, ...again] = engine.submitted;
  t.same([first!.triedMs, cut!.triedMs], [0, 0], 'who was refused has not taken effect');
  t.equal(again.length, 3);
  for (const [i, { triedMs, key }] of again.entries()) {
    t.equal(key, first!.key);
    // It counts on the client's side: between what came first and what was cut off, and before this one came.
    t.ok(triedMs! >= sentAt[i + 1]! - sentAt[1]! - 1 && triedMs! <= sentAt[i + 2]! - sentAt[0]! + 1, `${triedMs} ms since the one that was cut off`);
    t.ok(triedMs! > 0);
  }
  await client.send('a.B:1', 'Add', { n: 2 }, { key: 'of another process', triedMs: 60_000 });
  const last = engine.submitted.at(-1)!;
  t.ok(last.triedMs! >= 60_000 && last.triedMs! < 90_000);
});

t.test('a watch goes on where it was', async (t) => {
  const { engine, proxy, client } = await start(t, { watchBufferMax: 7 });
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { seq, event, body } of client.watch<{ n: number }>('a.B:1', { from: 1 })) {
      t.equal(event, 'AddDone');
      t.equal(body.n, seq - 1);
      seen.push(seq);
      if (seq % 40 === 0) await new Promise((resolve) => { setTimeout(resolve, 3); });
      if (seq === 300) break;
    }
  })();
  for (const n of numbers(300)) {
    await client.send('a.B:1', 'Add', { n });
    if (n % 50 === 25) proxy.cut();
  }
  await watching;
  t.same(seen, numbers(300).map((n) => n + 1), 'no gap, no duplicate');
  t.ok(engine.watches.length > 5, 'it was opened again after each loss, and after the buffer was full');
  // Leaving the loop ends it at the node.
  await until(() => engine.watches.every(({ isClosed }) => isClosed));

  const later = client.watch<{ n: number }>('a.B:1');
  const next = later.next();
  while (engine.watches.at(-1)!.isClosed) await new Promise(setImmediate);
  await new Promise((resolve) => { setTimeout(resolve, 20); });
  await client.send('a.B:1', 'Add', { n: 300 });
  t.match(await next, { value: { seq: 301 }, done: false }, 'without from it begins now');
  await later.return!();
  t.same(await later.next(), { value: undefined, done: true });

  engine.onWatch = (watch) => setImmediate(() => watch.fail({ code: 'UNKNOWN_ACTOR_TYPE', message: 'no such type' }));
  await t.rejects(client.watch('nope.Nope:1').next(), { code: 'UNKNOWN_ACTOR_TYPE' });
});

t.test('a full buffer holds the watch at the node until it is taken', async (t) => {
  const { engine, client } = await start(t, { watchBufferMax: 5 });
  await Promise.all(numbers(50).map((n) => client.send('a.B:1', 'Add', { n })));
  const watch = client.watch('a.B:1', { from: 1 });
  t.match(await watch.next(), { value: { seq: 1 } });
  t.ok(engine.watches.length > 0);
  // Nobody takes the others: the node is told to stop.
  await until(() => engine.watches.every(({ isClosed }) => isClosed));
  for (const n of numbers(49)) t.match(await watch.next(), { value: { seq: n + 2 } });
  await watch.return!();
});

t.test('close, and nobody there', async (t) => {
  const { client, engine } = await start(t);
  engine.onCommand = () => true;
  const open = client.send('a.B:1', 'Add', {});
  const watch = client.watch('a.B:1');
  const next = watch.next();
  setTimeout(() => client.close(), 20);
  await t.rejects(open, { code: 'DISCONNECTED', retryable: true });
  t.same(await next, { value: undefined, done: true });
  await t.rejects(client.send('a.B:1', 'Add', {}), { code: 'DISCONNECTED' });

  const nobody = connect('ws://127.0.0.1:9', { backoffFirstMs: 1 });
  await t.rejects(nobody.ready(), { code: 'UNREACHABLE' });
  await t.rejects(nobody.send('a.B:1', 'Add', {}, { deadlineMs: 30 }), { code: 'DEADLINE_EXCEEDED' });
  nobody.close();

  await t.rejects(connect('not a url').send('a.B:1', 'Add', {}), { code: 'BAD_REQUEST' });
});

t.test('tokens', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-client-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const secret = Buffer.from('0123456789abcdef0123456789abcdef');
  await writeFile(join(folder, 'secret'), secret);
  const sign = (expires: number | string) =>
    new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject('ann').setExpirationTime(expires).sign(secret);
  const good = await sign('1h');
  const { client, engine, url } = await start(t, { token: good }, { kind: 'jwt', secretFile: join(folder, 'secret') });
  await client.send('a.B:1', 'Add', {});
  t.equal(engine.submitted[0]!.principal, 'ann');

  const refused = connect(url, { token: 'wrong' });
  await t.rejects(refused.send('a.B:1', 'Add', {}), { code: 'UNAUTHENTICATED' });
  await t.rejects(refused.watch('a.B:1').next(), { code: 'UNAUTHENTICATED' });
  await t.rejects(connect(url).send('a.B:1', 'Add', {}), { code: 'UNAUTHENTICATED' });

  let asked = 0;
  const stale = await sign(Math.floor(Date.now() / 1_000) - 60);
  const renewing = connect(url, { backoffFirstMs: 1, token: () => (++asked === 1 ? stale : good) });
  t.match(await renewing.send('a.B:2', 'Add', {}), { seq: 1 }, 'a fresh token is asked for after a refusal');
  t.equal(asked, 2);
  renewing.close();
});
