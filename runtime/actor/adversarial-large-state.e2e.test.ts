/** Many turns at once that cost much, or of an actor whose state is large: each is quick enough, all of them together are not. */

import t from 'tap';

import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { limits } from '../limits.ts';
import { roundsFor } from '../sandbox/testing/cpu-time.ts';
import { makeBundle, startEngine } from './testing/harness.ts';
import type { TestEngine } from './testing/harness.ts';

t.setTimeout(1_200_000);

const proto = `
syntax = "proto3";
package test.v1;
message PileState { map<string, uint32> pieces = 1; uint32 added = 2; }
message Fill { uint32 count = 1; }
message FillReply {}
message Add { string name = 1; }
message AddReply { uint32 added = 1; }
message Filled { uint32 count = 1; }
message Added { string name = 1; }
message PileEvent { oneof event { Filled filled = 1; Added added = 2; } }
service PileCommands {
  rpc Fill(test.v1.Fill) returns (FillReply);
  rpc Add(test.v1.Add) returns (AddReply);
}
`;
const module = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Pile', {
  initialState: () => ({}),
  decide: {
    Fill(state, { count }, ctx) { ctx.emit('Filled', { count }); return {}; },
    Add(state, { name }, ctx) { ctx.emit('Added', { name }); return { added: state.added + 1 }; },
  },
  evolve: {
    Filled: (state, { count }) => ({ ...state, pieces: Object.fromEntries(Array.from({ length: count }, (_, i) => ['piece-' + i, i])) }),
    Added: (state, { name }) => ({ ...state, pieces: { ...state.pieces, [name]: 1 }, added: state.added + 1 }),
  },
});
`;
const PIECES = 3_000;
const TURNS = 256;

t.test('they come in several batches, in order, and no sandbox is lost', async (t) => {
  const journal = createMemoryJournal(new MemoryStore());
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(makeBundle(proto, module));
  t.equal((await node.send('test.v1.Pile:large', 'Fill', { count: PIECES })).error, null);
  const { stateBytes } = node.engine.stat();
  const items: number[] = [];
  const send = node.pool.send.bind(node.pool);
  node.pool.send = (batch) => {
    items.push(batch.items);
    send(batch);
  };
  const answers = await Promise.all(Array.from({ length: TURNS }, (_, i) => node.send('test.v1.Pile:large', 'Add', { name: `new-${i}` })));
  t.same(answers.map(({ error, body }) => error ?? body.added), Array.from({ length: TURNS }, (_, i) => i + 1));
  t.equal(node.pool.stat().losses, 0);
  // From its size alone; what is learned from then on is the affair of turn-costs.test.ts.
  const most = Math.ceil((limits.batchCostMaxMs / limits.turnCostPerMibMs) * ((1024 * 1024) / stateBytes));
  t.ok(most < TURNS / 8, `${stateBytes} bytes of state are large`);
  t.ok(node.engine.stat().snapshots <= TURNS / limits.recordsPerSnapshotMin + 2, 'and a snapshot, which costs as much as a turn, is not taken behind each');
  t.ok(Math.max(...items) < TURNS / 2, `they come in several batches: ${items.join()}`);
});

const heavyProto = `
syntax = "proto3";
package test.v1;
message HeavyState { uint32 done = 1; }
message Work { uint32 rounds = 1; bool endless = 2; }
message WorkReply { uint32 done = 1; }
message Worked {}
message HeavyEvent { oneof event { Worked worked = 1; } }
service HeavyCommands { rpc Work(test.v1.Work) returns (WorkReply); }
`;
const heavyModule = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Heavy', {
  initialState: () => ({}),
  decide: {
    Work(state, { rounds, endless }, ctx) {
      if (endless) for (;;);
      let x = 0;
      for (let i = 0; i < rounds; i++) x = (x * 31 + i) | 0;
      ctx.emit('Worked', x === 0.5 ? null : {});
      return { done: state.done + 1 };
    },
  },
  evolve: { Worked: (state) => ({ done: state.done + 1 }) },
});
`;

async function startHeavy(): Promise<TestEngine> {
  const journal = createMemoryJournal(new MemoryStore());
  await journal.open();
  const node = await startEngine({ journal });
  await node.engine.deploy(makeBundle(heavyProto, heavyModule));
  return node;
}

/** So many take fifty milliseconds; found out in another engine, where it is learned, too. */
async function roundsOfHeavy(): Promise<number> {
  const node = await startHeavy();
  const rounds = await roundsFor(50, node.pool.stat().activePid, async (rounds) => node.send('test.v1.Heavy:measured', 'Work', { rounds }));
  await node.close();
  return rounds;
}

t.test('a batch nobody knew the cost of is lost once, is nobody\'s fault, and all of it is done', async (t) => {
  const node = await startHeavy();
  const rounds = await roundsOfHeavy();
  const actors = Array.from({ length: 20 }, (_, i) => `test.v1.Heavy:h${i % 10}`);
  const work = Promise.all(Array.from({ length: 200 }, (_, i) => node.send(actors[i % 20]!, 'Work', { rounds }, `k${i}`)));
  const answers = await work;
  t.same(answers.filter(({ error }) => error !== null), []);
  const kinds = await Promise.all(actors.slice(0, 10).map(async (name) => (await node.engine.records(name, 1, 100)).map(({ kind }) => kind)));
  t.same(kinds, Array.from({ length: 10 }, () => Array.from({ length: 20 }, () => 'decision')), 'nobody has a strike');
  const { losses } = node.pool.stat();
  t.ok(losses >= 1, 'ten seconds of work in one batch were too much, or this shows nothing');
  t.ok(losses <= 3, `and few lost batches taught it: ${losses}`);
  await node.close();
});

t.test('whoever was in a batch with one that never ends is not suspected, and runs at once', async (t) => {
  const node = await startHeavy();
  const rounds = await roundsOfHeavy();
  const trials: number[] = [];
  const trial = node.pool.trial.bind(node.pool);
  node.pool.trial = (write, read) =>
    trial((batch) => {
      write(batch);
      trials.push(batch.items);
    }, read);
  const answers = await Promise.all(
    Array.from({ length: 21 }, (_, i) => node.send(`test.v1.Heavy:h${i}`, 'Work', { rounds, endless: i === 10 }, `k${i}`)),
  );
  t.same(answers.flatMap(({ error }, i) => (error === null ? [] : [[i, error.code]])), [[10, 'BEHAVIOR_FAILED']]);
  t.ok(trials.length <= 2, `the one that was running is tried, and its history: ${trials.length} trials`);
  await node.close();
});
