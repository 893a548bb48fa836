/**
 * What a process knows, when it comes, of logs that the store must not be behind of: what its node's witness remembers, and what lies in the
 * cold tier. Whatever was demoted was in the log, so a log that ends in front of it, or leads elsewhere, went back.
 *
 * What was given up by an accepted loss counts no more. Files of an incarnation that the store neither has nor gave up are of a log
 * that the store has lost as a whole; they count, however short.
 */

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import type { KnownStanding } from './hot-bucket.ts';
import { isGiven } from './metas.ts';
import type { FoundMeta } from './metas.ts';

export interface FoundBucket {
  readonly bucket: BucketId;
  readonly meta: FoundMeta;
}

export interface Knowledge {
  readonly bucket: BucketId;
  readonly known: KnownStanding;
}

/**
 * `metas`: looked at before the cold tier is, which other nodes go on filling. `tier`: the one with a folder.
 * @throws TroupeError CONFIG_INVALID for a folder that holds nothing of what the store has demoted, or for none at all; JOURNAL_DAMAGED and others of the tier
 */
export async function gatherKnowledge(metas: readonly FoundBucket[], witnessed: readonly Knowledge[], tier: ColdTier | null, namespace: string): Promise<Knowledge[]> {
  const farthest = tier === null ? [] : await farthestIn(tier, namespace);
  mustHaveTier(metas, tier, farthest);
  return metas.flatMap(({ bucket, meta }) => {
    const isIt = (other: BucketId): boolean => other.bits === bucket.bits && other.index === bucket.index;
    const remembered = witnessed.find((standing) => isIt(standing.bucket))?.known;
    const known = standingOf(meta, remembered, farthest.filter((range) => isIt(range.bucket)).map(standingAt));
    return known === undefined ? [] : [{ bucket, known }];
  });
}

/** The one of all these that the store must hold. */
export function standingOf(meta: FoundMeta, witnessed: KnownStanding | undefined, cold: readonly KnownStanding[]): KnownStanding | undefined {
  const all = [...(witnessed === undefined ? [] : [witnessed]), ...cold].filter(({ incarnation }) => !isGiven(meta.given, incarnation));
  // Of one that was given up the epoch still counts.
  if (all.length === 0) return witnessed;
  const others = all.filter(({ incarnation }) => meta.incarnation === null || !sameHash(incarnation, meta.incarnation));
  const farthest = (others.length > 0 ? others : all).reduce((a, b) => (b.position > a.position ? b : a));
  return { ...farthest, epoch: Math.max(farthest.epoch, witnessed?.epoch ?? 0) };
}

async function farthestIn(tier: ColdTier, namespace: string): Promise<ColdRange[]> {
  const ranges: ColdRange[] = [];
  for await (const found of tier.farthest(namespace)) {
    if (found.kind === 'unreadable') throw found.error;
    ranges.push(found.range);
  }
  return ranges;
}

function standingAt({ incarnation, to, headAfter }: ColdRange): KnownStanding {
  return { incarnation, epoch: 0, position: to - 1, head: headAfter };
}

/** A file that is missing is damage of one bucket; when all are, the folder is the wrong one. What is sealed in the store needs none. */
function mustHaveTier(metas: readonly FoundBucket[], tier: ColdTier | null, farthest: readonly ColdRange[]): void {
  const demoted = metas.filter(({ meta }) => meta.inFolder > 0);
  if (demoted.length === 0) return;
  const what = `${demoted.length} of ${metas.length} buckets have records in a cold tier`;
  if (tier === null) {
    throw new TroupeError('CONFIG_INVALID', `${what}, and this node has none`, { hint: 'Start it with --cold and the folder that the other nodes have.' });
  }
  const isThere = demoted.some(({ bucket, meta }) => farthest.some((range) => range.bucket.index === bucket.index && range.to > meta.inFolder));
  if (!isThere) {
    throw new TroupeError('CONFIG_INVALID', `${what}, and the folder given with --cold has none of their newest files`, {
      hint: 'Give the folder that the other nodes have; on several machines it must be a shared volume, mounted on all of them.',
    });
  }
}
