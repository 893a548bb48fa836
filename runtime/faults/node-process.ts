/** A real node as a child process: started, asked, and killed by its pid. For the fault runners and the benchmark. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { descendantsOf, isAlive } from './proc.ts';

export interface NodeOptions {
  readonly data: string;
  readonly port: number;
  readonly adminPort: number;
  /** For the Node binary. */
  readonly nodeArgs?: readonly string[];
  /** For `troupe start`. */
  readonly startArgs?: readonly string[];
  /** File to which everything that the node prints is added. */
  readonly log?: string;
}

const ROOT = join(import.meta.dirname, '../..');
const CLI = join(ROOT, 'runtime/cli/main.ts');
const READY_MAX_MS = 120_000;
const STOP_MAX_MS = 20_000;
const ORPHAN_MAX_MS = 20_000;
const TAIL_CHARACTERS = 6_000;

export class NodeProcess {
  readonly port: number;
  readonly admin: string;
  private readonly child: ChildProcess;
  private tail = '';

  constructor(options: NodeOptions) {
    this.port = options.port;
    this.admin = `http://127.0.0.1:${options.adminPort}`;
    const args = [
      '--no-node-snapshot', '--max-semi-space-size=16', ...(options.nodeArgs ?? []), CLI, 'start',
      '--data', options.data, '--port', String(options.port), '--admin-port', String(options.adminPort), ...(options.startArgs ?? []),
    ];
    // As scripts/launch.cjs starts it.
    const env = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1', ...process.env };
    this.child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        const text = chunk.toString();
        this.tail = (this.tail + text).slice(-TAIL_CHARACTERS);
        if (options.log !== undefined) appendFileSync(options.log, text);
      });
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** null while it runs, and when a signal has ended it. */
  get exitCode(): number | null {
    return this.child.exitCode;
  }

  get lastOutput(): string {
    return this.tail;
  }

  /** Resolves with the time it took, in milliseconds, from this call. */
  async ready(): Promise<number> {
    const began = performance.now();
    while (performance.now() - began < READY_MAX_MS) {
      if (this.ended) throw new Error(`the node has ended; its last output:\n${this.tail}`);
      const answer = await fetch(`${this.admin}/ready`).catch(() => null);
      if (answer?.ok === true) return performance.now() - began;
      await sleep(10);
    }
    throw new Error(`the node was not ready within ${READY_MAX_MS} ms; its last output:\n${this.tail}`);
  }

  async deploy(directory: string): Promise<void> {
    const args = ['--no-node-snapshot', CLI, 'deploy', directory, '--admin', this.admin];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`troupe deploy ended with ${code}: ${errors}\nthe node's last output:\n${this.tail}`);
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.admin}/metrics`)).text();
  }

  /**
   * How far the logs of its buckets have come: the same text twice means that nothing was appended in between.
   * @throws Error when it names no bucket, which would always look the same
   */
  async logPositions(): Promise<string> {
    const metrics = await (await fetch(`${this.admin}/metrics?buckets=true`)).text();
    const lines = metrics.match(/^troupe_bucket_position\{.*$/gm);
    if (lines === null) throw new Error('the node does not say how far its logs have come');
    return lines.sort().join('\n');
  }

  /** The class that the running node exports, not the one that was asked for. */
  async durability(): Promise<string> {
    return /durability="([^"]+)"/.exec(await this.metrics())?.[1] ?? 'not reported';
  }

  /**
   * SIGKILL to the node alone. Its sandboxes must notice by themselves; answers those that had not after some seconds, which
   * are then killed too.
   */
  async kill(): Promise<number[]> {
    const sandboxes = descendantsOf(this.pid);
    await this.signal('SIGKILL');
    const until = performance.now() + ORPHAN_MAX_MS;
    while (sandboxes.some(isAlive) && performance.now() < until) await sleep(10);
    const orphans: number[] = [];
    for (const pid of sandboxes.filter(isAlive)) {
      try {
        process.kill(pid, 'SIGKILL');
        orphans.push(pid);
      } catch (error) {
        // It has noticed in this very moment.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    return orphans;
  }

  /** An end in order; SIGKILL when it takes too long, which the answer tells. */
  async stop(): Promise<'stopped' | 'killed'> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MAX_MS);
    await this.signal('SIGTERM');
    clearTimeout(timer);
    return this.child.signalCode === 'SIGKILL' ? 'killed' : 'stopped';
  }

  private async signal(name: NodeJS.Signals): Promise<void> {
    if (this.ended) return;
    const exit = once(this.child, 'exit');
    this.child.kill(name);
    await exit;
  }
}

export const BENCH_BEHAVIORS = join(ROOT, 'behaviors/bench');
export const SHOP_BEHAVIORS = join(ROOT, 'behaviors/shop');
