/**
 * Opens a bucket again whose append was not `appended`. The new epoch comes first, the log is read after it (E3): whatever
 * was still on its way under the old epoch can then no longer land behind our back.
 */

import type { AppendOutcome, Journal } from '../journal/journal.ts';
import type { Catalog } from './activation.ts';
import { openFold } from './bucket-fold.ts';
import type { Bucket } from './bucket.ts';
import { JOB_DROP, Job } from './job.ts';
import type { OutputGate } from './output-gate.ts';
import type { Routing } from './routing.ts';
import type { Log, Scheduler } from './seams.ts';
import type { TurnLoop } from './turn-loop.ts';

const RETRY_MS = 100;

export interface BucketRecoveryParts {
  readonly journal: Journal;
  readonly catalog: Catalog;
  readonly gate: OutputGate;
  readonly routing: Routing;
  readonly loop: TurnLoop;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

export class BucketRecovery {
  private readonly parts: BucketRecoveryParts;

  constructor(parts: BucketRecoveryParts) {
    this.parts = parts;
  }

  async reopen(bucket: Bucket, outcome: AppendOutcome): Promise<void> {
    const { journal, gate, routing, scheduler, log } = this.parts;
    log.error({ bucket: bucket.name, outcome }, 'append failed, opening the bucket again');
    this.dropActivations(bucket);
    try {
      const head = await journal.openBucket(bucket.id);
      await openFold(bucket, head, journal);
    } catch (error) {
      log.error({ bucket: bucket.name, err: error }, 'cannot open the bucket again yet');
      bucket.stopped = true;
      scheduler.later(RETRY_MS, () => void this.reopen(bucket, outcome));
      return;
    }
    gate.forgetStop(bucket);
    const { held } = bucket;
    bucket.held = [];
    for (const job of held) routing.reroute(job);
  }

  /** The states in the sandbox may hold decisions that do not exist. */
  private dropActivations(bucket: Bucket): void {
    const { catalog, loop } = this.parts;
    for (const activation of [...catalog.all()]) {
      if (activation.bucket !== bucket) continue;
      bucket.held.push(...activation.mailbox, ...(activation.joiners ?? []));
      activation.mailbox = [];
      activation.joiners = null;
      catalog.remove(activation);
      const { handle } = activation;
      if (handle === 0) continue;
      const drop = new Job(JOB_DROP, null);
      drop.write = (batch) => batch.drop(handle);
      loop.push(drop);
    }
  }
}
