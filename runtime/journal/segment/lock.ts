/**
 * The directory lock: one process at a time, and it dies with the process, however that dies. SQLite's exclusive lock on
 * `lock.db` gives exactly that (a lock of the operating system on an open file), without a native module of our own.
 * A file with a process id in it would outlive a crash and, with process ids used again, keep a node out for ever.
 */

import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { TroupeError } from '../../codec/errors.ts';

export interface DirectoryLock {
  release(): void;
}

/** @throws TroupeError JOURNAL_LOCKED, naming the process that holds it where that is known */
export function lockDirectory(directory: string): DirectoryLock {
  const database = new DatabaseSync(path.join(directory, 'lock.db'));
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new TroupeError('JOURNAL_LOCKED', `${directory} is open in ${holderOf(directory)}`, { cause: error });
  }
  // Only for the message above: the lock itself does not rest on this file.
  fs.writeFileSync(path.join(directory, 'lock.pid'), `${process.pid}\n`, { mode: 0o600 });
  return { release: () => database.close() };
}

function holderOf(directory: string): string {
  try {
    const pid = fs.readFileSync(path.join(directory, 'lock.pid'), 'utf8').trim();
    return /^\d+$/.test(pid) ? `process ${pid}` : 'another process';
  } catch {
    return 'another process';
  }
}
