/**
 * What the owners of a test asked a journal for and what they heard, in one order of time. The oracle (oracle.ts) compares it with
 * what the server holds.
 */

import type { Append, AppendOutcome } from '../../journal.ts';

export interface Attempt {
  readonly owner: string;
  /** Index of the bucket. */
  readonly bucket: number;
  readonly epoch: number;
  /** Of its first record. */
  readonly position: number;
  /** No two records of a history have the same bytes. */
  readonly records: readonly Buffer[];
  readonly calledAt: number;
  /** Infinity while it is on its way. */
  answeredAt: number;
  outcome: AppendOutcome | null;
}

/** An epoch that was taken, and where the log stood then. */
export interface Taken {
  readonly owner: string;
  readonly bucket: number;
  readonly epoch: number;
  readonly position: number;
  readonly at: number;
}

export class History {
  readonly attempts: Attempt[] = [];
  readonly taken: Taken[] = [];
  private moment = 0;

  call(owner: string, append: Append, records: readonly Buffer[]): Attempt {
    const { bucket, epoch, position } = append;
    const attempt: Attempt = { owner, bucket: bucket.index, epoch, position, records, calledAt: ++this.moment, answeredAt: Infinity, outcome: null };
    this.attempts.push(attempt);
    return attempt;
  }

  answer(attempt: Attempt, outcome: AppendOutcome): void {
    attempt.outcome = outcome;
    attempt.answeredAt = ++this.moment;
  }

  take(owner: string, bucket: number, epoch: number, position: number): void {
    this.taken.push({ owner, bucket, epoch, position, at: ++this.moment });
  }

  /** How many attempts of the owner, or of all, ended so. */
  count(kind: AppendOutcome['kind'], owner: string | null = null): number {
    return this.attempts.filter((attempt) => attempt.outcome?.kind === kind && (owner === null || attempt.owner === owner)).length;
  }

  get inFlight(): number {
    return this.attempts.filter(({ outcome }) => outcome === null).length;
  }
}
