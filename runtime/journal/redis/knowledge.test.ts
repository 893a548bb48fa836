/** Which of several standings a store must not be behind of. */

import t from 'tap';

import type { Hash64 } from '../../codec/hash64.ts';
import { bytesOfHash } from './entry.ts';
import type { KnownStanding } from './hot-bucket.ts';
import { standingOf } from './knowledge.ts';
import { metaOf } from './metas.ts';
import type { FoundMeta } from './metas.ts';

const hash = (lo: number): Hash64 => ({ hi: 9, lo });
const [now, before, foreign] = [hash(1), hash(2), hash(3)];

/** As the store answers for a bucket at position 50. */
function meta(given: readonly Hash64[] = [before]): FoundMeta {
  const list = Buffer.concat(given.map(bytesOfHash));
  return metaOf(['4', now, before, '50', hash(50), '30', hash(30), list, null, null, null, null].map((field) => (typeof field === 'string' ? Buffer.from(field) : field !== null && 'hi' in field ? bytesOfHash(field) : field)));
}

function at(incarnation: Hash64, position: number, epoch = 0): KnownStanding {
  return { incarnation, epoch, position, head: hash(position) };
}

t.test('the farthest under the incarnation in force, with the highest epoch', async (t) => {
  t.same(standingOf(meta(), undefined, []), undefined);
  t.same(standingOf(meta(), at(now, 40, 7), [at(now, 45)]), at(now, 45, 7));
  t.same(standingOf(meta(), at(now, 60, 7), [at(now, 45)]), at(now, 60, 7), 'the tier does not overrule a witness that knows more');
  t.same(standingOf(meta(), undefined, [at(now, 20), at(now, 45)]), at(now, 45));
});

t.test('what was given up counts no more, wherever it stands in the list', async (t) => {
  t.same(standingOf(meta(), undefined, [at(now, 45), at(before, 80)]), at(now, 45));
  t.same(standingOf(meta(), undefined, [at(before, 80), at(now, 45)]), at(now, 45));
  t.same(standingOf(meta(), undefined, [at(before, 80)]), undefined);
  t.same(standingOf(meta(), at(before, 80, 9), []), at(before, 80, 9), 'but for the epoch, which the store takes from it');
});

t.test('a log that the store neither has nor gave up counts, however short', async (t) => {
  t.same(standingOf(meta(), at(now, 60, 7), [at(foreign, 3), at(now, 70)]), at(foreign, 3, 7));
  t.same(standingOf(meta([before, foreign]), undefined, [at(foreign, 3), at(now, 45)]), at(now, 45));
  const missing = metaOf(Array.from({ length: 12 }, () => null));
  t.same(standingOf(missing, undefined, [at(now, 45), at(before, 30)]), at(now, 45), 'and everything does when the bucket is missing');
});
