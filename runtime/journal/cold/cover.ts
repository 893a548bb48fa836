/**
 * The list of a bucket rebuilt from what lies in the directory. There may be more files than the list had: a range that was written
 * and never listed, because its writer was fenced or died, overlaps those that were written for the same positions later. All of them
 * are true (every record is in the chain of heads), so any way through them is a list; taken is the one that reaches farthest, with
 * few files.
 */

import { hashToHex, sameHash } from '../../codec/hash64.ts';
import type { ColdRange } from './cold-range.ts';

/**
 * Lists as `checkList` wants them, one for each bucket and each incarnation of its first range: a directory that served two clusters
 * has two logs of a bucket, and only the hot tier, or an operator, knows which one is meant.
 */
export function coversOf(found: readonly ColdRange[]): ColdRange[][] {
  const buckets = Map.groupBy(found, ({ namespace, bucket }) => `${namespace}/${bucket.bits}/${bucket.index}`);
  return [...buckets.values()].flatMap((ranges) => {
    const next = nextOf(ranges);
    const firsts = Map.groupBy(ranges.filter(({ from }) => from === 1), ({ incarnation }) => hashToHex(incarnation));
    return [...firsts.values()].map((first) => follow(best(first, next)!, next));
  });
}

interface Way {
  /** The range to go on with. */
  readonly next: ColdRange | null;
  /** Where one gets to. */
  readonly reach: number;
}

/** For each range the best one behind it. From the end of the log to its beginning, so that what is behind is known. */
function nextOf(ranges: readonly ColdRange[]): Map<ColdRange, Way> {
  const byFrom = Map.groupBy(ranges, ({ from }) => from);
  const ways = new Map<ColdRange, Way>();
  for (const range of [...ranges].sort((a, b) => b.from - a.from)) {
    const behind = (byFrom.get(range.to) ?? []).filter(({ headBefore }) => sameHash(headBefore, range.headAfter));
    const next = best(behind, ways);
    ways.set(range, { next, reach: next === null ? range.to : ways.get(next)!.reach });
  }
  return ways;
}

/** Which of several ways is taken must not depend on the order in which a directory lists its files. */
function best(candidates: readonly ColdRange[], ways: Map<ColdRange, Way>): ColdRange | null {
  const reach = (range: ColdRange): number => ways.get(range)!.reach;
  const inOrder = [...candidates].sort((a, b) => reach(b) - reach(a) || b.to - a.to || (a.file < b.file ? -1 : 1));
  return inOrder[0] ?? null;
}

function follow(first: ColdRange, ways: Map<ColdRange, Way>): ColdRange[] {
  const list: ColdRange[] = [];
  for (let range: ColdRange | null = first; range !== null; range = ways.get(range)!.next) list.push(range);
  return list;
}
