/** The actors of a campaign against a cluster: so many in every bucket, so that no bucket can be out of service unnoticed. */

import { bucketIndex, hashText, parseAddress, shardKey } from '../../runtime/codec/address.ts';
import type { FaultActor } from '../../runtime/faults/commands.ts';

export interface ClusterActors {
  /** For the load: half of them ledgers, half counters. */
  readonly load: readonly FaultActor[];
  /** A counter in each bucket, by bucket, to ask whether the bucket serves. */
  readonly probes: readonly FaultActor[];
  readonly all: readonly FaultActor[];
}

export function bucketOf(address: string, bucketBits: number): number {
  return bucketIndex(hashText(shardKey(parseAddress(address))), bucketBits);
}

export function clusterActors(bucketBits: number, loadPerBucket: number): ClusterActors {
  const buckets = 2 ** bucketBits;
  const found: string[][] = Array.from({ length: buckets }, () => []);
  const wanted = loadPerBucket + 1;
  for (let n = 0, missing = buckets * wanted; missing > 0; n++) {
    for (const address of [`bench.v1.Counter:c-${n}`, `bench.v1.Ledger:l-${n}`]) {
      const list = found[bucketOf(address, bucketBits)]!;
      // The probe comes first, and is a counter: it is never refused.
      if (list.length >= wanted || (list.length === 0 && !address.startsWith('bench.v1.Counter'))) continue;
      list.push(address);
      missing--;
    }
  }
  const actorOf = (address: string, index: number): FaultActor => ({ index, kind: address.startsWith('bench.v1.Ledger') ? 'ledger' : 'counter', address });
  const all = [...found.map(([probe]) => probe!), ...found.flatMap(([, ...rest]) => rest)].map(actorOf);
  return { all, probes: all.slice(0, buckets), load: all.slice(buckets) };
}
