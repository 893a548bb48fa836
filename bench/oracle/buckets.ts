/** Names of actors by the bucket that they fall into, so that a probe can be put in each. */

import { bucketIndex, hashText, parseAddress, shardKey } from '../../runtime/codec/address.ts';

/** For each of so many buckets (a power of two), the first of the addresses that falls into it. */
export function bucketNames(buckets: number, addressOf: (n: number) => string): string[] {
  const bits = Math.log2(buckets);
  const names: string[] = [];
  for (let n = 0, missing = buckets; missing > 0; n++) {
    const address = addressOf(n);
    const index = bucketIndex(hashText(shardKey(parseAddress(address))), bits);
    if (names[index] !== undefined) continue;
    names[index] = address;
    missing--;
  }
  return names;
}
