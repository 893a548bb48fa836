/** Load and time: what is bounded, and what happens at the bound. */

import { connect } from 'node:net';

import t from 'tap';
import { WebSocket } from 'ws';

import type { CommandRequest } from '../actor/engine.ts';
import { createAuthenticator } from './auth.ts';
import { createGateway } from './gateway.ts';
import { clientFrame, ManualClock, rawSocket, serverFrames, startRig, until } from './rig.ts';
import type { Rig } from './rig.ts';
import { ScriptedEngine } from './scripted.ts';

const KIB = 1_024;

function hold(rig: Rig): CommandRequest[] {
  const held: CommandRequest[] = [];
  rig.engine.onCommand = (command) => {
    held.push(command);
    return true;
  };
  return held;
}

const commands = (from: number, to: number) =>
  JSON.stringify(Array.from({ length: to - from }, (_, i) => ({ id: `${from + i}`, to: 'a.B:1', command: 'Do' })));

t.test('requests in flight', async (t) => {
  const rig = await startRig(t, { limits: { requestsInFlightPerConnectionMax: 10 } });
  const held = hold(rig);
  const talker = await rig.talk();
  talker.socket.send(commands(0, 10));
  await until(() => held.length === 10);
  t.match(await talker.ask('{"id":"more","to":"a.B:1","command":"Do"}'), { id: 'more', error: { code: 'TOO_MANY_IN_FLIGHT', retryable: true } });
  t.match(await talker.ask('{"id":"more","get":"a.B:1"}'), { id: 'more', error: { code: 'TOO_MANY_IN_FLIGHT' } });
  t.match(await (await rig.talk()).ask('{"id":"g","get":"a.B:1"}'), { ok: true }, 'another connection has its own');
  rig.engine.apply(held[0]!);
  await talker.json();
  t.match(await talker.ask('{"id":"more","get":"a.B:1"}'), { id: 'more', ok: true }, 'an answer makes room');
});

t.test('watches', async (t) => {
  const rig = await startRig(t, { limits: { watchesPerConnectionMax: 3 } });
  const talker = await rig.talk();
  for (let i = 0; i < 3; i++) t.match(await talker.ask({ id: `w${i}`, watch: `a.B:${i}` }), { ok: true });
  t.match(await talker.ask({ id: 'w3', watch: 'a.B:3' }), { id: 'w3', error: { code: 'TOO_MANY_IN_FLIGHT' } });
  t.match(await talker.ask({ id: 'u', unwatch: 'w1' }), { ok: true });
  t.match(await talker.ask({ id: 'w3', watch: 'a.B:3' }), { ok: true });
  t.equal(rig.gateway.stats.watches, 3);
});

t.test('connections', async (t) => {
  const rig = await startRig(t, { limits: { connectionsMax: 2 } });
  const first = await rig.talk();
  await rig.talk();
  await t.rejects(rig.talk(), { status: 503 } as unknown as Error);
  first.socket.close();
  await until(() => rig.gateway.stats.connections === 1);
  t.match(await (await rig.talk()).ask('{"id":"g","get":"a.B:1"}'), { ok: true });
});

t.test('handshakes that never end', async (t) => {
  const rig = await startRig(t, { limits: { handshakeTimeMaxMs: 100 } });
  const silent = connect({ host: '127.0.0.1', port: rig.port });
  const dripping = connect({ host: '127.0.0.1', port: rig.port });
  dripping.write('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  const drip = setInterval(() => dripping.write('x'), 20);
  for (const socket of [silent, dripping]) {
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => { socket.once('close', resolve); });
  }
  clearInterval(drip);
  t.pass('both were closed');
});

t.test('deadlines', async (t) => {
  const clock = new ManualClock();
  const rig = await startRig(t, { clock, limits: { idlePingMs: 1_000_000 } });
  const held = hold(rig);
  const talker = await rig.talk();
  talker.socket.send('{"id":"d","to":"a.B:1","command":"Do","deadlineMs":500}');
  talker.socket.send('{"id":"e","to":"a.B:1","command":"Do","deadlineMs":500}');
  talker.socket.send('{"id":"n","to":"a.B:1","command":"Do"}');
  await until(() => held.length === 3);
  clock.advance(400);
  rig.engine.apply(held[1]!);
  t.match(await talker.json(), { id: 'e', ok: true }, 'an answer in time');
  clock.advance(200);
  t.match(await talker.json(), { id: 'd', ok: false, error: { code: 'DEADLINE_EXCEEDED', retryable: true } });
  rig.engine.apply(held[0]!);
  held[0]!.failed({ code: 'INTERNAL', message: 'too late' });
  clock.advance(100_000);
  rig.engine.apply(held[2]!);
  t.match(await talker.json(), { id: 'n', ok: true }, 'what came too late was dropped, and who gave no deadline waits');
  talker.socket.send('{"id":"d","to":"a.B:1","command":"Do"}');
  await until(() => held.length === 4);
  rig.engine.apply(held[3]!);
  t.match(await talker.json(), { id: 'd', ok: true }, 'the id is free');
});

t.test('a client that does not read is closed, and its memory freed', async (t) => {
  const rig = await startRig(t, { limits: { queuedBytesPauseAt: 64 * KIB, queuedBytesPerConnectionMax: 1_024 * KIB } });
  const reply = Buffer.from(`{"x":"${'y'.repeat(100 * KIB)}"}`);
  const held = hold(rig);
  const raw = await rawSocket(rig.port);
  raw.socket.pause();
  raw.socket.write(clientFrame(0x81, commands(0, 600)));
  await until(() => held.length === 600);
  for (const command of held) command.done(1, reply, 0, reply.length);
  await until(() => rig.gateway.stats.connections === 0);
  t.equal(rig.gateway.stats.closedSlow, 1);
  t.match(await (await rig.talk()).ask('{"id":"g","get":"a.B:1"}'), { ok: true }, 'others are served');
  raw.socket.destroy();
});

t.test('above the first mark nothing more is read, below it all goes on', async (t) => {
  const rig = await startRig(t, { limits: { queuedBytesPauseAt: 64 * KIB, queuedBytesPerConnectionMax: 512 * 1_024 * KIB } });
  const reply = Buffer.from(`{"x":"${'y'.repeat(100 * KIB)}"}`);
  rig.engine.onCommand = (command) => {
    setImmediate(() => command.done(1, reply, 0, reply.length));
    return true;
  };
  const raw = await rawSocket(rig.port);
  raw.socket.pause();
  let sent = 0;
  const isFull = async () => {
    const before = rig.engine.submitted.length;
    for (let i = 0; i < 20; i++, sent++) raw.socket.write(clientFrame(0x81, `{"id":"${sent}","to":"a.B:1","command":"Do","body":{"x":"${'z'.repeat(10 * KIB)}"}}`));
    await new Promise((resolve) => { setTimeout(resolve, 30); });
    return rig.engine.submitted.length === before;
  };
  while (!await isFull()) if (sent > 5_000) return t.fail('the node reads on and on');
  t.ok(rig.engine.submitted.length < sent, `${rig.engine.submitted.length} of ${sent} were read`);
  raw.socket.resume();
  await until(() => rig.engine.submitted.length === sent);
  t.pass('the rest is read once the client reads');
  raw.socket.destroy();
  return undefined;
});

t.test('a stalled client that takes nothing for an idle period is closed below the second mark too', async (t) => {
  const clock = new ManualClock();
  const rig = await startRig(t, { clock, limits: { queuedBytesPauseAt: 64 * KIB, queuedBytesPerConnectionMax: 512 * 1_024 * KIB, idlePingMs: 1_000 } });
  const reply = Buffer.from(`{"x":"${'y'.repeat(200 * KIB)}"}`);
  const held = hold(rig);
  const raw = await rawSocket(rig.port);
  raw.socket.pause();
  raw.socket.write(clientFrame(0x81, commands(0, 200)));
  await until(() => held.length === 200);
  for (const command of held) command.done(1, reply, 0, reply.length);
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  t.equal(rig.gateway.stats.connections, 1);
  clock.advance(2_000);
  await until(() => rig.gateway.stats.connections === 0);
  t.equal(rig.gateway.stats.closedSlow, 1);
  raw.socket.destroy();
});

t.test('a watch pauses with its client and loses nothing', async (t) => {
  const rig = await startRig(t, { limits: { queuedBytesPauseAt: 64 * KIB, queuedBytesPerConnectionMax: 512 * KIB } });
  const writer = await rig.talk();
  const body = { x: 'y'.repeat(20 * KIB) };
  for (let i = 0; i < 1_000; i += 20) {
    const list = Array.from({ length: 20 }, (_, k) => ({ id: `${i + k}`, to: 'a.B:1', command: 'Do', body }));
    writer.socket.send(JSON.stringify(list));
    for (let answers = 0; answers < 20;) answers += (await writer.json()).length;
  }
  const raw = await rawSocket(rig.port);
  raw.socket.pause();
  raw.socket.write(clientFrame(0x81, '{"id":"w","watch":"a.B:1","from":1}'));
  await until(() => (rig.engine.watches[0]?.pauses ?? 0) > 0 && rig.engine.watches[0]!.isPaused);
  await new Promise((resolve) => { setTimeout(resolve, 30); });
  t.equal(rig.gateway.stats.connections, 2, 'a paused watch is no slow reader');
  t.ok(rig.gateway.stats.events < 1_000);
  raw.socket.resume();
  await until(() => rig.gateway.stats.events === 1_000 && raw.received().includes('"seq":1000,"event"'));
  const seqs = serverFrames(raw.received()).map(({ payload }) => JSON.parse(payload.toString())).filter((each) => 'event' in each).map(({ seq }) => seq);
  t.same(seqs, Array.from({ length: 1_000 }, (_, i) => i + 1), 'every event once, in order');
  raw.socket.destroy();
});

t.test('an overloaded engine: its clients are not read for a moment', async (t) => {
  const clock = new ManualClock();
  const rig = await startRig(t, { clock, limits: { overloadPauseMs: 50, idlePingMs: 1_000_000 } });
  const talker = await rig.talk();
  rig.engine.onCommand = (command) => {
    setImmediate(() => command.failed({ code: 'OVERLOADED', message: 'too much' }));
    return true;
  };
  t.match(await talker.ask('{"id":"1","to":"a.B:1","command":"Do"}'), { error: { code: 'OVERLOADED', retryable: true } });
  talker.socket.send('{"id":"2","to":"a.B:1","command":"Do"}');
  await new Promise((resolve) => { setTimeout(resolve, 30); });
  t.equal(rig.engine.submitted.length, 1, 'it waits in the client\'s own send buffer');
  clock.advance(70);
  t.match(await talker.json(), { id: '2', error: { code: 'OVERLOADED' } });
  t.equal(rig.engine.submitted.length, 2);
});

t.test('a silent client is pinged; one that does not answer is closed', async (t) => {
  const clock = new ManualClock();
  const rig = await startRig(t, { clock, limits: { idlePingMs: 1_000 } });
  const living = await rig.talk();
  let pings = 0;
  living.socket.on('ping', () => { pings++; });
  const raw = await rawSocket(rig.port);
  clock.advance(1_000);
  clock.advance(1_000);
  await until(() => pings === 1 && serverFrames(raw.received()).length === 1);
  t.equal(serverFrames(raw.received())[0]!.first, 0x89, 'both are pinged');
  await living.ask('{"id":"g","get":"a.B:1"}');
  clock.advance(1_000);
  await raw.closed;
  const close = serverFrames(raw.received()).at(-1)!;
  t.equal(close.first, 0x88);
  t.equal(close.payload.readUInt16BE(0), 4408);
  t.match(await living.ask('{"id":"g","get":"a.B:1"}'), { ok: true }, 'one that answers stays');
  t.equal(rig.gateway.stats.closedIdle, 1);
});

t.test('the time of one command in 64 is measured', async (t) => {
  const times: number[] = [];
  const gateway = createGateway({
    engine: new ScriptedEngine(), host: '127.0.0.1', port: 0, auth: await createAuthenticator({ kind: 'none' }), onCommandTime: (ms) => times.push(ms),
  });
  const { port } = await gateway.listen();
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await new Promise((resolve) => { socket.once('open', resolve); });
  let answers = 0;
  socket.on('message', (data: Buffer) => { answers += JSON.parse(data.toString()).length; });
  socket.send(commands(0, 200));
  await until(() => answers === 200);
  t.equal(times.length, 3);
  t.ok(times.every((ms) => ms > 0));
  socket.close();
  await gateway.close();
});
