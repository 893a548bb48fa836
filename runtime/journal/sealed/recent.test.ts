import t from 'tap';

import { Recent } from './recent.ts';

await t.test('by count: the entries used last stay', async (t) => {
  const recent = new Recent<string, number>(2);
  recent.set('a', 1);
  recent.set('b', 2);
  t.equal(recent.get('a'), 1);
  recent.set('c', 3);
  t.same([recent.get('a'), recent.get('b'), recent.get('c')], [1, undefined, 3]);
});

await t.test('when all were used, the oldest of them go', async (t) => {
  const recent = new Recent<number, number>(3);
  for (const n of [1, 2, 3]) recent.set(n, n);
  for (const n of [1, 2, 3]) t.equal(recent.get(n), n);
  recent.set(4, 4);
  t.same([1, 2, 3, 4].map((n) => recent.get(n)), [undefined, 2, 3, 4]);
});

await t.test('what is in use stays, whatever passes by, and no more is kept than may be', async (t) => {
  const recent = new Recent<string, number>(100, (weight) => weight);
  let kept = 0;
  for (let i = 0; i < 1_000; i++) {
    for (const key of ['a', 'b']) {
      if (recent.get(key) !== undefined) kept++;
      else recent.set(key, 20);
    }
    recent.set(`passer-by ${i}`, 1 + (i % 7));
  }
  t.equal(kept, 2 * 999);
  const others = Array.from({ length: 1_000 }, (_, i) => recent.get(`passer-by ${i}`) ?? 0);
  const weight = others.reduce((sum, each) => sum + each, 0);
  t.ok(weight > 50 && weight <= 60, `what passes by has the rest, ${weight}`);
});

await t.test('by weight: as many as fit, and nothing that does not', async (t) => {
  const recent = new Recent<string, string>(10, (text) => text.length);
  recent.set('a', 'xxxx');
  recent.set('b', 'xxxx');
  recent.set('c', 'xxx');
  t.same([recent.get('a'), recent.get('b'), recent.get('c')], [undefined, 'xxxx', 'xxx']);
  recent.set('b', 'x');
  recent.set('d', 'xxxxxx');
  t.same([recent.get('b'), recent.get('c'), recent.get('d')], ['x', 'xxx', 'xxxxxx'], 'an entry that is set again weighs what it weighs now');
  recent.set('e', 'x'.repeat(11));
  t.same([recent.get('d'), recent.get('e')], ['xxxxxx', undefined]);
});
