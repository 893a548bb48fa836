/** Two transports over loopback: requests, messages, streams, order, and what happens when a side ends. */

import t from 'tap';

import { ask } from './transport.ts';
import type { IncomingRequest, IncomingStream, RequestError } from './transport.ts';
import { CollectingSink, ECHO, request, startNode, until } from './testing/rig.ts';

const unpackable = { get value(): number { throw new Error('no'); } };

t.test('a request is answered with value and body, and knows who asks', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  b.transport.handle(2, (incoming) => incoming.answer([incoming.from.node, incoming.from.incarnation], Buffer.from('xyz'), 1, 2));
  const peer = a.transport.peer('b', b.address);
  t.equal(peer.state, 'idle');
  const value = ['shop.v1.Order:o-1', 'PlaceOrder', 1, Buffer.from([1, 2, 3]), null, { k: 'é😀' }];
  const answer = await ask(peer, ECHO, value, Buffer.from('the body'));
  t.same(answer.value, value);
  t.equal(answer.body.toString(), 'the body');
  t.same(await ask(peer, 2), { value: ['a', 'i1'], body: Buffer.from('y') });
  t.same(await ask(peer, ECHO), { value: undefined, body: Buffer.alloc(0) });
  t.equal(peer.state, 'open');
  t.equal(peer.incarnation, 'i1');
  t.equal(a.transport.peer('b', b.address), peer, 'one peer a node');
  t.same(a.events, [{ kind: 'connected', remote: { node: 'b', incarnation: 'i1' }, isRestarted: false }]);
});

t.test('bodies and values of all sizes around the edges of frames', async (t) => {
  const limits = { messageBytesMax: 600_000, queuedBytesMax: 40_000_000 };
  const [a, b] = [await startNode(t, 'a', { limits }), await startNode(t, 'b', { limits })];
  const peer = a.transport.peer('b', b.address);
  const sizes = [0, 1, 47, 48, 127, 128, 16_383, 16_384, 65_530, 65_536, 131_072, 599_990];
  const asked = sizes.map((size) => request(peer, ECHO, size, Buffer.alloc(size, size & 0xff)));
  const packed = request(peer, ECHO, Buffer.alloc(300_000, 7));
  await until(() => packed.calls > 0);
  for (const [i, size] of sizes.entries()) t.ok(asked[i]!.value === size && asked[i]!.body!.equals(Buffer.alloc(size, size & 0xff)), `${size}`);
  t.ok((packed.value as Buffer).equals(Buffer.alloc(300_000, 7)));
  const large = request(peer, ECHO, null, Buffer.alloc(600_000));
  t.match(large, { kind: 'notSent', calls: 1, failure: { code: 'BODY_TOO_LARGE' } });
});

t.test('the body is copied before the call returns', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const body = Buffer.from('before');
  const asked = request(a.transport.peer('b', b.address), ECHO, null, body);
  body.fill('x');
  await until(() => asked.calls > 0);
  t.equal(asked.body!.toString(), 'before');
});

t.test('many in flight, answered in any order', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const held: IncomingRequest[] = [];
  b.transport.handle(2, (incoming) => held.push(incoming));
  const peer = a.transport.peer('b', b.address);
  const asked = Array.from({ length: 500 }, (_, i) => request(peer, 2, i));
  await until(() => held.length === 500);
  t.same(held.map(({ value }) => value), asked.map((_, i) => i), 'they came in order');
  for (const incoming of held.reverse()) incoming.answer(incoming.value as number * 2);
  await until(() => asked.every(({ calls }) => calls === 1));
  t.same(asked.map(({ value }) => value), asked.map((_, i) => i * 2));
});

t.test('requests of one turn leave in one write, and so do their answers', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const peer = a.transport.peer('b', b.address);
  await ask(peer, ECHO);
  const before = { a: a.transport.stats.bytesOut, b: b.transport.stats.bytesOut };
  await Promise.all(Array.from({ length: 100 }, () => ask(peer, ECHO)));
  // One frame: four bytes for its length, five a request, four an answer while numbers are below 128.
  t.equal(a.transport.stats.bytesOut - before.a, 4 + 100 * 5);
  t.equal(b.transport.stats.bytesOut - before.b, 4 + 100 * 4);
});

t.test('messages', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const got: unknown[] = [];
  b.transport.handleMessage(5, ({ from, value, buffer, bodyFrom, bodyTo }) => got.push([from.node, value, buffer.toString('utf8', bodyFrom, bodyTo)]));
  const peer = a.transport.peer('b', b.address);
  for (let i = 0; i < 3; i++) t.ok(peer.tell(5, i, Buffer.from(`m${i}`)));
  t.ok(peer.tell(6), 'one that no handler takes is logged there, and harms nothing');
  await ask(peer, ECHO);
  t.same(got, [['a', 0, 'm0'], ['a', 1, 'm1'], ['a', 2, 'm2']]);
  t.match(b.lines.filter(({ level }) => level === 'warn'), [{ fields: { node: 'a', method: 6 } }]);
});

t.test('errors: answered, thrown, unknown method, an answer that cannot be sent', async (t) => {
  const a = await startNode(t, 'a');
  const b = await startNode(t, 'b', {}, true);
  b.transport.handle(2, (incoming) => incoming.fail({ code: 'REJECTED', message: 'no', reason: 'OUT_OF_STOCK' }));
  b.transport.handle(3, () => { throw new Error('oh'); });
  b.transport.handle(4, (incoming) => { incoming.answer(1); throw new Error('after the answer'); });
  b.transport.handle(5, (incoming) => incoming.answer(unpackable));
  b.transport.handle(6, (incoming) => incoming.answer(null, Buffer.alloc(9 * 1_024 * 1_024)));
  const peer = a.transport.peer('b', b.address);
  await t.rejects(ask(peer, 2), { outcome: 'answered', code: 'REJECTED', reason: 'OUT_OF_STOCK', message: 'no' } as RequestError);
  await t.rejects(ask(peer, 3), { outcome: 'answered', code: 'INTERNAL' } as RequestError);
  t.equal((await ask(peer, 4)).value, 1);
  for (const method of [5, 6, 99]) await t.rejects(ask(peer, method), { outcome: 'answered', code: 'INTERNAL' } as RequestError, `${method}`);
  t.equal(b.lines.filter(({ level }) => level === 'error').length, 3, 'what was thrown is in the log of that node');
  t.equal((await ask(peer, ECHO, 7)).value, 7, 'the connection serves on');
  t.throws(() => peer.request({ answered: () => {}, failed: () => {} }, ECHO, unpackable), 'what cannot be sent is a defect of who asks');
  t.equal((await ask(peer, ECHO, 8)).value, 8, 'and leaves nothing behind');
});

t.test('two answers to one request are a defect of the handler', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  let incoming!: IncomingRequest;
  b.transport.handle(2, (request) => { incoming = request; });
  const asked = request(a.transport.peer('b', b.address), 2);
  await until(() => incoming !== undefined);
  incoming.answer(1);
  t.throws(() => incoming.answer(2));
  t.throws(() => incoming.fail({ code: 'INTERNAL', message: '' }));
  await until(() => asked.calls > 0);
  t.match(asked, { value: 1, calls: 1 });
});

t.test('callbacks that throw do not stop the others', async (t) => {
  const a = await startNode(t, 'a', {}, true);
  const b = await startNode(t, 'b');
  const peer = a.transport.peer('b', b.address);
  peer.request({ answered: () => { throw new Error('mine'); }, failed: () => {} }, ECHO);
  t.equal((await ask(peer, ECHO, 1)).value, 1);
  t.equal(a.lines.filter(({ level }) => level === 'error').length, 1);
});

t.test('streams: events in order, both ends', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const opened: IncomingStream[] = [];
  const said: string[] = [];
  b.transport.handleStream(1, (stream) => {
    opened.push(stream);
    stream.event(`from ${stream.from.node}: ${stream.value as string}`);
    return { resume: () => said.push('resume'), close: () => said.push('close') };
  });
  const peer = a.transport.peer('b', b.address);
  const sink = new CollectingSink();
  peer.openStream(sink, 1, 'x');
  await until(() => sink.values.length === 1);
  t.ok(opened[0]!.event(1) && opened[0]!.event(2));
  opened[0]!.end();
  t.notOk(opened[0]!.event(3), 'nothing behind the end');
  await until(() => sink.ends > 0);
  t.match(sink, { values: ['from a: x', 1, 2], end: null, ends: 1 });

  const failing = new CollectingSink();
  peer.openStream(failing, 1, 'y');
  await until(() => opened.length === 2);
  opened[1]!.end({ code: 'FENCED', message: 'moved' });
  await until(() => failing.ends > 0);
  t.match(failing.end, { outcome: 'answered', code: 'FENCED' });

  const closed = new CollectingSink();
  const stream = peer.openStream(closed, 1, 'z');
  await until(() => closed.values.length === 1);
  stream.close();
  opened[2]!.event('still on its way');
  await until(() => said.length === 1);
  t.same(said, ['close'], 'only the one that this side closed');
  t.notOk(opened[2]!.event(4));
  await ask(peer, ECHO);
  t.match(closed, { values: ['from a: z'], ends: 0 }, 'who has closed hears nothing more');

  const unknown = new CollectingSink();
  peer.openStream(unknown, 9);
  await until(() => unknown.ends > 0);
  t.match(unknown.end, { outcome: 'answered', code: 'INTERNAL' });
});

t.test('streams: a sink that wants no more gets no more until it resumes', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  let next = 0;
  let paused = 0;
  b.transport.handleStream(1, (stream) => {
    const pump = (): void => {
      // One event a turn, as a log that grows.
      if (next >= 200) stream.end();
      else if (stream.event(next++)) setImmediate(pump);
      else paused++;
    };
    setImmediate(pump);
    return { resume: pump, close: () => {} };
  });
  const sink = new CollectingSink();
  sink.wantsMore = false;
  const peer = a.transport.peer('b', b.address);
  const stream = peer.openStream(sink, 1);
  await until(() => paused === 1);
  await ask(peer, ECHO);
  const { length } = sink.values;
  await ask(peer, ECHO);
  t.equal(sink.values.length, length, 'it stands still');
  t.ok(length < 200);
  sink.wantsMore = true;
  stream.resume();
  await until(() => sink.ends > 0);
  t.same(sink.values, Array.from({ length: 200 }, (_, i) => i), 'no gap and none twice');
});

t.test('closing', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const held: IncomingRequest[] = [];
  let streamsClosed = 0;
  b.transport.handle(2, (incoming) => held.push(incoming));
  b.transport.handleStream(1, () => ({ resume: () => {}, close: () => { streamsClosed++; } }));
  const peer = a.transport.peer('b', b.address);
  const sink = new CollectingSink();
  peer.openStream(sink, 1);
  const lost = request(peer, 2);
  await until(() => held.length === 1);
  const notSent = request(peer, 2);
  peer.close();
  t.match([lost, notSent].map(({ kind, calls }) => [kind, calls]), [['lost', 1], ['notSent', 1]]);
  t.match(sink, { ends: 1, end: { outcome: 'lost', code: 'UNKNOWN_OUTCOME' } });
  await until(() => streamsClosed === 1);
  held[0]!.answer('to nobody');
  t.match(request(peer, 2), { kind: 'notSent', failure: { code: 'UNREACHABLE' } });
  t.not(a.transport.peer('b', b.address), peer, 'a closed peer is forgotten');
  const asked = request(a.transport.peer('b', b.address), 2);
  await until(() => held.length === 2);
  held[1]!.answer('said before the end');
  await b.transport.close();
  await until(() => asked.calls > 0);
  t.equal(asked.value, 'said before the end');
  t.equal(b.transport.stats.accepted, 0);
});
