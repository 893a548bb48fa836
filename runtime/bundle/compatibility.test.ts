import t from 'tap';

import { encodeBundle, manifestText } from './bundle.ts';
import { checkStateCompatible } from './compatibility.ts';

/** A bundle whose state message has this body. */
function bundle(state: string, others = ''): Buffer {
  const proto = `syntax = "proto3"; package a.v1; message ActorState { ${state} } ${others}
    service ActorCommands {} message ActorEvent { oneof event { ActorState s = 1; } }`;
  return encodeBundle(new Map([['troupe.json', manifestText('a', ['a.js'])], ['a.js', ''], ['proto/a.proto', proto]]));
}

const NESTED = 'message N { int32 x = 1; }';
const ENUM = 'enum E { E_UNSPECIFIED = 0; E_ONE = 1; }';

const compatible: readonly [what: string, before: string, after: string, othersBefore?: string, othersAfter?: string][] = [
  ['nothing', 'int32 a = 1;', 'int32 a = 1;'],
  ['a field more', 'int32 a = 1;', 'int32 a = 1; string b = 2;'],
  ['another name', 'int32 a = 1;', 'int32 b = 1;'],
  ['a wider integer', 'int32 a = 1; uint32 b = 2; uint32 c = 3;', 'int64 a = 1; uint64 b = 2; int64 c = 3;'],
  ['text to bytes', 'string a = 1;', 'bytes a = 1;'],
  ['a number to a bigint', 'int64 a = 1 [jstype = JS_NUMBER];', 'int64 a = 1;'],
  ['presence', 'int32 a = 1;', 'optional int32 a = 1;'],
  ['out of a oneof', 'oneof o { int32 a = 1; int32 b = 2; }', 'int32 a = 1; int32 b = 2;'],
  ['a nested field more', 'N n = 1;', 'N n = 1;', NESTED, 'message N { int32 x = 1; int32 y = 2; }'],
  ['another name of the nested message', 'N n = 1;', 'O n = 1;', NESTED, 'message O { int32 x = 1; }'],
  ['an enum value more', 'E e = 1;', 'E e = 1;', ENUM, 'enum E { E_UNSPECIFIED = 0; E_ONE = 1; E_TWO = 2; }'],
  ['a message that holds itself', 'R r = 1;', 'R r = 1;', 'message R { R r = 1; int32 a = 2; }', 'message R { R r = 1; int32 a = 2; int32 b = 3; }'],
];
for (const [what, before, after, othersBefore, othersAfter] of compatible) {
  t.test(`compatible: ${what}`, async (t) => {
    t.doesNotThrow(() => checkStateCompatible(bundle(before, othersBefore), bundle(after, othersAfter), ['a.v1.Actor']));
  });
}

const incompatible: readonly [what: string, before: string, after: string, field: string, othersBefore?: string, othersAfter?: string][] = [
  ['a field less', 'int32 a = 1; int32 b = 2;', 'int32 a = 1;', 'a.v1.ActorState.b (number 2)'],
  ['a field reserved', 'int32 a = 1;', 'reserved 1;', 'a.v1.ActorState.a (number 1)'],
  ['another number', 'int32 long_name = 1;', 'int32 long_name = 2;', 'a.v1.ActorState.long_name (number 1)'],
  ['another type', 'int32 a = 1;', 'string a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['the same wire, another value', 'sint32 a = 1;', 'int32 a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['a narrower integer', 'int64 a = 1;', 'int32 a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['bytes to text', 'bytes a = 1;', 'string a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['a bigint to a number', 'int64 a = 1;', 'int64 a = 1 [jstype = JS_NUMBER];', 'a.v1.ActorState.a (number 1)'],
  ['an unmarked integer to a wider number', 'uint64 a = 1;', 'uint64 a = 1 [jstype = JS_NUMBER];', 'a.v1.ActorState.a (number 1)'],
  ['a list', 'string a = 1;', 'repeated string a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['no list', 'repeated string a = 1;', 'string a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['a map', 'repeated string a = 1;', 'map<string, string> a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['other keys', 'map<string, string> a = 1;', 'map<int32, string> a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['other map values', 'map<string, string> a = 1;', 'map<string, int32> a = 1;', 'a.v1.ActorState.a (number 1)'],
  ['into a oneof', 'int32 a = 1; int32 b = 2;', 'oneof o { int32 a = 1; int32 b = 2; }', 'a.v1.ActorState.a (number 1)'],
  ['an enum to a number', 'E a = 1;', 'int32 a = 1;', 'a.v1.ActorState.a (number 1)', ENUM],
  ['a message to bytes', 'N a = 1;', 'bytes a = 1;', 'a.v1.ActorState.a (number 1)', NESTED],
  ['a nested field less', 'N a = 1;', 'N a = 1;', 'a.v1.N.x (number 1)', NESTED, 'message N { int32 y = 2; }'],
  ['a field less in a map', 'map<string, N> a = 1;', 'map<string, N> a = 1;', 'a.v1.N.x (number 1)', NESTED, 'message N {}'],
  ['a field less deep down', 'R r = 1;', 'R r = 1;', 'a.v1.N.x (number 1)', `message R { R r = 1; N n = 2; } ${NESTED}`, 'message R { R r = 1; N n = 2; } message N {}'],
  ['an enum value less', 'E a = 1;', 'E a = 1;', 'a.v1.E.E_ONE (number 1)', ENUM, 'enum E { E_UNSPECIFIED = 0; }'],
];
for (const [what, before, after, field, othersBefore, othersAfter] of incompatible) {
  t.test(`incompatible: ${what}`, async (t) => {
    let message = '';
    try {
      checkStateCompatible(bundle(before, othersBefore), bundle(after, othersAfter), ['a.v1.Actor']);
    } catch (error) {
      t.match(error, { code: 'STATE_INCOMPATIBLE' });
      message = (error as Error).message;
    }
    t.ok(message.startsWith(`a.v1.Actor: ${field} `), message);
  });
}

t.test('types that are not asked about, or that one of the bundles lacks, are not looked at', async (t) => {
  t.doesNotThrow(() => checkStateCompatible(bundle('int32 a = 1;'), bundle(''), []));
  t.doesNotThrow(() => checkStateCompatible(bundle('int32 a = 1;'), bundle(''), ['a.v1.Other']));
});
