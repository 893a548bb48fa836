import t from 'tap';

import { scanImports } from './imports.ts';

const specifiers = (source: string): string[] => scanImports(source).map((found) => (found.dynamic ? 'import()' : found.specifier));

const cases: readonly [what: string, source: string, found: readonly string[]][] = [
  ['all forms of import', `import './a.js'; import b from "./b.js"; import * as c from './c.js'; import d, { e as f } from './d.js'`, ['./a.js', './b.js', './c.js', './d.js']],
  ['names in strings', `import { 'a b' as c } from './a.js'`, ['./a.js']],
  ['a binding called from', `import from from './a.js'; import { from } from './b.js'`, ['./a.js', './b.js']],
  ['attributes', `import a from './a.js' with { type: 'x' }`, ['./a.js']],
  ['all forms of export', `export * from './a.js'; export * as b from './b.js'; export { c } from './c.js'; export { d }; export default 1; export const e = './e.js'`, ['./a.js', './b.js', './c.js']],
  ['an export list before an import', `export { a }\nimport b from './b.js'`, ['./b.js']],
  ['without blanks', `import{a}from'./a.js';export*from"./b.js"`, ['./a.js', './b.js']],
  ['comments between', `import /* from './x.js' */ a // from './y.js'\n from './a.js'`, ['./a.js']],
  ['comments', `// import './a.js'\n/* import './b.js' */`, []],
  ['strings', `const a = "import './a.js'"; const b = 'import "./b.js"'; const c = '\\' import "./c.js"'`, []],
  ['templates', "const a = `import './a.js' ${`import './b.js' ${{ a: 1 }}`} import './c.js'`; import './d.js'", ['./d.js']],
  ['regular expressions', `const a = /import '.\\/a.js'/; const b = x / y; const c = [/[/']/, 1]; import './d.js'`, ['./d.js']],
  ['division behind a bracket', `const a = (b) / 2; const c = d[0] / 2; import './d.js'; const e = 1 / 2;`, ['./d.js']],
  ['properties and meta', `a.import('./a.js'); a.export; const b = { import: 1 }; import.meta.url`, []],
  ['import()', `const a = await import('./a.js')`, ['import()']],
  ['an unfinished template', '`${', []],
  ['an unfinished import', 'import', []],
];
for (const [what, source, found] of cases) {
  t.test(what, async (t) => t.strictSame(specifiers(source), found));
}

t.test('lines are counted from 1', async (t) => {
  t.strictSame(scanImports(`\n\nimport './a.js'\n\nimport './b.js'`).map(({ line }) => line), [3, 5]);
});
