/** What the log of a node says of the others: who has come, who has gone and how. */

import type { Log } from '../runtime/actor/seams.ts';
import type { ClusterNode } from './control/membership.ts';

/** A view, and the one before it; `self` is not told of. The first view of all is no news: that a node has joined is said with how many are there. */
export function tellNewsOfNodes(log: Log, self: string, before: readonly ClusterNode[], after: readonly ClusterNode[]): void {
  if (before.length === 0) return;
  const known = new Map(before.map((node) => [node.id, node]));
  for (const { id: node, number, alive } of after) {
    const old = known.get(node);
    known.delete(node);
    if (node === self) continue;
    if (old === undefined) log.info({ node }, 'a node has joined');
    else if (old.number !== number) log.info({ node }, 'a node is there again, as a new process');
    else if (old.alive && !alive) log.warn({ node }, 'a node is dead: it has not been heard of for longer than its lease; its buckets go to others');
    else if (!old.alive && alive) log.info({ node }, 'a node that was taken for dead is alive');
  }
  for (const { id: node, alive } of known.values()) if (node !== self && alive) log.info({ node }, 'a node has left');
}
