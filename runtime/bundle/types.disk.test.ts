import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import t from 'tap';

import { typesOf } from './types.ts';

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const behaviors = join(project, 'behaviors');

function typeCheck(config: string): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    execFile(join(project, 'node_modules', '.bin', 'tsc'), ['-p', config], (error, stdout) => resolve({ ok: error === null, output: stdout }));
  });
}

t.test('the declarations beside the behaviours are those of their schemas', async (t) => {
  for (const name of ['shop', 'bench']) {
    const written = await readFile(join(behaviors, name, 'types.d.ts'), 'utf8');
    t.equal(written, await typesOf(join(behaviors, name)), `behaviors/${name}/types.d.ts: write it again with \`troupe types\``);
  }
});

t.test('every kind of field has its type', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'troupe-types-'));
  t.teardown(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'proto'));
  await writeFile(join(root, 'troupe.json'), JSON.stringify({ name: 'a', modules: ['a.js'] }));
  await writeFile(join(root, 'proto', 'a.proto'), `syntax = "proto3"; package a.v1;
    message M {
      string some_text = 1; bool b = 2; bytes c = 3; int32 d = 4; double e = 5;
      int64 f = 6; uint64 g = 7 [jstype = JS_NUMBER]; repeated fixed64 h = 8;
      E i = 9; repeated E j = 10; N k = 11; repeated N l = 12; map<string, N> m = 13; map<int32, E> n = 14;
      optional int32 o = 15; oneof choice { string p = 16; N q = 17; } M.Inner r = 18; string s_2 = 19;
      message Inner { int32 x = 1; }
    }
    enum E { E_UNSPECIFIED = 0; E_ONE = 1; }
    message N {}`);
  const text = await typesOf(root);
  for (const line of [
    'readonly someText: string;', 'readonly b: boolean;', 'readonly c: Uint8Array;', 'readonly d: number;', 'readonly e: number;',
    'readonly f: bigint;', 'readonly g: number;', 'readonly h: readonly bigint[];', 'readonly i: a.v1.E;', 'readonly j: readonly a.v1.E[];',
    'readonly k?: a.v1.N | undefined;', 'readonly l: readonly a.v1.N[];', 'readonly m: { readonly [key: string]: a.v1.N };',
    'readonly n: { readonly [key: string]: a.v1.E };', 'readonly o?: number | undefined;', 'readonly p?: string | undefined;',
    'readonly q?: a.v1.N | undefined;', 'readonly r?: a.v1.M.Inner | undefined;', 'readonly s2: string;', `type E = 'E_UNSPECIFIED' | 'E_ONE';`,
  ]) {
    t.ok(text.includes(line), line);
  }
});

t.test('the behaviours of the project agree with their types', async (t) => {
  const { ok, output } = await typeCheck(join(behaviors, 'jsconfig.json'));
  t.ok(ok, output);
});

t.test('the types find a misspelt event, a wrong field, a missing handler and an unknown state', async (t) => {
  const copy = await mkdtemp(join(tmpdir(), 'troupe-behaviors-'));
  t.teardown(() => rm(copy, { recursive: true }));
  await cp(behaviors, copy, { recursive: true });
  const file = join(copy, 'shop', 'inventory.js');
  const source = await readFile(file, 'utf8');
  for (const [right, wrong] of [
    [`ctx.emit('StockAdded', { quantity })`, `ctx.emit('StockAddded', { quantity })`],
    [`ctx.emit('StockAdded', { quantity })`, `ctx.emit('StockAdded', { amount: quantity })`],
    [`ctx.emit('StockAdded', { quantity })`, `ctx.emit('StockAdded', { quantity: 'one' })`],
    [`return { available: state.available + quantity };`, `return { left: state.available + quantity };`],
    [`    Release(state, { orderId }, ctx) {`, `    Releases(state, { orderId }, ctx) {`],
    [`({ ...state, available: state.available + quantity })`, `({ ...state, available: state.free + quantity })`],
  ] as const) {
    t.ok(source.includes(right), right);
    await writeFile(file, source.replace(right, wrong));
    const { ok, output } = await typeCheck(join(copy, 'jsconfig.json'));
    t.notOk(ok, wrong);
    t.match(output, 'inventory.js');
  }
});

t.test('the types find a misspelt event, field or command of a subscription', async (t) => {
  const copy = await mkdtemp(join(tmpdir(), 'troupe-behaviors-'));
  t.teardown(() => rm(copy, { recursive: true }));
  await cp(behaviors, copy, { recursive: true });
  const file = join(copy, 'shop', 'user.js');
  const source = await readFile(file, 'utf8');
  for (const [right, wrong] of [
    [`OrderPlaced: ({ userId, total }, source)`, `OrderPlacid: ({ userId, total }, source)`],
    [`OrderPlaced: ({ userId, total }, source)`, `OrderPlaced: ({ user, total }, source)`],
    [`'shop.v1.Address': {`, `'shop.v1.Adress': {`],
    [`command: 'NoteOrder', body`, `command: 'NoteOrders', body`],
    [`placedMs: source.now`, `placedMs: source.time`],
    [`placedMs: source.now`, `placedMs: source.id`],
  ] as const) {
    t.ok(source.includes(right), right);
    await writeFile(file, source.replace(right, wrong));
    const { ok, output } = await typeCheck(join(copy, 'jsconfig.json'));
    t.notOk(ok, wrong);
    t.match(output, 'user.js');
  }
});
