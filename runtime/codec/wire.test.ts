import fc from 'fast-check';
import protobuf from 'protobufjs';
import t from 'tap';

import { halves, utf8, varintSize, WireError, WireReader, WireWriter } from './wire.ts';

// The oracle: the same message through protobufjs.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Inner { uint32 n = 1; string s = 2; repeated Inner more = 3; }
  message Outer { uint64 number = 1; fixed64 hash = 2; string text = 3; bytes data = 4; Inner inner = 500; }
`);
const Outer = root.lookupType('Outer');

const anyNumber = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat(), fc.constantFrom(127, 128, 16383, 16384, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));
const half = fc.integer({ min: 0, max: 0xffff_ffff });
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.string({ maxLength: 200 }));

function written(write: (wire: WireWriter) => void): Buffer {
  const wire = new WireWriter(8);
  write(wire);
  return wire.copy();
}

await t.test('golden vectors', async (t) => {
  const hex = (write: (wire: WireWriter) => void): string => written(write).toString('hex');
  t.equal(hex((w) => w.varint(300)), 'ac02');
  t.equal(hex((w) => w.varint(Number.MAX_SAFE_INTEGER)), 'ffffffffffffff0f');
  t.equal(hex((w) => w.uint(1, 150)), '089601');
  t.equal(hex((w) => w.string(2, 'testing')), '120774657374696e67');
  t.equal(hex((w) => w.fixed64(2, 0x01020304, 0x05060708)), '110807060504030201');
  t.equal(hex((w) => w.bytes(16, Buffer.alloc(0))), '820100');
  t.equal(hex((w) => { w.uint(1, 0); w.string(2, ''); w.fixed64(3, 0, 0); }), '', 'zero is left out');
});

await t.test('what is written is what protobufjs reads', async (t) => {
  fc.assert(
    fc.property(anyNumber, half, half, text, fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.array(text, { maxLength: 4 }), (number, hi, lo, string, data, nested) => {
      const bytes = written((wire) => {
        wire.uint(1, number);
        wire.fixed64(2, hi, lo);
        wire.string(3, string);
        wire.bytes(4, data);
        const inner = wire.begin(500);
        for (const s of nested) {
          const more = wire.begin(3);
          wire.uint(1, s.length);
          wire.string(2, s);
          wire.end(more);
        }
        wire.end(inner);
      });
      const decoded = Outer.toObject(Outer.decode(bytes), { longs: String, defaults: true, arrays: true }) as Record<string, unknown>;
      t.equal(decoded['number'], String(number));
      t.equal(decoded['hash'], ((BigInt(hi) << 32n) | BigInt(lo)).toString());
      t.equal(decoded['text'], string.toWellFormed());
      t.same(Buffer.from(decoded['data'] as Uint8Array), Buffer.from(data));
      const more = (decoded['inner'] as { more: { n: number; s: string }[] }).more;
      t.same(more.map(({ n, s }) => [n, s]), nested.map((s) => [s.length, s.toWellFormed()]));
      // Canonical: the same bytes as a library would write, so that what is hashed does not depend on who wrote it.
      t.same(bytes, Buffer.from(Outer.encode(Outer.decode(bytes)).finish()));
    }),
    { numRuns: 150 },
  );
});

await t.test('what is written is what the reader reads', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.record({ field: fc.integer({ min: 1, max: 2000 }), number: anyNumber, string: text, hi: half, lo: half }), { maxLength: 8 }), (entries) => {
      const bytes = written((wire) => {
        for (const { field, number, string, hi, lo } of entries) {
          wire.varint(field << 3);
          wire.varint(number);
          wire.varint((field << 3) | 2);
          wire.rawString(string);
          wire.varint((field << 3) | 1);
          wire.rawFixed64(hi, lo);
        }
      });
      const reader = new WireReader().over(bytes);
      const isNext = (field: number, wireType: number): boolean => reader.next() && reader.field === field && reader.wireType === wireType;
      for (const { field, number, string, hi, lo } of entries) {
        if (!isNext(field, 0) || reader.varint() !== number) return false;
        if (!isNext(field, 2) || reader.string() !== string.toWellFormed()) return false;
        if (!isNext(field, 1)) return false;
        reader.fixed64();
        if (reader.hi !== hi || reader.lo !== lo) return false;
      }
      const skipping = new WireReader().over(bytes);
      let fields = 0;
      for (; skipping.next(); fields++) skipping.skip();
      return !reader.next() && fields === 3 * entries.length;
    }),
  );
  t.pass('held for all cases');
});

await t.test('any bytes are read within their range, or refused with WireError', async (t) => {
  let refused = 0;
  let read = 0;
  const walk = (reader: WireReader): void => {
    while (reader.next()) {
      if (reader.wireType === 2) {
        const end = reader.end;
        const bytes = reader.bytes();
        if (reader.at > end || bytes.length !== reader.to - reader.from) throw new Error('read past the end');
      } else if (reader.wireType === 0) reader.varint();
      else reader.skip();
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(10), (bytes, before) => {
      const around = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(12, 0xff)]);
      try {
        walk(new WireReader().over(around, before, before + bytes.length));
        read++;
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        refused++;
      }
    }),
    { numRuns: 2000 },
  );
  t.ok(refused > 0 && read > 0, `${refused} refused, ${read} read`);
});

await t.test('malformed bytes are refused', async (t) => {
  const bad: [string, string, (reader: WireReader) => void][] = [
    ['field number 0', '00', (r) => r.next()],
    ['truncated tag', '80', (r) => r.next()],
    ['varint of eleven bytes', 'ffffffffffffffffffff01', (r) => r.varint()],
    ['varint above 2^53', 'ffffffffffffff1f', (r) => r.varint()],
    ['length behind the end', '0a05aabb', (r) => { r.next(); r.span(); }],
    ['truncated fixed64', '0901020304', (r) => { r.next(); r.fixed64(); }],
    ['truncated fixed32', '0d0102', (r) => { r.next(); r.skip(); }],
    ['group', '0b', (r) => { r.next(); r.skip(); }],
    ['text that is not UTF-8', '0a02c328', (r) => { r.next(); r.string(); }],
    ['a surrogate in UTF-8', '0a03eda080', (r) => { r.next(); r.string(); }],
  ];
  for (const [what, hex, read] of bad) {
    let error: unknown = null;
    try {
      read(new WireReader().over(Buffer.from(hex, 'hex')));
    } catch (thrown) {
      error = thrown;
    }
    t.ok(error instanceof WireError, what);
  }
});

await t.test('small helpers', async (t) => {
  fc.assert(fc.property(anyNumber, (n) => varintSize(n) === written((w) => w.varint(n)).length));
  fc.assert(fc.property(fc.maxSafeNat(), (n) => halves(n).hi * 2 ** 32 + halves(n).lo === n));
  const bytes = Buffer.from('xaböc\ufeffx');
  t.equal(utf8(bytes, 1, bytes.length - 1), 'aböc\ufeff', 'a byte order mark is text like any other');
  const wire = new WireWriter(4);
  wire.string(1, 'abc');
  const first = wire.copy();
  wire.reset();
  wire.uint(1, 1);
  t.same(wire.view(), Buffer.from('0801', 'hex'));
  t.same(first, Buffer.from('0a03616263', 'hex'), 'a copy stays as it is');
});
