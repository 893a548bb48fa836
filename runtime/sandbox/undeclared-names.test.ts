/** What a module uses without declaring it is found; what it declares in any way is left alone. */

import t from 'tap';

import { lineColumn, prepareModule } from './module-source.ts';
import { undeclaredName } from './undeclared-names.ts';

function found(source: string, confirm: (start: number) => boolean = () => true): string {
  const name = undeclaredName(prepareModule('m.js', source).tokens, ({ start }) => confirm(start));
  return name === null ? '' : `${lineColumn(source, name.start)} ${name.reason.split(' ')[0]}`;
}

t.test('names that nothing declares', async (t) => {
  const bad: readonly (readonly [source: string, at: string])[] = [
    ['const f = () => Date.now();', '1:17 Date'],
    ['const f = () => new Date();', '1:21 Date'],
    ['const f = () => new Date;', '1:21 Date'],
    ['const f = (x) => x instanceof Date;', '1:31 Date'],
    ['const f = () => {\n  return Date;\n};', '2:10 Date'],
    ['const f = (g) => g(1, Date);', '1:23 Date'],
    ['const f = () => typeof process === "object";', '1:24 process'],
    ['const f = () => Math.random();', '1:17 Math.random'],
    ['const f = () => globalThis.Date;', '1:17 Date'],
    ['const f = () => globalThis?.console;', '1:17 console'],
    ['const f = () => { setTimeout(() => {}, 5); };', '1:19 setTimeout'],
    ['const f = () => { for (const a of fetch("x")) a(); };', '1:35 fetch'],
    ['const f = () => eval("1");', '1:17 eval'],
    ['const f = () => new Function("return 1");', '1:21 Function'],
    ['const f = () => { if (consle.log) return 1; };', '1:23 consle'],
    ['const f = (a) => a + `${b}`;', '1:25 b'],
    ['const f = (a) => `${Intl.x}${a}`;', '1:21 Intl'],
    ['const f = (command) => comand.amount;', '1:24 comand'],
    ['const f = (a) => a ? Date.now() : 1;', '1:22 Date'],
    ['const o = { at: Date.now(), [Symbol.iterator]: 1 };', '1:17 Date'],
    ['const o = { f() { return g(); } };', '1:26 g'],
    ['class A extends Promise.x {}', '1:17 Promise'],
    ['class A { x = Temporal.Now; }', '1:15 Temporal'],
    ['const f = (a, b = Date.now()) => a + b;', '1:19 Date'],
    ['const o = { Date: 1, process() {} }; const f = () => o.Date + process.env;', '1:63 process'],
  ];
  for (const [source, at] of bad) t.equal(found(source), at, source);
});

t.test('names that something declares, or that are no names of values', async (t) => {
  const good = [
    'import Date from "./d.js"; const f = () => Date.now();',
    'import * as console from "./d.js"; const f = () => console.log();',
    'import { Date, a as process } from "./d.js"; const f = () => Date.now() + process.x;',
    'const f = (Date) => Date.now();', 'const f = Date => Date.now();', 'const f = (a, { Date }) => Date.now();',
    'const f = ({ a: Date }) => Date.now();', 'const f = ({ Date = 1 }) => Date.now();', 'const f = ([a, Date]) => Date.now();',
    'const f = (...Date) => Date.now();', 'const f = (Date = 1, b) => Date.now();', 'function f(a, Date) { return Date.now(); }',
    'const o = { f(process) { return process.x; }, set g(fetch) { fetch(); } };', 'class A { constructor(a, fetch) { fetch(); } }',
    'const f = () => { let a, fetch\n(1); return fetch(); };', 'const f = () => { let a = 1, fetch = 2; return fetch.x; };',
    'const f = () => { for (let i = 0, process = 1; ;) return process.x + i; };', 'const f = (l) => { for (const process of l) process.x(); };',
    'const f = () => { try { null.x; } catch (process) { return process.x; } };', 'function Date() {}  const f = () => new Date();',
    'class Date {}  const f = () => new Date();', 'function* fetch() {}  const f = () => fetch();', 'const f = function fetch() { return fetch.x; };',
    'const f = class fetch { g() { return fetch.x; } };', 'const f = () => { const [process, { a: [crypto] }] = []; return process.x + crypto.y; };',
    'const f = () => { var a\n, process\n; return process.x; };', 'const f = (x) => { const { process } = x; return process(); };',
    'const o = { Date: 1, "x": 2, fetch() { return 1; }, get process() { return 1; }, *crypto() {}, async: 1 };',
    'class A { Date = 1; fetch; process() {} static crypto = 1; static Intl() {} get eval() { return 1; } *escape() {}\n unescape\n performance = 1 }',
    'const f = (o) => o.Date.now() + o?.process + o.console.log();', 'class A { #Date = 1; f(o) { return #Date in o; } }',
    'const f = () => { Date: for (;;) { break Date; } };', 'const f = (c) => { process: for (;;) { if (c) continue process; } };',
    'function f() { return arguments.length + new.target; }', 'const f = (x) => x instanceof Function;',
    'const f = () => typeof window === "undefined" ? 1 : window.x;', 'const f = () => { if (globalThis.test) test(); };', 'const f = (x) => /Date.now()/.test(x) + "Date.now()" + `Date.now()`; // Date.now()',
    'const f = (x) => { switch (x) { case 1: return x; default: return undefined; } };', 'export { a as fetch }; const a = Infinity, b = NaN + a;',
    'const a = 1; export { a as default };', 'export { x as Date } from "./x.js"; export * as process from "./y.js";',
    'class A extends Map { f() { return super.get(1); } } const f = () => globalThis.JSON.stringify(1);', 'const f = () => Math.max(1, 2) ** 2;',
    'const f = () => [1, 2].map((n) => n * 2).filter(Boolean)\n  .join();',
  ];
  for (const source of good) t.equal(found(source), '', source);
});

t.test('what the compiler does not confirm is not reported', async (t) => {
  const source = 'const f = () => one.x + two.y;';
  t.equal(found(source), '1:17 one');
  t.equal(found(source, (start) => start > 17), '1:25 two');
  t.equal(found(source, () => false), '');
});
