import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import t from 'tap';
import type { Test } from 'tap';

import { limits } from '../limits.ts';
import { parseBundle } from './bundle.ts';
import { packDirectory } from './pack.ts';

const PROTO = 'syntax = "proto3"; package a.v1; message M {}';
const MANIFEST = { name: 'shop', modules: ['order.js'] };
const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A directory with a whole bundle, changed by `entries`; null leaves a file out. Content that is no text becomes JSON. */
async function directory(t: Test, entries: Record<string, unknown> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'troupe-pack-'));
  t.teardown(() => rm(root, { recursive: true }));
  const all = { 'shop/troupe.json': MANIFEST, 'shop/order.js': '', 'shop/proto/a.proto': PROTO, ...entries };
  for (const [path, content] of Object.entries(all)) {
    if (content === null) continue;
    await mkdir(dirname(join(root, path)), { recursive: true });
    const bytes = typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
    await writeFile(join(root, path), bytes);
  }
  return join(root, 'shop');
}

t.test('takes what is needed and nothing else', async (t) => {
  const path = await directory(t, {
    'shop/order.js': `import { defineActor } from 'troupe';\nimport './lib/lines.js';`,
    'shop/lib/lines.js': `export * from '../money.mjs';`,
    'shop/money.mjs': `import './lib/lines.js';`,
    'shop/order.scenarios.js': 'export default [];',
    'shop/notes.md': 'x',
    'shop/proto/a.proto': 'syntax = "proto3"; package a.v1; import "b/b.proto"; message M { b.B b = 1; }',
    'shop/proto/b/b.proto': 'syntax = "proto3"; package b; import "google/protobuf/empty.proto"; message B { google.protobuf.Empty e = 1; }',
  });
  const packed = await packDirectory(path);
  t.strictSame([...packed.files.keys()].sort(), ['lib/lines.js', 'money.mjs', 'order.js', 'proto/a.proto', 'proto/b/b.proto', 'troupe.json']);
  t.equal(packed.files.get('troupe.json'), JSON.stringify(MANIFEST));
  const bundle = parseBundle(packed.content);
  t.equal(bundle.hash, packed.hash);
  t.equal(packed.name, 'shop');
});

t.test('the address depends on contents alone', async (t) => {
  const here = await packDirectory(await directory(t));
  const elsewhere = await packDirectory(await directory(t, { 'shop/README.md': 'another place' }));
  const reordered = await packDirectory(await directory(t, { 'shop/troupe.json': '{ "modules": ["order.js"],\n "name": "shop" }' }));
  const other = await packDirectory(await directory(t, { 'shop/order.js': '//' }));
  t.equal(here.hash, elsewhere.hash);
  t.equal(here.hash, reordered.hash);
  t.not(here.hash, other.hash);
});

t.test('schemas may lie elsewhere', async (t) => {
  const path = await directory(t, {
    'shop/troupe.json': { ...MANIFEST, protoRoot: '../schemas', proto: ['a/*.proto'] },
    'shop/proto/a.proto': null,
    'schemas/a/v1.proto': 'syntax = "proto3"; package a; import "b/v1.proto";',
    'schemas/b/v1.proto': 'syntax = "proto3"; package b;',
    'schemas/c/v1.proto': 'syntax = "proto3"; package c;',
  });
  const { files } = await packDirectory(path);
  t.strictSame([...files.keys()].filter((file) => file.endsWith('.proto')), ['proto/a/v1.proto', 'proto/b/v1.proto']);
});

t.test('the behaviours of the project pack', async (t) => {
  for (const name of ['shop', 'bench']) t.equal((await packDirectory(join(project, 'behaviors', name))).name, name);
});

const refused: readonly [what: string, entries: Record<string, unknown>, where: string][] = [
  ['no manifest', { 'shop/troupe.json': null }, 'troupe.json'],
  ['a manifest that is not JSON', { 'shop/troupe.json': '{' }, 'troupe.json'],
  ['an unknown key', { 'shop/troupe.json': { ...MANIFEST, module: [] } }, 'troupe.json'],
  ['a name that is none', { 'shop/troupe.json': { ...MANIFEST, name: 'My shop' } }, 'troupe.json'],
  ['no modules', { 'shop/troupe.json': { ...MANIFEST, modules: [] } }, 'troupe.json'],
  ['a module twice', { 'shop/troupe.json': { ...MANIFEST, modules: ['order.js', 'order.js'] } }, 'troupe.json'],
  ['a module that is missing', { 'shop/order.js': null }, 'troupe.json'],
  ['a module above', { 'shop/troupe.json': { ...MANIFEST, modules: ['../order.js'] }, 'order.js': '' }, 'troupe.json'],
  ['a module by absolute path', { 'shop/troupe.json': { ...MANIFEST, modules: ['/etc/passwd.js'] } }, 'troupe.json'],
  ['a module that is not JavaScript', { 'shop/troupe.json': { ...MANIFEST, modules: ['order.ts'] }, 'shop/order.ts': '' }, 'troupe.json'],
  ['a module under proto/', { 'shop/troupe.json': { ...MANIFEST, modules: ['proto/order.js'] }, 'shop/proto/order.js': '' }, 'troupe.json'],
  ['an import that is missing', { 'shop/order.js': `\nimport './gone.js'` }, 'order.js:2'],
  ['an import without its extension', { 'shop/order.js': `import './lines'`, 'shop/lines.js': '' }, 'order.js:1'],
  ['an import that leaves', { 'shop/order.js': `import '../a.js'`, 'a.js': '' }, 'order.js:1'],
  ['an import that leaves and comes back', { 'shop/order.js': `import '../shop/lines.js'`, 'shop/lines.js': '' }, 'order.js:1'],
  ['an import of a package', { 'shop/order.js': `import fs from 'node:fs'` }, 'order.js:1'],
  ['import()', { 'shop/order.js': `const m = () => import('./lines.js')`, 'shop/lines.js': '' }, 'order.js:1'],
  ['text that is not UTF-8', { 'shop/order.js': Uint8Array.of(0xff) }, 'troupe.json'],
  ['no schemas', { 'shop/proto/a.proto': null, 'shop/proto/a.txt': '' }, 'troupe.json'],
  ['no directory of schemas', { 'shop/proto/a.proto': null }, 'troupe.json: protoRoot'],
  ['an absolute directory of schemas', { 'shop/troupe.json': { ...MANIFEST, protoRoot: '/' } }, 'troupe.json'],
  ['a pattern that leads out', { 'shop/troupe.json': { ...MANIFEST, proto: ['../*.proto'] }, 'shop/b.proto': PROTO }, 'troupe.json'],
  ['a schema that is missing', { 'shop/proto/a.proto': 'syntax = "proto3"; import "gone.proto";' }, 'proto/a.proto'],
  ['a schema above', { 'shop/proto/a.proto': 'syntax = "proto3"; import "../b.proto";', 'shop/b.proto': PROTO }, 'proto/a.proto'],
  ['a well-known type', { 'shop/proto/a.proto': 'syntax = "proto3"; import "google/protobuf/timestamp.proto";' }, 'proto/a.proto'],
  ['a schema that does not parse', { 'shop/proto/a.proto': 'syntax = "proto3";\nmessage {' }, 'proto/a.proto:2'],
  ['a schema of another syntax', { 'shop/proto/a.proto': 'syntax = "proto2"; message M {}' }, 'proto/a.proto'],
  ['a schema without syntax', { 'shop/proto/a.proto': 'message M {}' }, 'proto/a.proto'],
  ['a field of no type', { 'shop/proto/a.proto': 'syntax = "proto3"; message M { Gone g = 1; }' }, 'proto/'],
];
for (const [what, entries, where] of refused) {
  t.test(`refuses ${what}`, async (t) => {
    await t.rejects(packDirectory(await directory(t, entries)), { code: 'BUNDLE_INVALID', location: where });
  });
}

t.test('a key under a wrong name is named, with the right one', async (t) => {
  const renamed = await directory(t, { 'shop/troupe.json': { name: 'shop', module: ['order.js'] } });
  await t.rejects(packDirectory(renamed), { code: 'BUNDLE_INVALID', message: /has no key "module"; did you mean modules\?/ });
  const other = await directory(t, { 'shop/troupe.json': { ...MANIFEST, author: 'me' } });
  await t.rejects(packDirectory(other), { code: 'BUNDLE_INVALID', message: /has no key "author"$/ });
});

t.test('no link leads out, be it of a module, a schema or a directory', async (t) => {
  const module = await directory(t, { 'shop/order.js': null, 'secret.js': '' });
  await symlink('../secret.js', join(module, 'order.js'));
  await t.rejects(packDirectory(module), { code: 'BUNDLE_INVALID' });

  const folder = await directory(t, { 'shop/order.js': `import './lib/secret.js'`, 'lib/secret.js': '' });
  await symlink('../lib', join(folder, 'lib'));
  await t.rejects(packDirectory(folder), { code: 'BUNDLE_INVALID' });

  const schema = await directory(t, { 'b.proto': PROTO });
  await symlink('../../b.proto', join(schema, 'proto', 'b.proto'));
  await t.rejects(packDirectory(schema), { code: 'BUNDLE_INVALID' });

  const nowhere = await directory(t, { 'shop/order.js': null });
  await symlink('gone.js', join(nowhere, 'order.js'));
  await t.rejects(packDirectory(nowhere), { code: 'BUNDLE_INVALID' });

  const inside = await directory(t, { 'shop/order.js': null, 'shop/real.js': '' });
  await symlink('real.js', join(inside, 'order.js'));
  t.ok(await packDirectory(inside), 'a link inside the directory is a file like any other');
});

t.test('what is no regular file is refused, a pipe without waiting for it', async (t) => {
  const folder = await directory(t, { 'shop/order.js': null });
  await mkdir(join(folder, 'order.js'));
  await t.rejects(packDirectory(folder), { code: 'BUNDLE_INVALID' });
  const pipe = await directory(t, { 'shop/order.js': null });
  execFileSync('mkfifo', [join(pipe, 'order.js')]);
  await t.rejects(packDirectory(pipe), { code: 'BUNDLE_INVALID' });
  await t.rejects(packDirectory(join(pipe, 'gone')), { code: 'BUNDLE_INVALID' });
  await t.rejects(packDirectory(join(folder, 'troupe.json')), { code: 'BUNDLE_INVALID' });
});

t.test('a bundle is bounded in bytes and files', async (t) => {
  const large = await directory(t, { 'shop/order.js': '/'.repeat(limits.bundleBytesMax + 1) });
  await t.rejects(packDirectory(large), { code: 'BUNDLE_TOO_LARGE' });
  const names = Array.from({ length: limits.bundleFilesMax }, (_, i) => `m${i}.js`);
  const many = await directory(t, {
    'shop/order.js': names.map((name) => `import './${name}';`).join('\n'),
    ...Object.fromEntries(names.map((name) => [`shop/${name}`, ''])),
  });
  await t.rejects(packDirectory(many), { code: 'BUNDLE_TOO_LARGE' });
});
