/** An operator's order about one message, until its record is durable: to bring it to its actor once more, or to drop it. */

import { TroupeError } from '../../codec/errors.ts';
import type { Bucket } from '../bucket.ts';
import { JOB_NOTE } from '../job.ts';
import type { JobKind } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';
import type { Letter } from './letter.ts';
import { Resumed } from './resumed.ts';
import type { Resuming } from './resumed.ts';

export interface LetterOrderParts {
  readonly enter: (resumed: Resumed) => boolean;
  readonly later: (task: () => void) => void;
  readonly isLate: () => boolean;
  /** Whether it still is one. */
  readonly isLetter: () => boolean;
  readonly claimEnded: () => void;
  /** Position of the durable record, or why there is none that is known of. */
  readonly settled: (result: number | TroupeError) => void;
}

export class LetterOrder implements Resuming {
  private readonly bucket: Bucket;
  private readonly parts: LetterOrderParts;
  private resumed: Resumed;
  private isEntered = false;
  private isAdmitted = false;
  private isRecorded = false;
  private isSettled = false;

  constructor(kind: JobKind, bucket: Bucket, letter: Letter, parts: LetterOrderParts) {
    this.bucket = bucket;
    this.parts = parts;
    // Not as parked: when its actor cannot take a failed message now, it is parked, and comes when it can.
    this.resumed = new Resumed(kind, bucket, letter, false, this);
    if (kind === JOB_NOTE) this.resumed.job.verdict = { kind: 'dropped' };
  }

  enter(): void {
    if (this.isEntered || this.isSettled || this.isRecorded) return;
    this.isEntered = true;
    if (!this.parts.enter(this.resumed)) this.isEntered = false;
  }

  interrupt(): void {
    if (this.isRecorded || this.isSettled) return;
    this.resumed = this.resumed.again();
    this.isEntered = this.isAdmitted = false;
  }

  gone(): void {
    const { index } = this.bucket.id;
    this.settle(this.isEntered
      ? new TroupeError('UNKNOWN_OUTCOME', `bucket ${index} no longer serves on this node`, { hint: 'Look at `troupe deadletters list`: what is not there was done.' })
      : new TroupeError('NOT_READY', `bucket ${index} no longer serves on this node`));
  }

  isNext(resumed: Resumed): boolean {
    if (this.isAdmitted || this.isSettled || resumed !== this.resumed || !this.parts.isLetter()) return false;
    this.isAdmitted = true;
    return true;
  }

  recorded(_resumed: Resumed, position: number, group: CommitGroup): void {
    this.isRecorded = true;
    this.parts.claimEnded();
    group.released.push(() => {
      // Otherwise `gone` follows, which knows no more.
      if (!this.bucket.stopped && this.bucket.durablePosition >= position) this.settle(position);
    });
  }

  lost(): void {
    this.interrupt();
    if (this.parts.isLate()) this.settle(new TroupeError('NOT_READY', 'the message could not be brought to its actor in time; it is where it was'));
    else this.parts.later(() => this.enter());
  }

  /** Nothing keeps a failed message from waiting for its actor like any other. */
  refused(_resumed: Resumed, code: string, message: string): void {
    this.resumed = this.resumed.again(JOB_NOTE);
    this.resumed.job.verdict = { kind: 'parked', code, message };
    this.isEntered = this.isAdmitted = false;
    this.parts.later(() => this.enter());
  }

  private settle(result: number | TroupeError): void {
    if (this.isSettled) return;
    this.isSettled = true;
    if (!this.isRecorded) this.parts.claimEnded();
    this.resumed.forget();
    this.parts.settled(result);
  }
}
