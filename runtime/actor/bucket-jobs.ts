/** Takes out of the engine what is under way for some buckets: their activations, and the jobs that wait for them. */

import type { Bucket } from './bucket.ts';
import type { Catalog } from './catalog.ts';
import { JOB_COMMAND, JOB_DROP, JOB_GET, Job } from './job.ts';
import type { TurnLoop } from './turn-loop.ts';

export class BucketJobs {
  private readonly catalog: Catalog;
  private readonly loop: TurnLoop;

  constructor(catalog: Catalog, loop: TurnLoop) {
    this.catalog = catalog;
    this.loop = loop;
  }

  /** Every request of the buckets into their `held`, in no order, and their activations out of memory. No batch is in the sandbox. */
  collect(buckets: readonly Bucket[]): void {
    this.dropActivations(buckets);
    this.takeReady(buckets);
  }

  /** Requests that are on their way into the sandbox. */
  takeReady(buckets: readonly Bucket[]): void {
    const wanted = new Set(buckets);
    const requests = this.loop.takeOut((job) => (job.kind === JOB_COMMAND || job.kind === JOB_GET) && wanted.has(job.activation!.bucket));
    for (const job of requests) job.activation!.bucket.held.push(job);
  }

  private dropActivations(buckets: readonly Bucket[]): void {
    const { catalog, loop } = this;
    const wanted = new Set(buckets);
    for (const activation of [...catalog.all()]) {
      const { bucket } = activation;
      if (!wanted.has(bucket)) continue;
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
