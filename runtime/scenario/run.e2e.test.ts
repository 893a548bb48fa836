/** The runner in real sandbox processes: that what is right passes, and that everything that is wrong is seen. */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import t from 'tap';
import type { Test } from 'tap';

import type { ScenarioResults } from './run.ts';
import { formatReport, runScenarios } from './run.ts';

// Each test starts processes of its own; on a busy machine all of them take a while.
t.setTimeout(1_200_000);

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const PROTO = `syntax = "proto3"; package a.v1;
service TallyCommands {
  rpc Add(a.v1.Add) returns (AddReply); rpc Hang(a.v1.Hang) returns (HangReply);
  rpc Throw(a.v1.Throw) returns (ThrowReply); rpc Ask(a.v1.Ask) returns (AskReply); rpc TakeSum(a.v1.TakeSum) returns (TakeSumReply);
}
message Add { int64 by = 1; } message AddReply { int64 total = 1; bytes mark = 2; }
message Hang {} message HangReply {} message Throw {} message ThrowReply {}
message TakeSum { string from = 1; AddReply reply = 2; Refusal refusal = 3; } message TakeSumReply {} message Refusal { string code = 1; string message = 2; }
message Ask { string what = 1; } message AskReply { string id = 1; string caller = 2; int64 now = 3; double random = 4; }
message TallyEvent { oneof event { Added added = 1; } }
message Added { int64 by = 1; }
message TallyState { int64 total = 1; map<string, int64> each = 2; }`;

const MODULE = `import { defineActor } from 'troupe';
export default defineActor('a.v1.Tally', {
  initialState: () => ({}),
  decide: {
    Add(state, { by }, ctx) {
      if (by < 0n) ctx.reject('NEGATIVE', 'no');
      ctx.emit('Added', { by });
      ctx.send('a.v1.Tally:other', 'Add', { by }, { onReply: 'TakeSum' });
      ctx.send('a.v1.Tally:third', 'Add', { by });
      ctx.timer('once', { in: 10 }, 'Add', { by: 1n });
      ctx.timer('again', 99, 'Hang', {}, { every: 5000 });
      ctx.timer('daily', { cron: '0 9 * * 1-5', zone: 'Europe/Berlin' }, 'Hang', {});
      ctx.cancelTimer('gone');
      ctx.link('a.v1.Tally:l');
      ctx.unlink('a.v1.Tally:u');
      ctx.broadcast('Add', { by: 2n });
      return { total: state.total + by, mark: new Uint8Array([1, 2]) };
    },
    Hang() { for (;;); },
    Throw() { throw new Error('on purpose'); },
    TakeSum() {},
    Ask: (_state, { what }, ctx) => what === 'random' ? { random: ctx.random() } : what === 'firing' ? { id: JSON.stringify(ctx.firing ?? null) } : { id: ctx.id, caller: ctx.caller, now: BigInt(ctx.now) },
  },
  evolve: { Added: (state, { by }) => ({ total: state.total + by, each: { ...state.each, ['n' + by]: by } }) },
});`;

async function directory(t: Test, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'troupe-scenarios-'));
  t.teardown(() => rm(root, { recursive: true }));
  const all = {
    'package.json': '{"type":"module"}', 'troupe.json': '{"name":"tally","modules":["tally.js"]}', 'tally.js': MODULE, 'proto/a.proto': PROTO, ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

/** Runs scenarios given as source; `then` of each is what varies. */
async function run(t: Test, source: string, filter?: string): Promise<ScenarioResults> {
  return runScenarios(await directory(t, { 'tally.scenarios.js': source }), filter === undefined ? {} : { filter });
}

const ALL = `{
  events: [['Added', { by: 2n }]], reply: { total: 5n, mark: new Uint8Array([1, 2]) }, state: { total: 5, each: { n2: 2, n3: 3 } },
  sends: [['a.v1.Tally:other', 'Add', { by: 2 }, { onReply: 'TakeSum' }], ['a.v1.Tally:third', 'Add', { by: 2 }]],
  timers: [['once', { in: 10 }, 'Add', { by: 1 }], ['again', 99, 'Hang', {}, { every: 5000 }], ['daily', { cron: '0 9  * * 1-5', zone: 'Europe/Berlin' }, 'Hang', {}]], cancelled: ['gone'],
  links: ['a.v1.Tally:l'], unlinks: ['a.v1.Tally:u'], broadcasts: [['Add', { by: 2 }]],
}`;
const adding = (name: string, then: string): string => `{ name: '${name}', given: [['Added', { by: 3n }]], when: ['Add', { by: 2n }], then: ${then} }`;

t.test('the behaviours of the project do what their scenarios say', async (t) => {
  for (const name of ['shop', 'bench']) {
    const folder = join(project, 'behaviors', name);
    const results = await runScenarios(folder);
    t.equal(results.failed, 0, formatReport(results, { colour: false }));
    const modules = (JSON.parse(await readFile(join(folder, 'troupe.json'), 'utf8')) as { modules: string[] }).modules;
    t.strictSame([...new Set(results.scenarios.map(({ file }) => file))], modules.map((file) => file.replace('.js', '.scenarios.js')).sort());
  }
});

t.test('the example of the author\'s guide works as it stands there', async (t) => {
  const guide = await readFile(join(project, 'docs', 'BEHAVIORS.md'), 'utf8');
  const files: Record<string, string> = { 'tally.js': '' };
  for (const [, path, text] of guide.matchAll(/`card\/([\w./]+)`:\n\n```\w+\n([\s\S]*?)```/g)) files[path!] = text!;
  t.strictSame(Object.keys(files).sort(), ['card.js', 'card.scenarios.js', 'proto/club/v1/card.proto', 'tally.js', 'troupe.json']);
  const results = await runScenarios(await directory(t, files));
  t.strictSame([results.passed, results.failed], [3, 0], formatReport(results, { colour: false }));
});

t.test('everything that a decision produces can be expected', async (t) => {
  const results = await run(t, `export default [${adding('all', ALL)}]`);
  t.strictSame([results.passed, results.failed], [1, 0], formatReport(results, { colour: false }));
});

t.test('every part that differs fails, with the path to it', async (t) => {
  const expected: readonly [part: string, then: string, path: string][] = [
    ['events', `{ events: [['Added', { by: 1n }]] }`, 'events[0] Added.by'],
    ['no events', `{ events: [] }`, 'events[0]'],
    ['an event more', `{ events: [['Added', { by: 2n }], ['Added']] }`, 'events[1]'],
    ['reply', `{ reply: { total: 5n } }`, 'reply.mark'],
    ['state', `{ state: { total: 5n, each: { n2: 2n } } }`, 'state.each.n3'],
    ['sends', ALL.replace(`'TakeSum' }]`, `'Add' }]`), 'sends[0] Add to a.v1.Tally:other.onReply'],
    ['who is sent to', ALL.replace('Tally:third', 'Tally:nobody'), 'sends[1]'],
    ['timers', ALL.replace('{ in: 10 }', '{ in: 11 }'), 'timers[0] once.at'],
    ['repetition', ALL.replace('every: 5000', 'every: 6000'), 'timers[1] again.every'],
    ['calendar', ALL.replace("'0 9  *", "'0 8  *"), 'timers[2] daily.cron'],
    ['zone', ALL.replace("'Europe/Berlin'", "'UTC'"), 'timers[2] daily.zone'],
    ['cancelled', ALL.replace(`['gone']`, '[]'), 'cancelled[0]'],
    ['links', ALL.replace('Tally:l', 'Tally:m'), 'links[0]'],
    ['unlinks', ALL.replace('Tally:u', 'Tally:m'), 'unlinks[0]'],
    ['broadcasts', ALL.replace(/\['Add', \{ by: 2 \}\]\]/g, `['Add', { by: 3 }]]`), 'broadcasts[0] Add.by'],
    ['rejection', `{ rejected: 'NEGATIVE' }`, 'rejected'],
  ];
  const results = await run(t, `export default [${expected.map(([part, then]) => adding(part, then)).join(',\n')}]`);
  t.equal(results.failed, expected.length);
  for (const [i, [part, , path]] of expected.entries()) {
    const { differences, error, ok } = results.scenarios[i]!;
    t.strictSame({ ok, error, paths: differences.map((one) => one.path) }, { ok: false, error: null, paths: [path] }, part);
  }
});

t.test('rejections are compared by code, and an unexpected one shows its message', async (t) => {
  const source = `export default ['NEGATIVE', 'OTHER', ''].map((code) => ({
    name: code || 'none', when: ['Add', { by: -1n }], then: code === '' ? { events: [] } : { rejected: code },
  }))`;
  const { scenarios } = await run(t, source);
  t.strictSame(scenarios.map(({ ok }) => ok), [true, false, false]);
  t.strictSame(scenarios[1]!.differences, [{ path: 'rejected', expected: '"OTHER"', got: '"NEGATIVE" (no)' }]);
  t.strictSame(scenarios[2]!.differences, [{ path: 'rejected', expected: null, got: '"NEGATIVE" (no)' }]);
});

t.test('what throws or hangs fails alone; the others go on', async (t) => {
  const { scenarios } = await run(t, `export default [
    { name: 'throws', when: ['Throw'], then: { events: [] } },
    { name: 'throws where a rejection is expected', when: ['Throw'], then: { rejected: 'X' } },
    { name: 'hangs', when: ['Hang'], then: { rejected: 'X' } },
    ${adding('goes on', ALL)}]`);
  t.match(scenarios[0]!.error, /^BEHAVIOR_ERROR: .*on purpose.* at tally\.js:\d+/);
  t.match(scenarios[1]!.error, /^BEHAVIOR_ERROR/);
  t.match(scenarios[2]!.error, /^BEHAVIOR_TIMEOUT/);
  t.strictSame(scenarios.map(({ ok }) => ok), [false, false, false, true]);
});

t.test('actor, caller, time and seed are the scenario\'s', async (t) => {
  const { scenarios } = await run(t, `
    const asked = { when: ['Ask'], actor: 'me', caller: 'ada', now: 5 };
    const random = { when: ['Ask', { what: 'random' }] };
    export default [
      { name: 'given', ...asked, then: { reply: { id: 'me', caller: 'ada', now: 5n } } },
      { name: 'default', when: ['Ask'], then: { reply: { id: '1', caller: 'tester', now: 1700000000000n } } },
      { name: 'seed 1', ...random, seed: 1, then: { reply: {} } },
      { name: 'seed 1 again', ...random, then: { reply: {} } },
      { name: 'seed 2', ...random, seed: 2, then: { reply: {} } },
    ]`);
  t.strictSame(scenarios.map(({ ok }) => ok), [true, true, false, false, false]);
  const [one, again, two] = scenarios.slice(2).map(({ differences }) => differences[0]!.got);
  t.equal(one, again);
  t.not(one, two);
});

t.test('a scenario can say which timer brings the command', async (t) => {
  const { scenarios } = await run(t, `
    const asked = { when: ['Ask', { what: 'firing' }], now: 10000 };
    const told = (firing) => ({ reply: { id: JSON.stringify(firing) } });
    export default [
      { name: 'none', ...asked, then: told(null) },
      { name: 'in time', ...asked, firing: { name: 't' }, then: told({ name: 't', due: 10000, missed: 0, late: false }) },
      { name: 'nearly late', ...asked, firing: { name: 't', due: 9000 }, then: told({ name: 't', due: 9000, missed: 0, late: false }) },
      { name: 'late', ...asked, firing: { name: 't', due: 8999, missed: 2 }, then: told({ name: 't', due: 8999, missed: 2, late: true }) },
      { name: 'wrong', ...asked, firing: { name: 't' }, then: told(null) },
    ]`);
  t.strictSame(scenarios.map(({ ok }) => ok), [true, true, true, true, false]);
});

t.test('scenarios that could not fail, or are not written right, fail', async (t) => {
  const { scenarios, failed } = await run(t, `export default [
    { name: 'no expectation', when: ['Add'], then: {} },
    { name: 'a misspelt one', when: ['Add'], then: { event: [] } },
    { name: 'an unknown command', when: ['Sub'], then: { events: [] } },
    { name: 'an unknown event', given: [['Subbed']], when: ['Add'], then: { events: [] } },
    { name: 'an unknown expected event', when: ['Add'], then: { events: [['Subbed']] } },
    { name: 'an unknown field', when: ['Add', { buy: 1n }], then: { events: [] } },
    { name: 'an unknown target', when: ['Add'], then: { sends: [['a.v1.Other:1', 'Add', {}]] } },
    { name: 'twice', when: ['Add'], then: { links: ['a.v1.Tally:l'] } },
    { name: 'twice', when: ['Add'], then: { links: ['a.v1.Tally:l'] } },
    'no scenario',
  ]`);
  t.equal(failed, 9);
  t.strictSame(scenarios.filter(({ ok }) => ok).map(({ name }) => name), ['twice'], 'the first of the two');
  t.ok(scenarios.every(({ ok, error }) => ok || error !== null));
});

t.test('files that hold no scenarios fail as a whole', async (t) => {
  const type = `export const type = 'a.v1.Tally';`;
  const sources = [
    `${type} export default []`, `${type} export default {}`, `${type} export const scenarios = []; export default [{}]`, type, 'export default [',
    'throw 1', `export const type = 'a.v1.Other'; export default [{}]`, 'export const type = 1; export default [{}]', 'export default [{}]',
  ];
  const files = Object.fromEntries(sources.map((source, i) => [`f${i}.scenarios.js`, source]));
  const { scenarios } = await runScenarios(await directory(t, files));
  t.strictSame(scenarios.map(({ name, ok }) => [name, ok]), sources.map(() => ['(file)', false]));
});

t.test('a file beside no module says which type it is about', async (t) => {
  const body = `export default [{ name: 'x', when: ['Add'], then: { links: ['a.v1.Tally:l'] } }]`;
  const results = await runScenarios(await directory(t, {
    'sub/other.scenarios.js': `export const type = 'a.v1.Tally'; ${body}`, 'sub/third.scenarios.js': body,
  }));
  t.strictSame(results.scenarios.map(({ file, ok }) => [file, ok]), [['sub/other.scenarios.js', true], ['sub/third.scenarios.js', false]]);
});

t.test('a filter takes files and names; silence is no success', async (t) => {
  const source = `export default [${adding('all', ALL)}, ${adding('other', '{ events: [] }')}]`;
  const { scenarios } = await run(t, source, 'all');
  t.strictSame(scenarios.filter(({ name }) => name === 'all').length, 1);
  const other = await run(t, source, 'other');
  t.strictSame(other.scenarios.map(({ name }) => name), ['other']);
  await t.rejects(run(t, source, 'nothing'), { code: 'SCENARIO_FAILED' });
  await t.rejects(runScenarios(await directory(t, {})), { code: 'SCENARIO_FAILED' });
});

t.test('a type that no scenarios are of is named, and fails nothing', async (t) => {
  const folder = await directory(t, {
    'troupe.json': '{"name":"tally","modules":["tally.js","bell.js"]}',
    'proto/b.proto': `syntax = "proto3"; package b.v1;
service BellCommands { rpc Ring(b.v1.Ring) returns (RingReply); }
message Ring {} message RingReply {} message BellEvent { oneof event { Rung rung = 1; } } message Rung {} message BellState {}`,
    'bell.js': `import { defineActor } from 'troupe';
export default defineActor('b.v1.Bell', { initialState: () => ({}), decide: { Ring(_state, _command, ctx) { ctx.emit('Rung', {}); return {}; } }, evolve: { Rung: (state) => state } });`,
    'tally.scenarios.js': `export default [${adding('all', ALL)}]`,
  });
  const results = await runScenarios(folder);
  t.strictSame([results.passed, results.failed, results.untested], [1, 0, ['b.v1.Bell']], formatReport(results, { colour: false }));
  t.match(formatReport(results, { colour: false }), /\n\nwithout scenarios: b\.v1\.Bell\n\n1 passed, 0 failed$/);
});

t.test('a bundle that does not load is refused before any scenario', async (t) => {
  const folder = await directory(t, { 'tally.js': 'let count = 0;', 'tally.scenarios.js': 'export default [{}]' });
  await t.rejects(runScenarios(folder), { code: 'BUNDLE_INVALID' });
});

t.test('the report shows differences in columns, in colour only when asked', async (t) => {
  const results = await run(t, `export default [${adding('all', ALL)}, ${adding('sum', `{ events: [['Added', { by: 10n }]], state: { total: 4 } }`)}]`);
  t.equal(formatReport(results, { colour: false }), [
    'tally.scenarios.js',
    '  ok    all',
    '  FAIL  sum',
    '                            expected  got',
    '        events[0] Added.by  10n       2n',
    '        state.total         4n        5n',
    '        state.each.n2       (none)    2n',
    '        state.each.n3       (none)    3n',
    '',
    '1 passed, 1 failed',
  ].join('\n'));
  // eslint-disable-next-line no-control-regex
  t.match(formatReport(results, { colour: true }), /\u001b\[31m/);
  t.strictSame(JSON.parse(JSON.stringify(results)), results, 'results are plain data');
});

t.test('the sandbox leaves no files behind', async (t) => {
  const folder = await directory(t, { 'tally.scenarios.js': `export default [${adding('all', ALL)}]` });
  await runScenarios(folder);
  t.strictSame((await readdir(folder)).sort(), ['package.json', 'proto', 'tally.js', 'tally.scenarios.js', 'troupe.json']);
});
