/** One node by itself as a subject: a real one, on a data directory of its own, with the behaviours of behaviors/bench deployed. */

import { join } from 'node:path';

import { local } from '../driver/endpoint.ts';
import { BENCH_BEHAVIORS, NodeProcess, freePort } from '../../runtime/faults/node-process.ts';
import { descendantsOf, sampleProcess } from '../../runtime/faults/proc.ts';
import type { RunningProcess, Subject } from './subject.ts';

export interface ProductOptions {
  /** Arguments for the Node binary, for example --cpu-prof. */
  readonly nodeArgs: readonly string[];
  /** Further arguments for `troupe start`. */
  readonly startArgs: readonly string[];
}

export async function startEmbedded(directory: string, options: ProductOptions): Promise<Subject> {
  const node = new NodeProcess({
    data: join(directory, 'data'),
    port: await freePort(),
    adminPort: await freePort(),
    nodeArgs: options.nodeArgs,
    startArgs: options.startArgs,
    log: join(directory, 'node.log'),
  });
  try {
    await node.ready();
    await node.deploy(BENCH_BEHAVIORS);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return {
    name: 'embedded',
    endpoints: [local(node.port)],
    durability: await node.durability(),
    keepsState: true,
    processes: () => rolesOf(node.pid),
    stop: async () => void (await node.stop()),
  };
}

/** The node, and its sandboxes named by what they did so far: the one that has used most CPU is the active one. */
export function rolesOf(pid: number): RunningProcess[] {
  const children = descendantsOf(pid)
    .map((child) => ({ pid: child, cpuMs: sampleProcess(child).cpuMs ?? 0 }))
    .sort((a, b) => b.cpuMs - a.cpuMs);
  return [{ role: 'node', pid }, ...children.map((child, i) => ({ role: i === 0 ? 'sandbox' : i === 1 ? 'spare' : `child ${i}`, pid: child.pid }))];
}
