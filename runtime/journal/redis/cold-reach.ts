/**
 * How far the cold tier has the log of a bucket that the store lost or that went back: the list of files on which the log can go on, so
 * that accepting a loss gives up nothing that is cold.
 *
 * What the store still lists is part of it; of what nobody lists, all but the files of incarnations that were given up before. Where these lead
 * different ways, the way that goes on from the store's own beginning is taken, and of several the one that reaches farthest.
 */

import type { BucketId } from '../../codec/address.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import { coversOf } from '../cold/cover.ts';
import { isGiven } from './metas.ts';
import type { FoundMeta } from './metas.ts';

export interface ColdReach {
  /** As `checkList` wants them; empty when nothing is cold. */
  readonly ranges: readonly ColdRange[];
  /** Of the last record in them; 0 for none. */
  readonly position: number;
  /** Of all files of the bucket, in the list or not. */
  readonly incarnations: readonly Hash64[];
}

/** `found`: all ranges in the tier's folder; `listed`: what the store lists for this bucket. */
export function reachOf(bucket: BucketId, meta: FoundMeta, found: readonly ColdRange[], listed: readonly ColdRange[]): ColdReach {
  const ours = found.filter((range) => range.bucket.bits === bucket.bits && range.bucket.index === bucket.index);
  const files = new Set(listed.map(({ file }) => file));
  const ways = coversOf(ours.filter(({ file, incarnation }) => files.has(file) || !isGiven(meta.given, incarnation)));
  const fromHere = ways.filter(([first]) => meta.incarnation !== null && sameHash(first!.headBefore, meta.origin));
  const ranges = (fromHere.length > 0 ? fromHere : ways).reduce<readonly ColdRange[]>((a, b) => (endOf(b) > endOf(a) ? b : a), []);
  const incarnations: Hash64[] = [];
  for (const { incarnation } of ours) if (!incarnations.some((known) => sameHash(known, incarnation))) incarnations.push(incarnation);
  return { ranges, position: endOf(ranges), incarnations };
}

function endOf(ranges: readonly ColdRange[]): number {
  const last = ranges.at(-1);
  return last === undefined ? 0 : last.to - 1;
}
