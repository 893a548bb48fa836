/** What is measured: a server in processes of its own that speaks WebSocket on a port. */

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { local } from '../driver/endpoint.ts';
import type { Endpoint } from '../driver/endpoint.ts';
import type { SubjectNode } from './node.ts';

export type SubjectName = 'echo' | 'floor' | 'floor-redis' | 'floor-redis-events' | 'embedded' | 'redis' | 'cluster' | 'target';

export interface RunningProcess {
  readonly role: string;
  readonly pid: number;
}

export interface Subject {
  readonly name: SubjectName;
  /** Its nodes; connections are spread over them. */
  readonly endpoints: readonly Endpoint[];
  /** What an answer survives. */
  readonly durability: string;
  /** Whether state can be read back and checked. */
  readonly keepsState: boolean;
  processes(): RunningProcess[];
  stop(): Promise<void>;
}

/** Ours, started here. */
export interface ProductSubject extends Subject {
  readonly nodes: readonly SubjectNode[];
}

const STOP_MAX_MS = 10_000;

export async function startEcho(): Promise<Subject> {
  return startBaseline('echo', 'none', []);
}

export async function startFloor(directory: string): Promise<Subject> {
  return startBaseline('floor', 'disk', [join(directory, 'floor.log')]);
}

async function startBaseline(name: SubjectName, durability: string, args: string[]): Promise<Subject> {
  const child = fork(join(import.meta.dirname, `${name}.ts`), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const message = await messageOf<{ port: number }>(child, name);
  return {
    name,
    endpoints: [local(message.port)],
    durability,
    keepsState: false,
    processes: () => [{ role: 'server', pid: child.pid! }],
    stop: () => stopChild(child),
  };
}

/** The first message of a child process. @throws Error when it ends without one: a signal of the terminal ends it, too */
export function messageOf<M>(child: ChildProcess, name: string): Promise<M> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as M));
    // Behind all that it has said.
    child.once('disconnect', () => reject(new Error(`${name} ended before its time`)));
  });
}

/** Asks politely, then ends the process: by its own pid, never by name. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  if (child.connected) child.disconnect();
  else child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
  await exit;
  clearTimeout(timer);
}
