/** A command that cannot take an answer is refused where it is named, and every one that can is not: what the sandbox reads decides. */

import protobuf from 'protobufjs';
import t from 'tap';

import { createSandboxPool } from './pool.ts';
import { FORMAT_PROTO } from './sandbox.ts';
import { bundle, Driver } from './testing/bundles.ts';

t.setTimeout(1_200_000);
const pool = createSandboxPool();
const driver = new Driver(pool);
await pool.start();
t.teardown(() => pool.close());

/** The asked command replies with this; each field is set in the answers below. */
const reply = 'message AskReply { int32 count = 1; string note = 2; repeated Part parts = 3; Kind kind = 4; map<string, int64> sums = 5; Part one = 6; optional bool sure = 7; }';
const parts = `
message Part { string name = 1; int64 wide = 2 [jstype = JS_NUMBER]; Part inner = 3; }
message Slice { string title = 1; int64 wide = 2; Slice inner = 3; bytes more = 4; }
message Crumb { string name = 1; }
enum Kind { KIND_NONE = 0; KIND_ODD = 1; }
enum Sort { SORT_NONE = 0; SORT_ODD = 1; SORT_EVEN = 2; }
enum Less { LESS_NONE = 0; }
message Refusal { string code = 1; string message = 2; }
message Excuse { string reason = 1; string text = 2; int32 level = 3; }
message Wordless { string code = 1; }
message Numbered { int32 code = 1; string message = 2; }
`;
const like = (fields: string): string => `message Like { ${fields} } message Taken { string from = 1; Like reply = 2; Refusal refusal = 3; }`;
const all = 'int32 count = 1; string note = 2; repeated Part parts = 3; Kind kind = 4; map<string, int64> sums = 5; Part one = 6; bool sure = 7;';

/** The message that is to take the answer, and whether it can: 'not as it is' stands for bytes that can be read, as something else. */
const takers: readonly (readonly [what: string, message: string, fits: boolean | 'not as it is'])[] = [
  ['as the guide has it', 'message Taken { string from = 1; AskReply reply = 2; Refusal refusal = 3; }', true],
  ['with names of its own, and more', 'message Taken { string who = 1; AskReply what = 2; Excuse why = 3; int32 tries = 4; }', true],
  ['a message that looks the same', like(all), true],
  ['one with more fields', like(`${all} string later = 8;`), true],
  ['parts of another name, with more, and bigint for number', like(all.replaceAll('Part', 'Slice')), true],
  ['an enum with more values', like(all.replace('Kind', 'Sort')), true],
  ['no from', 'message Taken { AskReply reply = 2; Refusal refusal = 3; }', false],
  ['no reply', 'message Taken { string from = 1; Refusal refusal = 3; }', false],
  ['no refusal', 'message Taken { string from = 1; AskReply reply = 2; }', false],
  ['another reply', 'message Taken { string from = 1; Part reply = 2; Refusal refusal = 3; }', false],
  ['the reply of another number', 'message Taken { string from = 1; AskReply reply = 4; Refusal refusal = 3; }', false],
  ['a list of replies', 'message Taken { string from = 1; repeated AskReply reply = 2; Refusal refusal = 3; }', 'not as it is'],
  ['the bare fields of the reply', 'message Taken { int32 count = 1; string note = 2; }', false],
  ['nothing at all', 'message Taken {}', false],
  ['from is a number', 'message Taken { int32 from = 1; AskReply reply = 2; Refusal refusal = 3; }', false],
  ['a refusal without a message', 'message Taken { string from = 1; AskReply reply = 2; Wordless refusal = 3; }', false],
  ['a refusal whose code is a number', 'message Taken { string from = 1; AskReply reply = 2; Numbered refusal = 3; }', false],
  ['a field missing', like(all.replace('string note = 2;', '')), false],
  ['a field of another type', like(all.replace('int32 count', 'string count')), false],
  ['one instead of many', like(all.replace('repeated Part', 'Part')), 'not as it is'],
  ['a map of other keys', like(all.replace('map<string', 'map<int32')), false],
  ['an enum with fewer values', like(all.replace('Kind', 'Less')), false],
  ['parts with a field missing', like(all.replaceAll('Part', 'Crumb')), false],
];

const protoOf = (taken: string): string => `syntax = "proto3";
package test.v1;
${parts}
${reply}
message AskerState { int32 taken = 1; }
message Begin { bool link = 1; bool quiet = 2; }
message BeginReply {}
${taken}
message TakenReply {}
message AskerEvent { oneof event { Begun begun = 1; } }
message Begun {}
message Ask {}
service AskerCommands { rpc Begin(test.v1.Begin) returns (BeginReply); rpc Taken(test.v1.Taken) returns (TakenReply); rpc Ask(test.v1.Ask) returns (AskReply); }
`;
// The name is put together, so that nobody but the decision can know it.
const module = `import { defineActor } from 'troupe';
export default defineActor('test.v1.Asker', {
  initialState: () => ({}),
  decide: {
    Begin(state, { link, quiet }, ctx) {
      const options = { onReply: ['Ta', 'ken'].join('') };
      try {
        if (link) ctx.link('test.v1.Asker:2', 'Ask', {}, options);
        else ctx.send('test.v1.Asker:2', 'Ask', {}, options);
      } catch (error) { if (!quiet) throw error; }
    },
    Taken() {},
    Ask: () => ({}),
  },
  evolve: { Begun: (state) => state },
});
`;

let bundles = 0;
t.test('refused at the send is what could not be read when it comes, and nothing else', async (t) => {
  for (const [what, message, fits] of takers) {
    const proto = protoOf(message);
    await pool.install(++bundles, bundle(module, proto));
    await driver.activate(1, 'test.v1.Asker', '1', bundles);
    for (const link of [false, true]) {
      const { status, error } = await driver.decide(1, bundles, 0, { link });
      if (fits === true) t.equal(error, null, what);
      else {
        t.equal(status, 2, what);
        t.match(error, { code: 'BAD_OUTPUT', location: link ? 'actor.js:8:23' : 'actor.js:9:18' }, what);
        t.match(error?.message, /onReply: test\.v1\.Asker\.Taken cannot take the answer of test\.v1\.Asker\.Ask.*test\.v1\.Taken begins .*test\.v1\.AskReply reply = 2/, what);
      }
    }
    if (fits !== true) t.equal((await driver.decide(1, bundles, 0, { quiet: true })).status, 2, 'it cannot be caught');
    // What the host makes of an answer, by another codec.
    const answer = protobuf.parse(`syntax = "proto3"; package test.v1; ${parts} ${reply} message Answer { string from = 1; AskReply reply = 2; Refusal refusal = 3; }`).root.lookupType('test.v1.Answer');
    const inner = { name: 'inner', wide: 7 };
    const full = { count: -5, note: 'n', parts: [{ name: 'p', wide: 1, inner }], kind: 1, sums: { a: 3 }, one: { name: 'o', inner }, sure: true };
    const bodies = [{ from: 'test.v1.Asker:2', reply: full }, { from: 'test.v1.Asker:2', reply: {} }, { from: 'test.v1.Asker:2', refusal: { code: 'NO', message: 'not now' } }];
    const read: boolean[] = [];
    for (const body of bodies) read.push((await driver.decide(1, bundles, 1, Buffer.from(answer.encode(answer.fromObject(body)).finish()), FORMAT_PROTO)).error === null);
    t.equal(read.every(Boolean), fits !== false, `${what}: the answers themselves`);
  }
});

t.test('what is named as a text is refused at deployment, where it stands; a bundle in service loads as it did', async (t) => {
  const [, message] = takers.find(([what]) => what === 'no refusal')!;
  const wrong: readonly (readonly [line: string, location: string, reason: RegExp])[] = [
    ["ctx.send('test.v1.Asker:2', 'Ask', {}, { onReply: 'Taken' });", 'actor.js:8:69', /onReply: Taken cannot take the answer of Ask: its message begins \{ string from = 1; test\.v1\.AskReply reply = 2; \}/],
    ["ctx.link('test.v1.Asker:2', 'Ask', {}, { onReply: 'Tkaen' });", 'actor.js:8:69', /no type of the bundle has a command "Tkaen"/],
    ["ctx.broadcast('Voice', {});", 'actor.js:8:33', /broadcast: no type of the bundle has a command "Voice"/],
    ["ctx.emit('Voice', {});", 'actor.js:8:28', /emit: no type of the bundle has an event "Voice"/],
  ];
  for (const [line, location, reason] of wrong) {
    const content = bundle(module.replace("ctx.link('test.v1.Asker:2', 'Ask', {}, options);", line), protoOf(message));
    await t.rejects(pool.check(content), { code: 'BUNDLE_INVALID', location, message: reason }, line);
    await pool.install(++bundles, content);
    await driver.activate(1, 'test.v1.Asker', '1', bundles);
    t.match((await driver.decide(1, bundles, 0, { link: true })).error, { code: line.startsWith('ctx.emit') ? 'BAD_EVENT' : 'BAD_OUTPUT', location: /^actor\.js:8:/ }, 'it fails when it comes to that line');
  }
  await t.resolves(pool.check(bundle(module, protoOf(takers[0]![1]))));
});
