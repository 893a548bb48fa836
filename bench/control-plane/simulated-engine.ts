/**
 * In place of a node's engine and its journals: takes buckets over and hands them over as runtime/actor/ownership.ts does (O1 to O3 there), with
 * time that passes on the virtual clock instead of work. No bucket holds anything.
 */

import { TroupeError } from '../../runtime/codec/errors.ts';
import type { OwnedBucket } from '../../runtime/actor/ownership.ts';
import type { Random } from '../../runtime/actor/testing/random-actor.ts';
import type { ProcessTime } from '../../cluster/control/testing/virtual-time.ts';
import type { ServiceRecord } from './service-record.ts';
import type { StoreMeter } from './store-meter.ts';

/** What is not simulated costs so much time. */
export interface Costs {
  /** One call of the journal's store, there and back, at most. */
  readonly storeMs: number;
  /** To read the hot part of a bucket's log and fold it; half to one and a half of this. Those of one call are opened side by side, */
  readonly openMs: number;
  /** but take so much of the one thread each. */
  readonly openCpuMs: number;
  /** To finish what is in the sandbox and make it durable; half to one and a half of this. */
  readonly drainMs: number;
  /** One drain in so many takes longer than any budget. */
  readonly stuckOneIn: number;
  /** An owner whose bucket was taken appends within this time, and finds out. */
  readonly appendEveryMs: number;
}

export interface EngineParts {
  readonly costs: Costs;
  readonly random: Random;
  readonly time: ProcessTime;
  readonly record: ServiceRecord;
  readonly meter: StoreMeter;
  /** Of the process, in the record. */
  readonly ordinal: number;
  isStoreAway(): boolean;
  /** Somebody has taken this epoch; whoever had the bucket will find out. */
  onTaken(index: number, before: number): void;
  onFenced(index: number): void;
}

interface Tenure {
  /** 0 until it is taken. */
  epoch: number;
  isServing: boolean;
  isLeaving: boolean;
}

/** Keys of a bucket lie in one of so many slots of the store; one call opens all of a slot. */
const SLOT_GROUPS = 16;

export class SimulatedEngine {
  private readonly parts: EngineParts;
  private readonly tenures = new Map<number, Tenure>();

  constructor(parts: EngineParts) {
    this.parts = parts;
  }

  owns(index: number): boolean {
    return this.tenures.has(index);
  }

  epochOf(index: number): number {
    const tenure = this.tenures.get(index);
    return tenure?.isServing === true ? tenure.epoch : 0;
  }

  ownedIndexes(): number[] {
    return [...this.tenures.keys()].sort((a, b) => a - b);
  }

  async acquire(indexes: readonly number[]): Promise<OwnedBucket[]> {
    const { costs, time, record, random, ordinal, meter } = this.parts;
    const wanted = indexes.filter((index) => !this.tenures.has(index)).map((index): [number, Tenure] => [index, { epoch: 0, isServing: false, isLeaving: false }]);
    for (const [index, tenure] of wanted) this.tenures.set(index, tenure);
    meter.count('open', new Set(indexes.map((index) => index % SLOT_GROUPS)).size, 0);
    meter.count('services', 1, 0);
    await time.sleep(random.below(costs.storeMs + 1));
    if (this.parts.isStoreAway()) {
      for (const [index, tenure] of wanted) this.forget(index, tenure);
      throw new TroupeError('STORE_UNAVAILABLE', 'the store does not answer');
    }
    for (const [index, tenure] of wanted) {
      const before = record.serverOf(index);
      tenure.epoch = record.takeEpoch(index);
      this.parts.onTaken(index, before);
    }
    const slowest = wanted.reduce((most) => Math.max(most, this.about(costs.openMs)), 0);
    await time.sleep(slowest + costs.openCpuMs * wanted.length);
    const serving = wanted.filter(([index, tenure]) => this.tenures.get(index) === tenure && !tenure.isLeaving);
    for (const [index, tenure] of serving) {
      tenure.isServing = true;
      record.moves++;
      record.serves(index, ordinal, tenure.epoch);
    }
    return serving.map(([index, { epoch }]) => ({ index, epoch }));
  }

  async release(indexes: readonly number[], pauseMaxMs = Infinity): Promise<boolean> {
    const { costs, time, record, random, ordinal } = this.parts;
    const leaving = indexes.map((index): [number, Tenure | undefined] => [index, this.tenures.get(index)]).filter((pair): pair is [number, Tenure] => pair[1]?.isLeaving === false);
    if (leaving.length === 0) return true;
    for (const [index, tenure] of leaving) {
      tenure.isLeaving = true;
      if (tenure.isServing) record.stopped(index, ordinal);
    }
    const isStuck = random.below(costs.stuckOneIn) === 0 || this.parts.isStoreAway();
    if (isStuck && pauseMaxMs !== Infinity) {
      await time.sleep(pauseMaxMs);
      for (const [index, tenure] of leaving) this.stay(index, tenure);
      return false;
    }
    await time.sleep(this.about(costs.drainMs));
    for (const [index, tenure] of leaving) this.forget(index, tenure);
    return true;
  }

  /** Another node has taken the epoch: it is known when the next append is refused. */
  taken(index: number): void {
    const tenure = this.tenures.get(index);
    if (tenure === undefined) return;
    this.parts.time.later(this.parts.random.below(this.parts.costs.appendEveryMs + 1), () => {
      if (this.tenures.get(index) !== tenure || tenure.isLeaving) return;
      this.forget(index, tenure);
      this.parts.onFenced(index);
    });
  }

  private stay(index: number, tenure: Tenure): void {
    tenure.isLeaving = false;
    if (tenure.isServing) this.parts.record.serves(index, this.parts.ordinal, tenure.epoch);
  }

  private forget(index: number, tenure: Tenure): void {
    if (this.tenures.get(index) === tenure) this.tenures.delete(index);
  }

  private about(ms: number): number {
    return ms / 2 + this.parts.random.below(ms + 1);
  }
}
