/** The house rules of scripts/style.ts over the whole tree, and each of them over a sample that breaks it. */

import { globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import t from 'tap';

import { bans, checkBans, checkImports, checkLength, checkTestName, importsOf, layers, longFiles, strip, type SourceFile } from '../scripts/style.ts';
import { catalogue } from './codec/errors.ts';
import { cannot } from './testing/cannot.ts';
import { flagOf, settingNames, settingSpecs, variableOf } from './config/defaults.ts';

const root = path.join(import.meta.dirname, '..');

function read(file: string): SourceFile {
  return { path: file, text: readFileSync(path.join(root, file), 'utf8') };
}

const files = globSync('{runtime,cluster,bench,behaviors,scripts}/**/*.{ts,js,cjs,mjs}', { cwd: root }).map((file) => file.split(path.sep).join('/')).sort().map(read);

t.test('imports go one way, and only the composition root names adapters', async (t) => {
  t.strictSame(files.flatMap(checkImports), []);
});

t.test('nothing that is banned', async (t) => {
  // The rules, their samples and the samples of the counter of skipped tests hold what they ban.
  const own = new Set(['scripts/style.ts', 'runtime/style.test.ts', 'scripts/tap-count.test.ts']);
  t.strictSame(files.filter((file) => !own.has(file.path)).flatMap((file) => checkBans(file)), []);
});

t.test('no file is too long, and no exception outlives its file', async (t) => {
  t.strictSame(files.flatMap(checkLength), []);
  for (const file of Object.keys(longFiles)) t.ok(files.some(({ path: name, text }) => name === file && text.split('\n').length > 400), `${file} is still that long`);
});

t.test('every test has a name that the runner finds', async (t) => {
  t.strictSame(files.flatMap(checkTestName), []);
});

t.test('one page per error code, and no page without a code', async (t) => {
  const pages = readdirSync(path.join(root, 'docs/errors')).sort();
  t.strictSame(pages, Object.keys(catalogue).map((code) => `${code}.md`).sort());
  for (const page of pages) {
    const { text } = read(`docs/errors/${page}`);
    t.ok(text.startsWith(`# ${page.replace('.md', '')}\n`), `${page} has its code as its heading`);
    for (const heading of ['## When it happens', '## What to do']) t.ok(text.includes(heading), `${page}: ${heading}`);
  }
});

t.test('every setting is in docs/OPERATING.md with its variable, its default and what it does', async (t) => {
  const { text } = read('docs/OPERATING.md');
  for (const name of settingNames) t.ok(text.includes(settingRow(name)), `the table has the line:\n${settingRow(name)}`);
  const rows = text.match(/^\| `--[^\n]*$/gm) ?? [];
  t.equal(rows.length, settingNames.length, 'and no line for a setting that does not exist');
});

/** A setting's line in the table of docs/OPERATING.md. */
function settingRow(name: (typeof settingNames)[number]): string {
  const { preset, help, kind } = settingSpecs[name];
  const shown = Array.isArray(preset) || preset === '' ? '' : `\`${String(preset)}\``;
  const flag = kind === 'switch' && preset === true ? `--no-${flagOf(name).slice(2)}` : flagOf(name);
  return `| \`${flag}\` | \`${variableOf(name)}\` | ${shown} | ${help.replaceAll('|', '\\|')} |`;
}

t.test('links between the documents lead somewhere', async (t) => {
  const documents = globSync('{*.md,docs/**/*.md}', { cwd: root }).filter((file) => !file.includes('node_modules'));
  t.ok(documents.length > Object.keys(catalogue).length);
  for (const document of documents) {
    for (const [, target, anchor] of read(document).text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      const linked = target === '' ? document : path.posix.join(path.posix.dirname(document.split(path.sep).join('/')), target!);
      const found = globSync(linked, { cwd: root }).length > 0;
      t.ok(found, `${document} links to ${linked}`);
      if (!found || anchor === undefined) continue;
      const headings = [...read(linked).text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title!.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'));
      t.ok(headings.includes(anchor), `${document} links to #${anchor} of ${linked}`);
    }
  }
});

t.test('each ban catches its sample, and names what to write instead', async (t) => {
  const samples: Record<string, [file: string, text: string]> = {
    'clock in the core': ['runtime/actor/turn.ts', 'const at = Date.now();'],
    'randomness in the core': ['runtime/actor/turn.ts', 'const seed = Math.random();'],
    'timers in the core': ['runtime/actor/turn.ts', 'setTimeout(run, 5);'],
    'input and output in the core': ['runtime/actor/turn.ts', "import { readFile } from 'node:fs/promises';"],
    console: ['runtime/gateway/x.ts', 'console.log(1);'],
    environment: ['runtime/journal/x.ts', 'const home = process.env.HOME;'],
    exit: ['runtime/journal/x.ts', 'process.exit(1);'],
    enum: ['runtime/codec/x.ts', 'export const enum Kind { A }'],
    namespace: ['runtime/codec/x.ts', 'export namespace Kinds {}'],
    'parameter property': ['runtime/codec/x.ts', 'class A { constructor(private readonly b: number) {} }'],
    barrel: ['runtime/codec/x.ts', "export * from './y.ts';"],
    'default export': ['runtime/codec/x.ts', 'export default function f() {}'],
    require: ['runtime/codec/x.ts', "const x = require('x');"],
    any: ['runtime/codec/x.ts', 'const x = y as any;'],
    'silenced type error': ['runtime/codec/x.ts', '// @ts-ignore'],
    'lone test': ['runtime/x.test.ts', "t.only('x');"],
    'skipped test': ['runtime/x.test.ts', "t.skip('x');"],
    unfinished: ['runtime/x.ts', '// TODO: later'],
    'loose assert': ['runtime/x.ts', "import assert from 'node:assert';"],
    'unseeded locale': ['runtime/codec/x.ts', 'a.localeCompare(b)'],
  };
  for (const ban of bans) {
    const sample = samples[ban.name];
    t.ok(sample, `a sample for ${ban.name}`);
    const complaints = checkBans({ path: sample![0], text: `// first line\n${sample![1]}\n` });
    t.ok(complaints.some((complaint) => complaint === `${sample![0]}:2: ${ban.name}; write instead: ${ban.instead}`), `${ban.name}: ${complaints.join()}`);
  }
});

t.test('a test is skipped for what the machine cannot do, and for nothing else', async (t) => {
  const complaints = (text: string): number => checkBans({ path: 'runtime/x.test.ts', text }).length;
  for (const text of [
    "t.test('x', { skip: true }, f);", "t.test('x', { skip: 'later' }, f);", 'const skip = `later`; t.test("x", { skip }, f);', "t.test('x', { skip: reason }, f);", "t.test('x', { timeout: 1, skip: a && b }, f);",
    "t.test('x', { skip: cannot('later') }, f);", "t.test('x', { skip: cannot(tried) || later }, f);", "t.test('x', { skip: cannot() }, f);", "t.test('x', { 'skip': reason }, f);", "t.test('x', { ['skip']: reason }, f);",
    "const cannot = () => 'later';", 'function cannot() {}', "t.test('x', { todo: true }, f);", "t.test('x', { todo }, f);", "t.todo('x');", "t.skip('x');",
  ]) t.ok(complaints(text) > 0, text);
  for (const text of ["t.test('x', { skip: cannot(volume) }, f);", "t.test('x', { skip: cannot(volume), timeout: 1 }, f);", 'wire.skip();', 'const skipped = 1;']) t.equal(complaints(text), 0, text);
  t.equal(cannot({}), false);
  t.equal(cannot('no room'), 'no room');
  t.throws(() => cannot(' '), TypeError);
});

t.test('what only looks like it is left alone', async (t) => {
  const clean = ["// Date.now() is banned here", "const text = 'console.log(Date.now())';", 'const pattern = /Math.random\\(\\)/;', 'const x = `process.env.${1}`;', 'a.skipped(1); const many = 1;'].join('\n');
  t.strictSame(checkBans({ path: 'runtime/actor/turn.ts', text: clean }), []);
  t.equal(strip("a /* b\nc */ 'd' // e\nf").code, "a     \n     ' '     \nf");
  t.equal(strip("const q = a / b; const s = 'c' / d").code, "const q = a / b; const s = ' ' / d");
});

t.test('imports against the direction are caught', async (t) => {
  const from = (file: string, target: string, how = 'import { x } from') => checkImports({ path: file, text: `${how} '${target}';` });
  t.match(from('runtime/codec/x.ts', '../journal/journal.ts'), [/runtime\/codec\/ may not import runtime\/journal\/journal\.ts/]);
  t.match(from('runtime/journal/x.ts', '../actor/engine.ts'), [/may not import/]);
  t.match(from('runtime/gateway/x.ts', '../actor/turns.ts'), [/may not import/]);
  t.match(from('runtime/gateway/x.ts', '../../cluster/router.ts'), [/knows nothing of cluster/]);
  t.match(from('runtime/cli/x.ts', '../journal/segment/segment-journal.ts'), [/is an adapter/]);
  t.match(from('runtime/actor/x.ts', '../sandbox/pool.ts'), [/is an adapter/]);
  t.match(from('runtime/journal/journal.ts', './segment/segment-journal.ts'), [/is an adapter/]);
  t.match(from('runtime/codec/x.ts', '../cli/main.ts', 'import type { X } from'), [/may not import/]);
  t.equal(checkImports({ path: 'runtime/codec/x.ts', text: "await import('../cli/main.ts')" }).length, 1);
  t.equal(checkImports({ path: 'runtime/codec/x.ts', text: "import '../cli/main.ts'" }).length, 1);
  t.match(from('scripts/x.ts', '../runtime/limits.ts'), [/may not import/]);
});

t.test('imports along the direction pass', async (t) => {
  const from = (file: string, target: string) => checkImports({ path: file, text: `import { x } from '${target}';` });
  t.strictSame(from('runtime/actor/x.ts', '../journal/journal.ts'), []);
  t.strictSame(from('runtime/gateway/x.ts', '../actor/engine.ts'), []);
  t.strictSame(from('runtime/node.ts', './journal/segment/segment-journal.ts'), []);
  t.strictSame(from('runtime/journal/segment/x.ts', './y.ts'), []);
  t.strictSame(from('runtime/gateway/x.test.ts', '../journal/memory/memory-journal.ts'), []);
  t.strictSame(importsOf({ path: 'a/b.ts', text: "// from './c.ts'\nimport d from 'd'; import { e } from '../e.ts';" }), [{ target: 'e.ts', line: 2 }]);
});

t.test('every folder of runtime has its place in the order', async (t) => {
  const folders = readdirSync(path.join(root, 'runtime'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) t.ok(Object.hasOwn(layers, `runtime/${name}/`), `runtime/${name}/ is in the table of layers`);
});

t.test('long files and badly named tests are caught', async (t) => {
  t.equal(checkLength({ path: 'runtime/codec/x.ts', text: '\n'.repeat(401) }).length, 1);
  t.equal(checkLength({ path: 'runtime/codec/x.ts', text: '\n'.repeat(400) }).length, 0);
  const tap = "import t from 'tap';";
  for (const name of ['runtime/x.spec.ts', 'runtime/x.slow.test.ts', 'runtime/x.ts', 'runtime/x.test.js']) t.equal(checkTestName({ path: name, text: tap }).length, 1, name);
  for (const name of ['runtime/x.test.ts', 'runtime/x.disk.test.ts', 'runtime/x.redis.test.ts', 'runtime/x.e2e.test.ts', 'runtime/a/testing/rig.ts', 'runtime/x.fuzz.ts']) t.equal(checkTestName({ path: name, text: tap }).length, 0, name);
});
