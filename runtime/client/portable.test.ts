/** The client runs in a browser: it imports nothing of Node and type-checks with the types of the DOM alone. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

import t from 'tap';

const entry = join(import.meta.dirname, 'client.ts');

function imports(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

t.test('imports only files of this project, and nothing of Node', (t) => {
  const seen = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const name of imports(file)) {
      t.match(name, /^\.\.?\//, `${file}: ${name}`);
      waiting.push(resolve(dirname(file), name));
    }
  }
  t.ok(seen.size > 5, 'the scan follows imports');
  t.same(imports(import.meta.filename).includes('node:fs'), true, 'and would see an import of Node');
  t.end();
});

t.test('type-checks with the DOM and without Node', (t) => {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const bin = (JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { tsc: string } }).bin.tsc;
  const run = (file: string) => spawnSync(process.execPath, [
    join(dirname(manifest), bin), '--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess',
    '--target', 'ESNext', '--module', 'NodeNext', '--moduleResolution', 'NodeNext', '--lib', 'ESNext,DOM,DOM.AsyncIterable',
    '--types', '', '--skipLibCheck', '--allowImportingTsExtensions', '--verbatimModuleSyntax', '--erasableSyntaxOnly', file,
  ], { encoding: 'utf8' });
  const client = run(join(import.meta.dirname, 'typed.ts'));
  t.equal(client.status, 0, client.stdout);
  const node = run(join(import.meta.dirname, '../gateway/loopback.ts'));
  t.not(node.status, 0, 'a file that needs Node does not pass this check');
  t.end();
});
