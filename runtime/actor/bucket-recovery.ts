/**
 * Opens a bucket again whose append was not `appended`.
 *
 * V1  The new epoch comes first, the log is read after it (E3): whatever was still on its way under the old epoch can then no
 *     longer land behind our back. Until the bucket serves again, none of its actors is activated.
 * V2  The bucket stays stopped until its log is folded: a decision before that would give out channel numbers twice.
 * V3  It serves again between two turns, when nothing of it is in the sandbox. Everything that waited goes on in the order in
 *     which it was submitted. A deployment that the log lacks is completed in front of it.
 */

import type { AppendOutcome, Journal } from '../journal/journal.ts';
import type { Catalog } from './catalog.ts';
import { openFold } from './bucket-fold.ts';
import type { Bucket } from './bucket.ts';
import type { Deployments } from './deployments.ts';
import { JOB_COMMAND, JOB_DROP, JOB_GET, Job } from './job.ts';
import type { OutputGate } from './output-gate.ts';
import { byOrder } from './routing.ts';
import type { Routing } from './routing.ts';
import type { Log, Scheduler } from './seams.ts';
import type { TurnLoop } from './turn-loop.ts';
import type { WatchRegistry } from './watch-registry.ts';

const RETRY_MS = 100;

export interface BucketRecoveryParts {
  readonly journal: Journal;
  readonly catalog: Catalog;
  readonly gate: OutputGate;
  readonly routing: Routing;
  readonly loop: TurnLoop;
  readonly deployments: Deployments;
  readonly watches: WatchRegistry;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

export class BucketRecovery {
  private readonly parts: BucketRecoveryParts;
  /** The node stops: who waits for a bucket that cannot be opened is told so. */
  stopping = false;

  constructor(parts: BucketRecoveryParts) {
    this.parts = parts;
  }

  async reopen(bucket: Bucket, outcome: AppendOutcome): Promise<void> {
    const { journal, scheduler, log } = this.parts;
    log.error({ bucket: bucket.name, outcome }, 'append failed, opening the bucket again');
    for (;;) {
      try {
        const head = await journal.openBucket(bucket.id);
        await openFold(bucket, head, journal);
        break;
      } catch (error) {
        log.error({ bucket: bucket.name, err: error }, 'cannot open the bucket again yet');
        if (this.stopping && this.giveUp(bucket)) return;
        await new Promise<void>((resolve) => scheduler.later(RETRY_MS, resolve));
      }
    }
    await this.serve(bucket);
  }

  /** V3 */
  private async serve(bucket: Bucket): Promise<void> {
    const { gate, routing, loop, deployments, watches } = this.parts;
    loop.hold();
    await loop.drain();
    this.dropActivations(bucket);
    this.takeReady(bucket);
    const held = bucket.held.sort(byOrder);
    bucket.held = [];
    gate.forgetStop(bucket);
    bucket.stopped = false;
    deployments.complete(bucket);
    for (const job of held) routing.reroute(job);
    // What was of unknown outcome may have turned out to be in the log, and nobody was told.
    watches.wakeAll();
    loop.resume();
  }

  /** Answers who waits; true when nobody is left who could come to wait here. */
  private giveUp(bucket: Bucket): boolean {
    const { routing } = this.parts;
    this.takeReady(bucket);
    for (const job of bucket.held) routing.failSoon(job, { code: 'NOT_READY', message: 'the node is stopping' });
    const last = bucket.held.length === routing.waiting;
    bucket.held = [];
    return last;
  }

  private takeReady(bucket: Bucket): void {
    const requests = this.parts.loop.takeOut(
      (job) => (job.kind === JOB_COMMAND || job.kind === JOB_GET) && job.activation!.bucket === bucket,
    );
    bucket.held.push(...requests);
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
