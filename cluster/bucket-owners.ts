/**
 * Who owns which bucket, as far as this node knows: the bucket map, and what was heard since. A guess: a wrong one costs a redirect,
 * since the owner alone can append.
 */

import type { Clock } from '../runtime/actor/seams.ts';
import { BucketMap, NO_NODE } from './bucket-map.ts';

/** What was heard counts for so long, unless the map changes first. */
const HINT_MS = 3_000;

interface Hint {
  readonly owner: number;
  readonly untilMs: number;
}

export class BucketOwners {
  map: BucketMap;
  /** This node's number; NO_NODE until it has joined. */
  self = NO_NODE;
  private readonly hints = new Map<number, Hint>();
  private readonly ownByMap = new Set<number>();
  private readonly clock: Pick<Clock, 'monotonic'>;

  constructor(bits: number, clock: Pick<Clock, 'monotonic'>) {
    this.map = BucketMap.empty(bits);
    this.clock = clock;
  }

  ownerOf(index: number): number {
    if (this.hints.size > 0) {
      const hint = this.hints.get(index);
      if (hint !== undefined) {
        if (hint.untilMs > this.clock.monotonic()) return hint.owner;
        this.hints.delete(index);
      }
    }
    return this.map.ownerOf(index);
  }

  /** The next guess for a bucket whose owner is asked for. */
  hint(index: number, owner: number): void {
    if (owner === NO_NODE || owner === this.map.ownerOf(index)) this.hints.delete(index);
    else this.hints.set(index, { owner, untilMs: this.clock.monotonic() + HINT_MS });
  }

  /** Buckets that the map gives to this node, in no order. */
  get own(): ReadonlySet<number> {
    return this.ownByMap;
  }

  /** Takes a newer map; answers which buckets changed. */
  update(map: BucketMap, self: number): number[] {
    const changed = map.diff(this.map);
    this.map = map;
    for (const index of changed) this.hints.delete(index);
    if (self === this.self) for (const index of changed) this.sort(index);
    else this.become(self);
    return changed;
  }

  /** Under another number, nothing that was this node's is. */
  private become(self: number): void {
    this.self = self;
    this.ownByMap.clear();
    if (self === NO_NODE) return;
    for (let index = 0; index < this.map.size; index++) if (this.map.ownerOf(index) === self) this.ownByMap.add(index);
  }

  private sort(index: number): void {
    if (this.self !== NO_NODE && this.map.ownerOf(index) === this.self) this.ownByMap.add(index);
    else this.ownByMap.delete(index);
  }
}
