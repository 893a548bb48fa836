import fc from 'fast-check';
import t from 'tap';

import type { Activation } from './activation.ts';
import { BucketOrder } from './bucket-order.ts';
import { JOB_COMMAND, Job } from './job.ts';

t.test('sorts by bucket and keeps the order within one, and touches nothing else', async () => {
  const place = fc.integer({ min: -1, max: 300 });
  const order = new BucketOrder();
  fc.assert(
    fc.property(fc.array(place, { maxLength: 60 }), fc.nat(), fc.nat(), (places, a, b) => {
      const jobs = places.map((index) => new Job(JOB_COMMAND, index < 0 ? null : ({ bucket: { id: { bits: 9, index } } } as Activation)));
      const from = Math.min(a, b) % (places.length + 1);
      const to = Math.max(from, Math.max(a, b) % (places.length + 1));
      const indexOf = new Map(jobs.map((job, i) => [job, places[i]!]));
      const middle = jobs.slice(from, to).sort((x, y) => indexOf.get(x)! - indexOf.get(y)!);
      const expected = [...jobs.slice(0, from), ...middle, ...jobs.slice(to)];
      order.sort(jobs, from, to);
      return jobs.length === expected.length && jobs.every((job, i) => job === expected[i]);
    }),
    { numRuns: 500 },
  );
});
