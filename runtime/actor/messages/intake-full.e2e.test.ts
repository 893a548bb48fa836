/** More messages than a node lets wait: they are dropped on the way in, and come again (N3). */

import t from 'tap';

import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import { limits } from '../../limits.ts';
import { makeBundle, startEngine } from '../testing/harness.ts';

const proto = `
syntax = "proto3";
package test.v1;
message NodeState { uint32 heard = 1; }
message Spread { repeated string to = 1; }
message SpreadReply {}
message Hear {}
message HearReply {}
message Heard {}
message NodeEvent { oneof event { Heard heard = 1; } }
service NodeCommands {
  rpc Spread(test.v1.Spread) returns (SpreadReply);
  rpc Hear(test.v1.Hear) returns (HearReply);
}
`;

const source = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Node', {
  initialState: () => ({}),
  decide: {
    Spread(state, { to }, ctx) {
      for (const actor of to) ctx.send(actor, 'Hear', {});
      return {};
    },
    Hear(state, command, ctx) {
      ctx.emit('Heard', {});
      return {};
    },
  },
  evolve: { Heard: (state) => ({ ...state, heard: state.heard + 1 }) },
});
`;

const address = (n: number): string => `test.v1.Node:${n}`;

t.test('a node whose intake is full takes the rest later, each once', async (t) => {
  const { messagesWaitingMax } = limits;
  Object.assign(limits, { messagesWaitingMax: 4 });
  t.teardown(() => Object.assign(limits, { messagesWaitingMax }));
  const journal = createMemoryJournal();
  await journal.open();
  const test = await startEngine({ journal });
  t.teardown(() => test.close());
  await test.engine.deploy(makeBundle(proto, source));
  const others = Array.from({ length: 30 }, (_, n) => n + 1);
  t.equal((await test.send(address(0), 'Spread', { to: others.map(address) })).error, null);
  for (const n of others) {
    let heard = 0;
    for (let i = 0; i < 6_000 && heard === 0; i++) {
      heard = (await test.get(address(n))).body.heard;
      if (heard === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    t.equal(heard, 1);
  }
});
