/** A timer on its way to its actor: a command that the actor has sent to itself, to a later time. */

import { writeFiring } from '../../codec/record-timers.ts';
import type { TimerRef } from '../../codec/record-timers.ts';
import type { WireWriter } from '../../codec/wire.ts';
import { TIMER_CHANGES_ALL } from '../../sandbox/sandbox.ts';
import type { Firing as FiringItem } from '../../sandbox/sandbox.ts';
import type { Bucket } from '../bucket.ts';
import { Address } from '../engine.ts';
import { Job, JOB_COMMAND, JOB_NOTE } from '../job.ts';
import { isTimer } from '../messages/actor-fold.ts';
import { InnerCommand } from '../messages/inner-command.ts';
import type { Origin } from '../messages/origin.ts';
import type { CommitGroup } from '../output-gate.ts';
import { nextDue } from './due.ts';
import type { NextDue, Repetition } from './due.ts';
import { timerRef } from './timer-index.ts';

/** A timer as the record that armed it says. */
export interface RecordedTimer extends Repetition {
  readonly actor: string;
  readonly name: string;
  readonly command: string;
  readonly body: Buffer;
}

/** What a firing tells the service. */
export interface FiringKeeper {
  readonly bucket: Bucket;
  nowMs(): number;
  recorded(firing: Firing, group: CommitGroup): void;
  lost(firing: Firing): void;
}

export class Firing extends InnerCommand implements Origin {
  readonly timerKey: number;
  readonly dueMs: number;
  readonly reply = null;
  readonly isParked = false;
  /** The job that is under way; another one that was made for it before is not this firing any more. */
  job: Job;
  /** It is in a batch: it is not entered again before its result has come, or the sandbox is gone. */
  isAdmitted = false;
  private readonly timer: RecordedTimer;
  private readonly ref: TimerRef;
  private readonly keeper: FiringKeeper;
  private next: NextDue | null = null;

  constructor(timerKey: number, dueMs: number, timer: RecordedTimer, keeper: FiringKeeper) {
    super(new Address(timer.actor), timer.command, timer.body, 0, timer.body.length);
    this.timerKey = timerKey;
    this.ref = timerRef(timerKey);
    this.dueMs = dueMs;
    this.timer = timer;
    this.keeper = keeper;
    this.job = new Job(JOB_COMMAND, null, this, this);
  }

  get bucket(): Bucket {
    return this.keeper.bucket;
  }

  get principal(): string {
    return this.to.text;
  }

  /** Whether the timer is armed, and due as it was when this firing was made. */
  get isDue(): boolean {
    return this.bucket.timers.dueOf(this.timerKey) === this.dueMs;
  }

  /** Another job for another try; what it is suspected of goes along (trials.ts). */
  again(): Job {
    this.isAdmitted = false;
    return (this.job = this.job.again());
  }

  /** F2. The index knows timers of actors that cannot be brought into memory, too: what is to be parked for them has nobody else to ask. */
  isNext(job: Job): boolean {
    if (job !== this.job || this.isAdmitted || !this.isDue) return false;
    const { activation } = job;
    if (activation !== null && !isTimer(activation.armed?.get(this.timer.name), this.ref)) return false;
    this.next = null;
    this.isAdmitted = true;
    return true;
  }

  firing(job: Job): FiringItem {
    const { missed } = (this.next = nextDue(this.timer, this.dueMs, job.nowMs));
    return { name: this.timer.name, dueMs: this.dueMs, missed, timerChanges: job.activation!.timerChanges };
  }

  trialFiring(nowMs: number): FiringItem {
    const { missed } = nextDue(this.timer, this.dueMs, nowMs);
    return { name: this.timer.name, dueMs: this.dueMs, missed, timerChanges: TIMER_CHANGES_ALL };
  }

  write(wire: WireWriter): void {
    const { missed, nextDueMs } = this.next ?? nextDue(this.timer, this.dueMs, this.keeper.nowMs());
    writeFiring(wire, { timer: this.ref, name: this.timer.name, dueMs: this.dueMs, missed, nextDueMs });
  }

  recorded(_position: number, group: CommitGroup): void {
    this.keeper.recorded(this, group);
  }

  lost(job: Job): void {
    if (job === this.job) this.keeper.lost(this);
  }

  /** Its place in the log is a note, then. */
  refused(job: Job, code: string, message: string): void {
    if (job !== this.job) return;
    this.job = new Job(JOB_NOTE, null, this, this);
    this.job.verdict = { kind: 'parked', code, message };
    this.keeper.lost(this);
  }
}
