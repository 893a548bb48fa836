/** The contract once more, on a journal whose hot log is so short that nearly everything is cold. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { startRedis } from '../../testing/redis-server.ts';
import { createColdTier } from '../cold/cold-tier.ts';
import { journalContract } from '../contract.ts';
import type { Journal } from '../journal.ts';
import type { Demotion } from './demotion.ts';
import { createRedisJournal } from './redis-journal.ts';

const redis = await startRedis({ appendonly: true, appendfsync: 'no' });
t.teardown(() => redis.remove());
const store = { addresses: [{ host: '127.0.0.1', port: redis.port }] };
let places = 0;

/** Every second append is answered when what it made too long is cold: the work in between meets demotions under way. */
function demoting(journal: Journal): Journal {
  const { demotion } = journal as unknown as { demotion: Demotion };
  const append = journal.append.bind(journal);
  let appends = 0;
  journal.append = async (batch) => {
    const outcomes = await append(batch);
    if (appends++ % 2 === 0) await demotion.idle();
    return outcomes;
  };
  return journal;
}

await t.test('the contract', async (t) => {
  let files = 0;
  await journalContract(t, {
    place() {
      const namespace = `place-${places++}`;
      const directory = mkdtempSync(join(tmpdir(), 'troupe-cold-'));
      return {
        journal: () => demoting(createRedisJournal({ store, namespace, bucketBits: 8, node: 'n1', tier: createColdTier({ directory }), hotBytesPerBucketMax: 600 })),
        async remove() {
          try {
            files += readdirSync(join(directory, namespace)).length;
          } catch {
            // A place where nothing was demoted has no folder.
          }
          rmSync(directory, { recursive: true });
        },
      };
    },
    seeds: [1, 2, 3, 4],
    stepsPerSeed: 150,
  });
  t.ok(files > 100, `${files} ranges were demoted`);
});
