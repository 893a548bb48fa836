/** The bucket map as clients get it, in both subprotocols. */

import { join } from 'node:path';

import protobuf from 'protobufjs';
import t from 'tap';

import type { Routes } from '../actor/engine.ts';
import { ownerBytes } from './owner-bytes.ts';
import { startRig } from './rig.ts';

const routes: Routes = {
  version: 7,
  bits: 2,
  nodes: [{ id: 'n1', url: 'ws://127.0.0.1:7070' }, { id: 'n"2', url: '' }],
  owners: Int16Array.of(0, 1, -1, 0),
};

t.test('in JSON', async (t) => {
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.json');
  t.same(await talker.ask({ id: 'm', map: 0 }), { id: 'm', ok: true, node: 'n1', map: null }, 'the node knows no map');
  rig.engine.routes = routes;
  const { version, bits, nodes } = routes;
  const answer = { id: 'm', ok: true, node: 'n1', map: { version, bits, nodes, owners: Buffer.from([0, 1, 255, 0]).toString('base64') } };
  t.same(await talker.ask({ id: 'm', map: 0 }), answer);
  t.same(await talker.ask({ id: 'm', map: 6 }), answer);
  t.same(await talker.ask({ id: 'm', map: 7 }), { id: 'm', ok: true, node: 'n1', map: null }, 'the client has it');
  t.same(await talker.ask({ id: 'm', map: 8 }), answer, 'another version, even a greater one, is another map: the store may have gone back');
  t.same(await talker.ask([{ id: 'm', map: 7 }]), [{ id: 'm', ok: true, node: 'n1', map: null }], 'a list is answered in a list');
  rig.engine.routes = { ...routes, version: 8 };
  t.match(await talker.ask({ id: 'm', map: 7 }), { map: { version: 8 } }, 'a new map is not answered with the old text');
  t.match(await talker.ask({ id: 'm', map: -1 }), { ok: false, error: { code: 'BAD_REQUEST', message: /map must be a whole number/ } });
  t.match(await talker.ask({ id: 'm', map: 1, from: 1 }), { ok: false, error: { code: 'BAD_REQUEST', message: /from does not belong/ } });
  t.match(await talker.ask({ id: 'm', get: 'a.B:1', map: 1 }), { ok: false, error: { code: 'BAD_REQUEST', message: /map does not belong/ } });
  t.match(await talker.ask({ map: 1 }), { id: null, ok: false, error: { code: 'BAD_REQUEST' } });
});

t.test('in protobuf', async (t) => {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (target.startsWith('/') ? target : join(import.meta.dirname, '../../proto', target));
  await root.load('troupe/v1/gateway.proto');
  const requests = root.lookupType('troupe.v1.Requests');
  const answers = root.lookupType('troupe.v1.Answers');
  const rig = await startRig(t);
  const talker = await rig.talk('troupe.v1.proto');
  const ask = async (bytes: Uint8Array) => {
    talker.socket.send(bytes);
    const frame = (await talker.frame()) as Buffer;
    const message = answers.decode(frame);
    t.ok(Buffer.from(answers.encode(message).finish()).equals(frame), 'protobufjs writes the same bytes');
    return (answers.toObject(message, { longs: Number }) as { answers: unknown[] }).answers[0];
  };
  const askMap = (known: number) => ask(requests.encode(requests.fromObject({ requests: [{ id: 'm', map: { known } }] })).finish());
  t.same(await askMap(0), { id: 'm', map: { node: 'n1' } });
  rig.engine.routes = routes;
  const { version, bits, nodes } = routes;
  t.same(await askMap(0), { id: 'm', map: { node: 'n1', map: { version, bits, nodes: [nodes[0], { id: 'n"2' }], owners: Buffer.from([0, 1, 255, 0]) } } });
  t.same(await askMap(7), { id: 'm', map: { node: 'n1' } });
  const wrong = (...inner: number[]) => Buffer.from([10, 5 + inner.length, 10, 1, 0x6d, 6 << 3 | 2, inner.length, ...inner]);
  t.match(await ask(wrong(10, 1, 0x61)), { id: 'm', error: { code: 'BAD_REQUEST' } }, 'an address does not belong to it');
  t.match(await ask(wrong(16, 1)), { id: 'm', error: { code: 'BAD_REQUEST' } }, 'nor a second number');
});

t.test('two bytes a bucket from 256 nodes on', async (t) => {
  const many = (count: number): Routes => ({
    version: 1, bits: 2, nodes: Array.from({ length: count }, (_, i) => ({ id: `n${i}`, url: '' })), owners: Int16Array.of(0, count - 1, -1, 1),
  });
  t.same(ownerBytes(many(255)), Buffer.from([0, 254, 255, 1]));
  t.same(ownerBytes(many(256)), Buffer.from([0, 0, 255, 0, 255, 255, 1, 0]));
});
