/** Whether a cluster is at rest, as its nodes tell an operator: every bucket is held by a node that runs, and each has its share. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { SubjectNode } from './node.ts';

const POLL_MS = 50;
const SETTLED_MAX_MS = 120_000;

/** Resolves when all nodes that run are ready and the cluster is at rest. @throws Error with what is missing, after two minutes */
export async function settled(nodes: readonly SubjectNode[], signal: AbortSignal): Promise<void> {
  const running = nodes.filter(({ isRunning }) => isRunning);
  for (const { process } of running) await process.ready();
  const until = performance.now() + SETTLED_MAX_MS;
  // A node by itself has everything, and is ready with it.
  while (nodes.length > 1) {
    const missing = await restless(running);
    if (missing === null) return;
    if (performance.now() > until) throw new Error(`the cluster is not at rest after ${SETTLED_MAX_MS} ms: ${missing}`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function restless(running: readonly SubjectNode[]): Promise<string | null> {
  const { list } = await running[0]!.admin.buckets();
  const shares = new Map(running.map(({ name }) => [name, 0]));
  const open = list.filter(({ state, node }) => state !== 'held' || node === null || !shares.has(node)).length;
  if (open > 0) return `${open} buckets have no settled owner`;
  for (const { node } of list) shares.set(node!, shares.get(node!)! + 1);
  const held = [...shares.values()];
  return Math.max(...held) - Math.min(...held) > 1 ? `the nodes have ${held.join(', ')} buckets` : null;
}

/** Indexes of the buckets that a node owns. */
export async function bucketsOf(node: SubjectNode): Promise<number[]> {
  const { list } = await node.admin.buckets();
  return list.filter((bucket) => bucket.node === node.name).map(({ index }) => index);
}
