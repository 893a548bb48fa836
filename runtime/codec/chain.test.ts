import fc from 'fast-check';
import t from 'tap';

import { chain } from './chain.ts';
import { hashToHex, sameHash } from './hash64.ts';
import type { Hash64 } from './hash64.ts';

const MASK = 0xffff_ffffn;

/** MurmurHash3_x86_128 as its author describes it, in big integers, so that it shares nothing with the code under test. */
function murmur128(bytes: Uint8Array, lanes: readonly bigint[]): bigint[] {
  const c = [0x239b961bn, 0xab0e9789n, 0x38b34ae5n, 0xa1e38b93n];
  const after = [[19n, 0x561ccd1bn], [17n, 0x0bcaa747n], [15n, 0x96cd1c35n], [13n, 0x32ac3b17n]] as const;
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & MASK;
  const h = [...lanes];
  const scramble = (i: number, k: bigint): bigint => (rotate((k * c[i]!) & MASK, 15n + BigInt(i)) * c[(i + 1) % 4]!) & MASK;
  const wordAt = (at: number): bigint => [0, 1, 2, 3].reduce((word, i) => word | (BigInt(bytes[at + i] ?? 0) << BigInt(8 * i)), 0n);
  const blocks = Math.floor(bytes.length / 16);
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 4; i++) {
      h[i]! ^= scramble(i, wordAt(16 * block + 4 * i));
      h[i] = (((rotate(h[i]!, after[i]![0]) + h[(i + 1) % 4]!) & MASK) * 5n + after[i]![1]) & MASK;
    }
  }
  for (let i = 3; i >= 0; i--) h[i]! ^= scramble(i, wordAt(16 * blocks + 4 * i));
  const mix = (): void => {
    h[0] = (h[0]! + h[1]! + h[2]! + h[3]!) & MASK;
    for (let i = 1; i < 4; i++) h[i] = (h[i]! + h[0]!) & MASK;
  };
  for (let i = 0; i < 4; i++) h[i]! ^= BigInt(bytes.length);
  mix();
  for (let i = 0; i < 4; i++) {
    h[i]! ^= h[i]! >> 16n;
    h[i] = (h[i]! * 0x85ebca6bn) & MASK;
    h[i]! ^= h[i]! >> 13n;
    h[i] = (h[i]! * 0xc2b2ae35n) & MASK;
    h[i]! ^= h[i]! >> 16n;
  }
  mix();
  return h;
}

function expected(head: Hash64, bytes: Uint8Array): string {
  const lo = BigInt(head.lo);
  const hi = BigInt(head.hi);
  const h = murmur128(bytes, [lo, hi, lo ^ 0x239b961bn, hi ^ 0xab0e9789n]);
  return hashToHex({ lo: Number(h[0]), hi: Number(h[1]) });
}

function chained(head: Hash64, bytes: Uint8Array, from?: number, to?: number): string {
  const out = { hi: 0, lo: 0 };
  chain(out, head, bytes, from, to);
  return hashToHex(out);
}

const head64 = fc.record({ hi: fc.integer({ min: 0, max: 0xffff_ffff }), lo: fc.integer({ min: 0, max: 0xffff_ffff }) });

await t.test('the reference is MurmurHash3_x86_128: a vector published for it', async (t) => {
  const h = murmur128(Buffer.from('I will not buy this record, it is scratched.'), [0n, 0n, 0n, 0n]);
  t.equal(h.map((x) => x.toString(16).padStart(8, '0')).join(''), 'a0a9683b25ac5e40d9af2895890dddf5');
});

await t.test('heads are as the reference has them, for every length', async () => {
  fc.assert(fc.property(head64, fc.uint8Array({ maxLength: 100 }), (head, bytes) => chained(head, bytes) === expected(head, bytes)), { numRuns: 2000 });
});

await t.test('a range is hashed as its bytes alone, and the head may be its own result', async () => {
  fc.assert(
    fc.property(head64, fc.uint8Array({ maxLength: 60 }), fc.nat(20), fc.nat(20), (head, bytes, before, behind) => {
      const around = Buffer.concat([Buffer.alloc(before, 1), bytes, Buffer.alloc(behind, 2)]);
      const same = { ...head };
      chain(same, same, around, before, before + bytes.length);
      return hashToHex(same) === chained(head, bytes);
    }),
  );
});

await t.test('a flipped bit, a changed head and a swapped order all lead elsewhere', async (t) => {
  fc.assert(
    fc.property(head64, fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(), fc.nat(7), (head, bytes, at, bit) => {
      const other = bytes.slice();
      other[at % bytes.length]! ^= 1 << bit;
      return chained(head, bytes) !== chained(head, other) && chained(head, bytes) !== chained({ ...head, lo: (head.lo ^ 1) >>> 0 }, bytes);
    }),
  );
  const a = Buffer.from('one');
  const b = Buffer.from('two');
  const ab = { hi: 0, lo: 0 };
  const ba = { hi: 0, lo: 0 };
  for (const bytes of [a, b]) chain(ab, ab, bytes);
  for (const bytes of [b, a]) chain(ba, ba, bytes);
  t.notOk(sameHash(ab, ba));
});

await t.test('golden vectors: frozen, stored heads depend on them', async (t) => {
  const zero = { hi: 0, lo: 0 };
  const some = { hi: 0x01234567, lo: 0x89abcdef };
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const vectors: [Hash64, Uint8Array, string][] = [
    [zero, all.subarray(0, 0), '7b32856b27d466f4'],
    [zero, all.subarray(0, 1), '4e46ed2769fb1ef4'],
    [zero, all.subarray(0, 3), '813e350244468bf9'],
    [zero, all.subarray(0, 4), '934e7ef0611c49d6'],
    [zero, all.subarray(0, 15), '14835d877c5d82b0'],
    [zero, all.subarray(0, 16), '08ed7c7b4edbc96c'],
    [zero, all.subarray(0, 17), 'a0dba96486b4549f'],
    [zero, all.subarray(0, 32), 'f654d91a7a8f22f4'],
    [zero, all.subarray(0, 100), '3ea2b6071062ae96'],
    [zero, all.subarray(0, 256), 'a6dc5abee81296a0'],
    [some, all.subarray(0, 0), '7d65717b49b78fb6'],
    [some, all.subarray(0, 5), '9a7078ea4d6f7d6c'],
    [some, all.subarray(0, 16), '7ab439c1ad2d7b08'],
    [some, all.subarray(0, 31), 'baa83737704356a9'],
    [some, all.subarray(0, 256), '2a65aa05464bd721'],
    [some, Buffer.from('shop.v1.Order:o-1'), 'f59ed0092d55400d'],
  ];
  for (const [head, bytes, hex] of vectors) t.equal(chained(head, bytes), hex, `${bytes.length} bytes`);
});
