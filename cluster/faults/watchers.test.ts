/** The rules of watches are seen to be broken by a watch that breaks them, and by no other. */

import t from 'tap';

import { Watched } from './watchers.ts';

function watched(...seqs: readonly number[]): { readonly watched: Watched; readonly complaints: (string | null)[] } {
  const one = new Watched({ index: 0, kind: 'counter', address: 'bench.v1.Counter:c' }, 'here');
  return { watched: one, complaints: seqs.map((seq) => one.take(seq, 10)) };
}

t.test('every event once and in order, up to the last', async (t) => {
  const { watched: one, complaints } = watched(1, 2, 3);
  t.same(complaints, [null, null, null]);
  t.equal(one.end(3, 30), null);
});

t.test('V1: a gap, a duplicate, a first event that is not the first', async (t) => {
  t.match(watched(1, 3).complaints, [null, /^V1: .* gives event 3 after 1/]);
  t.match(watched(1, 2, 2).complaints, [null, null, /^V1/]);
  t.match(watched(2).complaints, [/^V1/]);
});

t.test('V2: an end that was not reached, or not what there is', async (t) => {
  t.match(watched(1, 2).watched.end(3, 30), /^V2: .* stands at event 2 of 3/);
  t.match(watched(1, 2, 3).watched.end(3, 31), /^V2: .* adds up to 30, the state is 31/);
});
