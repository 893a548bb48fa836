/** The codec against protobufjs as an independent oracle, over random schemas and values, and what it must refuse. */

import fc from 'fast-check';
import protobuf from 'protobufjs';
import t from 'tap';

import { readSchema } from './schema.ts';
import type { Schema } from './schema.ts';
import { testCodec } from './testing/codec.ts';

const integers32 = ['int32', 'sint32', 'sfixed32'];
const unsigned32 = ['uint32', 'fixed32'];
const integers64 = ['int64', 'sint64', 'sfixed64'];
const unsigned64 = ['uint64', 'fixed64'];
const scalars = [...integers32, ...unsigned32, ...integers64, ...unsigned64, 'float', 'double', 'bool', 'string', 'bytes'];
const mapKeys = [...integers32, ...unsigned32, ...integers64, ...unsigned64, 'bool', 'string'];

interface FieldPlan {
  readonly type: string;
  readonly label: 'plain' | 'optional' | 'repeated' | 'map' | 'oneof';
  readonly mapKey: string;
  readonly packed: boolean;
  readonly asNumber: boolean;
  readonly gap: number;
}

/** Message A of up to 8 fields, which may hold B, an enum, or itself. */
const fieldPlan: fc.Arbitrary<FieldPlan> = fc.record({
  type: fc.constantFrom(...scalars, 'E', 'B', 'A'),
  label: fc.constantFrom('plain', 'optional', 'repeated', 'map', 'oneof'),
  mapKey: fc.constantFrom(...mapKeys),
  packed: fc.boolean(),
  asNumber: fc.boolean(),
  gap: fc.constantFrom(1, 1, 1, 7, 300),
});

function schemaText(name: string, plans: readonly FieldPlan[]): string {
  let number = 0;
  const lines: string[] = [];
  const oneof: string[] = [];
  plans.forEach((plan, i) => {
    number += plan.gap;
    const wide = plan.type.endsWith('64');
    const options = [
      ...(wide && plan.asNumber ? ['jstype = JS_NUMBER'] : []),
      ...(plan.label === 'repeated' && !plan.packed && !['string', 'bytes', 'A', 'B'].includes(plan.type) ? ['packed = false'] : []),
    ];
    const tail = `${options.length > 0 ? ` [${options.join(', ')}]` : ''};`;
    const field = `field_${i} = ${number}`;
    if (plan.label === 'map') lines.push(`map<${plan.mapKey}, ${plan.type}> ${field};`);
    else if (plan.label === 'oneof') oneof.push(`${plan.type} ${field}${tail}`);
    else lines.push(`${plan.label === 'plain' ? '' : `${plan.label} `}${plan.type} ${field}${tail}`);
  });
  if (oneof.length > 0) lines.push(`oneof choice { ${oneof.join(' ')} }`);
  return `message ${name} {\n${lines.join('\n')}\n}`;
}

function protoText(a: readonly FieldPlan[], b: readonly FieldPlan[]): string {
  const inner = b.map((plan) => (plan.type === 'A' || plan.type === 'B' ? { ...plan, type: 'int32' } : plan));
  return `syntax = "proto3";
package p;
enum E { ZERO = 0; ONE = 1; MINUS = -1; BIG = 100000; }
${schemaText('A', a)}
${schemaText('B', inner)}
message TState { A a = 1; }
message TEvent { oneof event { B b = 1; } }
service TCommands { rpc Do(A) returns (B); }
`;
}

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('', '__proto__', 'toString', 'abcde', '0123456789'.repeat(13), 'a'.repeat(128), 'é' + 'a'.repeat(200), '0123456789'.repeat(40), '\u0000', '😀é'));

function scalarValue(type: string, asNumber: boolean): fc.Arbitrary<unknown> {
  if (integers32.includes(type)) return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)));
  if (unsigned32.includes(type)) return fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 28));
  if (integers64.includes(type) && asNumber) return fc.maxSafeInteger();
  if (unsigned64.includes(type) && asNumber) return fc.maxSafeNat();
  if (integers64.includes(type)) return fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(0n, -1n, -(2n ** 63n), 2n ** 63n - 1n));
  if (unsigned64.includes(type)) return fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 2n ** 64n - 1n));
  if (type === 'float') return fc.oneof(fc.float(), fc.constantFrom(0, -0, NaN));
  if (type === 'double') return fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN));
  if (type === 'bool') return fc.boolean();
  if (type === 'string') return text;
  if (type === 'bytes') return fc.uint8Array({ maxLength: 40 });
  return fc.constantFrom('ZERO', 'ONE', 'MINUS', 'BIG');
}

function keyText(type: string): fc.Arbitrary<string> {
  return scalarValue(type, false).map((value) => `${Object.is(value, -0) ? 0 : (value as string)}`);
}

function messageValue(plans: readonly FieldPlan[], inner: readonly FieldPlan[], depth: number): fc.Arbitrary<Record<string, unknown>> {
  const one = (plan: FieldPlan): fc.Arbitrary<unknown> => {
    if (plan.type === 'B') return messageValue(inner.map((p) => (p.type === 'A' || p.type === 'B' ? { ...p, type: 'int32' } : p)), [], 0);
    if (plan.type === 'A') return depth > 1 ? fc.constant({}) : messageValue(plans, inner, depth + 1);
    return scalarValue(plan.type, plan.asNumber && plan.label !== 'map');
  };
  const members = plans.flatMap((plan, i) => (plan.label === 'oneof' ? [i] : []));
  const fields = plans.map((plan, i): [string, fc.Arbitrary<unknown>] => {
    const value = one(plan);
    if (plan.label === 'repeated') return [`field${i}`, fc.array(value, { maxLength: 4 })];
    if (plan.label === 'map') return [`field${i}`, fc.array(fc.tuple(keyText(plan.mapKey), value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries))];
    return [`field${i}`, value];
  });
  const all = fc.record(Object.fromEntries(fields), { requiredKeys: [] });
  return fc.tuple(all, fc.nat()).map(([value, pick]) => {
    // At most one member of the oneof.
    const chosen = members[pick % Math.max(1, members.length)];
    return Object.fromEntries(Object.entries(value).filter(([key]) => !members.includes(Number(key.slice(5))) || key === `field${chosen}`));
  });
}

const cases = fc.tuple(fc.array(fieldPlan, { maxLength: 8 }), fc.array(fieldPlan, { maxLength: 4 })).chain(([a, b]) =>
  fc.tuple(fc.constant(protoText(a, b)), messageValue(a, b, 0)));

/** A value of ours in the terms of protobufjs' toObject: 64 bits and bytes as text, enums as names. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : Number.isNaN(value) ? 'NaN' : value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).filter(([, item]) => item !== undefined).map(([key, item]) => [key, plain(item)]).sort(([x], [y]) => ((x as string) < (y as string) ? -1 : 1));
  }
  return value;
}

/** The oracle's reading of bytes, with the numbers of JS_NUMBER fields as text too. */
function oracleRead(proto: string, bytes: Uint8Array): unknown {
  const type = protobuf.parse(proto).root.lookupType('p.A');
  const message = type.decode(bytes);
  return type.toObject(message, { longs: String, enums: String, bytes: String, defaults: true, arrays: true, objects: true });
}

function asOracle(schema: Schema, name: string, value: unknown): unknown {
  const message = schema.messages.find((item) => item.name === name)!;
  const out: Record<string, unknown> = {};
  for (const field of message.fields) {
    const given = (value as Record<string, unknown>)[field.key];
    if (given === undefined) continue;
    const one = (item: unknown): unknown => {
      if (field.type.kind === 'message') return asOracle(schema, schema.messages[field.type.index]!.name, item);
      if (field.type.kind === 'scalar' && field.type.scalar.endsWith('64')) return String(item);
      return plain(item);
    };
    out[field.name] = field.label === 'repeated' ? (given as unknown[]).map(one)
      : field.label === 'map' ? Object.fromEntries(Object.entries(given as object).map(([key, item]) => [key, one(item)]))
        : one(given);
  }
  return out;
}

/** Drops what protobufjs adds for absent members, and evens out -0 and NaN. */
function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).filter(([key, item]) => item !== null && item !== undefined && key !== 'choice' && !key.startsWith('_')).map(([key, item]) => [key, tidy(item)]).sort(([x], [y]) => ((x as string) < (y as string) ? -1 : 1));
  }
  return plain(value);
}

t.test('random schemas and values agree with protobufjs', async (t) => {
  let compared = 0;
  fc.assert(
    fc.property(cases, ([proto, value]) => {
      const schema = readSchema(new Map([['p.proto', proto]]));
      const codec = testCodec(schema);
      const normal = codec.normalise('p.A', value);
      const bytes = codec.encode('p.A', normal);
      // Our bytes, read by the oracle.
      const theirs = tidy(oracleRead(proto, bytes));
      const ours = tidy(asOracle(schema, 'p.A', normal));
      if (JSON.stringify(theirs) !== JSON.stringify(ours)) throw new Error(`the oracle reads ${JSON.stringify(theirs)} instead of ${JSON.stringify(ours)}`);
      // The oracle's bytes, read by us: the same value, and our bytes again.
      const type = protobuf.parse(proto).root.lookupType('p.A');
      const again = codec.decode('p.A', type.encode(type.decode(bytes)).finish());
      if (!codec.encode('p.A', again).equals(bytes)) throw new Error('bytes differ after the oracle');
      // What runs live is what replays.
      const decoded = codec.decode('p.A', bytes);
      if (JSON.stringify(plain(decoded)) !== JSON.stringify(plain(normal))) throw new Error('decoding differs from normalising');
      if (!codec.encode('p.A', decoded).equals(bytes)) throw new Error('bytes are not stable');
      if (codec.normalise('p.A', normal) !== normal) throw new Error('a normal value was walked again');
      if (!codec.encode('p.A', codec.normalise('p.A', { ...(normal as object) })).equals(bytes)) throw new Error('a spread value differs');
      // ProtoJSON there and back.
      const json = codec.toJson('p.A', normal);
      if (!codec.encode('p.A', codec.fromJson('p.A', json)).equals(bytes)) throw new Error(`JSON differs: ${json}`);
      compared++;
    }),
    { numRuns: 400, endOnFailure: true },
  );
  t.ok(compared >= 400);
});

t.test('bytes of any kind are refused or read, never anything else', async (t) => {
  const proto = protoText(
    [
      { type: 'string', label: 'plain', mapKey: 'string', packed: true, asNumber: false, gap: 1 },
      { type: 'A', label: 'repeated', mapKey: 'string', packed: true, asNumber: false, gap: 1 },
      { type: 'int64', label: 'map', mapKey: 'string', packed: true, asNumber: false, gap: 1 },
      { type: 'uint32', label: 'repeated', mapKey: 'string', packed: true, asNumber: false, gap: 1 },
    ],
    [],
  );
  const codec = testCodec(readSchema(new Map([['p.proto', proto]])));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      let value: unknown;
      try {
        value = codec.decode('p.A', bytes);
      } catch (error) {
        if (!(error as Error).message.startsWith('fault: ')) throw error;
        return;
      }
      const canonical = codec.encode('p.A', value);
      if (!codec.encode('p.A', codec.decode('p.A', canonical)).equals(canonical)) throw new Error('not stable');
    }),
    { numRuns: 3_000, endOnFailure: true },
  );
  t.pass('3000 byte strings');
});

const strictProto = `syntax = "proto3"; package p;
enum E { ZERO = 0; ONE = 1; }
message Line { int32 quantity = 1; string product_id = 2; }
message A {
  int32 i = 1; uint32 u = 2; bool b = 3; string s = 4; float f = 5; double d = 6; int64 l = 7; int64 n = 8 [jstype = JS_NUMBER];
  bytes y = 9; E e = 10; repeated Line lines = 11; map<string, Line> by_id = 12; oneof kind { string card = 13; Line cash = 14; }
  optional int32 maybe = 15; A self = 16; map<int32, string> names = 17;
}
message TState { A a = 1; } message TEvent { oneof event { Line line = 1; } } service TCommands { rpc Do(A) returns (Line); }`;
const strict = testCodec(readSchema(new Map([['p.proto', strictProto]])));

t.test('what does not fit is refused and the message names where', async (t) => {
  const deep: Record<string, unknown> = {};
  let at = deep;
  for (let i = 0; i < 70; i++) at = at['self'] = {} as Record<string, unknown>;
  const bad: [unknown, RegExp][] = [
    [{ i: 1.5 }, /^fault: i: 1.5 is not an int32/],
    [{ i: 2 ** 31 }, /^fault: i: /],
    [{ i: '1' }, /^fault: i: /],
    [{ i: null }, /^fault: i: null/],
    [{ i: NaN }, /^fault: i: NaN/],
    [{ u: -1 }, /^fault: u: -1 is not a uint32/],
    [{ b: 'false' }, /^fault: b: "false" is not a bool/],
    [{ s: 5 }, /^fault: s: /],
    [{ s: 'a\ud800' }, /^fault: s: .*surrogate/],
    [{ f: 1e300 }, /^fault: f: .*float/],
    [{ d: '1' }, /^fault: d: /],
    [{ l: 5 }, /^fault: l: 5 is not a bigint/],
    [{ l: 2n ** 63n }, /^fault: l: /],
    [{ n: 2 ** 53 }, /^fault: n: /],
    [{ n: 5n }, /^fault: n: /],
    [{ y: [1] }, /^fault: y: /],
    [{ e: 'TWO' }, /^fault: e: "TWO" is not a name/],
    [{ e: 1 }, /^fault: e: /],
    [{ lines: {} }, /^fault: lines: an object is not a list/],
    [{ lines: [{}, {}, { quantity: 0.1 }] }, /^fault: lines\[2\]\.quantity: 0.1/],
    [{ lines: [, {}] }, /^fault: lines\[0\]: undefined/], // eslint-disable-line no-sparse-arrays
    [{ byId: { a: { quantity: 'x' } } }, /^fault: byId\["a"\]\.quantity: /],
    [{ byId: new Map([['a', {}]]) }, /^fault: byId: .*plain object/],
    [{ by_id: {} }, /^fault: by_id: the message has no such field; did you mean byId\?$/],
    [{ lines: [{ quantty: 1 }] }, /^fault: lines\[0\]\.quantty: the message has no such field; did you mean quantity\?$/],
    [{ names: { '01': 'x' } }, /^fault: names\["01"\]: /],
    [{ names: { x: 'x' } }, /^fault: names\["x"\]: /],
    [{ typo: 1 }, /^fault: typo: the message has no such field$/],
    [{ card: 'x', cash: {} }, /^fault: kind: more than one/],
    [{ self: { self: { i: 1.5 } } }, /^fault: self\.self\.i: /],
    [deep, /nested deeper/],
    [{ lines: { length: 3 } }, /^fault: lines: /],
    [{ lines: new Array(200_000).fill({}) }, /elements/],
    [[], /^fault: a list is not/],
    [() => 1, /^fault: a function is not/],
    [new (class Order { i = 1; })(), /plain object/],
    [(function* () {})(), /plain object/],
    [undefined, /^fault: undefined/],
    [Symbol('x'), /^fault: a symbol is not/],
  ];
  for (const [value, message] of bad) t.throws(() => strict.normalise('p.A', value), { message });
});

t.test('what fits comes back complete, frozen and shared', async (t) => {
  const lines = strict.normalise('p.A', { lines: [{ quantity: 1 }] }) as { lines: readonly object[] };
  const next = strict.normalise('p.A', { ...lines, i: -0, s: 'x' }) as { lines: readonly object[]; i: number };
  t.equal(next.lines, lines.lines, 'an unchanged list is the same list');
  t.ok(Object.is(next.i, 0), 'an int32 has no negative zero');
  t.ok(Object.isFrozen(next) && Object.isFrozen(next.lines) && Object.isFrozen(next.lines[0]));
  t.match(strict.normalise('p.A', {}), { i: 0, u: 0, b: false, s: '', f: 0, d: 0, l: 0n, n: 0, e: 'ZERO', lines: [], card: undefined, maybe: undefined });
  t.ok(Number.isNaN((strict.normalise('p.A', { d: NaN }) as { d: number }).d));
  const odd = strict.normalise('p.A', { byId: JSON.parse('{"__proto__":{"quantity":1},"toString":{}}') }) as { byId: Record<string, { quantity: number }> };
  t.same(Object.keys(odd.byId).sort(), ['__proto__', 'toString']);
  t.equal(odd.byId['__proto__']!.quantity, 1);
  t.equal((strict.normalise('p.A', {}) as { byId: Record<string, unknown> }).byId['toString'], undefined, 'a map has no inherited keys');
  const bytes = strict.normalise('p.A', { y: new Uint8Array([1, 2]) }) as { y: Uint8Array };
  bytes.y[0] = 9;
  t.same([...bytes.y], [1, 2], 'bytes are handed out as copies');
});

t.test('ProtoJSON is taken and refused as it should be', async (t) => {
  const good: [string, string][] = [
    ['{"byId":{"b":{},"a":{}}}', '{"byId":{"a":{},"b":{}}}'],
    ['{"by_id":{"a":{"product_id":"x"}}}', '{"byId":{"a":{"productId":"x"}}}'],
    ['{"l":"-9223372036854775808","n":"5","i":"7","e":1,"d":"Infinity"}', '{"l":"-9223372036854775808","n":"5","i":7,"e":"ONE","d":"Infinity"}'],
    ['{"l":9007199254740991,"y":"AQI"}', '{"l":"9007199254740991","y":"AQI="}'],
    ['{"y":"_-8=","i":null}', '{"y":"/+8="}'],
  ];
  for (const [given, part] of good) {
    const all = JSON.parse(strict.toJson('p.A', strict.fromJson('p.A', given))) as Record<string, unknown>;
    for (const [key, value] of Object.entries(JSON.parse(part) as Record<string, unknown>)) t.match(all[key], value, `${given}: ${key}`);
  }
  t.ok(strict.toJson('p.A', strict.fromJson('p.A', '{"names":{"10":"a","9":"b","-1":"c"}}')).includes('"names":{"-1":"c","9":"b","10":"a"}'), 'map keys are sorted');
  const bad: [string, RegExp][] = [
    ['{"l":9007199254740993}', /l: /],
    ['{"n":"9007199254740993"}', /n: /],
    ['{"l":1.5}', /l: /],
    ['{"by_id":{},"byId":{}}', /both of its names/],
    ['{"typo":1}', /typo: the message has no such field$/],
    ['{"byID":{}}', /byID: the message has no such field; did you mean byId\?$/],
    ['{"crad":"x"}', /crad: .*did you mean card\?$/],
    ['{"lines":[{"quantiyt":1}]}', /lines\[0\]\.quantiyt: .*did you mean quantity\?$/],
    ['{"__proto__":{}}', /no such field/],
    ['{"i":true}', /i: /],
    ['{"i":"1e3"}', /i: /],
    ['{"b":1}', /b: /],
    ['{"y":"A"}', /base64/],
    ['{"y":"AR=="}', /base64/],
    ['{"lines":[null]}', /lines\[0\]/],
    ['{"s":"\\ud800"}', /surrogate/],
    ['[]', /is not/],
    ['"x"', /is not/],
    ['null', /is not/],
  ];
  for (const [given, message] of bad) t.throws(() => strict.fromJson('p.A', given), { message }, given);
});

t.test('proto input is read strictly', async (t) => {
  const bad: [number[], RegExp][] = [
    [[0x98, 0x06, 1], /field number 99/],
    [[0x08], /middle of a field/],
    [[0x22, 5, 65], /middle of a field/],
    [[0x22, 1, 0xff], /s: .*UTF-8/],
    [[0x22, 2, 0xc0, 0x80], /UTF-8/],
    [[0x22, 3, 0xed, 0xa0, 0x80], /UTF-8/],
    [[0x18, 2], /b: .*bool/],
    [[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], /u: .*uint32/],
    [[0x50, 7], /e: .*enum/],
    [[0x40, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], /n: .*2\^53/],
    [[0x72, 0, 0x6a, 0], /more than one/],
    [[0x82, 1, 0, 0x82, 1, 0], /twice/],
    [[0x62, 2, 0x0a, 0, 0x62, 2, 0x0a, 0], /twice/],
    [[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], /ten bytes|64 bits/],
  ];
  for (const [bytes, message] of bad) t.throws(() => strict.decode('p.A', new Uint8Array(bytes)), { message }, String(bytes));
  const nested = (levels: number): Buffer => {
    let bytes = Buffer.alloc(0);
    for (let i = 0; i < levels; i++) bytes = Buffer.concat([Buffer.from([0x82, 1]), varint(bytes.length), bytes]);
    return bytes;
  };
  t.doesNotThrow(() => strict.decode('p.A', nested(60)));
  t.throws(() => strict.decode('p.A', nested(70)), { message: /nested deeper/ });
  const many = Buffer.concat(new Array(100_001).fill(Buffer.from([0x5a, 0])));
  t.throws(() => strict.decode('p.A', many), { message: /elements/ }, 'empty sub-messages are counted');
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}
