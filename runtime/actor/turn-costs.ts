/**
 * What turns cost, learned from the CPU time that batches took: so that a batch is over in about `batchCostMaxMs`, however much its actors have to do.
 *
 * C1  What a batch took is shared out as it was expected: nobody pays for an expensive neighbour, once that one is known.
 * C2  Of an actor that had no turn yet, what such turns of its type cost is expected, or what its state's size says, whichever is more. What a
 *     lost batch has taught must outlive the actors, who all leave memory with it: for a while it is expected of whoever is not known.
 * C3  A batch takes one costly turn however much that costs, and cheap ones in any number.
 *
 * CPU time, since on a machine that is busy batches would become ever smaller, and cost ever more, by the clock. Whole microseconds: a number with a fraction is an object of its own.
 */

import { limits } from '../limits.ts';
import type { Activation } from './activation.ts';
import type { Job } from './job.ts';
import { JOB_ACTIVATE } from './job.ts';

const US_PER_BYTE = (limits.turnCostPerMibMs * 1_000) / (1024 * 1024);
const BUDGET_US = limits.batchCostMaxMs * 1_000;
/** Of turns that cost less than this, a whole batch is within its budget. */
const CHEAP_US = Math.floor(BUDGET_US / limits.batchItemsMax);
/** Of the past, so much stays: one batch that was held up by something else is soon forgotten. */
const PAST_SHARE = 4;
const COST_MAX_US = 1_000_000_000;

export class TurnCosts {
  /** Of the first turns of a type's actors. */
  private readonly firstUs = new Map<string, number>();
  private unknownUs = 1;
  private spentUs = 0;
  private spentOnCostlyUs = 0;
  /** Index of the bucket of the last costly turn in the batch. */
  private costlyBucket = -1;
  /** The bucket whose costly turns are the next to enter: those in front of it have had theirs. */
  private turnOfBucket = 0;

  begin(): void {
    this.spentUs = this.spentOnCostlyUs = 0;
    this.costlyBucket = this.turnOfBucket - 1;
  }

  /** Whether the batch that is being filled has room for it. */
  hasRoomFor(job: Job, bucket: number): boolean {
    const cost = this.expectedUs(job);
    if (cost <= CHEAP_US) return true;
    return bucket >= this.turnOfBucket && (this.spentOnCostlyUs === 0 || this.spentOnCostlyUs + cost <= BUDGET_US);
  }

  /** It is in the batch. */
  add(job: Job): void {
    const cost = (job.expectedUs = this.expectedUs(job));
    this.spentUs += cost;
    if (cost <= CHEAP_US) return;
    this.spentOnCostlyUs += cost;
    this.costlyBucket = job.bucket?.id.index ?? -1;
  }

  /** The batch is full; `waiting` did not find room, in the order of their buckets. The next one begins with whoever had no turn in this one. */
  end(waiting: readonly Job[]): void {
    this.turnOfBucket = waiting.find((job) => job.bucket!.id.index > this.costlyBucket)?.bucket!.id.index ?? 0;
  }

  /** Of all that was added since `begin`. */
  get batchUs(): number {
    return this.spentUs;
  }

  /** A batch took so long that was expected to take `expectedUs`; `jobs` are those of actors that are still here. */
  took(jobs: readonly Job[], tookUs: number, expectedUs: number): void {
    const scale = tookUs / Math.max(1, expectedUs);
    for (const job of jobs) {
      const { activation } = job;
      if (activation === null || job.kind === JOB_ACTIVATE) continue;
      const cost = Math.max(1, Math.min(COST_MAX_US, Math.round(job.expectedUs * scale)));
      if (activation.turnUs === 0) {
        this.firstUs.set(activation.type, average(this.firstUs.get(activation.type) ?? cost, cost));
        activation.turnUs = cost;
      } else activation.turnUs = average(activation.turnUs, cost);
    }
    this.unknownUs = Math.max(1, average(this.unknownUs, 1));
  }

  /** Nobody was late, but after so many items the batch was ended for its length (L4 of losses.ts). */
  tookTooLong(items: number): void {
    this.unknownUs = Math.max(this.unknownUs, Math.round((limits.batchTimeMaxMs * 1_000) / Math.max(1, items)));
  }

  private expectedUs({ activation, kind }: Job): number {
    if (activation === null) return this.unknownUs;
    const turnUs = activation.turnUs || this.firstTurnUs(activation);
    return kind === JOB_ACTIVATE ? turnUs * (1 + activation.recordsSinceSnapshot) : turnUs;
  }

  private firstTurnUs({ type, stateBytes }: Activation): number {
    return Math.max(this.unknownUs, this.firstUs.get(type) ?? 1, Math.round(stateBytes * US_PER_BYTE));
  }
}

function average(past: number, now: number): number {
  const change = Math.round((now - past) / PAST_SHARE);
  return past + (change === 0 ? Math.sign(now - past) : change);
}
