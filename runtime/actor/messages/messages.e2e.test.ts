/** Messages between actors of one engine, with real sandboxes. */

import t from 'tap';
import type { Test } from 'tap';

import { createMemoryJournal } from '../../journal/memory/memory-journal.ts';
import { makeBundle, startEngine } from '../testing/harness.ts';
import type { TestEngine, TestEngineOptions } from '../testing/harness.ts';

const proto = `
syntax = "proto3";
package test.v1;
message Refusal { string code = 1; string message = 2; }
message NodeState { uint32 heard = 1; repeated string log = 2; uint32 answers = 3; uint32 refusals = 4; }
message Spread { repeated string to = 1; string word = 2; bool ask = 3; }
message SpreadReply {}
message Hear { string word = 1; }
message HearReply { uint32 heard = 1; }
message TakeAnswer { string from = 1; HearReply reply = 2; Refusal refusal = 3; }
message TakeAnswerReply {}
message Heard { string word = 1; string by = 2; }
message Answered { string from = 1; uint32 heard = 2; string refusal = 3; }
message NodeEvent { oneof event { Heard heard = 1; Answered answered = 2; } }
service NodeCommands {
  rpc Spread(test.v1.Spread) returns (SpreadReply);
  rpc Hear(test.v1.Hear) returns (HearReply);
  rpc TakeAnswer(test.v1.TakeAnswer) returns (TakeAnswerReply);
}
`;

const module = (broken = false): string => `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Node', {
  initialState: () => ({}),
  decide: {
    Spread(state, { to, word, ask }, ctx) {
      for (const actor of to) ctx.send(actor, 'Hear', { word }, ask ? { onReply: 'TakeAnswer' } : undefined);
      return {};
    },
    Hear(state, { word }, ctx) {
      if (word === 'no') ctx.reject('NOT_HEARD', 'I will not.');
      ${broken ? "if (word === 'poison') throw new Error('I cannot');" : ''}
      ctx.emit('Heard', { word, by: ctx.caller });
      return { heard: state.heard + 1 };
    },
    TakeAnswer(state, { from, reply, refusal }, ctx) {
      ctx.emit('Answered', { from, heard: reply ? reply.heard : 0, refusal: refusal ? refusal.code : '' });
      return {};
    },
  },
  evolve: {
    Heard: (state, { word }) => ({ ...state, heard: state.heard + 1, log: [...state.log, word] }),
    Answered: (state, { refusal }) => refusal === '' ? { ...state, answers: state.answers + 1 } : { ...state, refusals: state.refusals + 1 },
  },
});
`;

const address = (id: string): string => `test.v1.Node:${id}`;

async function engineOf(t: Test, options: Partial<TestEngineOptions> = {}, source = module()): Promise<TestEngine> {
  const journal = options.journal ?? createMemoryJournal();
  if (options.journal === undefined) await journal.open();
  const test = await startEngine({ journal, ...options });
  t.teardown(() => test.close());
  await test.engine.deploy(makeBundle(proto, source));
  return test;
}

/** Waits until the state of an actor is as wanted. */
async function until(test: TestEngine, id: string, holds: (state: any) => boolean): Promise<any> {
  for (let i = 0; i < 12_000; i++) {
    const { body } = await test.get(address(id));
    if (holds(body)) return body;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${id} did not come to the wanted state: ${JSON.stringify((await test.get(address(id))).body)}`);
}

t.test('a send arrives once, in order, with its sender as caller', async (t) => {
  const test = await engineOf(t);
  const ids = Array.from({ length: 20 }, (_, i) => `b${i}`);
  for (let i = 0; i < 10; i++) t.equal((await test.send(address('a'), 'Spread', { to: ids.map(address), word: `w${i}` })).error, null);
  for (const id of ids) {
    const state = await until(test, id, (s) => s.heard === 10);
    t.same(state.log, Array.from({ length: 10 }, (_, i) => `w${i}`));
  }
  const [first] = await test.engine.records(address('b3'), 1, 1);
  t.match(first, { kind: 'decision', command: 'Hear', principal: address('a') });
});

t.test('the reply, or the refusal, comes back as a command of the sender', async (t) => {
  const test = await engineOf(t);
  await test.send(address('a'), 'Spread', { to: ['x', 'y', 'z'].map(address), word: 'hello', ask: true });
  await test.send(address('a'), 'Spread', { to: ['x', 'y'].map(address), word: 'no', ask: true });
  t.match(await until(test, 'a', (s) => s.answers + s.refusals === 5), { answers: 3, refusals: 2 });
});

t.test('an actor may send to itself', async (t) => {
  const test = await engineOf(t);
  await test.send(address('a'), 'Spread', { to: [address('a'), address('a')], word: 'me', ask: true });
  t.match(await until(test, 'a', (s) => s.answers === 2), { heard: 2 });
});
