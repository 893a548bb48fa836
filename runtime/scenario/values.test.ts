import protobuf from 'protobufjs';
import t from 'tap';

import { complete, decode, encode, toJson, ValueError } from './values.ts';

const { root } = protobuf.parse(
  `syntax = "proto3"; package a;
   message M {
     string some_text = 1; bool b = 2; bytes c = 3; int32 d = 4; double e = 5; int64 f = 6; int64 g = 7 [jstype = JS_NUMBER];
     repeated uint64 h = 8; E i = 9; N k = 10; repeated N l = 11; map<string, N> m = 12; map<int64, E> n = 13;
     optional int32 o = 14; oneof choice { string p = 15; N q = 16; } float r = 17;
   }
   enum E { E_UNSPECIFIED = 0; E_ONE = 1; }
   message N { int32 x = 1; }`,
  new protobuf.Root(),
);
const M = root.resolveAll().lookupType('a.M');

const full = {
  someText: 'ä', b: true, c: Buffer.from('hi'), d: -1, e: 1.5, f: -9007199254740993n, g: 5, h: [18446744073709551615n], i: 'E_ONE',
  k: { x: 1 }, l: [{}, { x: 2 }], m: { toString: { x: 3 } }, n: { '-9007199254740993': 'E_ONE' }, o: 0, q: {}, r: 0.5,
};

t.test('what an author leaves out is there, as a behaviour would see it', async (t) => {
  const empty = complete(M, {}, 'm');
  t.strictSame(Object.keys(empty), M.fieldsArray.map(({ jsonName }) => jsonName));
  t.strictSame(
    [empty['someText'], empty['b'], empty['d'], empty['f'], empty['g'], empty['h'], empty['i'], empty['k'], empty['o'], empty['p']],
    ['', false, 0, 0n, 0, [], 'E_UNSPECIFIED', undefined, undefined, undefined],
  );
});

t.test('stored bytes come out in the same form', async (t) => {
  for (const value of [{}, full]) {
    const completed = complete(M, value, 'm');
    t.strictSame(decode(M, encode(M, completed)), completed);
  }
});

t.test('a whole number will do for a bigint', async (t) => {
  t.equal(complete(M, { f: 5 }, 'm')['f'], 5n);
});

t.test('a body becomes ProtoJSON', async (t) => {
  const completed = complete(M, { someText: 'x', c: Buffer.from('hi'), f: 7n, g: 8, h: [9n], k: { x: 1 }, e: Infinity, o: 0 }, 'm');
  t.strictSame(JSON.parse(toJson(M, completed)), {
    someText: 'x', b: false, c: 'aGk=', d: 0, e: 'Infinity', f: '7', g: '8', h: ['9'], i: 'E_UNSPECIFIED', k: { x: 1 }, l: [], m: {}, n: {}, o: 0, r: 0,
  });
});

const wrong: readonly [what: string, value: unknown, path: string][] = [
  ['no object', [], 'm'], ['null', null, 'm'], ['an unknown field', { text: '' }, 'm.text'], ['a field by its proto name', { some_text: '' }, 'm.some_text'],
  ['a number for text', { someText: 1 }, 'm.someText'], ['text for a number', { d: '1' }, 'm.d'], ['half a number', { d: 1.5 }, 'm.d'],
  ['text for a bigint', { f: '1' }, 'm.f'], ['half a bigint', { f: 0.5 }, 'm.f'], ['a bigint for a JS_NUMBER', { g: 1n }, 'm.g'],
  ['a number beyond 2^53', { g: 2 ** 53 }, 'm.g'], ['an unknown enum name', { i: 'E_TWO' }, 'm.i'], ['an inherited enum name', { i: 'toString' }, 'm.i'],
  ['no list', { h: 1n }, 'm.h'], ['a wrong element', { h: [1n, 'x'] }, 'm.h[1]'], ['a list for a map', { m: [] }, 'm.m'],
  ['a wrong value in a map', { m: { a: 1 } }, 'm.m["a"]'], ['an unknown field deep down', { l: [{}, { y: 1 }] }, 'm.l[1].y'],
  ['text for bytes', { c: 'hi' }, 'm.c'], ['two of a oneof', { p: 'x', q: {} }, 'm has both'],
];
for (const [what, value, path] of wrong) {
  t.test(`refused: ${what}`, async (t) => {
    let refusal: unknown = 'not refused';
    try {
      complete(M, value, 'm');
    } catch (error) {
      refusal = error;
    }
    t.ok(refusal instanceof ValueError && refusal.message.startsWith(path), String(refusal));
  });
}
