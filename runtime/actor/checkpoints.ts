/**
 * Checkpoints of buckets, when the journal wants its tail short. A million timers take some hundred milliseconds to write down: so much at a
 * time is written that nobody waits for it, and the next buckets follow in the next turn of the event loop. Each bucket's is whole, and
 * names its own position; nothing ties them together.
 */

import { limits } from '../limits.ts';
import type { Bucket } from './bucket.ts';
import type { OutputGate } from './output-gate.ts';
import type { Scheduler } from './seams.ts';
import { encodeCheckpoint } from './snapshots.ts';

export class Checkpoints {
  private readonly buckets: readonly Bucket[];
  private readonly gate: OutputGate;
  private readonly scheduler: Pick<Scheduler, 'soon'>;
  /** Index of the next bucket; at the end there is nothing under way. */
  private next = 0;
  private isUnderWay = false;

  constructor(buckets: readonly Bucket[], gate: OutputGate, scheduler: Pick<Scheduler, 'soon'>) {
    this.buckets = buckets;
    this.gate = gate;
    this.scheduler = scheduler;
  }

  /** Of all buckets that serve here, but for those of which nothing was recorded since they were opened by one. While that is under way it begins anew. */
  take(): void {
    this.next = 0;
    if (!this.isUnderWay) this.step();
  }

  private step(): void {
    const { buckets, gate } = this;
    const group = gate.take();
    let timers = 0;
    while (this.next < buckets.length && timers < limits.checkpointTimersPerTurnMax) {
      const bucket = buckets[this.next++]!;
      // The journal gave that one out, and has it.
      if (bucket.stopped || bucket.position === bucket.openedCheckpoint) continue;
      group.checkpoints.push(encodeCheckpoint(bucket));
      timers += bucket.timers.size;
    }
    gate.commit(group);
    this.isUnderWay = this.next < buckets.length;
    if (this.isUnderWay) this.scheduler.soon(() => this.step());
  }
}
