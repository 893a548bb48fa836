/**
 * Strikes: what a request that ends its sandbox leaves in the log, once its trials have named it (trials.ts). A command is
 * recorded as failed and answered like this for ever, a read leaves a strike; too many quarantine the actor, or the type under
 * its bundle, while all others go on. Each is recorded when its turn has come, like a decision.
 */

import { limits } from '../limits.ts';
import { KIND_QUARANTINED, writeQuarantine } from '../codec/record.ts';
import type { Bucket } from './bucket.ts';
import type { TypeVersion } from './bundles.ts';
import type { Job } from './job.ts';
import type { CommitGroup } from './output-gate.ts';
import type { Log } from './seams.ts';
import type { Turns } from './turns.ts';

export class Strikes {
  private readonly turns: Turns;
  private readonly buckets: readonly Bucket[];
  private readonly log: Log;

  constructor(turns: Turns, buckets: readonly Bucket[], log: Log) {
    this.turns = turns;
    this.buckets = buckets;
    this.log = log;
  }

  /** A read that ends sandboxes: a strike in the actor's history, so that a restart knows. */
  refuse(job: Job, group: CommitGroup): void {
    const activation = job.activation!;
    const { nowMs } = job;
    const code = job.strike ?? 'SANDBOX_LOST';
    job.strike = null;
    this.turns.strike(activation, job.version!, code, nowMs, group);
    this.log.warn({ actor: activation.address, code, bundle: job.version!.bundle.hash }, 'strike');
    this.quarantineTypeWhenDue(job.version!, group);
    job.error = { code: 'BEHAVIOR_FAILED', message: `the sandbox ended on every try to read this actor: ${code}` };
    group.jobs.push(job);
  }

  /** The command's last strike. */
  fail(job: Job, group: CommitGroup): void {
    const activation = job.activation!;
    const version = job.version!;
    const { nowMs } = job;
    this.turns.failed(job, version, job.strike ?? 'SANDBOX_LOST', group);
    job.strike = null;
    this.log.error({ actor: activation.address, command: job.command!.name, bundle: version.bundle.hash }, 'command failed for good');
    if (activation.strikes >= limits.strikesPerActorMax) {
      this.turns.quarantineActor(activation, version, `${activation.strikes} strikes`, nowMs, group);
      this.log.error({ actor: activation.address, bundle: version.bundle.hash }, 'actor quarantined');
    }
    this.quarantineTypeWhenDue(version, group);
  }

  private quarantineTypeWhenDue(version: TypeVersion, group: CommitGroup): void {
    let strikes = 0;
    for (const bucket of this.buckets) strikes += bucket.typeStrikes.get(version.key) ?? 0;
    if (strikes < limits.strikesPerTypeMax) return;
    const reason = `${strikes} strikes of this type under bundle ${version.bundle.hash.slice(0, 12)}`;
    for (const bucket of this.buckets) {
      if (bucket.isHeld || bucket.typeQuarantines.has(version.key)) continue;
      // Not the time of now: decisions that are in the sandbox come behind it, and have theirs already.
      this.turns.control(bucket, KIND_QUARANTINED, bucket.recordedMs, group, (wire) => {
        writeQuarantine(wire, '', version.type, version.bundle.hashBytes, false, reason);
      });
      bucket.typeQuarantines.set(version.key, reason);
    }
    this.log.error({ type: version.type, bundle: version.bundle.hash }, 'type quarantined');
  }
}
