import t from 'tap';

import { choiceOf, HOT_ACTOR, ZIPF_EXPONENT } from './choice.ts';
import type { Distribution } from './choice.ts';
import { DriverRandom } from './random.ts';

const ACTORS = 1_000;
const DRAWS = 400_000;

function drawn(distribution: Distribution, among?: Int32Array): Float64Array {
  const choice = choiceOf(distribution, ACTORS, new DriverRandom(3), among)!;
  const counts = new Float64Array(ACTORS);
  for (let i = 0; i < DRAWS; i++) {
    const actor = choice.next();
    counts[actor] = counts[actor]! + 1;
  }
  return counts;
}

t.test('uniform: all alike', async (t) => {
  const counts = drawn('uniform');
  const mean = DRAWS / ACTORS;
  t.ok(counts.every((count) => Math.abs(count - mean) < 6 * Math.sqrt(mean)));
});

t.test('zipf: by rank as the law says', async (t) => {
  const byRank = [...drawn('zipf')].sort((a, b) => b - a);
  const weights = Array.from({ length: ACTORS }, (_, rank) => (rank + 1) ** -ZIPF_EXPONENT);
  const sum = weights.reduce((a, b) => a + b, 0);
  for (const rank of [0, 1, 2, 9, 99]) {
    const expected = (DRAWS * weights[rank]!) / sum;
    t.ok(Math.abs(byRank[rank]! - expected) < 6 * Math.sqrt(expected) + 5, `rank ${rank}: ${byRank[rank]} of ${Math.round(expected)}`);
  }
  t.ok(byRank.at(-1)! > 0, 'everybody has a turn');
});

t.test('the same actor is the most wanted whoever may be chosen', async (t) => {
  const most = (counts: Float64Array): number => counts.indexOf(Math.max(...counts));
  const first = most(drawn('zipf'));
  t.equal(most(drawn('zipf', Int32Array.from([first, 5, 6, 7]))), first);
});

t.test('among some: nobody else', async (t) => {
  const among = Int32Array.from([3, 500, 999]);
  for (const distribution of ['uniform', 'zipf'] as const) t.same([...drawn(distribution, among).entries()].filter(([, count]) => count > 0).map(([actor]) => actor), [3, 500, 999]);
  t.equal(choiceOf('uniform', ACTORS, new DriverRandom(1), new Int32Array()), null);
});

t.test('hot: one, and nobody where it is not', async (t) => {
  t.equal(drawn('hot')[HOT_ACTOR], DRAWS);
  t.equal(choiceOf('hot', ACTORS, new DriverRandom(1), Int32Array.from([4])), null);
});
