import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { makeDataFolder } from './data-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'troupe-data-folder-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

t.test('missing folders are made, private, and a second time is no error', async (t) => {
  const path = join(folder, 'a/b/c');
  makeDataFolder(path);
  makeDataFolder(path);
  t.equal(statSync(path).mode & 0o777, 0o700);
});

t.test('what cannot be a folder is refused with a code, and at once', async (t) => {
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => makeDataFolder(join(folder, 'file')), { code: 'CONFIG_INVALID' });
  t.throws(() => makeDataFolder(join(folder, 'file/below')), { code: 'CONFIG_INVALID' });
  t.throws(() => makeDataFolder('/proc/troupe/data'), { code: 'CONFIG_INVALID' });
});
