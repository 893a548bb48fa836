/**
 * A process that works on a bucket until a demotion comes to a step, says so on stdout, and stands still there to be killed:
 * `demoting-process.ts <port> <directory> <seed> <step>`. What it did follows from the seed; it says how far it came.
 */

import { createColdTier } from '../../cold/cold-tier.ts';
import { Dice } from '../../contract-model.ts';
import type { Demotion } from '../demotion.ts';
import { createRedisJournal } from '../redis-journal.ts';
import { BITS, bucket, HOT_BYTES } from './tiered-rig.ts';
import { TieredWork } from './tiered-work.ts';

const [port, directory, seed, wanted] = process.argv.slice(2);
const store = { addresses: [{ host: '127.0.0.1', port: Number(port) }] };
const journal = createRedisJournal({ store, bucketBits: BITS, node: 'killed', tier: createColdTier({ directory: directory! }), hotBytesPerBucketMax: HOT_BYTES });
const { demotion } = journal as unknown as { demotion: Demotion };
await journal.open();
const work = new TieredWork(await journal.openBucket(bucket), new Dice(Number(seed)));
demotion.onStep = async (step) => {
  if (step !== wanted || demotion.demotions < 3) return;
  process.stdout.write('here\n');
  await new Promise(() => {});
};
for (;;) {
  process.stdout.write(`appending\n`);
  await work.append(journal, 1);
  process.stdout.write(`appended ${work.acknowledged}\n`);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
