/** What breaks when a connection ends at a bad moment: cuts, silence, nodes that are not there and nodes that come back. */

import t from 'tap';

import { Handshake, NONCE_BYTES } from './handshake.ts';
import type { Step } from './handshake.ts';
import { ask } from './transport.ts';
import type { IncomingRequest } from './transport.ts';
import { CollectingSink, ECHO, Outcome, Proxy, request, SECRET, sleep, startNode, Stranger, until } from './testing/rig.ts';

t.test('what was in flight is lost, what had not left is notSent, and nothing is sent again', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a');
  const peer = a.transport.peer('b', await proxy.listen());
  const seen: unknown[] = [];
  b.transport.handle(2, ({ value }) => seen.push(value));
  await ask(peer, ECHO);
  const inFlight = [0, 1, 2].map((i) => request(peer, 2, i));
  await until(() => seen.length === 3);
  // More than the system's buffers take: one write stays with this node's socket, and the rest behind it.
  proxy.hold();
  const stuck = [0, 1, 2, 3].map(() => request(peer, 2, 'stuck', Buffer.alloc(7_000_000)));
  await sleep(30);
  const waiting = [3, 4].map((i) => request(peer, 2, i));
  await sleep(10);
  proxy.cut();
  proxy.release();
  await until(() => waiting.every(({ calls }) => calls > 0));
  t.same(inFlight.map(({ kind }) => kind), ['lost', 'lost', 'lost']);
  t.match(stuck.map(({ kind }) => kind).join(), /^lost,(lost,)*notSent(,notSent)*$/);
  t.same(waiting.map(({ kind }) => kind), ['notSent', 'notSent']);
  t.match(inFlight[0]!.failure, { code: 'UNKNOWN_OUTCOME' });
  t.match(waiting[0]!.failure, { code: 'UNREACHABLE' });
  await until(() => peer.state === 'open');
  await ask(peer, ECHO);
  t.same(seen, [0, 1, 2], 'what was notSent has had no effect, and nothing came twice');
  t.ok([...inFlight, ...stuck, ...waiting].every(({ calls }) => calls === 1), 'one outcome each');
  t.same(a.events.map(({ kind }) => kind), ['connected', 'disconnected', 'connected']);
});

t.test('random cuts: a request that came has an answer or is lost, one that is notSent never came', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a', { limits: { backoffFirstMs: 1, backoffMaxMs: 2 } });
  const peer = a.transport.peer('b', await proxy.listen());
  const times = new Map<number, number>();
  const order: number[] = [];
  b.transport.handle(2, (incoming) => {
    const number = incoming.value as number;
    times.set(number, (times.get(number) ?? 0) + 1);
    order.push(number);
    setImmediate(() => incoming.answer(number));
  });
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
  const asked: Outcome[] = [];
  const bodies = [Buffer.alloc(3_000), Buffer.alloc(700_000)];
  const count = (which: string): number => asked.filter(({ kind }) => kind === which).length;
  const isEnough = (): boolean => count('ok') > 50 && count('lost') > 5 && count('notSent') > 5;
  // The slower the machine, the fewer connections come about between two cuts.
  for (let round = 0; round < 120 || (round < 3_000 && !isEnough()); round++) {
    for (let i = random(40); i >= 0; i--) asked.push(request(peer, 2, asked.length, bodies[random(12) === 0 ? 1 : 0]));
    if (random(3) === 0) proxy.cut();
    await (random(2) === 0 ? sleep(random(4)) : new Promise((resolve) => { setImmediate(resolve); }));
  }
  await until(() => asked.every(({ calls }) => calls > 0));
  for (const [i, { kind, calls, value }] of asked.entries()) {
    if (calls !== 1) t.fail(`${i} ended ${calls} times`);
    if (kind === 'ok' && (value !== i || times.get(i) !== 1)) t.fail(`${i} was answered and came ${times.get(i)} times`);
    if (kind === 'lost' && (times.get(i) ?? 0) > 1) t.fail(`${i} was lost and came twice`);
    if (kind === 'notSent' && times.has(i)) t.fail(`${i} was notSent and came`);
  }
  t.ok(isEnough(), `${count('ok')} answered, ${count('lost')} lost, ${count('notSent')} not sent`);
  t.same(order, order.toSorted((x, y) => x - y), 'in the order of asking, over all connections');
});

t.test('nobody there', async (t) => {
  const [a, b] = [await startNode(t, 'a', { limits: { backoffFirstMs: 200, backoffMaxMs: 400 } }), await startNode(t, 'b')];
  await b.transport.close();
  const peer = a.transport.peer('b', b.address);
  const asked = request(peer, ECHO);
  const sink = new CollectingSink();
  peer.openStream(sink, 1);
  t.equal(asked.kind, 'open', 'the first waits for the attempt');
  await until(() => asked.calls > 0);
  t.match(asked, { kind: 'notSent', failure: { code: 'UNREACHABLE', message: /ECONNREFUSED/ } });
  t.match(sink, { ends: 1, end: { outcome: 'notSent' } });
  t.equal(peer.state, 'waiting');
  t.match(request(peer, ECHO), { kind: 'notSent', failure: { code: 'UNREACHABLE', message: /ECONNREFUSED/ } }, 'between attempts the answer comes at once');
  t.notOk(peer.tell(1));
  const late = new CollectingSink();
  peer.openStream(late, 1).close();
  t.match(late, { ends: 1, end: { outcome: 'notSent' } });
  t.equal(a.lines.filter(({ level }) => level === 'warn').length, 1);
});

t.test('a node that comes back, as another process', async (t) => {
  const b = await startNode(t, 'b');
  const a = await startNode(t, 'a');
  const peer = a.transport.peer('b', b.address);
  await ask(peer, ECHO);
  await b.transport.close();
  await until(() => peer.state === 'waiting');
  const complaints = (): number => a.lines.filter(({ message }) => message === 'cannot connect to a node').length;
  await until(() => complaints() > 0);
  await sleep(60);
  t.equal(complaints(), 1, 'attempts that fail in the same way are logged once');
  const again = await startNode(t, 'b', { self: { node: 'b', incarnation: 'i2' }, listen: b.address });
  await until(() => peer.state === 'open');
  t.equal(peer.incarnation, 'i2');
  t.match(a.events.at(-1), { kind: 'connected', remote: { node: 'b', incarnation: 'i2' }, isRestarted: true });
  t.equal((await ask(peer, ECHO, 5)).value, 5);
  t.equal(again.transport.stats.accepted, 1);
});

t.test('a node that was seen to live again is dialled at once, however long the pause would be', async (t) => {
  const b = await startNode(t, 'b');
  const a = await startNode(t, 'a', { limits: { backoffFirstMs: 60_000, backoffMaxMs: 60_000 } });
  const peer = a.transport.peer('b', b.address);
  await ask(peer, ECHO);
  await b.transport.close();
  await until(() => peer.state === 'waiting');
  await startNode(t, 'b', { self: { node: 'b', incarnation: 'i2' }, listen: b.address });
  peer.dialNow();
  await until(() => peer.state === 'open');
  t.equal(peer.incarnation, 'i2');
  peer.dialNow();
  t.equal(peer.state, 'open', 'nothing to do for one that is open');
});

t.test('pauses between attempts grow, and a connection that is dropped at once does not make them short again', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a', { limits: { backoffFirstMs: 10, backoffMaxMs: 10_000 } });
  const peer = a.transport.peer('b', await proxy.listen());
  await ask(peer, ECHO);
  const since = performance.now();
  const tookMs = (): number => performance.now() - since;
  while (tookMs() < 400 || (proxy.connections < 3 && tookMs() < 10_000)) {
    proxy.cut();
    await sleep(1);
  }
  // Without growing, a pause is 10 ms at most.
  const most = 8 + Math.log2(tookMs() / 400);
  t.ok(proxy.connections >= 3 && proxy.connections <= most, `${proxy.connections} connections in ${tookMs()} ms`);
});

t.test('silence in one direction ends the connection in the time that is promised', async (t) => {
  const limits = { checkMs: 200, silentChecksMax: 3 };
  const b = await startNode(t, 'b', { limits });
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a', { limits });
  const peer = a.transport.peer('b', await proxy.listen());
  await ask(peer, ECHO);
  await sleep(2_000);
  t.equal(peer.state, 'open', 'without anything to say it stays open');
  t.equal(proxy.connections, 1);
  await ask(peer, ECHO);
  proxy.isDeaf = true;
  const since = performance.now();
  const asked = request(peer, ECHO);
  await until(() => asked.calls > 0);
  t.match(asked, { kind: 'lost', failure: { code: 'UNKNOWN_OUTCOME', message: /nothing came from it for 800 ms/ } });
  const took = performance.now() - since;
  t.ok(took >= 400, `${took} ms`);
  t.ok(a.transport.stats.closedSilent >= 1);
});

t.test('a node that is silent towards the one who serves', async (t) => {
  const b = await startNode(t, 'b', { limits: { checkMs: 20 } });
  const proxy = new Proxy(t, b.address);
  // Its own checks come too late to help.
  const a = await startNode(t, 'a', { limits: { checkMs: 60_000 } });
  let closed = 0;
  b.transport.handleStream(1, () => ({ resume: () => {}, close: () => { closed++; } }));
  const peer = a.transport.peer('b', await proxy.listen());
  peer.openStream(new CollectingSink(), 1);
  await ask(peer, ECHO);
  await sleep(200);
  t.equal(closed, 0, 'it answers when it is asked for a sign');
  proxy.hold();
  await until(() => closed === 1);
  t.equal(b.transport.stats.closedSilent, 1);
});

t.test('a newer connection of a node ends the older one before anything of it starts', async (t) => {
  const b = await startNode(t, 'b');
  const [a, twin] = [await startNode(t, 'a'), await startNode(t, 'a', { self: { node: 'a', incarnation: 'i2' } })];
  const old: IncomingRequest[] = [];
  const seen: unknown[] = [];
  b.transport.handle(2, (incoming) => {
    seen.push([incoming.from.incarnation, old.length === 0 ? 'first' : incoming.value]);
    old.push(incoming);
  });
  const lost = request(a.transport.peer('b', b.address), 2);
  await until(() => old.length === 1);
  await ask(twin.transport.peer('b', b.address), ECHO);
  t.equal(b.transport.stats.accepted, 1);
  old[0]!.answer('to a connection that has ended');
  await until(() => lost.calls > 0);
  t.equal(lost.kind, 'lost');
  t.same(seen, [['i1', 'first']]);
});

t.test('an attempt that was given up and comes late does not end the connection that was made since', async (t) => {
  const [a, b] = [await startNode(t, 'a'), await startNode(t, 'b')];
  const peer = a.transport.peer('b', b.address);
  await ask(peer, ECHO);
  const shake = async (connection: number): Promise<{ stranger: Stranger; step: Step }> => {
    const hello = { cluster: 'test', node: 'a', incarnation: 'i1', wanted: 'b', connection, versions: { min: 1, max: 1 }, nonce: Buffer.alloc(NONCE_BYTES) };
    const handshake = new Handshake({ role: 'dials', hello, secret: SECRET, binding: Buffer.alloc(0) });
    const stranger = new Stranger(t, b.address);
    stranger.socket.write(handshake.start());
    await until(() => stranger.received.length > 50);
    const answered = stranger.received.length;
    stranger.socket.write(handshake.take(stranger.received).reply);
    await until(() => stranger.received.length > answered);
    return { stranger, step: handshake.take(stranger.received.subarray(answered)) };
  };
  const late = await shake(0);
  t.match(late.step, { kind: 'refused', refusal: 'SUPERSEDED' });
  await until(() => late.stranger.isClosed);
  await ask(peer, ECHO);
  t.equal(a.events.length, 1, 'its connection has lasted');
  t.match((await shake(2)).step, { kind: 'done' });
  await until(() => a.events.length > 1);
});

t.test('a peer at another address', async (t) => {
  const [a, b, c] = [await startNode(t, 'a'), await startNode(t, 'b'), await startNode(t, 'b', { self: { node: 'b', incarnation: 'i2' } })];
  const before = a.transport.peer('b', b.address);
  await ask(before, ECHO);
  const after = a.transport.peer('b', c.address);
  t.equal(before.state, 'closed');
  await ask(after, ECHO);
  t.equal(after.incarnation, 'i2');
});

t.test('who asks again in a failure asks the next connection', async (t) => {
  const b = await startNode(t, 'b');
  const proxy = new Proxy(t, b.address);
  const a = await startNode(t, 'a');
  const peer = a.transport.peer('b', await proxy.listen());
  b.transport.handle(2, () => {});
  await ask(peer, ECHO);
  const again = new Outcome();
  let first = '';
  peer.request({ answered: () => {}, failed: ({ outcome }) => { first = outcome; peer.request(again, ECHO); } }, 2);
  await sleep(10);
  proxy.cut();
  await until(() => first !== '');
  t.match([first, again.kind, again.calls], ['lost', 'notSent', 1], 'it is not open yet, and says so');
});
