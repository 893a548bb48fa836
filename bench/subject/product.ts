/** The product as a subject: a real node on a data directory of its own, with the behaviours of behaviors/bench deployed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { descendantsOf, sampleProcess } from '../machine/proc.ts';
import type { RunningProcess, Subject } from './subject.ts';
import { stopChild } from './subject.ts';

export interface ProductOptions {
  /** Arguments for the Node binary, for example --cpu-prof. */
  readonly nodeArgs: readonly string[];
  /** Further arguments for `troupe start`. */
  readonly startArgs: readonly string[];
}

const ROOT = join(import.meta.dirname, '../..');
const CLI = join(ROOT, 'runtime/cli/main.ts');
const READY_MAX_MS = 60_000;

export async function startProduct(directory: string, options: ProductOptions): Promise<Subject> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const log = createWriteStream(join(directory, 'node.log'));
  const args = [
    '--no-node-snapshot', ...options.nodeArgs, CLI, 'start',
    '--data', join(directory, 'data'), '--port', String(port), '--admin-port', String(adminPort), ...options.startArgs,
  ];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log.write(chunk);
      tail = (tail + chunk.toString()).slice(-4000);
    });
  }
  const admin = `http://127.0.0.1:${adminPort}`;
  try {
    await waitReady(admin, () => child.exitCode !== null || child.signalCode !== null);
    await deploy(admin);
  } catch (error) {
    await stopChild(child);
    throw new Error(`the node did not come up; its last output:\n${tail}`, { cause: error });
  }
  return {
    name: 'product',
    port,
    durability: await durabilityOf(admin),
    keepsState: true,
    processes: () => rolesOf(child.pid!),
    stop: async () => {
      await stopChild(child);
      log.end();
    },
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function waitReady(admin: string, hasEnded: () => boolean): Promise<void> {
  const until = performance.now() + READY_MAX_MS;
  while (performance.now() < until) {
    if (hasEnded()) throw new Error('the process has ended');
    const answer = await fetch(`${admin}/ready`).catch(() => null);
    if (answer?.ok === true) return;
    await sleep(25);
  }
  throw new Error(`not ready within ${READY_MAX_MS} ms`);
}

async function deploy(admin: string): Promise<void> {
  const args = ['--no-node-snapshot', CLI, 'deploy', join(ROOT, 'behaviors/bench'), '--admin', admin];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`troupe deploy ended with ${code}: ${errors}`);
}

/** The class that the running node exports, not the one that was asked for. */
async function durabilityOf(admin: string): Promise<string> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const match = /durability[^\n]*class="([^"]+)"[^\n]*\} 1|durability[^\n]*="([^"]+)"[^\n]*\} 1/.exec(text);
  return match?.[1] ?? match?.[2] ?? 'not reported';
}

/** The node, and its sandboxes named by what they did so far: the one that has used most CPU is the active one. */
function rolesOf(pid: number): RunningProcess[] {
  const children = descendantsOf(pid)
    .map((child) => ({ pid: child, cpuMs: sampleProcess(child).cpuMs ?? 0 }))
    .sort((a, b) => b.cpuMs - a.cpuMs);
  return [{ role: 'node', pid }, ...children.map((child, i) => ({ role: i === 0 ? 'sandbox' : i === 1 ? 'spare' : `child ${i}`, pid: child.pid }))];
}
