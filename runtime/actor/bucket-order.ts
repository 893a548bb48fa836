/**
 * Brings the jobs of a batch into the order of their buckets, so that the records of one bucket come back one behind the
 * other: a run, an append and a frame entry a bucket instead of one a command, and the bucket's memory is met once.
 *
 * Jobs of one bucket keep their order, and with them the commands of one actor and the messages of one channel. Others have no order
 * to keep.
 */

import type { Job } from './job.ts';

export class BucketOrder {
  private starts = new Int32Array(2);
  private readonly sorted: Job[] = [];

  /** A counting sort of `jobs[from, to)` in place. */
  sort(jobs: Job[], from: number, to: number): void {
    if (to - from < 2) return;
    const { sorted } = this;
    this.count(jobs, from, to);
    const { starts } = this;
    sorted.length = to - from;
    for (let i = from; i < to; i++) {
      const job = jobs[i]!;
      sorted[starts[placeOf(job)]!++] = job;
    }
    for (let i = from; i < to; i++) jobs[i] = sorted[i - from]!;
    // Answered jobs must not live on here.
    sorted.length = 0;
  }

  /** Makes `starts[place]` the number of jobs with a smaller place. */
  private count(jobs: readonly Job[], from: number, to: number): void {
    this.starts.fill(0);
    for (let i = from; i < to; i++) {
      const place = placeOf(jobs[i]!);
      if (place + 1 >= this.starts.length) this.grow(place + 2);
      this.starts[place + 1]!++;
    }
    const { starts } = this;
    for (let place = 1; place < starts.length; place++) starts[place]! += starts[place - 1]!;
  }

  private grow(needed: number): void {
    const grown = new Int32Array(Math.max(needed, this.starts.length * 2));
    grown.set(this.starts);
    this.starts = grown;
  }
}

/** 0 for a job without a bucket. */
function placeOf(job: Job): number {
  const { activation, origin } = job;
  if (activation !== null) return activation.bucket.id.index + 1;
  return origin === null ? 0 : origin.bucket.id.index + 1;
}
