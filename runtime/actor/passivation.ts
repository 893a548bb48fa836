/**
 * Passivation and snapshots: keeps the number of activations and the size of their states bounded, the least recently used go
 * first, and keeps the records behind each snapshot few.
 */

import { limits } from '../limits.ts';
import type { Activation } from './activation.ts';
import type { Catalog } from './catalog.ts';
import { RESIDENT } from './activation.ts';
import { JOB_DROP, JOB_SNAPSHOT, Job } from './job.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { TurnLoop } from './turn-loop.ts';
import { snapshotDue } from './snapshots.ts';

export class Passivation {
  private readonly catalog: Catalog;
  private readonly loop: TurnLoop;
  private readonly limits: EngineLimits;
  /** Activations that the running checkpoint has not looked at yet. */
  private sweep: Activation[] | null = null;
  passivations = 0;
  snapshots = 0;

  constructor(catalog: Catalog, loop: TurnLoop, engineLimits: EngineLimits) {
    this.catalog = catalog;
    this.loop = loop;
    this.limits = engineLimits;
  }

  /** A record of this actor was encoded. */
  recorded(activation: Activation): void {
    if (snapshotDue(activation, this.limits.recordsPerSnapshotMax)) this.snapshot(activation);
  }

  /** The journal wants its tail short: every actor with enough records gets a snapshot, some in every tick. */
  checkpoint(): void {
    this.sweep = [...this.catalog.all()];
  }

  afterTick(): void {
    if (this.sweep !== null) this.sweepOn();
    if (this.overfull) this.passivate();
  }

  /** True while there is more to do although no command comes in. */
  get sweeping(): boolean {
    return this.sweep !== null;
  }

  get overfull(): boolean {
    const { catalog } = this;
    return catalog.size > this.limits.activationsMax || catalog.stateBytes > this.limits.stateBytesResidentMax;
  }

  private sweepOn(): void {
    let taken = 0;
    let looked = 0;
    while (taken < limits.checkpointSnapshotsPerTickMax && looked++ < 4_096) {
      const activation = this.sweep!.pop();
      if (activation === undefined) {
        this.sweep = null;
        return;
      }
      if (activation.phase !== RESIDENT || activation.snapshotOnItsWay) continue;
      if (activation.recordsSinceSnapshot < limits.recordsPerCheckpointSnapshotMin) continue;
      this.snapshot(activation);
      taken++;
    }
  }

  /** Takes out what is too much, in actors or in bytes, or begins to. */
  private passivate(): void {
    let actors = this.catalog.size - this.limits.activationsMax;
    let bytes = this.catalog.stateBytes - this.limits.stateBytesResidentMax;
    let looked = 0;
    for (const activation of this.catalog.fromOldest()) {
      if ((actors <= 0 && bytes <= 0) || looked++ > limits.passivationsPerTickMax) return;
      const { stateBytes } = activation;
      if (activation.phase !== RESIDENT || activation.waiting > 0 || activation.inSandbox > 0) continue;
      // The history of a poisoned one ends sandboxes: as long as it is here, it is known not to be folded again.
      if (activation.snapshotOnItsWay || activation.bucket.stopped || activation.poisoned) continue;
      if (activation.recordsSinceSnapshot > 0 && activation.stateBundle !== null) {
        this.snapshot(activation);
        actors--;
        bytes -= stateBytes;
        continue;
      }
      // A2: whoever activates it again reads the durable log.
      if (activation.lastPosition > activation.bucket.durablePosition) continue;
      this.drop(activation);
      actors--;
      bytes -= stateBytes;
    }
  }

  private snapshot(activation: Activation): void {
    activation.snapshotOnItsWay = true;
    this.snapshots++;
    this.loop.push(new Job(JOB_SNAPSHOT, activation));
  }

  private drop(activation: Activation): void {
    this.catalog.remove(activation);
    this.passivations++;
    const { handle } = activation;
    const job = new Job(JOB_DROP, null);
    job.write = (batch) => batch.drop(handle);
    this.loop.push(job);
  }
}
