/** What breaks the agreement of the host's fold, the sandbox's state, the snapshots and the log when a behaviour changes? */

import t from 'tap';

import { MemoryBundleStore } from '../bundle/memory-store.ts';
import type { Journal } from '../journal/journal.ts';
import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { makeBundle, startEngine } from './testing/harness.ts';

const actor = 'test.v1.Tally:a';

const proto = `
syntax = "proto3";
package test.v1;
message TallyState { uint32 sum = 1; uint32 carried = 2; }
message Add { uint32 by = 1; }
message AddReply { uint32 sum = 1; }
message Added { uint32 by = 1; }
message TallyEvent { oneof event { Added added = 1; } }
service TallyCommands { rpc Add(Add) returns (AddReply); }
`;

/** `carried` counts how often a state was carried over: 100 for each time by the bundle \`generation\`. */
function tally(generation: number): Buffer {
  return makeBundle(proto, `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Tally', {
  initialState: () => ({ sum: ${generation * 1_000} }),
  ${generation > 1 ? `migrate: (old) => ({ ...old, carried: old.carried * 10 + ${generation} }),` : ''}
  decide: { Add(state, command, ctx) {
    if (command.by === 0) ctx.reject('ZERO', 'nothing to add');
    ctx.emit('Added', { by: command.by });
    return { sum: state.sum + command.by };
  } },
  evolve: { Added: (state, event) => ({ ...state, sum: state.sum + event.by }) },
});`);
}

function withoutSnapshots(inner: Journal): Journal {
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'readActor') {
        return async (...args: Parameters<Journal['readActor']>) => ({ snapshot: null, records: await target.readActorRecords(...args) });
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  });
}

async function setUp(limits: { activationsMax?: number; recordsPerSnapshotMax?: number }) {
  const journals = new MemoryStore();
  const store = new MemoryBundleStore();
  const journal = createMemoryJournal(journals);
  await journal.open();
  const node = await startEngine({ journal, store, limits, bucketBits: 1 });
  const reopened = async (view: (journal: Journal) => Journal) => {
    await node.close();
    await journal.close();
    const again = createMemoryJournal(journals);
    await again.open();
    return startEngine({ journal: view(again), store, bucketBits: 1 });
  };
  return { node, journal, reopened };
}

async function leaveMemory(node: Awaited<ReturnType<typeof startEngine>>): Promise<void> {
  const before = node.engine.stat().passivations;
  for (let i = 0; node.engine.stat().passivations < before + 3 && i < 50; i++) await node.get(`test.v1.Tally:other${i}`);
}

t.test('a read under a new behaviour leaves no migration that the log does not know', async (t) => {
  const { node, reopened } = await setUp({ activationsMax: 1 });
  await node.engine.deploy(tally(1));
  await node.send(actor, 'Add', { by: 1 });
  await node.engine.deploy(tally(2));
  const read = await node.get(actor);
  await leaveMemory(node);
  const after = await node.send(actor, 'Add', { by: 2 });
  t.equal(after.error, null);
  const live = await node.get(actor);
  t.match(read.body, { carried: 2 });
  t.match(live.body, { sum: 1_003, carried: 2 });
  const folded = await reopened(withoutSnapshots);
  t.same(await folded.get(actor), live, 'the log alone gives the same state');
  await folded.close();
});

t.test('a snapshot that was due before a deployment says which behaviour\'s state it holds', async (t) => {
  const { node, reopened } = await setUp({ recordsPerSnapshotMax: 3 });
  await node.engine.deploy(tally(2));
  await node.send(actor, 'Add', { by: 1 });
  await node.send(actor, 'Add', { by: 1 });
  // When the deployment stops the loop, the command that makes a snapshot due is in the sandbox, and another one waits.
  const { loop } = node.engine as unknown as { loop: { hold(): void; run(): void } };
  const hold = loop.hold.bind(loop);
  const sent: Promise<unknown>[] = [];
  loop.hold = () => {
    sent.push(node.send(actor, 'Add', { by: 1 }));
    loop.run();
    sent.push(node.send(actor, 'Add', { by: 1 }));
    hold();
    loop.hold = hold;
  };
  await node.engine.deploy(tally(3));
  await Promise.all(sent);
  for (let i = 0; i < 4; i++) await node.send('test.v1.Tally:b', 'Add', { by: 1 });
  const live = await node.get(actor);
  t.match(live.body, { carried: 3 }, 'carried over once');
  const again = await reopened((journal) => journal);
  t.same(await again.get(actor), live, 'the snapshot gives the state that was');
  await again.close();
});

t.test('an actor that only refused has its initial state, with a snapshot and without', async (t) => {
  const { node, reopened } = await setUp({ activationsMax: 1, recordsPerSnapshotMax: 3 });
  await node.engine.deploy(tally(1));
  for (let i = 0; i < 7; i++) t.match(await node.send(actor, 'Add', { by: 0 }), { error: { code: 'REJECTED' } });
  await leaveMemory(node);
  await node.engine.deploy(tally(2));
  t.match((await node.get(actor)).body, { sum: 2_000 }, 'the new behaviour\'s initial state');
  const folded = await reopened(withoutSnapshots);
  t.match((await folded.get(actor)).body, { sum: 2_000 });
  await folded.close();
});
