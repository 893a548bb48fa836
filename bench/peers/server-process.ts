/**
 * The process of a peer: started in a folder of its own, with its output in a file, ended by its own pid.
 *
 * S1  It does not outlive the harness, however that ends: a small shell waits at a pipe that only the harness holds open, and kills the server at the
 *     end of the pipe, unless it was told that the server has ended.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { stopChild } from '../subject/subject.ts';

export interface ServerOptions {
  readonly binary: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Beside PATH; nothing else is passed on, so that no setting of the person's own changes the figure. */
  readonly env: Readonly<Record<string, string>>;
}

const READY_MAX_MS = 60_000;
const POLL_MS = 50;
const TAIL_CHARACTERS = 2_000;
const GUARD = 'read -r ended || kill -s KILL "$1"';

export class ServerProcess {
  /** What it writes to descriptor 3, where it takes one. */
  readonly control: Readable;
  private readonly child: ChildProcess;
  private readonly logPath: string;
  private readonly guard: ChildProcess | null = null;

  constructor(options: ServerOptions) {
    this.logPath = join(options.directory, 'server.log');
    const log = openSync(this.logPath, 'a');
    const env = { PATH: process.env.PATH ?? '', ...options.env };
    this.child = spawn(options.binary, [...options.args], { cwd: options.directory, env, stdio: ['ignore', log, log, 'pipe'] });
    closeSync(log);
    // Why it could not be started is told by `until`, which sees that there is no process.
    this.child.on('error', () => {});
    this.control = this.child.stdio[3] as Readable;
    if (this.child.pid === undefined) return;
    this.guard = spawn('sh', ['-c', GUARD, 'sh', String(this.child.pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.guard.unref();
    (this.guard.stdin as Socket).unref();
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Until `isReady` answers true; what it throws counts as not yet. @throws Error with the end of its output when it has ended, or takes too long */
  async until(isReady: () => Promise<boolean>): Promise<void> {
    const until = performance.now() + READY_MAX_MS;
    while (this.isRunning && performance.now() < until) {
      if (await isReady().catch(() => false)) return;
      await sleep(POLL_MS);
    }
    throw new Error(`${this.child.spawnfile} ${this.isRunning ? 'did not become ready' : 'has ended'}:\n${this.tail()}`);
  }

  async stop(): Promise<void> {
    if (this.child.pid !== undefined) await stopChild(this.child);
    this.guard?.stdin!.end('ended\n');
  }

  private get isRunning(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  private tail(): string {
    return readFileSync(this.logPath, 'utf8').slice(-TAIL_CHARACTERS);
  }
}
