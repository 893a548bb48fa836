/** What is prepared means what was written, and what must be refused is. */

import t from 'tap';

import { prepareModule } from './module-source.ts';

function refusal(source: string): string {
  try {
    prepareModule('m.js', source);
    return '';
  } catch (error) {
    return (error as { location: string }).location;
  }
}

t.test('modules that are taken', async (t) => {
  const taken = [
    'const a = 1, b = { let: 2, var: 3, await: 4, async: 5 }; export default b.let;',
    'const a = 8 / 2 / 1; const r = /let x = 1; \\/ [/] "/g; function f() { return /var/.test("x"); }',
    'const s = `let ${`var ${{ a: 1 }.a} }`} let`; const t = \'let x\'; // let y\n/* var z */',
    'function f() { let a = 1; var b = 2; a++; for (var c of []) b = c; return () => { var d; return d; }; }',
    'for (let i = 0; i < 3; i++) { const x = i; }',
    'class C { static { var x = 1; } let() { return 1; } get var() { return 2; } async = 1; }',
    'const f = () => ({}) / 2; const g = (x) => { if (x) /a/.test(x); return x ? {} : { a: /}/ }; };',
    'const o = { f() { var x; return x; }, get g() { var y; return y; }, async: 1, h: function () { var z; return z; } };',
    'switch (1) { case 1: { const x = 1; } default: }',
    'const { a, b: [c, ...d], ...e } = { a: 1, b: [1] }; label: for (;;) break label;',
    'const x = a => a\nfunction f() {}\nexport { f as await, x as async }',
    'const await_ = 1; const o = { async, async() {} , await() {} }; const async = 1; async\n(1)',
    'function* g() { yield /x/; }  const n = 1_000.5e-3 + .5 + 0xff + 10n;',
    'const z = a++ / 2; const y = (1) / 2; const w = [1] / 2; if (1) /x/.test("");',
    'function f() { const g = 1; } const h = { f: 1 }; h.f = 2; const k = ({ f = 1 }) => f;',
  ];
  for (const source of taken) t.equal(refusal(source), '', source);
});

t.test('modules that are refused', async (t) => {
  const bad: [string, string][] = [
    ['let a', '1:1'],
    ['const x = 1\nlet a', '2:1'],
    ['{ var a }', '1:3'],
    ['for (var i of []);', '1:6'],
    ['try {} catch { var x }', '1:16'],
    ['const r = 4 / 2; var x = /re/;', '1:18'],
    ['`${1}`; var x', '1:9'],
    ['const f = async () => 1', '1:11'],
    ['const f = async x => 1', '1:11'],
    ['const o = { async f() {} }', '1:13'],
    ['const o = { async *f() {} }', '1:13'],
    ['class C { async f() {} }', '1:11'],
    ['for await (const x of y);', '1:5'],
    ['export const m = import.meta', '1:18'],
    ['import("x")', '1:1'],
    ['function f() {} f = 1', '1:17'],
    ['class A {} \n A = 1', '2:2'],
    ['function f() { f++ }', '1:16'],
    ['try {} catch ({ message }) {}', '1:8'],
    ['const { a = 1 } = {}', '1:11'],
    ['const s = "x\n"', '1:11'],
    ['const s = `x', '1:11'],
    ['f(', '1:3'],
    ['}', '1:1'],
  ];
  for (const [source, at] of bad) t.equal(refusal(source), `m.js:${at}`, source);
});

t.test('a bracket that does not match names both places', async (t) => {
  const reason = (source: string): string => {
    try {
      prepareModule('m.js', source);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.equal(reason('f(\n  1\n}'), '`}` at 3:1 does not match `(` opened at 1:2');
  t.equal(reason('const s = `${ [ }`'), '`}` at 1:17 does not match `[` opened at 1:15');
  t.equal(reason('const s = `${ ) }`'), '`)` at 1:15 does not match `${` opened at 1:12');
  t.equal(reason(']'), '`]` at 1:1 closes nothing');
  t.equal(reason('{\n  [\n'), '`[` opened at 2:3 is not closed');
});

t.test('guards keep lines and tell of their columns', async (t) => {
  const source = 'function f() {\n  try { g(); } catch (error) { return 1; }\n  try { g(); } catch { return 2; } finally { h(); }\n  try { g(); } finally { return 3; }\n}\nfunction g() {}\nfunction h() {}';
  const prepared = prepareModule('m.js', source);
  const lines = prepared.source.split('\n');
  t.same(lines.slice(0, 7), [
    'function f() {',
    '  try { g(); } catch (error) {$caught(error); return 1; }',
    '  try { g(); } catch ($e) {$caught($e); return 2; } finally { h(); }',
    '  try { g(); } catch ($e) {$caught($e); throw $e;} finally { return 3; }',
    '}',
    'function g() {}',
    'function h() {}',
  ]);
  t.same(prepared.shifts.map(([line]) => line), [2, 3, 3, 4]);
  t.equal(prepared.source.includes("import { caught as $caught } from 'troupe:guard'"), true);
  t.equal(prepareModule('m.js', 'export default 1').source, 'export default 1', 'nothing is added where nothing is needed');
});

t.test('module-level bindings are exported for the runtime', async (t) => {
  const { source } = prepareModule('m.js', 'const a = { x: [1, 2] }, { b, c: [d] } = a; function e() { const no = 1; } class F {} export const g = 1; const h = function no() {}, i = class No {};');
  const names = /export \{ (.*) \};/.exec(source)![1]!.split(', ').map((item) => item.split(' as ')[0]);
  t.same(names.sort(), ['F', 'a', 'b', 'd', 'e', 'g', 'h', 'i']);
});
