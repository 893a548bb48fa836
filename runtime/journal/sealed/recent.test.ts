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
