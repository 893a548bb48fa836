import protobuf from 'protobufjs';
import t from 'tap';

import {
  KIND_DECISION, RecordReader, writeActorFields, encodeProvenance, writeActivation, writeCircumstances, writeFailure,
  writeMigration, writeOrigin, writePlace, writeQuarantine, writeStrike,
} from './record.ts';
import { WireWriter } from './wire.ts';

// The oracle is protobufjs over the schema; nothing of record.ts is used to decode.
const root = await protobuf.load(new URL('../../proto/troupe/v1/record.proto', import.meta.url).pathname);
const type = root.lookupType('troupe.v1.Record');

function decode(bytes: Uint8Array): Record<string, unknown> {
  return type.toObject(type.decode(bytes), { longs: String, bytes: Buffer, enums: String });
}

const bundle = Buffer.alloc(32, 7);

function decision(): Buffer {
  const wire = new WireWriter(64);
  wire.uint(1, KIND_DECISION);
  writeActorFields(wire, 'main', 'shop.v1.Order:ö-1', 1, 2, 8, 200);
  writePlace(wire, 2 ** 40 + 3, 5, { hi: 0xffffffff, lo: 1 });
  wire.uint(11, 9);
  writeOrigin(wire, 'k-1', 'alice', 'PlaceOrder', 's1');
  writeCircumstances(wire, 1_790_000_000_123, 3, 4);
  wire.raw(encodeProvenance(bundle, { hi: 5, lo: 6 }, { hi: 7, lo: 8 }));
  wire.fixed64(22, 9, 10);
  wire.uint(23, 17);
  const numbers = wire.begin(24);
  wire.varint(300);
  wire.varint(1);
  wire.end(numbers);
  // The sandbox's part, encoded by the oracle.
  wire.raw(type.encode(type.fromObject({
    payload: { data: Buffer.from('body') },
    events: [{ name: 'A', data: Buffer.from('a') }, { name: 'B', data: Buffer.alloc(0) }],
    sends: [{ to: 'x.Y:1', name: 'N' }, { to: 'x.Y:2', name: 'M' }],
    reply: { data: Buffer.from('reply') },
  })).finish());
  return wire.copy();
}

t.test('what the host writes is what the schema says', async (t) => {
  t.same(decode(decision()), {
    kind: 'RECORD_KIND_DECISION',
    actor: 'shop.v1.Order:ö-1',
    shardHash: (2n ** 32n + 2n).toString(),
    bucketBits: 8,
    bucketIndex: 200,
    position: (2 ** 40 + 3).toString(),
    epoch: '5',
    incarnation: ((0xffffffffn << 32n) + 1n).toString(),
    firstSeq: '9',
    key: 'k-1',
    principal: 'alice',
    name: 'PlaceOrder',
    cause: { session: 's1' },
    nowMs: '1790000000123',
    seed: ((3n << 32n) + 4n).toString(),
    bundle,
    foldHash: ((5n << 32n) + 6n).toString(),
    engineHash: ((7n << 32n) + 8n).toString(),
    payloadDigest: ((9n << 32n) + 10n).toString(),
    previous: '17',
    sendNumbers: ['300', '1'],
    payload: { data: Buffer.from('body') },
    events: [{ name: 'A', data: Buffer.from('a') }, { name: 'B' }],
    sends: [{ to: 'x.Y:1', name: 'N' }, { to: 'x.Y:2', name: 'M' }],
    reply: { data: Buffer.from('reply') },
  });
});

t.test('the reader gives back what was written', async (t) => {
  const record = new RecordReader().over(decision());
  t.match(record, {
    kind: KIND_DECISION, actor: 'shop.v1.Order:ö-1', position: 2 ** 40 + 3, epoch: 5, firstSeq: 9, events: 2, key: 'k-1',
    principal: 'alice', name: 'PlaceOrder', nowMs: 1_790_000_000_123, previous: 17, digestHi: 9, digestLo: 10, seedHi: 3, seedLo: 4,
    sendNumbers: [300, 1], foldHi: 5, foldLo: 6,
  });
  t.equal(record.seqAfter, 10);
  t.equal(record.bundleHex(), bundle.toString('hex'));
  t.equal(record.buffer.toString('utf8', record.payloadFrom, record.payloadTo), 'body');
  t.equal(record.buffer.toString('utf8', record.replyFrom, record.replyTo), 'reply');
});

t.test('a record without events says which number comes next', async (t) => {
  const wire = new WireWriter(64);
  wire.uint(1, 2);
  wire.uint(11, 4);
  t.equal(new RecordReader().over(wire.copy()).seqAfter, 3);
});

t.test('control fields, written and read by hand and by the oracle', async (t) => {
  const wire = new WireWriter(64);
  writeActivation(wire, bundle, [{ type: 'a.B', foldHash: { hi: 1, lo: 2 } }]);
  writeStrike(wire, 'a.B:1', 'a.B', bundle, 'BEHAVIOR_TIMEOUT');
  writeQuarantine(wire, '', 'a.B', bundle, true, 'why');
  writeFailure(wire, 'BEHAVIOR_FAILED', 'message');
  writeMigration(wire, Buffer.from('state'), bundle);
  t.same(decode(wire.view()), {
    activation: { bundle, types: [{ type: 'a.B', foldHash: ((1n << 32n) + 2n).toString() }] },
    strike: { actor: 'a.B:1', type: 'a.B', bundle, code: 'BEHAVIOR_TIMEOUT' },
    quarantine: { type: 'a.B', bundle, released: true, reason: 'why' },
    failure: { code: 'BEHAVIOR_FAILED', message: 'message' },
    migration: { state: Buffer.from('state'), fromBundle: bundle },
  });
  const record = new RecordReader().over(wire.copy());
  t.same(record.activation, { bundle, types: [{ type: 'a.B', foldHash: { hi: 1, lo: 2 } }] });
  t.match(record.strike, { actor: 'a.B:1', type: 'a.B', code: 'BEHAVIOR_TIMEOUT' });
  t.match(record.quarantine, { actor: '', type: 'a.B', code: 'why', released: true });
  t.same(record.failure, { code: 'BEHAVIOR_FAILED', message: 'message' });
  t.equal(record.buffer.toString('utf8', record.migrationFrom, record.migrationTo), 'state');
});

t.test('bytes that are no record throw, whole or cut', async (t) => {
  const bytes = decision();
  const reader = new RecordReader();
  let cutShort = 0;
  for (let length = 0; length < bytes.length; length++) {
    try {
      reader.over(bytes, 0, length);
    } catch {
      cutShort++;
    }
  }
  t.ok(cutShort > bytes.length / 2, 'most cuts fall inside a field');
});
