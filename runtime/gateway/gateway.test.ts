/** The JSON subprotocol and what every connection shares: answers, bad input, life and death. */

import { request } from 'node:http';

import t from 'tap';

import { limits } from '../limits.ts';
import { ManualClock, clientFrame, rawSocket, serverFrames, startRig, until } from './rig.ts';

t.test('a client that knows nothing: connect and send text', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk();
  t.equal(talker.socket.protocol, '', 'nothing was offered, so nothing is confirmed');
  t.same(await talker.ask('{"id":"1","to":"a.B:1","command":"Do","body":{"x":1}}'), { id: '1', ok: true, seq: 1, reply: { x: 1 } });
  t.same(await talker.ask('{"id":"2","to":"a.B:1","command":"Do"}'), { id: '2', ok: true, seq: 2, reply: {} }, 'no body is an empty one');
  t.same(await talker.ask('{"id":"g","get":"a.B:1"}'), { id: 'g', ok: true, seq: 2, state: { count: 2 } });
  t.match(rig.engine.submitted[0], { to: 'a.B:1', name: 'Do', body: '{"x":1}', key: '', principal: '', format: 2 });
  t.match(rig.engine.submitted[0]!.session, /^[\w-]{12}$/);
  const id = 'ü"\\\n\u2028😀';
  t.match(await talker.ask({ id, to: 'a.B:ö', command: 'Do', key: 'schlüssel', body: {} }), { id, ok: true }, 'an id comes back as it was');
  t.match(rig.engine.submitted.at(-1), { to: 'a.B:ö', key: 'schlüssel' });
  rig.engine.onCommand = (command) => {
    setImmediate(() => command.failed({ code: 'REJECTED', reason: 'SOLD_OUT', message: 'none "left"' }));
    return true;
  };
  t.same(await talker.ask('{"id":"r","to":"a.B:1","command":"Do"}'), {
    id: 'r', ok: false, error: { code: 'REJECTED', reason: 'SOLD_OUT', message: 'none "left"', hint: 'The behaviour refused the command; `reason` is its own code.', retryable: false },
  });
});

t.test('lists, and one write a turn', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.json');
  t.equal(talker.socket.protocol, 'troupe.v1.json');
  const requests = Array.from({ length: 100 }, (_, i) => ({ id: `${i}`, to: `a.B:${i}`, command: 'Do', body: { i } }));
  const held: (() => void)[] = [];
  rig.engine.onCommand = (command) => {
    held.push(() => rig.engine.apply(command));
    return true;
  };
  talker.socket.send(` [ ${requests.map((each) => JSON.stringify(each)).join(' , ')} ] `);
  await until(() => held.length === 100);
  for (const answer of held) answer();
  const answers = await talker.json();
  t.same(answers.map(({ id, reply }: any) => [id, reply.i]), requests.map(({ id, body }) => [id, body.i]), 'answers of one turn to a list are a list');

  rig.engine.onCommand = (command) => {
    setImmediate(() => command.done(1, Buffer.from(`{"x":"${'y'.repeat(40_000)}"}`), 0, 40_008));
    return true;
  };
  talker.socket.send(JSON.stringify(requests.slice(0, 8)));
  const big: any[] = [];
  while (big.length < 8) {
    const list = await talker.json();
    t.ok(list.length <= 2, 'a list ends where it gets too long');
    big.push(...list);
  }
  t.ok(big.every(({ reply }) => reply.x.length === 40_000));
});

t.test('watch and unwatch', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.json');
  await talker.ask('{"id":"1","to":"a.B:1","command":"Do","body":{"x":1}}');
  t.same(await talker.ask('{"id":"w","watch":"a.B:1","from":1}'), { id: 'w', ok: true, seq: 1 });
  t.same(await talker.json(), { id: 'w', seq: 1, event: 'DoDone', body: { x: 1 } });
  t.match(await talker.ask('{"id":"w","to":"a.B:1","command":"Do"}'), { id: 'w', error: { code: 'DUPLICATE_ID' } }, 'the id of a watch is in use');
  t.match(await talker.ask('{"id":"w","watch":"a.B:2"}'), { id: 'w', error: { code: 'DUPLICATE_ID' } });
  t.same(await talker.ask('{"id":"n","watch":"a.B:1"}'), { id: 'n', ok: true, seq: 1 });
  talker.socket.send('{"id":"2","to":"a.B:1","command":"Do","body":{"x":2}}');
  const three = [await talker.json(), await talker.json(), await talker.json()];
  t.ok(three.some(({ id, seq }) => id === 'w' && seq === 2) && three.some(({ id, seq }) => id === 'n' && seq === 2));
  t.same(await talker.ask('{"id":"u","unwatch":"w"}'), { id: 'u', ok: true, seq: 2 });
  t.equal(rig.engine.watches[0]!.isClosed, true);
  t.match(await talker.ask('{"id":"u","unwatch":"w"}'), { id: 'u', error: { code: 'UNKNOWN_WATCH' } });
  t.same(await talker.ask('{"id":"n","unwatch":"n"}'), { id: 'n', ok: true, seq: 2 }, 'a watch may be ended under its own id');
  t.match(await talker.ask('{"id":"3","to":"a.B:1","command":"Do"}'), { id: '3', seq: 3 });
  t.equal(talker.frames.length, 0, 'no event comes after the end');

  await talker.ask('{"id":"w","watch":"a.B:1"}');
  rig.engine.watches.at(-1)!.fail({ code: 'NOT_READY', message: 'draining' });
  t.match(await talker.json(), { id: 'w', ok: false, error: { code: 'NOT_READY', retryable: true } });
  t.match(await talker.ask('{"id":"w","watch":"a.B:1"}'), { id: 'w', ok: true }, 'a watch that is over frees its id');
  talker.socket.terminate();
  await until(() => rig.engine.watches.at(-1)!.isClosed);
  await until(() => rig.gateway.stats.connections === 0);
  t.equal(rig.gateway.stats.watches, 0);
});

t.test('bad frames and requests: an error each, no effect, and the connection serves on', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.json');
  const long = (n: number) => 'x'.repeat(n);
  const command = (fields: object) => JSON.stringify({ id: '1', to: 'a.B:1', command: 'Do', body: {}, ...fields });
  const cases: [string, string | null, string][] = [
    ['', null, 'BAD_FRAME'], ['hello', null, 'BAD_FRAME'], ['null', null, 'BAD_FRAME'], ['[]', null, 'BAD_FRAME'], ['[1]', null, 'BAD_FRAME'],
    ['{"id":"1"', null, 'BAD_FRAME'], ['{"id":"1"} {"id":"2"}', null, 'BAD_FRAME'], ['[{"id":"1"}', null, 'BAD_FRAME'], ['[{"id":"1"},]', null, 'BAD_FRAME'],
    [`[${command({})},{]`, null, 'BAD_FRAME'],
    [`${command({})}]`, null, 'BAD_FRAME'],
    [`{"id":"1","body":${long(2_000).replaceAll('x', '[')}`, null, 'BAD_FRAME'],
    [`[${Array.from({ length: limits.requestsPerFrameMax + 1 }, (_, i) => command({ id: `${i}` })).join(',')}]`, null, 'FRAME_TOO_LARGE'],
    ['{}', null, 'BAD_REQUEST'], ['{"id":""}', null, 'BAD_REQUEST'], ['{"id":7,"get":"a.B:1"}', null, 'BAD_REQUEST'], ['{"get":"a.B:1"}', null, 'BAD_REQUEST'],
    [command({ id: long(129) }), null, 'BAD_REQUEST'], [command({ id: 'é'.repeat(65) }), null, 'BAD_REQUEST'],
    ['{"id":"1"}', '1', 'BAD_REQUEST'], ['{"id":"1","to":"a.B:1"}', '1', 'BAD_REQUEST'], ['{"id":"1","command":"Do"}', '1', 'BAD_REQUEST'],
    ['{"id":"1","get":"a.B:1","command":"Do","to":"a.B:1"}', '1', 'BAD_REQUEST'], ['{"id":"1","get":"a.B:1","from":1}', '1', 'BAD_REQUEST'],
    ['{"id":"1","get":"a.B:1","watch":"a.B:1"}', '1', 'BAD_REQUEST'], ['{"id":"1","watch":"a.B:1","body":{}}', '1', 'BAD_REQUEST'],
    ['{"id":"1","watch":"a.B:1","from":-1}', '1', 'BAD_REQUEST'], ['{"id":"1","unwatch":"w","key":"k"}', '1', 'BAD_REQUEST'],
    [command({ colour: 'red' }), '1', 'BAD_REQUEST'], [command({ command: 7 }), '1', 'BAD_REQUEST'], [command({ command: '' }), '1', 'BAD_REQUEST'],
    [command({ body: [1] }), '1', 'BAD_REQUEST'], [command({ body: null }), '1', 'BAD_REQUEST'], [command({ deadlineMs: 1.5 }), '1', 'BAD_REQUEST'],
    [command({ deadlineMs: limits.deadlineMaxMs + 1 }), '1', 'BAD_REQUEST'],
    [command({ triedMs: 5 }), '1', 'BAD_REQUEST'], [command({ key: 'k', triedMs: -1 }), '1', 'BAD_REQUEST'], ['{"id":"1","get":"a.B:1","triedMs":1}', '1', 'BAD_REQUEST'], ['{"id":"1","get":"a.B:1","sentMs":1}', '1', 'BAD_REQUEST'], [command({ sentMs: -1 }), '1', 'BAD_REQUEST'],
    ['{"id":"1","to":"a.B:1","to":"a.B:2","command":"Do"}', '1', 'BAD_REQUEST'],
    [command({ to: '' }), '1', 'BAD_ADDRESS'], [command({ to: `a.B:${long(800)}` }), '1', 'BAD_ADDRESS'], ['{"id":"1","get":""}', '1', 'BAD_ADDRESS'],
    [command({ command: long(129) }), '1', 'UNKNOWN_COMMAND'],
    [command({ key: '' }), '1', 'BAD_KEY'], [command({ key: long(129) }), '1', 'BAD_KEY'], [command({ key: 'a\nb' }), '1', 'BAD_KEY'],
    [command({ key: '\u007f' }), '1', 'BAD_KEY'], [command({ key: '\u0085' }), '1', 'BAD_KEY'], ['{"id":"1","to":"a.B:1","command":"Do","key":"\\ud800"}', '1', 'BAD_KEY'],
    [command({ body: { x: long(limits.bodyBytesMax) } }), '1', 'BODY_TOO_LARGE'],
    ['{"id":"1","unwatch":"w"}', '1', 'UNKNOWN_WATCH'],
  ];
  for (const [frame, id, code] of cases) {
    t.match(await talker.ask(frame), { id, ok: false, error: { code, message: /./, hint: /./, retryable: false } }, `${frame.slice(0, 70)} ${code}`);
    t.match(await talker.ask('{"id":"good","get":"a.B:1"}'), { id: 'good', ok: true });
  }
  t.match(await talker.ask(' [ ] '), { id: null, error: { code: 'BAD_FRAME', message: /an empty list/ } });
  talker.socket.send(Buffer.from('{"id":"1","get":"a.B:1"}'), { binary: true });
  t.match(await talker.json(), { id: null, error: { code: 'BAD_FRAME', message: /text frames only/ } });
  t.equal(rig.engine.submitted.length, 0, 'nothing of all this reached the engine');

  talker.socket.send(`[${command({ id: 'ok' })},${command({ id: 'bad', x: 1 })},{"id":"g","get":"a.B:1"}]`);
  const answers = new Map<string, any>();
  while (answers.size < 3) for (const each of await talker.json()) answers.set(each.id, each);
  t.match(answers.get('bad'), { error: { code: 'BAD_REQUEST' } }, 'one bad request of a list is its own affair');
  t.match([answers.get('ok'), answers.get('g')], [{ ok: true }, { ok: true }]);
});

t.test('an id is free again when its request is answered', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk();
  const held: (() => void)[] = [];
  rig.engine.onCommand = (command) => {
    held.push(() => rig.engine.apply(command));
    return true;
  };
  const one = '{"id":"x","to":"a.B:1","command":"Do"}';
  talker.socket.send(one);
  t.match(await talker.ask(one), { id: 'x', error: { code: 'DUPLICATE_ID' } });
  t.match(await talker.ask('{"id":"x","get":"a.B:1"}'), { id: 'x', error: { code: 'DUPLICATE_ID' } });
  t.match(await talker.ask(`[{"id":"y","get":"a.B:1"},{"id":"y","get":"a.B:2"}]`), [{ id: 'y', error: { code: 'DUPLICATE_ID' } }]);
  t.match(await talker.json(), [{ id: 'y', ok: true }]);
  held[0]!();
  t.match(await talker.json(), { id: 'x', ok: true, seq: 1 });
  talker.socket.send(one);
  await until(() => held.length === 2);
  held[1]!();
  t.match(await talker.json(), { id: 'x', ok: true, seq: 2 });
});

t.test('many frames that cannot be read end the connection', async (t) => {
  const rig = await startRig(t, { limits: { badFramesPerConnectionMax: 5 } });
  const talker = await rig.talk();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 4; i++) t.match(await talker.ask('nonsense'), { error: { code: 'BAD_FRAME' } });
    t.match(await talker.ask('{"id":"g","get":"a.B:1"}'), { ok: true }, 'a good one in between starts the count again');
  }
  for (let i = 0; i < 5; i++) talker.socket.send('nonsense');
  t.match(await talker.closed, { code: 4400 });
  t.equal(talker.frames.length, 5, 'each was answered all the same');
});

t.test('breaking the rules of WebSocket ends that connection alone', async (t) => {
  const rig = await startRig(t, { limits: { frameBytesMax: 5_000, frameFragmentsMax: 8 } });
  const other = await rig.talk();
  const cases: [string, Buffer[], number][] = [
    ['oversized', [clientFrame(0x81, 'x'.repeat(5_001))], 1009],
    ['oversized in fragments', [clientFrame(0x01, 'x'.repeat(3_000)), clientFrame(0x80, 'x'.repeat(3_000))], 1009],
    ['a flood of fragments', Array.from({ length: 20 }, (_, i) => clientFrame(i === 0 ? 0x01 : 0x00, ' ')), 1008],
    ['not masked', [clientFrame(0x81, '{}', { masked: false })], 1002],
    ['reserved bits', [clientFrame(0xc1, '{}')], 1002],
    ['an unknown opcode', [clientFrame(0x83, '{}')], 1002],
    ['a continuation of nothing', [clientFrame(0x80, '{}')], 1002],
    ['text that is not UTF-8', [clientFrame(0x81, Buffer.from([0x22, 0xff, 0x22]))], 1007],
    ['a ping that is too long', [clientFrame(0x89, 'x'.repeat(126))], 1002],
  ];
  for (const [label, frames, code] of cases) {
    const raw = await rawSocket(rig.port);
    for (const frame of frames) raw.socket.write(frame);
    await raw.closed;
    const close = serverFrames(raw.received()).at(-1)!;
    t.equal(close.first, 0x88, label);
    t.equal(close.payload.readUInt16BE(0), code, label);
    t.match(await other.ask('{"id":"g","get":"a.B:1"}'), { ok: true }, 'others are served');
  }
  t.equal(rig.engine.submitted.length, 0);
});

t.test('legal oddities: fragments, pings between them, bytes that drip', async (t) => {
  const rig = await startRig(t);
  const raw = await rawSocket(rig.port);
  const text = '{"id":"1","to":"a.B:1","command":"Do","body":{"x":1}}';
  raw.socket.write(Buffer.concat([
    clientFrame(0x01, text.slice(0, 10)), clientFrame(0x89, 'ping'), clientFrame(0x00, text.slice(10, 30)), clientFrame(0x80, text.slice(30)),
  ]));
  await until(() => serverFrames(raw.received()).length === 2);
  t.match(serverFrames(raw.received()).map(({ first }) => first), [0x8a, 0x81], 'pong, then the answer');
  for (const byte of clientFrame(0x81, text.replace('"1"', '"2"'))) {
    raw.socket.write(Buffer.from([byte]));
    await new Promise((resolve) => { setTimeout(resolve, 0); });
  }
  await until(() => serverFrames(raw.received()).length === 3);
  t.match(JSON.parse(serverFrames(raw.received())[2]!.payload.toString()), { id: '2', ok: true, reply: { x: 1 } });

  // Whole, partial and several frames in every cut of the stream.
  const frames = Buffer.concat(Array.from({ length: 6 }, (_, i) => clientFrame(0x81, text.replace('"1"', `"${i}"`).replace('"x":1', `"x":"${'y'.repeat(i * 40)}"`))));
  for (let cut = 1; cut < frames.length; cut += 7) {
    const client = await rawSocket(rig.port);
    client.socket.write(frames.subarray(0, cut));
    await new Promise((resolve) => { setTimeout(resolve, 1); });
    client.socket.write(frames.subarray(cut));
    await until(() => serverFrames(client.received()).length === 6);
    const ids = serverFrames(client.received()).map(({ payload }) => JSON.parse(payload.toString()).id);
    t.same(ids.sort(), ['0', '1', '2', '3', '4', '5']);
    client.socket.destroy();
  }
  raw.socket.destroy();
});

t.test('how long ago a command was tried reaches the engine', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk();
  t.match(await talker.ask('{"id":"1","key":"k","triedMs":2500,"to":"a.B:1","command":"Do"}'), { ok: true });
  t.match(await talker.ask('{"id":"2","to":"a.B:1","command":"Do"}'), { ok: true });
  t.same(rig.engine.submitted.map(({ triedMs }) => triedMs), [2_500, 0]);
});

t.test('what comes late by the clock of its client is told so, in the first moments of a connection and later', async (t) => {
  const clock = new ManualClock();
  const rig = await startRig(t, { clock, limits: { idlePingMs: 1_000_000 } });
  const talker = await rig.talk();
  let id = 0;
  const late = async (sentMs: number | null): Promise<number> => {
    t.match(await talker.ask(JSON.stringify({ id: `${++id}`, key: `k${id}`, ...(sentMs === null ? {} : { sentMs }), to: 'a.B:1', command: 'Do' })), { ok: true });
    return rig.engine.submitted.at(-1)!.waitedMs;
  };
  // Its clock began 80 ms later than ours, when it saw the connection.
  const sent = (): number => clock.now() - 1_000 - 80;
  clock.advance(100);
  t.equal(await late(sent()), 0);
  clock.advance(1_000);
  t.equal(await late(sent() - 700), Math.ceil(780 + 1_100 * 0.0002), 'no more than that since it opened');
  t.equal(await late(null), 0, 'who does not say so is not late');
  clock.advance(2_000);
  t.equal(await late(sent()), 0);
  clock.advance(10_000);
  t.equal(await late(sent() - 90), 0);
  t.equal(await late(sent() - 4_000), 4_000);
  t.equal(await late(sent()), 0);
  const young = await rig.talk();
  clock.advance(5_000);
  t.match(await young.ask('{"id":"1","key":"young","sentMs":1,"to":"a.B:1","command":"Do"}'), { ok: true });
  t.equal(rig.engine.submitted.at(-1)!.waitedMs, 5_000, 'the first of a connection, too');
  t.match(await young.ask('{"id":"2","sentMs":1,"to":"a.B:1","command":"Do"}'), { ok: true });
  t.equal(rig.engine.submitted.at(-1)!.waitedMs, 0, 'without a key it cannot be looked for');
});

t.test('answers after the connection has gone are dropped', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk();
  const held: (() => void)[] = [];
  rig.engine.onCommand = (command) => {
    held.push(() => rig.engine.apply(command));
    return true;
  };
  talker.socket.send('{"id":"x","to":"a.B:1","command":"Do","deadlineMs":50}');
  await until(() => held.length === 1);
  talker.socket.terminate();
  await until(() => rig.gateway.stats.connections === 0);
  held[0]!();
  held[0]!();
  t.equal(rig.engine.applied.get('a.B:1')!.length, 2, 'the engine did its part');
});

t.test('a defect of an engine closes that connection with 4500 and is reported', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk();
  rig.engine.onCommand = () => { throw new Error('a bug'); };
  talker.socket.send('{"id":"x","to":"a.B:1","command":"Do"}');
  t.match(await talker.closed, { code: 4500 });
  t.match(rig.defects, [{ message: 'a bug' }]);
  rig.defects.length = 0;
  rig.engine.onCommand = null;
  t.match(await (await rig.talk()).ask('{"id":"x","to":"a.B:1","command":"Do"}'), { ok: true });
});

t.test('stopping: what was answered arrives, then 1001, then nobody gets in', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk();
  const held: (() => void)[] = [];
  rig.engine.onCommand = (command) => {
    held.push(() => rig.engine.apply(command));
    return true;
  };
  talker.socket.send('{"id":"x","to":"a.B:1","command":"Do"}');
  await until(() => held.length === 1);
  held[0]!();
  const closing = rig.gateway.close();
  t.match(await talker.json(), { id: 'x', ok: true });
  t.match(await talker.closed, { code: 1001 });
  await closing;
  await t.rejects(rig.talk());
});

t.test('plain HTTP is told what this is', async (t) => {
  const rig = await startRig(t);
  const status = await new Promise((resolve) => {
    request({ host: '127.0.0.1', port: rig.port, path: '/' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
  });
  t.equal(status, 426);
});
