/**
 * Strikes: what a command that ends its sandbox leaves in the log. Every death that names its culprit is recorded, so that a
 * poisonous command is known for what it is after a restart; the last one is recorded as failed and answered like this for
 * ever; too many quarantine the actor, or the type under its bundle, while all others go on.
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

  /** A death that names this job, and is not the command's last. */
  record(job: Job, group: CommitGroup): void {
    const activation = job.activation!;
    const { bucket } = activation;
    const code = job.strike!;
    // The command's last strike is recorded by `fail`.
    if (job.command !== null && job.deaths >= limits.suspicionMax) return;
    job.strike = null;
    this.turns.strike(activation, job.version!, code, Math.max(bucket.nowMs, job.nowMs), group);
    this.log.warn({ actor: activation.address, code, bundle: job.version!.bundle.hash }, 'strike');
    this.quarantineTypeWhenDue(job.version!, bucket.nowMs, group);
  }

  /** The command's last strike. */
  fail(job: Job, group: CommitGroup): void {
    const activation = job.activation!;
    const version = job.version!;
    const nowMs = Math.max(activation.bucket.nowMs, job.nowMs);
    job.nowMs = nowMs;
    this.turns.failed(job, version, job.strike ?? 'SANDBOX_LOST', group);
    job.strike = null;
    this.log.error({ actor: activation.address, command: job.command!.name, bundle: version.bundle.hash }, 'command failed for good');
    if (activation.strikes >= limits.strikesPerActorMax) {
      this.turns.quarantineActor(activation, version, `${activation.strikes} strikes`, nowMs, group);
      this.log.error({ actor: activation.address, bundle: version.bundle.hash }, 'actor quarantined');
    }
    this.quarantineTypeWhenDue(version, nowMs, group);
  }

  private quarantineTypeWhenDue(version: TypeVersion, nowMs: number, group: CommitGroup): void {
    let strikes = 0;
    for (const bucket of this.buckets) strikes += bucket.typeStrikes.get(version.key) ?? 0;
    if (strikes < limits.strikesPerTypeMax) return;
    const reason = `${strikes} strikes of this type under bundle ${version.bundle.hash.slice(0, 12)}`;
    for (const bucket of this.buckets) {
      if (bucket.stopped || bucket.typeQuarantines.has(version.key)) continue;
      this.turns.control(bucket, KIND_QUARANTINED, Math.max(nowMs, bucket.nowMs), group, (wire) => {
        writeQuarantine(wire, '', version.type, version.bundle.hashBytes, false, reason);
      });
      bucket.typeQuarantines.set(version.key, reason);
    }
    this.log.error({ type: version.type, bundle: version.bundle.hash }, 'type quarantined');
  }
}
