/**
 * What runs live is what replays: for random schemas and commands, with bundles changing in between, an actor's state is the
 * same bytes after its live turns, after it was passivated and activated again, and when its whole history is folded from the
 * first record without any snapshot.
 */

import t from 'tap';

import { MemoryBundleStore } from '../bundle/memory-store.ts';
import { createMemoryJournal } from '../journal/memory/memory-journal.ts';
import type { Journal } from '../journal/journal.ts';
import { FORMAT_PROTO } from '../sandbox/sandbox.ts';
import type { NodeEngine } from './node-engine.ts';
import { startEngine } from './testing/harness.ts';
import { Address } from './engine.ts';
import { Random, randomBody, randomBundle, randomType } from './testing/random-actor.ts';

const seed = Number(process.env['REPLAY_SEED'] ?? 20_261_120);
const schemas = Number(process.env['REPLAY_SCHEMAS'] ?? 12);
const commandsPerGeneration = 30;
const actors = ['test.v1.Thing:a', 'test.v1.Thing:{root}b', 'test.v1.Thing:c'];

function stateBytes(engine: NodeEngine, to: string): Promise<string> {
  return new Promise((resolve, reject) => {
    engine.get({
      to: new Address(to),
      format: FORMAT_PROTO,
      done: (seq, buffer, from, end) => resolve(`${seq}:${buffer.toString('hex', from, end)}`),
      failed: (error) => reject(new Error(`${error.code} ${error.message}`)),
    });
  });
}

/** The journal without snapshots: whoever activates an actor folds its whole history. */
function withoutSnapshots(inner: Journal): Journal {
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'readActor') {
        return async (...args: Parameters<Journal['readActor']>) => ({
          snapshot: null,
          records: await target.readActorRecords(...args),
        });
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  });
}

t.setTimeout(1_200_000);

t.test(`seed ${seed}`, async (t) => {
  let accepted = 0;
  let rejected = 0;
  let snapshots = 0;
  let samples = 0;
  let different = 0;
  for (let i = 0; i < schemas; i++) {
    const random = new Random(seed + i);
    const type = randomType(random);
    const journal = createMemoryJournal();
    await journal.open();
    const store = new MemoryBundleStore();
    const live = await startEngine({ journal, store, limits: { activationsMax: 1, recordsPerSnapshotMax: 7, sampleOneIn: 4 } });
    for (const generation of [1, 2, 3]) {
      await live.engine.deploy(randomBundle(type, generation));
      for (let n = 0; n < commandsPerGeneration; n++) {
        const answers = await Promise.all(actors.map((to) => live.send(to, 'Apply', randomBody(random, type))));
        for (const answer of answers) {
          if (answer.error === null) accepted++;
          else if (answer.error.code === 'REJECTED') rejected++;
          else t.fail(`${answer.error.code} ${answer.error.message}`, { seed: seed + i });
        }
      }
    }
    const states = await Promise.all(actors.map((to) => stateBytes(live.engine, to)));
    snapshots += live.engine.stat().snapshots;
    t.ok(live.engine.stat().passivations > 0, 'actors left memory on the way');
    samples += live.pool.stat().samplesCompared;
    different += live.pool.stat().samplesDifferent;
    await live.close();

    const again = await startEngine({ journal, store });
    t.same(await Promise.all(actors.map((to) => stateBytes(again.engine, to))), states, `schema ${i}: from snapshots`);
    await again.close();
    const folded = await startEngine({ journal: withoutSnapshots(journal), store });
    t.same(await Promise.all(actors.map((to) => stateBytes(folded.engine, to))), states, `schema ${i}: from the first record`);
    await folded.close();
  }
  t.ok(accepted > schemas * 50 && rejected > 0 && snapshots > schemas, `${accepted} accepted, ${rejected} rejected, ${snapshots} snapshots`);
  t.ok(samples > schemas, `${samples} decisions were run again`);
  t.equal(different, 0, 'and gave the same');
});
