/** Takes out of the engine what is under way for some buckets: their activations, and the jobs that wait for them. */

import { LOADING } from './activation.ts';
import type { Bucket } from './bucket.ts';
import type { Catalog } from './catalog.ts';
import { JOB_COMMAND, JOB_DROP, JOB_GET, JOB_NOTE, Job } from './job.ts';
import type { Routing } from './routing.ts';
import type { TurnLoop } from './turn-loop.ts';

export class BucketJobs {
  private readonly catalog: Catalog;
  private readonly loop: TurnLoop;
  private readonly routing: Routing;

  constructor(catalog: Catalog, loop: TurnLoop, routing: Routing) {
    this.catalog = catalog;
    this.loop = loop;
    this.routing = routing;
  }

  /**
   * Every request of the buckets into their `held`, in no order, and their activations out of memory. Messages are dropped: their
   * senders have them. No batch is in the sandbox.
   */
  collect(buckets: readonly Bucket[]): void {
    this.dropActivations(buckets);
    this.takeReady(buckets);
  }

  /**
   * Requests and messages that are on their way into the sandbox. Of those that wait for a history the requests stay, and go on with it; messages
   * are dropped. [Sent in again by their channel, they would stand in the mailbox twice.]
   */
  takeReady(buckets: readonly Bucket[]): void {
    const wanted = new Set(buckets);
    const taken = this.loop.takeOut(({ kind, bucket }) => (kind === JOB_COMMAND || kind === JOB_GET || kind === JOB_NOTE) && wanted.has(bucket!));
    for (const job of taken) this.hold(job);
    for (const activation of this.catalog.all()) {
      if (!wanted.has(activation.bucket)) continue;
      if (activation.phase !== LOADING) {
        // They wait behind those that were taken.
        for (const job of activation.takeMailbox()) this.hold(job);
        continue;
      }
      const { mailbox } = activation;
      activation.mailbox = mailbox.filter(({ origin }) => origin === null);
      for (const job of mailbox) if (job.origin !== null) this.hold(job);
    }
  }

  private hold(job: Job): void {
    if (job.origin === null) job.bucket!.held.push(job);
    else this.routing.leave(job);
  }

  private dropActivations(buckets: readonly Bucket[]): void {
    const { catalog, loop } = this;
    const wanted = new Set(buckets);
    for (const activation of [...catalog.all()]) {
      const { bucket } = activation;
      if (!wanted.has(bucket)) continue;
      for (const job of activation.takeMailbox()) this.hold(job);
      bucket.held.push(...activation.takeWaiting());
      catalog.remove(activation);
      const { handle } = activation;
      if (handle === 0) continue;
      const drop = new Job(JOB_DROP, null);
      drop.write = (batch) => batch.drop(handle);
      loop.push(drop);
    }
  }
}
