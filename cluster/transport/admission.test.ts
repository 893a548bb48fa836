/** Who gets in: secrets, clusters, versions, strangers who say anything, and TLS. */

import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

import t from 'tap';
import { systemClock } from '../../runtime/actor/seams-node.ts';

import { Handshake, NONCE_BYTES } from './handshake.ts';
import type { Hello } from './handshake.ts';
import { createTransport } from './tcp-transport.ts';
import type { TransportSettings } from './settings.ts';
import { ask } from './transport.ts';
import type { RequestError } from './transport.ts';
import { nodeTls, strangerTls } from './testing/certificates.ts';
import { ECHO, Proxy, request, SECRET, startNode, Stranger, until } from './testing/rig.ts';
import type { TestNode } from './testing/rig.ts';

function refusals({ lines }: TestNode): string[] {
  return lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields['reason'] as string);
}

t.test('settings that would leave a node open', async (t) => {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const good: TransportSettings = { cluster: 'c', self: { node: 'a', incarnation: 'i' }, listen: { host: '127.0.0.1', port: 0 }, secret: null, log };
  await createTransport(good).close();
  await createTransport({ ...good, listen: { host: '::1', port: 0 } }).close();
  await createTransport({ ...good, listen: { host: '0.0.0.0', port: 0 }, secret: SECRET }).close();
  const bad: [string, Partial<TransportSettings>][] = [
    ['no secret, all interfaces', { listen: { host: '0.0.0.0', port: 0 } }],
    ['no secret, a name', { listen: { host: 'node-1.example', port: 0 } }],
    ['a short secret', { secret: Buffer.alloc(15) }],
    ['no cluster', { cluster: '' }],
    ['a node with a space', { self: { node: 'a b', incarnation: 'i' } }],
    ['an incarnation too long', { self: { node: 'a', incarnation: 'i'.repeat(65) } }],
  ];
  for (const [what, settings] of bad) t.throws(() => createTransport({ ...good, ...settings }), { code: 'CONFIG_INVALID' }, what);
  const a = await startNode(t, 'a');
  t.throws(() => a.transport.peer('', a.address), { code: 'CONFIG_INVALID' });
  const second = createTransport({ ...good, listen: a.address });
  await t.rejects(second.listen(), { code: 'ADDRESS_IN_USE' });
  await second.close();
});

t.test('without a secret, on loopback', async (t) => {
  const [a, b] = [await startNode(t, 'a', { secret: null }), await startNode(t, 'b', { secret: null })];
  t.equal((await ask(a.transport.peer('b', b.address), ECHO, 1)).value, 1);
});

t.test('refused, with the reason on both sides, and nothing is served', async (t) => {
  const cases: [what: string, a: Partial<TransportSettings>, saysA: RegExp, saysB: RegExp][] = [
    ['another secret', { secret: Buffer.alloc(32) }, /different secrets/, /another secret/],
    ['no secret', { secret: null }, /different secrets/, /another secret/],
    ['another cluster', { cluster: 'other' }, /another cluster/, /another cluster/],
    ['other versions', { versions: { min: 2, max: 4 } }, /speaks protocol 1, this node 2 to 4/, /speaks protocol 2 to 4, this node 1/],
  ];
  for (const [what, settings, saysA, saysB] of cases) {
    const b = await startNode(t, 'b');
    const a = await startNode(t, 'a', settings);
    await t.rejects(ask(a.transport.peer('b', b.address), ECHO), { outcome: 'notSent', code: 'UNREACHABLE', message: saysA } as unknown as RequestError, what);
    t.match(refusals(a)[0], saysA, what);
    await until(() => refusals(b).length > 0);
    t.match(refusals(b)[0], saysB, what);
    t.equal(b.transport.stats.accepted + b.transport.stats.requestsServed, 0, what);
  }
});

t.test('another node than was dialled', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  await t.rejects(ask(a.transport.peer('c', b.address), ECHO), { outcome: 'notSent', code: 'UNREACHABLE' } as RequestError);
  await until(() => refusals(b).length > 0);
  t.match(refusals(b)[0], /wants node c; this is b/);
});

t.test('strangers who say anything', async (t) => {
  // A second that lasts: complaints are one in a second.
  const b = await startNode(t, 'b', { clock: { ...systemClock, monotonic: () => 0 } });
  const noises = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(100_000, 0xff), Buffer.from([1, 1, 255, 0]), Buffer.from([2, 0, 32, ...Array<number>(32).fill(0)]),
    // A frame with a request, as after a handshake.
    Buffer.from([5, 0, 0, 0, 1, 1, ECHO, 0, 0]),
  ];
  for (const noise of noises) {
    const stranger = new Stranger(t, b.address);
    stranger.socket.write(noise);
    await until(() => stranger.isClosed);
    t.ok(stranger.received.length <= 4, `${stranger.received.length} bytes for ${noise.length}`);
  }
  t.equal(b.transport.stats.requestsServed + b.transport.stats.accepted, 0);
  t.equal(b.transport.stats.handshakesFailed, noises.length);
  t.equal(refusals(b).length, 1, 'the log is not theirs to fill');
});

t.test('frames behind the hello, before the proof, are not read', async (t) => {
  const b = await startNode(t, 'b');
  const hello: Hello = {
    cluster: 'test', node: 'a', incarnation: 'i1', wanted: 'b', connection: 1, versions: { min: 1, max: 1 }, nonce: Buffer.alloc(NONCE_BYTES),
  };
  const stranger = new Stranger(t, b.address);
  stranger.socket.write(new Handshake({ role: 'dials', hello, secret: Buffer.alloc(32), binding: Buffer.alloc(0) }).start());
  await until(() => stranger.received.length > 50);
  stranger.socket.write(Buffer.from([5, 0, 0, 0, 1, 1, ECHO, 0, 0]));
  await until(() => stranger.isClosed);
  t.equal(b.transport.stats.requestsServed, 0);
  t.same(refusals(b), ['what came is no hello of a node']);
});

t.test('who says nothing, or a little at a time, has as long as everybody', async (t) => {
  const b = await startNode(t, 'b', { limits: { handshakeTimeMaxMs: 80 } });
  const [silent, slow] = [new Stranger(t, b.address), new Stranger(t, b.address)];
  const drip = setInterval(() => slow.socket.write(Buffer.from([1])), 10);
  t.teardown(() => clearInterval(drip));
  slow.socket.write(Buffer.from([1, 1]));
  await until(() => silent.isClosed && slow.isClosed);
  const deaf = await startNode(t, 'a', { limits: { handshakeTimeMaxMs: 80 } });
  const proxy = new Proxy(t, b.address);
  proxy.isDeaf = true;
  const asked = request(deaf.transport.peer('b', await proxy.listen()), ECHO);
  await until(() => asked.calls > 0);
  t.match(asked, { kind: 'notSent', failure: { message: /no handshake within 80 ms|closed the connection/ } });
});

t.test('strangers who only hold connections do not keep a node out', async (t) => {
  const b = await startNode(t, 'b', { limits: { handshakesMax: 8 } });
  const strangers = Array.from({ length: 30 }, () => new Stranger(t, b.address));
  await until(() => strangers.filter(({ isClosed }) => isClosed).length === 22);
  const a = await startNode(t, 'a');
  t.equal((await ask(a.transport.peer('b', b.address), ECHO, 1)).value, 1);
  t.equal(strangers.filter(({ isClosed }) => isClosed).length, 23, 'one more had to go');
  const more = Array.from({ length: 20 }, () => new Stranger(t, b.address));
  await until(() => more.filter(({ isClosed }) => isClosed).length >= 12);
  t.equal((await ask(a.transport.peer('b', b.address), ECHO, 2)).value, 2, 'who has proved itself is no stranger');
  t.equal(a.events.length, 1);
});

t.test('bad frames of a node end its connection', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a');
  const peer = a.transport.peer('b', await proxy.listen());
  b.transport.handle(2, () => {});
  await ask(peer, ECHO);
  const asked = request(peer, 2);
  await until(() => b.transport.stats.requestsServed === 2);
  // A length over the limit.
  proxy.inject(Buffer.from([255, 255, 255, 255]));
  await until(() => asked.calls > 0);
  t.match(asked, { kind: 'lost', failure: { message: /a frame of 4294967295 bytes/ } });
  await until(() => peer.state === 'open');
  const next = request(peer, 2);
  await until(() => b.transport.stats.requestsServed === 3);
  // The answer that is waited for, and behind it, in the same frame, what is no message.
  proxy.inject(Buffer.from([5, 0, 0, 0, 7, 1, 0, 0, 0]));
  await until(() => next.calls > 0);
  t.match(next, { kind: 'lost', calls: 1 });
  await until(() => peer.state === 'open');
  const last = request(peer, 2);
  await until(() => b.transport.stats.requestsServed === 4);
  // An answer to a number that nobody has asked with.
  proxy.inject(Buffer.from([4, 0, 0, 0, 7, 99, 0, 0]));
  await until(() => last.calls > 0);
  t.match(last, { kind: 'lost', failure: { message: /an answer to request 99, which is not in flight/ } });
  t.equal(a.transport.stats.badFrames, 3);
});

t.test('TLS: nodes with certificates of the same authority', async (t) => {
  const [a, b] = [await startNode(t, 'a', { tls: nodeTls }), await startNode(t, 'b', { tls: nodeTls })];
  const peer = a.transport.peer('b', b.address);
  const body = Buffer.alloc(3_000_000, 'x');
  t.ok((await ask(peer, ECHO, 1, body)).body.equals(body));
  await Promise.all(Array.from({ length: 200 }, (_, i) => ask(peer, ECHO, i)));
  t.equal(b.transport.stats.accepted, 1);
});

t.test('TLS: certificates that are not of the cluster, none, and plain text', async (t) => {
  const b = await startNode(t, 'b', { tls: nodeTls, limits: { handshakeTimeMaxMs: 200 } });
  for (const [what, tls] of [['another authority', strangerTls], ['plain text', undefined]] as const) {
    const a = await startNode(t, 'a', { ...(tls === undefined ? {} : { tls }), limits: { handshakeTimeMaxMs: 200 } });
    await t.rejects(ask(a.transport.peer('b', b.address), ECHO), { outcome: 'notSent', code: 'UNREACHABLE' } as RequestError, what);
    await a.transport.close();
  }
  const impostor = await startNode(t, 'b', { tls: strangerTls });
  const a = await startNode(t, 'a', { tls: nodeTls });
  await t.rejects(ask(a.transport.peer('b', impostor.address), ECHO), { outcome: 'notSent', code: 'UNREACHABLE' } as RequestError, 'one that serves');
  const nameless = connectTls({ ...b.address, ca: nodeTls.ca, servername: 'nodes.test' });
  nameless.on('error', () => {});
  await new Promise((resolve) => { nameless.on('close', resolve); });
  t.equal(b.transport.stats.accepted, 0);
});

t.test('TLS: a stranger that never begins', async (t) => {
  const b = await startNode(t, 'b', { tls: nodeTls, limits: { handshakeTimeMaxMs: 8_000, handshakesMax: 4 } });
  const strangers = Array.from({ length: 10 }, () => new Stranger(t, b.address));
  await until(() => strangers.filter(({ isClosed }) => isClosed).length >= 6);
  const a = await startNode(t, 'a', { tls: nodeTls });
  t.equal((await ask(a.transport.peer('b', b.address), ECHO, 1)).value, 1);
  await until(() => strangers.every(({ isClosed }) => isClosed));
  t.equal((await ask(a.transport.peer('b', b.address), ECHO, 2)).value, 2, 'the time of strangers is not that of nodes');
});

t.test('TLS: who stands between two sessions, with a certificate of the cluster, cannot pass the proofs on', async (t) => {
  const b = await startNode(t, 'b', { tls: nodeTls });
  const { ca, cert, key, serverName } = nodeTls;
  const between = createTlsServer({ ca, cert, key, requestCert: true }, (client) => {
    const node = connectTls({ ...b.address, ca, cert, key, servername: serverName! });
    client.pipe(node).pipe(client);
    for (const socket of [client, node]) socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => { between.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => between.close());
  const a = await startNode(t, 'a', { tls: nodeTls });
  const peer = a.transport.peer('b', { host: '127.0.0.1', port: (between.address() as AddressInfo).port });
  await t.rejects(ask(peer, ECHO), { outcome: 'notSent', code: 'UNREACHABLE', message: /different secrets/ } as unknown as RequestError);
  t.equal(b.transport.stats.accepted, 0);
});
