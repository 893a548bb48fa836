/** Actors that send numbered words to each other, and the check that each word was heard once and in order. */

import { makeBundle } from '../../testing/harness.ts';

const proto = `
syntax = "proto3";
package test.v1;
message Refusal { string code = 1; string message = 2; }
message TalkerState {
  // By speaker: the last word heard, or answered.
  map<string, uint32> heard = 1;
  map<string, uint32> answered = 2;
  uint32 said = 3;
  // What came out of order.
  repeated string wrong = 4;
}
message Say { repeated string to = 1; }
message SayReply { uint32 said = 1; }
message Hear { uint32 word = 1; }
message HearReply { uint32 word = 1; }
message TakeEcho { string from = 1; HearReply reply = 2; Refusal refusal = 3; }
message TakeEchoReply {}
message Said { uint32 word = 1; }
message Heard { string by = 1; uint32 word = 2; }
message Echoed { string by = 1; uint32 word = 2; }
message TalkerEvent { oneof event { Said said = 1; Heard heard = 2; Echoed echoed = 3; } }
service TalkerCommands {
  rpc Say(test.v1.Say) returns (SayReply);
  rpc Hear(test.v1.Hear) returns (HearReply);
  rpc TakeEcho(test.v1.TakeEcho) returns (TakeEchoReply);
}
`;

const module = `
import { defineActor } from 'troupe';
const next = (known, by, word, what) => {
  const last = known[by] ?? 0;
  return word === last + 1 ? [] : [what + ' ' + by + ': ' + word + ' after ' + last];
};
export default defineActor('test.v1.Talker', {
  initialState: () => ({}),
  decide: {
    // Everybody hears the same words, those of one speaker one behind the other.
    Say(state, { to }, ctx) {
      const word = state.said + 1;
      ctx.emit('Said', { word });
      for (const actor of to) ctx.send(actor, 'Hear', { word }, { onReply: 'TakeEcho' });
      return { said: word };
    },
    Hear(state, { word }, ctx) {
      ctx.emit('Heard', { by: ctx.caller, word });
      return { word };
    },
    TakeEcho(state, { from, reply, refusal }, ctx) {
      ctx.emit('Echoed', { by: from, word: reply ? reply.word : 0 });
      return {};
    },
  },
  evolve: {
    Said: (state, { word }) => ({ ...state, said: word }),
    Heard: (state, { by, word }) => ({ ...state, heard: { ...state.heard, [by]: word }, wrong: [...state.wrong, ...next(state.heard, by, word, 'heard')] }),
    Echoed: (state, { by, word }) => ({ ...state, answered: { ...state.answered, [by]: word }, wrong: [...state.wrong, ...next(state.answered, by, word, 'echo of')] }),
  },
});
`;

export const talkers: Buffer = makeBundle(proto, module);

export const talker = (id: string | number): string => `test.v1.Talker:${id}`;

export interface TalkerState {
  readonly heard?: Readonly<Record<string, number>>;
  readonly answered?: Readonly<Record<string, number>>;
  readonly said?: number;
  readonly wrong?: readonly string[];
}

/** What is wrong with the states of talkers of which each has said everything to all of them; empty when every word had its effect, once. */
export function complaintsOfTalkers(states: ReadonlyMap<string, TalkerState>): string[] {
  const complaints: string[] = [];
  for (const [listener, state] of states) {
    for (const wrong of state.wrong ?? []) complaints.push(`${listener} ${wrong}`);
    for (const [speaker, { said = 0 }] of states) {
      const heard = state.heard?.[speaker] ?? 0;
      if (heard !== said) complaints.push(`${listener} has heard ${heard} of ${said} words of ${speaker}`);
      const answered = states.get(speaker)!.answered?.[listener] ?? 0;
      if (answered !== said) complaints.push(`${speaker} has the echo of ${answered} of ${said} words by ${listener}`);
    }
  }
  return complaints;
}
