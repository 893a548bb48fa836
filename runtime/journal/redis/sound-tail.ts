/**
 * Makes a server that was started write its append-only file anew before anything is asked of it.
 *
 * A server that dies in the middle of a write leaves half a transaction at the end of its file. When it is started again it drops the command
 * that was cut, and keeps what stands in front of it: a MULTI without its EXEC (with `aof-load-truncated yes`, the default; in Redis 7.0.15, and in
 * Valkey until its pull request 4342 of August 2026). What it appends from then on stands inside of that MULTI, and the start after this one
 * executes all of it: the half that nobody was answered, and in front of everything that was acknowledged since. [An append of the dead
 * server is there again, under its old epoch, and the one that has its position since is refused by the file: it is lost, acknowledged.]
 *
 * A file that is written anew has no such end. So whoever connects has it written, once for each start of the server, and waits for that; nothing of
 * ours is appended before. An empty tail needs nothing.
 *
 * Where the file may not be written anew by us (a server that others run) this is theirs to see to: `aof-load-truncated no`.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { StoreError } from './store-error.ts';

const POLL_MS = 50;

type Call = (command: string, args: readonly string[]) => Promise<unknown>;

/** @throws StoreError when the connection is lost meanwhile */
export async function makeTailSound(call: Call): Promise<void> {
  while (!(await isSound(call))) await sleep(POLL_MS);
}

async function isSound(call: Call): Promise<boolean> {
  try {
    const info = String(await call('INFO', ['persistence']));
    const number = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
    if (number('aof_enabled') === 0) return true;
    if (number('aof_rewrite_in_progress') > 0 || number('aof_rewrite_scheduled') > 0) return false;
    if (number('aof_rewrites') > 0 && !/^aof_last_bgrewrite_status:err/m.test(info)) return true;
    if (number('aof_current_size') <= number('aof_base_size')) return true;
    await call('BGREWRITEAOF', []);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code === 'LOST') throw error;
    if (error.code === 'NOPERM' || /unknown command/i.test(error.message)) return true;
    // It is busy, or somebody else has begun.
  }
  return false;
}
