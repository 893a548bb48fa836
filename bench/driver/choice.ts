/**
 * Which actor is next. An actor is an index in [0, actors); `among` limits the choice to some of them, for a connection that leads to a node
 * that owns no others: each keeps its weight relative to the rest.
 *
 * - `uniform`: all alike.
 * - `zipf`: the actor of rank r has a weight of r^-0.99, the exponent of the YCSB benchmark. Ranks are spread over the indexes, so that
 *   neighbours in rank do not share a bucket more than others.
 * - `hot`: one actor alone.
 */

import type { DriverRandom } from './random.ts';

export const distributions = ['uniform', 'zipf', 'hot'] as const;
export type Distribution = (typeof distributions)[number];

export const ZIPF_EXPONENT = 0.99;
/** The only actor of `hot`. */
export const HOT_ACTOR = 0;
/** Odd, and prime to all sizes that do not have it as a factor: multiplying by it visits every index once. */
const SPREAD = 7_368_787;

export interface Choice {
  next(): number;
}

/** Null when there is none to choose: no actor, or, with `hot`, not the hot one. */
export function choiceOf(distribution: Distribution, actors: number, random: DriverRandom, among: Int32Array = everyOne(actors)): Choice | null {
  if (distribution === 'hot') return among.includes(HOT_ACTOR) ? { next: () => HOT_ACTOR } : null;
  if (among.length === 0) return null;
  if (distribution === 'uniform') return { next: () => among[random.below(among.length)]! };
  const ranks = rankOfIndex(actors);
  const table = new AliasTable(Float64Array.from(among, (index) => (ranks[index]! + 1) ** -ZIPF_EXPONENT), random);
  return { next: () => among[table.next()]! };
}

function everyOne(actors: number): Int32Array {
  return Int32Array.from({ length: actors }, (_, index) => index);
}

function rankOfIndex(actors: number): Int32Array {
  const step = actors % SPREAD === 0 ? 1 : SPREAD;
  const ranks = new Int32Array(actors);
  for (let rank = 0; rank < actors; rank++) ranks[(rank * step) % actors] = rank;
  return ranks;
}

/** Draws an index by weight with two random numbers, however many there are. Source: A. J. Walker (1977), in the form of M. D. Vose (1991). */
class AliasTable {
  private readonly keep: Float64Array;
  private readonly alias: Int32Array;
  private readonly random: DriverRandom;

  constructor(weights: Float64Array, random: DriverRandom) {
    const { length } = weights;
    const sum = weights.reduce((a, b) => a + b, 0);
    this.random = random;
    this.keep = weights.map((weight) => (weight * length) / sum);
    this.alias = Int32Array.from({ length }, (_, i) => i);
    const small: number[] = [];
    const large: number[] = [];
    for (let i = 0; i < length; i++) (this.keep[i]! < 1 ? small : large).push(i);
    while (small.length > 0 && large.length > 0) {
      const less = small.pop()!;
      const more = large.pop()!;
      this.alias[less] = more;
      this.keep[more] = this.keep[more]! - (1 - this.keep[less]!);
      (this.keep[more]! < 1 ? small : large).push(more);
    }
    // What rounding has left over.
    for (const i of [...small, ...large]) this.keep[i] = 1;
  }

  next(): number {
    const at = this.random.below(this.keep.length);
    return this.random.unit() < this.keep[at]! ? at : this.alias[at]!;
  }
}
