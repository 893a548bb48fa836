import fc from 'fast-check';
import t from 'tap';

import { bucketIndex, hashBytes, hashText, parseAddress, shardKey } from './address.ts';
import { hashToHex } from './hash64.ts';
import { limits } from '../limits.ts';

await t.test('golden vectors of the hash: XXH64 with seed 0', async (t) => {
  // The first four are published for XXH64; stored buckets depend on all of them.
  const vectors: [string, string][] = [
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['Nobody inspects the spammish repetition', 'fbcea83c8a378bf1'],
  ];
  for (const [text, hex] of vectors) {
    t.equal(hashToHex(hashText(text)), hex);
    t.equal(hashToHex(hashBytes(Buffer.from(text))), hex);
  }
});

await t.test('a text has the hash of its bytes, however long it is and whatever was hashed before', async () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 1_500 }), { maxLength: 5 }), (texts) => {
      for (const text of texts) if (hashToHex(hashText(text)) !== hashToHex(hashBytes(Buffer.from(text)))) throw new Error(JSON.stringify(text));
    }),
  );
});

await t.test('golden vectors of addresses: shard key, hash, bucket of 256', async (t) => {
  const vectors: [string, string, string, number][] = [
    ['shop.v1.Order:o-1', 'shop.v1.Order:o-1', '2621be06065d4b9f', 159],
    ['shop.v1.User:{u1}', 'u1', '06e8417d0fe6613f', 63],
    ['shop.v1.Address:{u1}/home', 'u1', '06e8417d0fe6613f', 63],
    ['com.wzh.hello.User:10001', 'com.wzh.hello.User:10001', '56e59520ff3d65aa', 170],
    ['shop.v1.Order:\u00e4\u{1f600}', 'shop.v1.Order:\u00e4\u{1f600}', '37c27610fc7be134', 52],
  ];
  for (const [address, key, hex, bucket] of vectors) {
    t.equal(shardKey(parseAddress(address)), key);
    t.equal(hashToHex(hashText(key)), hex);
    t.equal(bucketIndex(hashText(key), 8), bucket);
  }
});

await t.test('the shard key is the text in the first non-empty braces', async (t) => {
  const keys: [string, string][] = [
    ['{u1}', 'u1'],
    ['{}{u1}', 'u1'],
    ['a{u1}b{u2}', 'u1'],
    ['{a{b}', 'a{b'],
    ['u1', 'a.A:u1'],
    ['{u1', 'a.A:{u1'],
    ['}u1{', 'a.A:}u1{'],
    ['{}', 'a.A:{}'],
    ['{}{', 'a.A:{}{'],
  ];
  for (const [id, key] of keys) t.equal(shardKey({ type: 'a.A', id }), key, id);
});

await t.test('an address is taken apart at its first colon', async (t) => {
  t.same(parseAddress('shop.v1.Order:a:b'), { type: 'shop.v1.Order', id: 'a:b' });
  t.same(parseAddress('a._B9:../\\ %00'), { type: 'a._B9', id: '../\\ %00' }, 'ids are names, not paths');
  const longest = 'x'.repeat(limits.actorIdBytesMax);
  t.equal(parseAddress(`a.B:${longest}`).id, longest);
});

await t.test('what is not an address is refused by code', async (t) => {
  const bad = [
    '',
    'a.B',
    'a.B:',
    ':x',
    'Order:x',
    'a..B:x',
    '.a.B:x',
    'a.B.:x',
    'a.9:x',
    'a b.C:x',
    'a.B\n:x',
    `a.${'B'.repeat(limits.actorTypeBytesMax)}:x`,
    `a.B:${'x'.repeat(limits.actorIdBytesMax + 1)}`,
    `a.B:${'\u00e4'.repeat(limits.actorIdBytesMax / 2 + 1)}`,
    'a.B:\ud800',
    'a.B:x\udc00y',
    'a.B:x\u0000',
    'a.B:x\ny',
    'a.B:x\u0085',
    'a.B:x\u2028',
    'a.B:x\u202e',
    'a.B:\ufeffx',
  ];
  for (const text of bad) t.throws(() => parseAddress(text), { code: 'BAD_ADDRESS' }, Buffer.from(text).toString('hex').slice(0, 40));
});

await t.test('any text is an address or is refused by code', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (id) => {
      try {
        const address = parseAddress(`a.B:${id}`);
        return address.id === id && shardKey(address).length > 0;
      } catch (error) {
        return (error as { code?: string }).code === 'BAD_ADDRESS';
      }
    }),
  );
});

await t.test('a bucket is the low bits, so that splitting one in two moves nothing else', async () => {
  const half = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(half, half, fc.integer({ min: 0, max: 29 }), (hi, lo, bits) => {
      const index = bucketIndex({ hi, lo }, bits);
      const child = bucketIndex({ hi, lo }, bits + 1);
      return index >= 0 && index < 2 ** bits && (child === index || child === index + 2 ** bits);
    }),
  );
});
