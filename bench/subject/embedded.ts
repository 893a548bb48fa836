/** One node by itself as a subject: a real one, on a data directory of its own, with the behaviours of behaviors/bench deployed. */

import { join } from 'node:path';

import { BENCH_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { descendantsOf, sampleProcess } from '../../runtime/faults/proc.ts';
import { SubjectNode } from './node.ts';
import type { ProductSubject, RunningProcess } from './subject.ts';

export interface ProductOptions {
  /** Arguments for the Node binary, for example --cpu-prof. */
  readonly nodeArgs: readonly string[];
  /** Further arguments for `troupe start`. */
  readonly startArgs: readonly string[];
}

export async function startEmbedded(directory: string, options: ProductOptions): Promise<ProductSubject> {
  const node = await SubjectNode.start({
    name: 'embedded',
    data: join(directory, 'data'),
    nodeArgs: options.nodeArgs,
    startArgs: options.startArgs,
    log: join(directory, 'node.log'),
  });
  try {
    await node.process.ready();
    await node.process.deploy(BENCH_BEHAVIORS);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return {
    name: 'embedded',
    nodes: [node],
    endpoints: [node.endpoint],
    durability: await node.process.durability(),
    keepsState: true,
    processes: () => (node.isRunning ? rolesOf(node.process.pid) : []),
    stop: () => node.stop(),
  };
}

/** The node, and its sandboxes named by what they did so far: the one that has used most CPU is the active one. */
export function rolesOf(pid: number): RunningProcess[] {
  const children = descendantsOf(pid)
    .map((child) => ({ pid: child, cpuMs: sampleProcess(child).cpuMs ?? 0 }))
    .sort((a, b) => b.cpuMs - a.cpuMs);
  return [{ role: 'node', pid }, ...children.map((child, i) => ({ role: i === 0 ? 'sandbox' : i === 1 ? 'spare' : `child ${i}`, pid: child.pid }))];
}
