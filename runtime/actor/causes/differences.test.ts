/** What differs between two values: checked by putting the changes into the one, which must make the other. */

import fc from 'fast-check';
import t from 'tap';

import { differences } from './differences.ts';

t.test('paths, and what came and went', async (t) => {
  t.same(differences({ a: 1, b: { c: [1, 2], 'd e': true } }, { a: 2, b: { c: [1], 'd e': false, f: null } }), [
    { path: 'a', before: 1, after: 2 },
    { path: 'b.c[1]', before: 2 },
    { path: 'b["d e"]', before: true, after: false },
    { path: 'b.f', after: null },
  ]);
  t.same(differences({ a: [1] }, { a: { 0: 1 } }), [{ path: 'a', before: [1], after: { 0: 1 } }]);
  t.same(differences({}, {}), []);
});

t.test('bounded', async (t) => {
  const many = differences({}, Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`k${i}`, i])));
  t.equal(many.length, 101);
  t.same(many.at(-1), { path: '... and 150 more' });
  const [long] = differences({ a: 'x' }, { a: 'y'.repeat(5_000) });
  t.equal((long!.after as string).length, 1_003);
});

const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => Object.is(JSON.stringify(value), JSON.stringify(value)));

t.test('nothing is left out', async () => {
  fc.assert(fc.property(fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), json, { maxKeys: 5 }), fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), json, { maxKeys: 5 }), (before, after) => {
    const changes = differences(before, after);
    fc.pre(changes.length <= 100 && changes.every(({ before: b, after: a }) => (JSON.stringify([b, a]) ?? '').length < 900));
    const made = structuredClone(before) as Record<string, unknown>;
    // From the end, so that lists lose their last ones first.
    for (const change of [...changes].reverse()) apply(made, change.path, 'after' in change, change.after);
    return JSON.stringify(sorted(made)) === JSON.stringify(sorted(after));
  }), { numRuns: 500 });
});

/** By the path's own reading: JavaScript's. */
function apply(root: Record<string, unknown>, path: string, isThere: boolean, value: unknown): void {
  const keys = [...path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([A-Za-z_$][\w$]*)/g)].map(([, index, quoted, name]) => (index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(`"${quoted}"`) as string) : name!));
  let at: any = root;
  for (const key of keys.slice(0, -1)) at = at[key];
  const last = keys.at(-1)!;
  if (isThere) at[last] = value;
  else if (Array.isArray(at)) at.length = Math.min(at.length, last as number);
  else delete at[last];
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, of]) => [key, sorted(of)]));
}
