import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { TroupeError } from '../../codec/errors.ts';
import { lockDirectory } from './lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'troupe-lock-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

function refusal(): TroupeError {
  try {
    lockDirectory(directory).release();
  } catch (error) {
    return error as TroupeError;
  }
  throw new Error('the lock was given twice');
}

await t.test('one holder in this process', async (t) => {
  const lock = lockDirectory(directory);
  t.equal(refusal().code, 'JOURNAL_LOCKED');
  lock.release();
  lockDirectory(directory).release();
});

await t.test('the lock of another process dies with it, however it ends', async (t) => {
  const program = `
    const { lockDirectory } = await import(${JSON.stringify(new URL('./lock.ts', import.meta.url).href)});
    globalThis.lock = lockDirectory(${JSON.stringify(directory)});
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  const error = refusal();
  t.equal(error.code, 'JOURNAL_LOCKED');
  t.ok(error.message.includes(String(holder.pid)), 'the message names the holder');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  lockDirectory(directory).release();
});
