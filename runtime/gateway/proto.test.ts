/** The protobuf subprotocol, held against protobufjs and proto/troupe/v1/gateway.proto. */

import { join } from 'node:path';

import fc from 'fast-check';
import protobuf from 'protobufjs';
import t from 'tap';

import { limits } from '../limits.ts';
import { startRig, until } from './rig.ts';
import type { Talker } from './rig.ts';

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith('/') ? target : join(import.meta.dirname, '../../proto', target));
await root.load('troupe/v1/gateway.proto', { keepCase: true });
const Requests = root.lookupType('troupe.v1.Requests');
const Answers = root.lookupType('troupe.v1.Answers');

const encode = (...requests: object[]): Buffer => Buffer.from(Requests.encode(Requests.fromObject({ requests })).finish());

/** The answers of a frame; protobufjs must be able to read all of it. */
function decode(frame: Buffer): any[] {
  const message = Answers.decode(frame);
  t.equal(Buffer.from(Answers.encode(message).finish()).equals(frame), true, 'canonical: protobufjs writes the same bytes');
  return (Answers.toObject(message, { longs: Number, arrays: true }) as { answers: any[] }).answers;
}

async function ask(talker: Talker, ...requests: object[]): Promise<any[]> {
  talker.socket.send(encode(...requests));
  return decode(await talker.frame() as Buffer);
}

async function askBytes(talker: Talker, bytes: Buffer): Promise<any[]> {
  talker.socket.send(bytes);
  return decode(await talker.frame() as Buffer);
}

t.test('requests of every kind', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.proto');
  t.equal(talker.socket.protocol, 'troupe.v1.proto');
  const command = { to: 'a.B:ö', name: 'Do', body: Buffer.from([8, 150, 1]), key: 'k', deadline_ms: 1_000, tried_ms: 70_000, sent_ms: 5 };
  t.match(await ask(talker, { id: '1', command }), [{ id: '1', done: { seq: 1, body: Buffer.from([8, 150, 1]) } }]);
  t.match(rig.engine.submitted[0], { to: 'a.B:ö', name: 'Do', key: 'k', format: 1, triedMs: 70_000 });
  t.match(await ask(talker, { id: '2', command: { to: 'a.B:1', name: 'Do' } }), [{ id: '2', done: { seq: 1 } }], 'an empty body is one');
  t.match(await ask(talker, { id: 'ü', get: { actor: 'a.B:ö' } }), [{ id: 'ü', done: { seq: 1, body: Buffer.from([8, 1]) } }]);
  talker.socket.send(encode({ id: 'w', watch: { actor: 'a.B:ö', from: 1 } }));
  t.same(decode(await talker.frame() as Buffer), [
    { id: 'w', done: { seq: 1 } }, { id: 'w', event: { seq: 1, name: 'DoDone', body: Buffer.from([8, 150, 1]) } },
  ], 'what one turn has to say is one frame');
  t.same(await ask(talker, { id: 'u', unwatch: { id: 'w' } }), [{ id: 'u', done: { seq: 1 } }]);
  rig.engine.onCommand = (request) => {
    setImmediate(() => request.failed({ code: 'REJECTED', reason: 'NO', message: 'no\ud800' }));
    return true;
  };
  t.match(await ask(talker, { id: '3', command }), [{ id: '3', error: { code: 'REJECTED', reason: 'NO', message: 'no\ufffd', hint: /refused/ } }]);
});

t.test('whatever protobufjs writes is read as it was meant', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.proto');
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  const request = fc.record({ to: name, name, body: fc.uint8Array({ maxLength: 300 }), deadline_ms: fc.nat(limits.deadlineMaxMs) });
  await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 20 }), async (commands) => {
    rig.engine.submitted.length = 0;
    talker.socket.send(encode(...commands.map((command, i) => ({ id: `${i}`, command: { ...command, body: Buffer.from(command.body) } }))));
    const answers: any[] = [];
    while (answers.length < commands.length) answers.push(...decode(await talker.frame() as Buffer));
    const bodies = commands.map(({ body }) => Buffer.from(body).toString('latin1'));
    return rig.engine.submitted.every((submitted, i) =>
      submitted.to === commands[i]!.to && submitted.name === commands[i]!.name && submitted.body === bodies[i]) &&
      answers.every(({ id, done }) => Buffer.from(done.body ?? []).toString('latin1') === bodies[Number(id)]);
  }), { numRuns: 60 });
});

t.test('answers share frames up to a size', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.proto');
  const held: (() => void)[] = [];
  rig.engine.onCommand = (command) => {
    held.push(() => command.done(3, Buffer.alloc(20_000, 7), 0, 20_000));
    return true;
  };
  talker.socket.send(encode(...Array.from({ length: 10 }, (_, i) => ({ id: `${i}`, command: { to: `a.B:${i}`, name: 'Do' } }))));
  await until(() => held.length === 10);
  for (const answer of held) answer();
  const sizes: number[] = [];
  let count = 0;
  while (count < 10) {
    const frame = await talker.frame() as Buffer;
    sizes.push(frame.length);
    count += decode(frame).length;
  }
  t.same(sizes.map((size) => size <= limits.answerFrameBytesMax), sizes.map(() => true));
  t.equal(sizes.length, 4);
});

t.test('bad frames and requests', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.proto');
  const bytes = (...values: number[]) => Buffer.from(values);
  const message = (field: number, content: Buffer) => Buffer.concat([bytes(field << 3 | 2, content.length), content]);
  const command = { to: 'a.B:1', name: 'Do' };
  const good = encode({ id: '1', command });
  const inner = good.subarray(2);
  const frames: [string, Buffer, string, string][] = [
    ['empty', bytes(), '', 'BAD_FRAME'],
    ['garbage', Buffer.from('{"id":"1"}'), '', 'BAD_FRAME'],
    ['truncated', good.subarray(0, -1), '', 'BAD_FRAME'],
    ['a good request before a broken one', Buffer.concat([good, bytes(0x0a, 0x7f)]), '', 'BAD_FRAME'],
    ['unknown field of Requests', Buffer.concat([good, bytes(0x10, 1)]), '', 'BAD_FRAME'],
    ['field number 0', bytes(0x02, 0x00), '', 'BAD_FRAME'],
    ['a varint without end', bytes(0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01), '', 'BAD_FRAME'],
    ['an id that is not UTF-8', message(1, message(1, bytes(0xff, 0xfe))), '', 'BAD_FRAME'],
    ['group', message(1, bytes(0x0b, 0x0c)), '', 'BAD_FRAME'],
    ['too many', encode(...Array.from({ length: limits.requestsPerFrameMax + 1 }, (_, i) => ({ id: `${i}`, command }))), '', 'FRAME_TOO_LARGE'],
    ['no id', encode({ command }), '', 'BAD_REQUEST'],
    ['nothing but an id', encode({ id: '1' }), '1', 'BAD_REQUEST'],
    ['unknown field of Request', message(1, Buffer.concat([inner, bytes(0x30, 1)])), '1', 'BAD_REQUEST'],
    ['wrong type of id', message(1, bytes(0x08, 1)), '', 'BAD_REQUEST'],
    ['two of the oneof', message(1, Buffer.concat([inner, message(3, message(1, Buffer.from('a.B:1')))])), '1', 'BAD_REQUEST'],
    ['unknown field of Command', message(1, Buffer.concat([message(1, Buffer.from('1')), message(2, bytes(0x40, 1))])), '1', 'BAD_REQUEST'],
    ['wrong type within Command', message(1, Buffer.concat([message(1, Buffer.from('1')), message(2, bytes(0x08, 1))])), '1', 'BAD_REQUEST'],
    ['no address', encode({ id: '1', command: { name: 'Do' } }), '1', 'BAD_ADDRESS'],
    ['no name', encode({ id: '1', command: { to: 'a.B:1' } }), '1', 'BAD_REQUEST'],
    ['a bad key', encode({ id: '1', command: { ...command, key: 'a\n' } }), '1', 'BAD_KEY'],
    ['a large body', encode({ id: '1', command: { ...command, body: Buffer.alloc(limits.bodyBytesMax + 1) } }), '1', 'BODY_TOO_LARGE'],
    ['a try without a key', encode({ id: '1', command: { ...command, key: '', tried_ms: 5 } }), '1', 'BAD_REQUEST'],
    ['a long deadline', encode({ id: '1', command: { ...command, deadline_ms: limits.deadlineMaxMs + 1 } }), '1', 'BAD_REQUEST'],
    ['unknown watch', encode({ id: '1', unwatch: { id: 'x' } }), '1', 'UNKNOWN_WATCH'],
  ];
  for (const [label, frame, id, code] of frames) {
    const [answer] = await askBytes(talker, frame);
    t.match(answer, { error: { code } }, label);
    t.equal(answer.id ?? '', id, label);
    t.match(await ask(talker, { id: 'good', get: { actor: 'a.B:1' } }), [{ id: 'good', done: {} }], 'the next good one works');
  }
  talker.socket.send('{"id":"1","get":"a.B:1"}');
  t.match(decode(await talker.frame() as Buffer), [{ error: { code: 'BAD_FRAME', message: /binary frames only/ } }]);
  t.equal(rig.engine.submitted.length, 0, 'none had an effect');

  for (let cut = 1; cut < good.length; cut++) {
    t.match(await askBytes(talker, good.subarray(0, cut)), [{ error: { code: 'BAD_FRAME' } }]);
  }
  await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), async (noise) => {
    talker.socket.send(noise);
    talker.socket.send(encode({ id: 'good', get: { actor: 'a.B:1' } }));
    for (;;) if (decode(await talker.frame() as Buffer).some(({ id, done }) => id === 'good' && done !== undefined)) return;
  }), { numRuns: 80 });
});
