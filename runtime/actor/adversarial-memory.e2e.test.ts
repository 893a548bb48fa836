/** What lets the actors in memory grow without bound? */

import t from 'tap';

import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import type { EngineLimits } from './engine-limits.ts';
import { accountBundle, startEngine } from './testing/harness.ts';

t.setTimeout(1_200_000);

const clients = 1_000;
const commandsPerClient = 12;

/** New actors, one after the other from many clients; the most that were in memory at once. */
async function flood(limits: Partial<EngineLimits>): Promise<{ actors: number; stateBytes: number }> {
  const journal = createMemoryJournal();
  await journal.open();
  const node = await startEngine({ journal, bucketBits: 1, limits });
  await node.engine.deploy(accountBundle());
  let actors = 0;
  let stateBytes = 0;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    for (let n = 0; n < commandsPerClient; n++) {
      await node.send(`test.v1.Account:${client}-${n}`, 'Open', { amount: 1 });
      const stat = node.engine.stat();
      actors = Math.max(actors, stat.activations);
      stateBytes = Math.max(stateBytes, stat.stateBytes);
    }
  }));
  await node.close();
  return { actors, stateBytes };
}

// Who comes, who waits for a snapshot and who waits for its durability may be there on top of the bound, but not all that ever came.
const atMost = (clients * commandsPerClient) / 2;

t.test('new actors in a flood', async (t) => {
  const { actors } = await flood({ activationsMax: 100 });
  t.ok(actors < atMost, `${actors} actors at most`);
});

t.test('states that are too much together, of few enough actors', async (t) => {
  const { actors } = await flood({ stateBytesResidentMax: 200 });
  t.ok(actors < atMost, `${actors} actors at most`);
});
