/** Lint and breaking-change check of the schemas, and proof that the second one can fail. */

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import t from 'tap';
import type { Test } from 'tap';

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const buf = join(project, 'node_modules', '.bin', 'buf');
const baseline = join(project, 'proto', 'baseline.binpb');

interface Run {
  readonly ok: boolean;
  readonly output: string;
}

function run(cwd: string, ...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(buf, args, { cwd }, (error, stdout, stderr) => resolve({ ok: error === null, output: stdout + stderr }));
  });
}

/** A copy of the schemas with one of them changed. */
async function changed(t: Test, file: string, change: (text: string) => string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'troupe-schemas-'));
  t.teardown(() => rm(copy, { recursive: true }));
  await cp(join(project, 'proto'), join(copy, 'proto'), { recursive: true });
  await cp(join(project, 'buf.yaml'), join(copy, 'buf.yaml'));
  const path = join(copy, 'proto', file);
  const before = await readFile(path, 'utf8');
  const after = change(before);
  t.not(after, before, 'the copy is another schema');
  await writeFile(path, after);
  return copy;
}

t.test('the schemas keep the lint rules of buf.yaml', async (t) => {
  const { ok, output } = await run(project, 'lint');
  t.ok(ok, output);
});

t.test('the lint rules can fail', async (t) => {
  const copy = await changed(t, 'shop/v1/order.proto', (text) => text.replace('string user_id = 1;', 'string userId = 1;'));
  const { ok, output } = await run(copy, 'lint');
  t.notOk(ok);
  t.match(output, /lower_snake_case/);
});

t.test('nothing that was released is broken', async (t) => {
  const { ok, output } = await run(project, 'breaking', '--against', baseline);
  t.ok(ok, output);
});

const breaks: readonly [what: string, file: string, change: (text: string) => string][] = [
  ['a field is removed', 'shop/v1/order.proto', (text) => text.replace('  string void_reason = 9;\n', '')],
  ['a field has another number', 'shop/v1/order.proto', (text) => text.replace('string void_reason = 9;', 'string void_reason = 99;')],
  ['a field has another type', 'shop/v1/inventory.proto', (text) => text.replace('map<string, uint32> reservations', 'map<string, string> reservations')],
  ['a command is gone', 'shop/v1/user.proto', (text) => text.replace(/ {2}rpc RenameUser.*\n/, '')],
  ['a field of the record changes its type', 'troupe/v1/record.proto', (text) => text.replace('uint64 epoch = 9;', 'string epoch = 9;')],
];
for (const [what, file, change] of breaks) {
  t.test(`the check fails when ${what}`, async (t) => {
    const { ok, output } = await run(await changed(t, file, change), 'breaking', '--against', baseline);
    t.notOk(ok);
    t.match(output, file);
  });
}

t.test('a field more is no break', async (t) => {
  const copy = await changed(t, 'shop/v1/order.proto', (text) => text.replace('string void_reason = 9;', 'string void_reason = 9;\n  string note = 99;'));
  const { ok, output } = await run(copy, 'breaking', '--against', baseline);
  t.ok(ok, output);
});
