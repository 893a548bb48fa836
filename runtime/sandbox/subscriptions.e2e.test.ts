/** Subscriptions between the types of one bundle (U1-U3 of guest/subscriptions.js), in real sandbox processes. */

import protobuf from 'protobufjs';
import t from 'tap';

import { createSandboxPool } from './pool.ts';
import { bundleBytes, Driver } from './testing/bundles.ts';
import { FORMAT_JSON } from './sandbox.ts';
import type { Answer } from './testing/bundles.ts';

t.setTimeout(1_200_000);
const pool = createSandboxPool();
const driver = new Driver(pool);
await pool.start();
t.teardown(() => pool.close());
const record = protobuf.loadSync(new URL('../../proto/troupe/v1/record.proto', import.meta.url).pathname).lookupType('troupe.v1.Record');

const proto = `syntax = "proto3";
package test.v1;

message BellState { int32 rung = 1; }
message Ring { repeated string tones = 1; string by = 2; string fail = 3; bool muffled = 4; }
message RingReply {}
message Rung { string tone = 1; string by = 2; repeated string crowd = 3; }
message Muffled {}
message BellEvent { oneof event { Rung rung = 1; Muffled muffled = 2; } }
service BellCommands { rpc Ring(test.v1.Ring) returns (RingReply); }

message EarState { repeated string heard = 1; }
message Hear { string tone = 1; string from = 2; int64 at = 3 [jstype = JS_NUMBER]; }
message HearReply {}
message Heard { string tone = 1; }
message EarEvent { oneof event { Heard heard = 1; } }
service EarCommands { rpc Hear(test.v1.Hear) returns (HearReply); }

message AceState {}
message Note {}
message NoteReply {}
message AceEvent { oneof event { Noted noted = 1; } }
message Noted {}
service AceCommands { rpc Note(test.v1.Note) returns (NoteReply); }
`;

const bell = `import { defineActor } from 'troupe';
export default defineActor('test.v1.Bell', {
  initialState: () => ({}),
  decide: {
    Ring(state, { tones, by, fail, muffled }, ctx) {
      ctx.send('test.v1.Ear:own', 'Hear', { tone: 'first' });
      for (const tone of tones) ctx.emit('Rung', { tone, by, crowd: tones });
      if (muffled) ctx.emit('Muffled');
      if (fail === 'reject') ctx.reject('SILENCE');
    },
  },
  evolve: {
    Rung(state, event) { if (event.tone === 'crack') throw new Error('cracked'); return { rung: state.rung + 1 }; },
    Muffled: (state) => state,
  },
});
`;

const ear = (subscribe: string): string => `import { defineActor } from 'troupe';
export default defineActor('test.v1.Ear', {
  initialState: () => ({}),
  decide: { Hear(state, command, ctx) { ctx.emit('Heard', { tone: command.tone }); } },
  evolve: { Heard: (state, event) => ({ heard: [...state.heard, event.tone] }) },
  subscribe: ${subscribe},
});
`;

const ace = (subscribe: string): string => `import { defineActor } from 'troupe';
export default defineActor('test.v1.Ace', {
  initialState: () => ({}),
  decide: { Note() {} },
  evolve: { Noted: (state) => state },
  ${subscribe === '' ? '' : `subscribe: ${subscribe},`}
});
`;

function bytesOf(earSubscribe: string, aceSubscribe = ''): Buffer {
  return bundleBytes({
    // The order of the modules is not that of the deliveries.
    'troupe.json': JSON.stringify({ name: 'test', modules: ['ear.js', 'bell.js', 'ace.js'] }),
    'bell.js': bell,
    'ear.js': ear(earSubscribe),
    'ace.js': ace(aceSubscribe),
    'proto/test/v1/test.proto': proto,
  });
}

let bundles = 0;
async function install(earSubscribe: string, aceSubscribe = ''): Promise<number> {
  await pool.install(++bundles, bytesOf(earSubscribe, aceSubscribe));
  return bundles;
}

async function ring(bundle: number, body: object, id = 'b-1'): Promise<Answer> {
  await driver.activate(1, 'test.v1.Bell', id, bundle);
  return driver.decide(1, bundle, 0, body);
}

interface Sent {
  readonly to: string;
  readonly name: string;
  readonly data: Buffer;
  readonly onReply: string;
}
const hear = protobuf.parse(proto, { keepCase: true }).root.lookupType('test.v1.Hear');

function sends(answer: Answer): unknown[] {
  const { sends: list = [] } = record.toObject(record.decode(answer.tail!), { longs: Number }) as { sends?: Sent[] };
  return list.map(({ to, name, data = Buffer.alloc(0), onReply }) => {
    const body = name === 'Hear' ? hear.toObject(hear.decode(data), { longs: Number }) : {};
    return [to, name, body, ...(onReply === undefined ? [] : [onReply])];
  });
}

t.test('an event becomes a command of the subscriber, in the record that holds the event', async (t) => {
  const number = await install(`{ 'test.v1.Bell': { Rung: (event, source) => ({ to: event.by, command: 'Hear', body: { tone: event.tone, from: source.address + ' ' + source.id, at: source.now } }) } }`);
  const answer = await ring(number, { tones: ['a', 'b'], by: 'e-1', muffled: true });
  t.equal(answer.error, null);
  t.equal(answer.events, 3);
  const heard = (tone: string): unknown => ['test.v1.Ear:e-1', 'Hear', { tone, from: 'test.v1.Bell:b-1 b-1', at: 1_700_000_000_000 }];
  t.same(sends(answer), [['test.v1.Ear:own', 'Hear', { tone: 'first' }], heard('a'), heard('b')]);
  t.same(answer.sendTo, ['test.v1.Ear:own', 'test.v1.Ear:e-1', 'test.v1.Ear:e-1'], 'the host is told as of any send');
  t.same(sends(await ring(number, { tones: [], by: 'e-1' })), [['test.v1.Ear:own', 'Hear', { tone: 'first' }]], 'no event, no delivery');
  t.same(sends(await ring(number, { tones: ['a'], by: 'e-1', fail: 'reject' })), [], 'what is refused has not happened');
});

t.test('subscribers in order of their type, for each of them the events in theirs', async (t) => {
  const rung = (command: string): string => `{ 'test.v1.Bell': { Muffled: () => ({ to: 'm', command: '${command}' }), Rung: (event) => ({ to: event.tone, command: '${command}' }) } }`;
  const number = await install(rung('Hear'), rung('Note'));
  const answer = await ring(number, { tones: ['x', 'y'], muffled: true });
  t.same(answer.sendTo?.slice(1), ['test.v1.Ace:x', 'test.v1.Ace:y', 'test.v1.Ace:m', 'test.v1.Ear:x', 'test.v1.Ear:y', 'test.v1.Ear:m']);
});

t.test('none, one or many; to an id or an address', async (t) => {
  const number = await install(`{ 'test.v1.Bell': { Rung: ({ tone, crowd }) => {
    if (tone === 'none') return null;
    if (tone === 'nothing') return undefined;
    if (tone === 'whole') return { to: 'test.v1.Ear:e:1', command: 'Hear' };
    if (tone === 'colon') return { to: 'a:b', command: 'Hear' };
    return crowd.map((to) => ({ to, command: 'Hear' }));
  } } }`);
  t.same((await ring(number, { tones: ['none', 'nothing', 'whole', 'colon'] })).sendTo?.slice(1), ['test.v1.Ear:e:1', 'test.v1.Ear:a:b']);
  t.same((await ring(number, { tones: ['p', 'none', 'q'] })).sendTo?.slice(1), ['test.v1.Ear:p', 'test.v1.Ear:none', 'test.v1.Ear:q', 'test.v1.Ear:p', 'test.v1.Ear:none', 'test.v1.Ear:q']);
});

t.test('what a subscriber does wrong fails the decision, and names its file', async (t) => {
  const wrong: readonly [tone: string, body: string, message: RegExp][] = [
    ['throws', `throw new TypeError('I am deaf')`, /TypeError: I am deaf/],
    ['reads', `return event.no.such`, /TypeError/],
    ['text', `return 'Hear'`, /a delivery is \{ to, command, body \}, not "Hear"/],
    ['hole', `return [null]`, /a delivery is \{ to, command, body \}, not null/],
    ['key', `return { to: 'e', command: 'Hear', onReply: 'Hear' }`, /not onReply/],
    ['command', `return { to: 'e', command: event.by }`, /test\.v1\.Ear has no command "Ring"/],
    ['body', `return { to: 'e', command: 'Hear', body: { at: 1.5 } }`, /Hear: at: 1\.5 is not/],
    ['field', `return { to: 'e', command: 'Hear', body: { volume: 1 } }`, /Hear: volume/],
    ['other', `return { to: 'test.v1.Bell:b-2', command: 'Hear' }`, /to must be an actor of test\.v1\.Ear/],
    ['empty', `return { to: '', command: 'Hear' }`, /is not an actor's address/],
    ['missing', `return { command: 'Hear' }`, /to must be an id/],
    ['getter', `return { get to() { throw 'no'; }, command: 'Hear' }`, /threw "no"/],
    ['deep', `const dive = () => dive() + 1; try { dive(); } catch {} return null`, /ran out of stack/],
    ['freeze', `source.id = 'x'; return null`, /read only|Cannot assign/],
    ['event', `event.crowd.push('x'); return null`, /not extensible|Cannot add/],
    ['undeclared', `return { to: 'e', command: 'Hear', body: { at: Date.now() } }`, /ctx\.now/],
  ];
  const number = await install(`{ 'test.v1.Bell': { Rung(event, source) { switch (event.tone) {
${wrong.map(([tone, body]) => `    case '${tone}': { ${body} }`).join('\n')}
  } } } }`);
  t.equal((await ring(number, { tones: ['fine'], by: 'Ring' })).error, null);
  for (const [tone, , message] of wrong) {
    const { status, error } = await ring(number, { tones: ['fine', tone], by: 'Ring' });
    t.equal(status, 2, tone);
    t.match(error, { code: 'BEHAVIOR_ERROR', message, location: /^ear\.js:\d+:\d+$/ }, tone);
    t.match(error?.message, /^subscribe of test\.v1\.Ear \(ear\.js\) to test\.v1\.Bell\.Rung: /, tone);
  }
  const read = await driver.read(1, number);
  t.same(JSON.parse(read.body!.toString()), { rung: 0 }, 'and nothing of it has happened');
  t.match((await ring(number, { tones: ['crack', 'throws'] })).error, { message: /evolve\.Rung .*cracked/, location: /^bell\.js/ }, 'evolve comes first');
});

t.test('the limits of a decision hold for what its subscribers send', async (t) => {
  const number = await install(`{ 'test.v1.Bell': { Rung: ({ by }) => Array.from({ length: Number(by) }, (_, i) => ({ to: 'e' + i, command: 'Hear' })) } }`);
  t.equal((await ring(number, { tones: ['a'], by: '999' })).sendTo?.length, 1_000);
  const { error } = await ring(number, { tones: ['a'], by: '1000' });
  t.match(error, { code: 'OUTPUT_TOO_LARGE', message: /^subscribe of test\.v1\.Ear .*at most 1000 sends/ });
  const long = await install(`{ 'test.v1.Bell': { Rung: ({ by }) => Array.from({ length: 12 }, () => ({ to: 'e', command: 'Hear', body: { tone: 'x'.repeat(Number(by)) } })) } }`);
  t.match((await ring(long, { tones: ['a'], by: '100000' })).error, { code: 'OUTPUT_TOO_LARGE', message: /bytes/ });
});

t.test('what does not exist is refused when the bundle is loaded', async (t) => {
  const refused: readonly [subscribe: string, reason: RegExp][] = [
    [`{ 'test.v1.Gong': {} }`, /subscribe\["test\.v1\.Gong"\]: the bundle has no such actor type/],
    [`{ 'test.v1.Bell': { Cracked: () => null } }`, /Cracked: the schema has no such event/],
    [`{ 'test.v1.Bell': { Rung: () => ({ to: 'e', command: 'Ring' }) } }`, /test\.v1\.Ear has no command "Ring"/],
    [`{ 'test.v1.Bell': { Rung: () => [{ to: 'e', command: 'Hear' }, { to: 'e', command: 'toString' }] } }`, /has no command "toString"/],
    [`{ 'test.v1.Bell': { Rung: { command: 'Hear' } } }`, /Rung must be a function/],
    [`{ 'test.v1.Bell': () => null }`, /must be an object with a function for each event/],
    [`[]`, /subscribe must be an object/],
    [`{ 'test.v1.Ear': { Heard: () => null } }`, /need not subscribe to its own events/],
  ];
  for (const [subscribe, reason] of refused) {
    await t.rejects(pool.check(bytesOf(subscribe)), { code: 'BUNDLE_INVALID', message: reason, location: 'ear.js:2:16' }, subscribe);
  }
  await pool.check(bytesOf(`{ 'test.v1.Bell': { Rung: (event) => ({ to: event.crowd[0].length, command: 'Nothing' }) } }`));
  t.pass('a subscription that cannot take an empty event is not tried');
});

t.test('what is delivered is said to come from the function that said so', async (t) => {
  // A catch clause is where columns move; two functions read the same; one is somewhere else.
  const one = `{ 'test.v1.Bell': {
    Muffled: (e, s) => ({ to: s.id, command: 'Hear' }), Rung(event, source) { try { null.x; } catch { if (event.tone === 'wrong') return 5; } return { to: event.tone, command: 'Hear' }; } } }`;
  const other = `{ 'test.v1.Bell': { Rung: /* here */ (e, s) => note(s.id), Muffled: (e, s) => note(s.id) } }, ...{ migrate: undefined }`;
  const files = (aceModule: string): Buffer => bundleBytes({
    'troupe.json': JSON.stringify({ name: 'test', modules: ['ear.js', 'bell.js', 'ace.js'] }), 'bell.js': bell, 'ear.js': ear(one), 'ace.js': aceModule, 'proto/test/v1/test.proto': proto,
  });
  const aceModule = `const note = (to) => ({ to, command: 'Note' });\n${ace(other)}`;
  await pool.install(++bundles, files(aceModule));
  await driver.activate(1, 'test.v1.Bell', 'b-1', bundles);
  const placeIn = (file: string, source: string, text: string): string => {
    const before = source.slice(0, source.indexOf(text)).split('\n');
    return `${file}:${before.length}:${before.at(-1)!.length + 1}`;
  };
  const { sentFrom, sendTo } = await driver.decide(1, bundles, 0, { tones: ['x'], muffled: true }, FORMAT_JSON, false, true);
  t.same(sendTo, ['test.v1.Ear:own', 'test.v1.Ace:b-1', 'test.v1.Ace:b-1', 'test.v1.Ear:x', 'test.v1.Ear:b-1']);
  const after = (text: string, by: number): string => placeIn('ace.js', aceModule, text).replace(/\d+$/, (column) => String(Number(column) + by));
  t.same(sentFrom, [
    placeIn('bell.js', bell, "send('test.v1.Ear:own'"), after('/* here */ ', 11), after('Muffled: ', 9),
    placeIn('ear.js', ear(one), 'Rung(event'), placeIn('ear.js', ear(one), "(e, s) => ({ to: s.id, command: 'Hear' })"),
  ]);
  t.equal((await ring(bundles, { tones: ['wrong'] })).error?.location, placeIn('ear.js', ear(one), 'Rung(event'), 'and so is what it does wrong after it has returned');
});

t.test('neither fold hash hears of a subscription but through the text of its own module', async (t) => {
  const hashes = async (subscribe: string): Promise<Map<string, unknown>> => new Map((await pool.check(bytesOf(subscribe))).types.map(({ type, foldHash }) => [type, foldHash]));
  const one = await hashes(`{ 'test.v1.Bell': { Rung: () => null } }`);
  const other = await hashes(`{ 'test.v1.Bell': { Muffled: () => null } }`);
  t.same(other.get('test.v1.Bell'), one.get('test.v1.Bell'));
  t.same(other.get('test.v1.Ace'), one.get('test.v1.Ace'));
  t.notSame(other.get('test.v1.Ear'), one.get('test.v1.Ear'), 'as any change of a module');
});

t.test('a decision with subscribers is the same bytes again in the spare', async (t) => {
  const other = createSandboxPool();
  t.teardown(() => other.close());
  await other.start();
  const content = bytesOf(`{ 'test.v1.Bell': { Rung: (event, source) => event.crowd.map((to) => ({ to, command: 'Hear', body: { tone: event.tone, from: source.address, at: source.now } })) } }`);
  await pool.install(++bundles, content);
  const there = new Driver(other);
  await other.install(bundles, content);
  await there.activate(1, 'test.v1.Bell', 'b-1', bundles);
  const answer = await ring(bundles, { tones: ['a', 'ö', 'c'] });
  const again = await there.decide(1, bundles, 0, { tones: ['a', 'ö', 'c'] });
  t.equal(again.sendTo?.length, 10);
  t.same(again.tail, answer.tail);

  const mismatches: unknown[] = [];
  pool.onMismatch = (mismatch) => mismatches.push(mismatch);
  const before = await driver.decide(1, bundles, 0, Buffer.from('\n\x01x'), 1, true);
  const sample = {
    bundle: bundles, type: 'test.v1.Bell', id: 'b-1', stateBefore: before.stateBefore, command: 0, body: Buffer.from('\n\x01x'),
    nowMs: 1_700_000_000_000, seedHi: 7, seedLo: 9, caller: 'tester', status: 0, firing: null,
  };
  const compared = async (count: number): Promise<void> => {
    while (pool.stat().samplesCompared < count) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  pool.sample({ ...sample, tail: Buffer.from(before.tail!) });
  await compared(1);
  t.same(mismatches, []);
  // The same decision with one byte of what a subscriber sends changed: the x of its address behind the type.
  const changed = Buffer.from(before.tail!);
  changed[changed.indexOf('test.v1.Ear:x') + 'test.v1.Ear:'.length] = 'y'.charCodeAt(0);
  pool.sample({ ...sample, tail: changed });
  await compared(2);
  t.equal(mismatches.length, 1, 'a difference in it is found');
});
