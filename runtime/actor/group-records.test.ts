import fc from 'fast-check';
import t from 'tap';

import { chain } from '../codec/chain.ts';
import { RunWalker } from '../journal/record-run.ts';
import { Bucket } from './bucket.ts';
import { GroupRecords } from './group-records.ts';

/** Lengths around the borders of one, two, three and four bytes of length. */
const size = fc.oneof(
  fc.constantFrom(1, 127, 128, 129, 16_383, 16_384, 16_385, 70_000, 2_097_151, 2_097_152),
  fc.integer({ min: 1, max: 600 }),
);

t.test('runs hold, bucket by bucket, the records in their order, with heads that lead from one to the next', async () => {
  const record = fc.record({ bucket: fc.integer({ min: 0, max: 3 }), size, byte: fc.integer({ min: 0, max: 255 }) });
  const groups = fc.array(fc.array(record, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });
  const records = new GroupRecords();
  fc.assert(
    fc.property(groups, (all) => {
      const buckets = Array.from({ length: 4 }, (_, index) => new Bucket({ bits: 2, index }));
      // What the log of each bucket should say.
      const logs = buckets.map((bucket) => ({ position: 0, head: { ...bucket.head } }));
      for (const group of all) {
        records.reset();
        for (const [i, { bucket, size, byte }] of group.entries()) {
          const wire = records.begin();
          wire.raw(Buffer.alloc(size, byte));
          const owner = buckets[bucket]!;
          if (records.end(owner, i + 1, byte) !== owner.position) return false;
        }
        let seen = 0;
        const order = group.map((made, i) => ({ ...made, i }));
        const runs = records.close();
        for (const run of runs) {
          const log = logs[run.bucket.index]!;
          if (run.position !== log.position + 1 || run.headBefore.hi !== log.head.hi || run.headBefore.lo !== log.head.lo) return false;
          const walker = new RunWalker().over(run.bytes, run.from, run.to);
          let count = 0;
          for (; walker.next(); count++) {
            const { bucket, size, byte, i } = order[seen++]!;
            if (bucket !== run.bucket.index) return false;
            const bytes = run.bytes.subarray(walker.from, walker.to);
            if (!bytes.equals(Buffer.alloc(size, byte))) return false;
            if (run.actorHashes[run.hashesFrom + 2 * count] !== i + 1 || run.actorHashes[run.hashesFrom + 2 * count + 1] !== byte) return false;
            chain(log.head, log.head, Buffer.from(bytes));
            log.position++;
          }
          if (count !== run.count || run.headAfter.hi !== log.head.hi || run.headAfter.lo !== log.head.lo) return false;
        }
        if (seen !== group.length) return false;
        if (runs.some((run, i) => i > 0 && runs[i - 1]!.owner === run.owner)) return false;
      }
      return buckets.every((bucket, i) => bucket.position === logs[i]!.position);
    }),
    { numRuns: 150 },
  );
});
