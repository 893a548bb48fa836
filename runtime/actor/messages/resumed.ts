/** A parked or failed message on its way to its actor once more, or out of the way. */

import type { WireWriter } from '../../codec/wire.ts';
import { writeCause } from '../../codec/record-messages.ts';
import { writeFiring } from '../../codec/record-timers.ts';
import { TIMER_CHANGES_ALL } from '../../sandbox/sandbox.ts';
import type { Firing } from '../../sandbox/sandbox.ts';
import type { Bucket } from '../bucket.ts';
import { Address } from '../engine.ts';
import { Job } from '../job.ts';
import type { JobKind } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';
import { isTimer } from './actor-fold.ts';
import { InnerCommand } from './inner-command.ts';
import type { Letter } from './letter.ts';
import type { Origin, ReplyTo } from './origin.ts';

/** Who has taken it up. */
export interface Resuming {
  isNext(resumed: Resumed): boolean;
  recorded(resumed: Resumed, position: number, group: CommitGroup): void;
  lost(resumed: Resumed): void;
  refused(resumed: Resumed, code: string, message: string): void;
}

export class Resumed extends InnerCommand implements Origin {
  readonly bucket: Bucket;
  readonly letter: Letter;
  readonly isParked: boolean;
  readonly job: Job;
  readonly reply: ReplyTo | null;
  private owner: Resuming | null;

  constructor(kind: JobKind, bucket: Bucket, letter: Letter, isParked: boolean, owner: Resuming, before: Job | null = null) {
    super(new Address(letter.to), letter.name, letter.body, 0, letter.body.length);
    this.bucket = bucket;
    this.letter = letter;
    this.isParked = isParked;
    this.owner = owner;
    const { onReply, cause, from } = letter;
    this.reply = onReply === '' || cause === null ? null : { actor: from, command: onReply, destination: cause.index };
    this.job = before === null ? new Job(kind, null, this, this) : before.again(this, kind);
  }

  get principal(): string {
    return this.letter.from;
  }

  /** The same to be entered once more. Of this one nothing is heard from here on, whatever is still to come of it. */
  again(kind: JobKind = this.job.kind): Resumed {
    const owner = this.owner!;
    this.owner = null;
    return new Resumed(kind, this.bucket, this.letter, this.isParked, owner, this.job);
  }

  /** As above, for good. */
  forget(): void {
    this.owner = null;
  }

  /** Its cause has no number here: the mark of the channel went by when it was taken in (M2), and stands further on by now. */
  write(wire: WireWriter): void {
    const { cause, firing, position } = this.letter;
    if (cause !== null) writeCause(wire, { ...cause, number: 0 });
    if (firing !== null) writeFiring(wire, firing);
    wire.uint(28, position);
  }

  isNext(_job: Job): boolean {
    return this.owner !== null && this.owner.isNext(this);
  }

  firing(job: Job): Firing | null {
    return this.firingAfter(job.activation!.timerChanges);
  }

  trialFiring(): Firing | null {
    return this.firingAfter(TIMER_CHANGES_ALL);
  }

  /** A timer that was cancelled or armed anew since it fired does not fire late. */
  isOver(job: Job): boolean {
    const { firing } = this.letter;
    return firing !== null && !isTimer(job.activation!.armed?.get(firing.name), firing.timer);
  }

  private firingAfter(timerChanges: number): Firing | null {
    const { firing } = this.letter;
    return firing === null ? null : { name: firing.name, dueMs: firing.dueMs, missed: firing.missed, timerChanges };
  }

  recorded(position: number, group: CommitGroup): void {
    this.owner?.recorded(this, position, group);
  }

  lost(_job: Job): void {
    this.owner?.lost(this);
  }

  refused(_job: Job, code: string, message: string): void {
    this.owner?.refused(this, code, message);
  }
}
