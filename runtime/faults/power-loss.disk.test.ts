/** The simulated power cut: takes what was not synced, all of it or a part, and nothing else. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { losePower, powerLossImport, without } from './power-loss.ts';

/** Runs a script with the preload on a directory, ended by SIGKILL to itself; the directory, and the path of the undo log. */
function crash(script: string): { directory: string; log: string; path: string } {
  const root = mkdtempSync(join(tmpdir(), 'troupe-power-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const log = `${root}.undo`;
  t.teardown(() => rmSync(log, { force: true }));
  const path = join(root, 'file');
  writeFileSync(path, 'a'.repeat(16));
  const source = `
    import * as fs from 'node:fs';
    const path = ${JSON.stringify(path)};
    const write = (fd, text, at) => fs.writeSync(fd, Buffer.from(text), 0, text.length, at);
    const later = (fd, text, at) => new Promise((resolve) => fs.write(fd, Buffer.from(text), 0, text.length, at, resolve));
    const sync = (fd) => new Promise((resolve) => fs.fdatasync(fd, resolve));
    ${script}
    process.kill(process.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 10_000));`;
  const result = spawnSync(process.execPath, [powerLossImport(root, log), '--input-type=module', '-e', source], { encoding: 'utf8' });
  if (result.signal !== 'SIGKILL') throw new Error(`the script did not end by its signal: ${result.stderr}`);
  return { directory: root, log, path };
}

function after(script: string, keep = (): boolean => false): string {
  const { directory, log, path } = crash(script);
  losePower(directory, log, keep);
  return readFileSync(path, 'latin1');
}

t.test('what was synced stays, what was not goes back', async (t) => {
  t.equal(after(`const fd = fs.openSync(path, fs.constants.O_RDWR); write(fd, 'bbbb', 0);`), 'a'.repeat(16), 'never synced');
  t.equal(after(`const fd = fs.openSync(path, fs.constants.O_RDWR); write(fd, 'bbbb', 0); fs.fdatasyncSync(fd);`), `bbbb${'a'.repeat(12)}`, 'synced');
  t.equal(after(`const fd = fs.openSync(path, fs.constants.O_RDWR); await later(fd, 'bb', 0); await sync(fd); await later(fd, 'cccc', 0);`), `bb${'a'.repeat(14)}`, 'overwritten after the sync');
  t.equal(after(`const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DSYNC); write(fd, 'bb', 4);`), `aaaabb${'a'.repeat(10)}`, 'a durable write');
});

t.test('a write that began after the sync is not covered by it', async (t) => {
  t.equal(
    after(`const fd = fs.openSync(path, fs.constants.O_RDWR); write(fd, 'bb', 0); const done = sync(fd); write(fd, 'cc', 8); await done;`),
    `bb${'a'.repeat(14)}`,
  );
});

t.test('a file that grew is cut again, and an earlier loss does not take what is durable', async (t) => {
  t.equal(after(`const fd = fs.openSync(path, fs.constants.O_RDWR); write(fd, 'bbbb', 14);`), 'a'.repeat(16));
  t.equal(
    after(`const a = fs.openSync(path, fs.constants.O_RDWR); const b = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DSYNC);
      write(a, 'bbbb', 14); write(b, 'cc', 16);`),
    `${'a'.repeat(16)}cc`,
  );
});

t.test('un-synced writes may stay, each by itself', async (t) => {
  let asked = 0;
  const text = after(`const fd = fs.openSync(path, fs.constants.O_RDWR); write(fd, 'bb', 0); write(fd, 'cc', 8);`, () => asked++ === 0);
  t.equal(text, `${'a'.repeat(8)}cc${'a'.repeat(6)}`, 'asked newest first');
});

t.test('ranges without holes', async (t) => {
  t.same(without({ from: 0, to: 10 }, []), [{ from: 0, to: 10 }]);
  t.same(without({ from: 0, to: 10 }, [{ from: 3, to: 5 }, { from: 8, to: 20 }]), [{ from: 0, to: 3 }, { from: 5, to: 8 }]);
  t.same(without({ from: 0, to: 10 }, [{ from: 0, to: 10 }]), []);
});
