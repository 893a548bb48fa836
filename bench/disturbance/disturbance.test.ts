/** The arithmetic of the figures, and where probes lie. */

import t from 'tap';

import { bucketOf } from '../../cluster/faults/cluster-actors.ts';
import { bucketNames } from '../oracle/buckets.ts';
import { percentile } from './disturbance.ts';

t.test('a percentile is one of the values', async (t) => {
  const values = [5, 1, 4, 2, 3];
  t.same([0, 0.5, 0.99, 1].map((share) => percentile(values, share)), [1, 3, 5, 5]);
  t.same(values, [5, 1, 4, 2, 3], 'the list stays as it was');
  t.equal(percentile([], 0.5), 0);
});

t.test('there is a probe in every bucket', async (t) => {
  const names = bucketNames(64, (n) => `bench.v1.Counter:p-${n}`);
  t.same(names.map((name) => bucketOf(name, 6)), Array.from({ length: 64 }, (_, index) => index));
  t.same(bucketNames(1, (n) => `x.Y:${n}`), ['x.Y:0']);
});
