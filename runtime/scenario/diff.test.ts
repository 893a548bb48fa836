import t from 'tap';

import type { Comparable } from './diff.ts';
import { differences, Labelled, show } from './diff.ts';

const cases: readonly [what: string, expected: Comparable, got: Comparable, found: readonly (readonly [string, string | null, string | null])[]][] = [
  ['the same', { a: 1, b: ['x', 2n], c: { d: true } }, { c: { d: true }, b: ['x', 2n], a: 1 }, []],
  ['a field', { a: 1, b: 2 }, { a: 1, b: 3 }, [['r.b', '2', '3']]],
  ['fields at every depth', { a: { b: [{ c: 1 }] }, d: 'x' }, { a: { b: [{ c: 2 }] }, d: 'y' }, [['r.a.b[0].c', '1', '2'], ['r.d', '"x"', '"y"']]],
  ['a field that is absent', { a: undefined }, { a: 1 }, [['r.a', null, '1']]],
  ['a field that is missing', { a: 1 }, {}, [['r.a', '1', null]]],
  ['a field more', {}, { a: 1 }, [['r.a', null, '1']]],
  ['an inherited name is no field', {}, { toString: 1 }, [['r.toString', null, '1']]],
  ['an inherited name on the other side', { constructor: 1 }, {}, [['r.constructor', '1', null]]],
  ['another type', { a: 1 }, { a: '1' }, [['r.a', '1', '"1"']]],
  ['a bigint is no number', { a: 1n }, { a: 1 }, [['r.a', '1n', '1']]],
  ['zeros and NaN', [0, NaN], [-0, NaN], [['r[0]', '0', '-0']]],
  ['bytes', [Buffer.from('a'), Buffer.alloc(0)], [Buffer.from('a'), Buffer.from('b')], [['r[1]', 'bytes (none)', 'bytes 62']]],
  ['an element less', [1, 2], [1], [['r[1]', '2', null]]],
  ['an element more', [], [{ a: 1 }], [['r[0]', null, '{ a: 1 }']]],
  ['a list for an object', { a: [] }, { a: {} }, [['r.a', '[]', '{}']]],
  ['a name that is no identifier', { 'o-1': 1 }, { 'o-1': 2 }, [['r["o-1"]', '1', '2']]],
  ['entries of one name', [new Labelled('Paid', { amount: 1 })], [new Labelled('Paid', { amount: 2 })], [['r[0] Paid.amount', '1', '2']]],
  ['entries of two names', [new Labelled('Paid', { amount: 1 })], [new Labelled('Void', { amount: 1 })], [['r[0]', 'Paid { amount: 1 }', 'Void { amount: 1 }']]],
];
for (const [what, expected, got, found] of cases) {
  t.test(what, async (t) => {
    t.strictSame(differences(expected, got, 'r').map((one) => [one.path, one.expected, one.got]), found);
  });
}

t.test('values are shown on one line', async (t) => {
  t.equal(show({ a: 'x\n', b: undefined, 'c-d': [1n, true], e: {} }), '{ a: "x\\n", "c-d": [1n, true], e: {} }');
});
