/**
 * Who is told that the bucket map has changed, beside those who see it with their next beat anyway.
 *
 * In a cluster of some nodes everybody is: wrong guesses are then rare. In a large one only who has something to do: the scheduler, and those that the
 * changes name. The others are redirected until they know. [A thousand nodes that hear of each of a hundred changes a second ask the store
 * for them fifty thousand times a second.]
 */

import { NO_NODE } from './bucket-map.ts';
import type { Assignment, BucketMap } from './bucket-map.ts';
import type { ClusterState } from './control/membership.ts';

const EVERYBODY_MAX = 50;

/** Numbers of living nodes, without this one. `concerned` may name anybody, more than once. */
export function audienceOf({ nodes, self, lead }: Pick<ClusterState, 'nodes' | 'self' | 'lead'>, concerned: Iterable<number>): Set<number> {
  const living = nodes.filter(({ alive, number }) => alive && number !== self.number).map(({ number }) => number);
  if (living.length < EVERYBODY_MAX) return new Set(living);
  const wanted = new Set([lead.node, ...concerned]);
  return new Set(living.filter((number) => wanted.has(number)));
}

/** Nodes that have to do something about these changes of this map. */
export function concernedBy(before: BucketMap, changes: readonly Assignment[]): Set<number> {
  const concerned = new Set<number>();
  for (const { index, owner, next } of changes) {
    concerned.add(before.ownerOf(index)).add(owner).add(next);
  }
  concerned.delete(NO_NODE);
  return concerned;
}
