/** How many buckets a perfect allocation would have to move: the least that takes a map at rest to one that is even among these nodes. */

import type { BucketMap } from '../../cluster/bucket-map.ts';

/** `living`: numbers of the nodes that there are afterwards. */
export function leastMoves(before: BucketMap, living: readonly number[]): number {
  const counts = new Map(living.map((number): [number, number] => [number, 0]));
  for (let index = 0; index < before.size; index++) {
    const owner = before.ownerOf(index);
    if (counts.has(owner)) counts.set(owner, counts.get(owner)! + 1);
  }
  const share = Math.floor(before.size / living.length);
  const larger = before.size % living.length;
  // Who has most keeps one more, as far as the remainder goes.
  const kept = [...counts.values()].sort((a, b) => b - a).reduce((sum, count, i) => sum + Math.min(count, share + (i < larger ? 1 : 0)), 0);
  return before.size - kept;
}

/** Every bucket of those that are restarted leaves its node then, and those who were last have nothing until others give them their share. */
export function leastMovesOfRestart(buckets: number, nodes: number, restarts: number, atOnce: number): number {
  return Math.floor((buckets * restarts) / nodes) + ((restarts - 1) % atOnce + 1) * Math.floor(buckets / nodes);
}
