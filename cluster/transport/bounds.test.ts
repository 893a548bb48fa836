/** What is bounded, and what happens at the bound. */

import t from 'tap';

import { ask } from './transport.ts';
import type { IncomingRequest, IncomingStream } from './transport.ts';
import { CollectingSink, ECHO, Outcome, Proxy, request, sleep, startNode, until } from './testing/rig.ts';

const MIB = 1_024 * 1_024;

t.test('requests in flight, on the side that asks', async (t) => {
  const [a, b] = [await startNode(t, 'a', { limits: { requestsInFlightMax: 10 } }), await startNode(t, 'b')];
  const held: IncomingRequest[] = [];
  b.transport.handle(2, (incoming) => held.push(incoming));
  const peer = a.transport.peer('b', b.address);
  const asked = Array.from({ length: 11 }, () => request(peer, 2));
  t.match(asked[10], { kind: 'notSent', calls: 1, failure: { code: 'OVERLOADED' } }, 'at once');
  await until(() => held.length === 10);
  held[0]!.answer();
  await until(() => asked[0]!.calls === 1);
  t.equal(request(peer, 2).kind, 'open', 'an answer makes room');
});

t.test('requests in flight, on the side that serves: in number and in bytes', async (t) => {
  const limits = { requestsInFlightMax: 10, requestBytesInFlightMax: 5_000, messageBytesMax: 4_000 };
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b', { limits })];
  const held: IncomingRequest[] = [];
  b.transport.handle(2, (incoming) => held.push(incoming));
  const peer = a.transport.peer('b', b.address);
  const asked = Array.from({ length: 11 }, () => request(peer, 2));
  await until(() => asked[10]!.calls > 0);
  t.match(asked[10], { kind: 'answered', failure: { code: 'OVERLOADED' } });
  t.equal(held.length, 10, 'no handler has seen it');
  for (const incoming of held) incoming.answer();
  const large = [request(peer, 2, null, Buffer.alloc(3_000)), request(peer, 2, Buffer.alloc(3_000))];
  await until(() => large[1]!.calls > 0);
  t.match(large, [{ kind: 'open' }, { kind: 'answered', failure: { code: 'OVERLOADED' } }]);
  held.at(-1)!.answer();
  t.match(await ask(peer, ECHO, 1, Buffer.alloc(3_500)), { value: 1 });
  t.equal(b.transport.stats.refused, 2);
});

t.test('streams', async (t) => {
  const [a, b] = [await startNode(t, 'a', { limits: { streamsMax: 3 } }), await startNode(t, 'b', { limits: { streamsMax: 2 } })];
  b.transport.handleStream(1, () => ({ resume: () => {}, close: () => {} }));
  const peer = a.transport.peer('b', b.address);
  const sinks = Array.from({ length: 4 }, () => new CollectingSink());
  const streams = sinks.map((sink) => peer.openStream(sink, 1));
  t.match(sinks[3], { ends: 1, end: { outcome: 'notSent', code: 'OVERLOADED' } });
  await until(() => sinks[2]!.ends === 1);
  t.match(sinks[2]!.end, { outcome: 'answered', code: 'OVERLOADED' });
  streams[0]!.close();
  await ask(peer, ECHO);
  const next = new CollectingSink();
  peer.openStream(next, 1);
  await ask(peer, ECHO);
  t.equal(next.ends, 0, 'one that is closed makes room on both sides');
});

t.test('a node that does not read: requests wait up to the bound, then fail at once, and memory stays', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a', { limits: { queuedBytesMax: 12 * MIB } });
  const peer = a.transport.peer('b', await proxy.listen());
  await ask(peer, ECHO);
  proxy.hold();
  const body = Buffer.alloc(64 * 1_024);
  const before = process.memoryUsage().arrayBuffers;
  const asked: Outcome[] = [];
  // 250 MB, if they were all kept.
  for (let i = 0; i < 4_000; i++) {
    asked.push(request(peer, ECHO, i, body));
    if (i % 100 === 0) await sleep(0);
  }
  const overloaded = asked.filter(({ failure }) => failure?.code === 'OVERLOADED' && failure.outcome === 'notSent');
  t.ok(overloaded.length > 3_000, `${overloaded.length} were refused`);
  t.equal(overloaded.length + asked.filter(({ calls }) => calls === 0).length, asked.length);
  t.ok(process.memoryUsage().arrayBuffers - before < 60 * MIB, `${(process.memoryUsage().arrayBuffers - before) / MIB} MiB`);
  t.notOk(peer.tell(1, null, body), 'messages have the same bound');
  proxy.release();
  await until(() => asked.every(({ calls }) => calls === 1));
  const kinds = new Set(asked.map(({ kind }) => kind));
  t.same([...kinds].sort(), ['notSent', 'ok'], 'all that were taken are answered');
  t.equal((await ask(peer, ECHO, 'on')).value, 'on');
});

t.test('a node that does not read its answers: nothing more is read from it, answers are bounded, and it is ended in time', async (t) => {
  const b = await startNode(t, 'b', { limits: { queuedBytesPauseAt: 1 * MIB, queuedBytesMax: 9 * MIB, messageBytesMax: 8 * MIB, checkMs: 1_000 } });
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a', { limits: { checkMs: 60_000 } });
  const held: IncomingRequest[] = [];
  b.transport.handle(2, (incoming) => held.push(incoming));
  const peer = a.transport.peer('b', await proxy.listen());
  const asked = Array.from({ length: 400 }, () => request(peer, 2));
  await until(() => held.length === 400);
  proxy.holdServer();
  const before = process.memoryUsage().arrayBuffers;
  const body = Buffer.alloc(256 * 1_024);
  for (const incoming of held) incoming.answer(1, body);
  // 100 MiB, if they were all kept; buffers that grew and are garbage by now count too.
  t.ok(process.memoryUsage().arrayBuffers - before < 70 * MIB, `${(process.memoryUsage().arrayBuffers - before) / MIB} MiB`);
  const more = request(peer, 2);
  await sleep(50);
  t.equal(held.length, 400, 'nothing more is read');
  proxy.release();
  await until(() => [...asked].every(({ calls }) => calls === 1));
  const failed = asked.filter(({ failure }) => failure !== null);
  // A quarter of a MiB each: what the system's own buffers took comes on top of the bound.
  t.ok(failed.length > 280 && failed.length < 390, `${failed.length} answers were dropped`);
  t.ok(failed.every(({ failure }) => failure!.code === 'UNKNOWN_OUTCOME' && failure!.outcome === 'answered'), 'and whoever asked knows that nothing is known');
  await until(() => held.length === 401);
  held[400]!.answer();
  await until(() => more.calls === 1);
  t.equal(more.kind, 'ok', 'reading goes on');

  const again = Array.from({ length: 100 }, () => request(peer, 2));
  await until(() => held.length === 501);
  proxy.holdServer();
  for (const incoming of held.slice(401)) incoming.answer(1, body);
  await until(() => b.transport.stats.closedSilent === 1);
  proxy.cut();
  await until(() => again.every(({ calls }) => calls === 1));
});

t.test('both sides full at once: nobody waits for the other for ever', async (t) => {
  const limits = { queuedBytesMax: 64 * MIB, checkMs: 60_000 };
  const [a, b] = [await startNode(t, 'a', { limits }), await startNode(t, 'b', { limits })];
  const peer = a.transport.peer('b', b.address);
  const body = Buffer.alloc(256 * 1_024, 1);
  const asked = Array.from({ length: 200 }, (_, i) => request(peer, ECHO, i, body));
  await until(() => asked.every(({ calls }) => calls === 1));
  t.ok(asked.every(({ kind }) => kind === 'ok'));
  t.equal(a.transport.stats.closedSilent + b.transport.stats.closedSilent, 0);
});

t.test('a stream stops while its reader does, and goes on without a gap', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a');
  const total = 600;
  const body = Buffer.alloc(32 * 1_024);
  let next = 0;
  b.transport.handleStream(1, (stream) => {
    const pump = (): void => {
      while (next < total) if (!stream.event(next++, body)) return;
      stream.end();
    };
    setImmediate(pump);
    return { resume: pump, close: () => {} };
  });
  const peer = a.transport.peer('b', await proxy.listen());
  await ask(peer, ECHO);
  proxy.holdServer();
  const sink = new CollectingSink();
  peer.openStream(sink, 1);
  await until(() => next > 10);
  await sleep(50);
  t.ok(next < total, `it stands at ${next} of ${total}`);
  proxy.release();
  await until(() => sink.ends === 1);
  t.same(sink.values, Array.from({ length: total }, (_, i) => i));
});

t.test('a stream that goes on in spite of it is ended', async (t) => {
  const b = await startNode(t, 'b', { limits: { queuedBytesMax: 9 * MIB } });
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a');
  let stream!: IncomingStream;
  let closed = 0;
  b.transport.handleStream(1, (incoming) => {
    stream = incoming;
    return { resume: () => {}, close: () => { closed++; } };
  });
  const peer = a.transport.peer('b', await proxy.listen());
  const sink = new CollectingSink();
  peer.openStream(sink, 1);
  await until(() => stream !== undefined);
  proxy.holdServer();
  for (let i = 0; i < 1_000 && closed === 0; i++) stream.event(i, Buffer.alloc(64 * 1_024));
  t.equal(closed, 1);
  proxy.release();
  await until(() => sink.ends === 1);
  t.match(sink.end, { outcome: 'answered', code: 'SLOW_READER' });
  t.equal((await ask(peer, ECHO, 1)).value, 1);
});
