/** What a person is shown of a record that no command brought, and of a name that nobody has. */

import t from 'tap';

import { createMemoryJournal, MemoryStore } from '../journal/memory/memory-journal.ts';
import { makeBundle, startEngine } from './testing/harness.ts';

t.setTimeout(1_200_000);

const proto = (state: string): string => `
syntax = "proto3";
package test.v1;
message TallyState { ${state} }
message Add { uint32 by = 1; }
message AddReply {}
message Added { uint32 by = 1; }
message TallyEvent { oneof event { Added added = 1; } }
service TallyCommands { rpc Add(Add) returns (AddReply); }
`;
const behavior = (evolve: string, migrate: string): string => `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Tally', {
  initialState: () => ({}),
  decide: { Add(state, command, ctx) { ctx.emit('Added', { by: command.by }); } },
  evolve: { Added: (state, event) => (${evolve}) },
  ${migrate}
});`;

t.test('a migration is shown with the state that it carried over', async (t) => {
  const journal = createMemoryJournal(new MemoryStore());
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(makeBundle(proto('uint32 sum = 1;'), behavior('{ sum: state.sum + event.by }', '')));
  await node.send('test.v1.Tally:a', 'Add', { by: 7 });
  const next = behavior('{ total: state.total + event.by }', 'migrate: (old) => ({ total: old.sum * 10 }),');
  await node.engine.deploy(makeBundle(proto('uint32 total = 2;'), next));
  await node.send('test.v1.Tally:a', 'Add', { by: 1 });
  const records = await node.engine.records('test.v1.Tally:a', 1, 10);
  t.same(records.map(({ kind, payload }) => [kind, payload]), [['decision', { by: 7 }], ['migrate', { total: 70 }], ['decision', { by: 1 }]]);
});

t.test('a name that nobody has is refused with the one that was meant, if one is near', async (t) => {
  const journal = createMemoryJournal(new MemoryStore());
  await journal.open();
  const node = await startEngine({ journal });
  t.teardown(() => node.close());
  await node.engine.deploy(makeBundle(proto('uint32 sum = 1;'), behavior('state', '')));
  const refused = async (actor: string, command: string, body: object): Promise<string> => JSON.stringify(await node.send(actor, command, body).catch((error: Error) => error.message));
  t.match(await refused('test.v1.Taly:a', 'Add', {}), /test\.v1\.Taly; did you mean test\.v1\.Tally\?/);
  t.notMatch(await refused('test.v1.Nope:a', 'Add', {}), /did you mean/);
  t.match(await refused('test.v1.Tally:a', 'Addd', {}), /did you mean Add\?/);
  t.notMatch(await refused('test.v1.Tally:a', 'Subtract', {}), /did you mean/);
  t.match(await refused('test.v1.Tally:a', 'Add', { bi: 1 }), /bi: the message has no such field; did you mean by\?/);
});
