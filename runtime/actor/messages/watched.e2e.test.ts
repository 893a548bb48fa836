/** Watches of actors that nobody commands but other actors. */

import t from 'tap';

import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import { FORMAT_JSON } from '../../sandbox/sandbox.ts';
import { makeBundle, startEngine } from '../testing/harness.ts';

const proto = `
syntax = "proto3";
package test.v1;
message NodeState { repeated string log = 1; }
message Pass { repeated string to = 1; string word = 2; }
message PassReply {}
message Hear { string word = 1; }
message HearReply {}
message Heard { string word = 1; }
message NodeEvent { oneof event { Heard heard = 1; } }
service NodeCommands { rpc Pass(test.v1.Pass) returns (PassReply); rpc Hear(test.v1.Hear) returns (HearReply); }
`;
const module = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Node', {
  initialState: () => ({}),
  decide: {
    Pass(state, { to, word }, ctx) { for (const actor of to) ctx.send(actor, 'Hear', { word }); },
    Hear(state, { word }, ctx) { ctx.emit('Heard', { word }); },
  },
  evolve: { Heard: (state, { word }) => ({ log: [...state.log, word] }) },
});
`;

t.test('a watch hears of what a message led to, as it does of a command', async (t) => {
  const journal = createMemoryJournal();
  await journal.open();
  const test = await startEngine({ journal });
  t.teardown(() => test.close());
  await test.engine.deploy(makeBundle(proto, module));
  const target = 'test.v1.Node:target';
  const heard: string[] = [];
  let opened = (): void => {};
  const isOpen = new Promise<void>((resolve) => (opened = resolve));
  test.engine.watch({
    to: target,
    from: 1,
    format: FORMAT_JSON,
    opened: () => opened(),
    event: (seq, name, buffer, from, to) => {
      heard.push(`${seq} ${name} ${buffer.toString('utf8', from, to)}`);
      return true;
    },
    failed: (error) => t.fail(error.message),
  });
  await isOpen;
  // Brought into memory by the first message, or resident already: both ways the watch is known.
  for (const word of ['first', 'second']) {
    t.equal((await test.send('test.v1.Node:source', 'Pass', { to: [target], word })).error, null);
    const count = heard.length + 1;
    for (let i = 0; i < 12_000 && heard.length < count; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    t.equal(heard.length, count, word);
  }
  t.same(heard, ['1 Heard {"word":"first"}', '2 Heard {"word":"second"}']);
});
