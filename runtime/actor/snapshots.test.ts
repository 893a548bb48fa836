import protobuf from 'protobufjs';
import t from 'tap';

import { Activation } from './activation.ts';
import { Bucket } from './bucket.ts';
import type { LoadedBundleEntry, TypeVersion } from './bundles.ts';
import { KeySlab } from './key-slab.ts';
import { KeyList, KeyWindow } from './keys.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshots.ts';

// The oracle is protobufjs over the schema.
const root = await protobuf.load(new URL('../../proto/troupe/v1/snapshot.proto', import.meta.url).pathname);
const type = root.lookupType('troupe.v1.Snapshot');

const keys = [
  { hash: -1, position: 3 },
  { hash: 0, position: 2 ** 39 },
  { hash: 9, position: 2 ** 39 + 1 },
];

function activation(): Activation {
  const bucket = new Bucket({ bits: 8, index: 3 });
  bucket.incarnation = { hi: 1, lo: 2 };
  const made = new Activation('a.B:c', 'a.B', { hi: 3, lo: 4 }, { hi: 5, lo: 6 }, bucket, new KeyWindow(new KeySlab(), 128));
  for (const key of keys) made.keys.restore(key.hash, key.position);
  made.headMovedTo(2 ** 39 + 1, { hi: 0xffff_fff0, lo: 8 });
  made.seq = 12;
  made.strikes = 2;
  made.armed = new Map([['expiry', { position: 2 ** 39, index: 2 }]]);
  made.linked = new Map([['a.B:d', 7]]);
  const version = { foldHash: { hi: 10, lo: 11 } } as TypeVersion;
  made.stateBundle = { hashBytes: Buffer.alloc(32, 5), types: new Map([['a.B', version]]) } as unknown as LoadedBundleEntry;
  return made;
}

t.test('a snapshot is what the schema says', async (t) => {
  const { bytes, position, head } = encodeSnapshot(activation(), Buffer.from('state'));
  t.equal(position, 2 ** 39 + 1);
  t.same(head, { hi: 0xffff_fff0, lo: 8 });
  t.same(type.toObject(type.decode(bytes), { longs: String, bytes: Buffer }), {
    actor: 'a.B:c',
    incarnation: ((1n << 32n) + 2n).toString(),
    position: (2 ** 39 + 1).toString(),
    head: ((0xffff_fff0n << 32n) + 8n).toString(),
    seq: '12',
    bundle: Buffer.alloc(32, 5),
    foldHash: ((10n << 32n) + 11n).toString(),
    state: Buffer.from('state'),
    strikes: 2,
    version: 3,
    timers: [{ name: 'expiry', position: String(2 ** 39), index: 2 }],
    links: [{ actor: 'a.B:d', number: '7' }],
    keys: {
      hashes: [0xffff_ffff, 0, 9],
      positionSteps: ['3', String(2 ** 39 - 3), '1'],
    },
  });
});

t.test('what is read back is what was written', async (t) => {
  const { bytes } = encodeSnapshot(activation(), Buffer.from('state'));
  const read = decodeSnapshot(Buffer.from(bytes), 'a.B:c')!;
  t.match(read, { position: 2 ** 39 + 1, head: { hi: 0xffff_fff0, lo: 8 }, seq: 12, state: Buffer.from('state'), strikes: 2 });
  t.same([...read.armed, ...read.linked], [['expiry', { position: 2 ** 39, index: 2 }], ['a.B:d', 7]]);
  const list: KeyList = read.keys;
  t.same(Array.from({ length: list.count }, (_, i) => ({ hash: list.hashes[i], position: list.positions[i] })), keys);
});

t.test('a snapshot that is not whole, or not of this version or actor, is none', async (t) => {
  const bytes = Buffer.from(encodeSnapshot(activation(), Buffer.from('state')).bytes);
  t.equal(decodeSnapshot(bytes, 'a.B:d'), null);
  for (let length = 1; length < bytes.length; length++) {
    const cut = decodeSnapshot(bytes.subarray(0, length), 'a.B:c');
    t.ok(cut === null || cut.keys.count === 0 || cut.linked.size === 0, `cut at ${length}`);
  }
  const message = type.decode(bytes) as unknown as { version: number; keys: { hashes: number[] } };
  const again = (): Buffer => Buffer.from(type.encode(message as unknown as protobuf.Message).finish());
  t.ok(decodeSnapshot(again(), 'a.B:c') !== null);
  message.keys.hashes.pop();
  t.equal(decodeSnapshot(again(), 'a.B:c'), null, 'columns of different lengths');
  message.keys.hashes.push(9);
  message.version = 1;
  t.equal(decodeSnapshot(again(), 'a.B:c'), null, 'another version');
});
