/** Many turns at once of an actor whose state is large: each is quick enough, all of them together are not. */

import t from 'tap';

import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { limits } from '../limits.ts';
import { makeBundle, startEngine } from './testing/harness.ts';

t.setTimeout(120_000);

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
  const most = Math.ceil((limits.batchCostMaxMs / limits.turnCostPerMibMs) * ((1024 * 1024) / stateBytes));
  t.ok(most < TURNS / 8, `${stateBytes} bytes of state are large`);
  t.ok(Math.max(...items) <= most, `at most ${most} in a batch: ${items.join()}`);
});
