/**
 * An owner at work: appends to its buckets without a pause, several on their way, and after a failure does what the engine does: waits
 * until every outcome is known, takes a new epoch, and goes on behind what the log holds.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { BucketId } from '../../../codec/address.ts';
import { TroupeError } from '../../../codec/errors.ts';
import type { Hash64 } from '../../../codec/hash64.ts';
import { LogMaker } from '../../contract-log.ts';
import { Dice } from '../../contract-model.ts';
import type { Append, AppendOutcome, BucketHead, Journal } from '../../journal.ts';
import type { Attempt, History } from './history.ts';

/**
 * - `reopen`: takes a new epoch after every failure but a refusal.
 * - `yield`: as `reopen`, but one that is fenced leaves the bucket.
 * - `insist`: goes on behind what it knows, under the epoch it has, as no owner should.
 */
export type Manners = 'reopen' | 'yield' | 'insist';

export interface OwnerOptions {
  readonly name: string;
  readonly journal: Journal;
  readonly ids: readonly BucketId[];
  readonly history: History;
  readonly manners?: Manners;
  /** Appends on their way at once, per bucket. Default 3. */
  readonly depth?: number;
  /** Of the buckets it owns, those that have a part in an append. Default 0.7. */
  readonly share?: number;
}

interface OwnedBucket {
  readonly id: BucketId;
  maker: LogMaker;
  /** What the log is known to hold. */
  known: BucketHead;
  inFlight: number;
  /** Of the first append that failed since the bucket was opened. */
  failure: AppendOutcome | null;
  state: 'owned' | 'failed' | 'left';
}

const PAUSE_MS = 2;
const RETRY_MS = 20;

export class Owner {
  readonly name: string;
  readonly journal: Journal;
  /** Errors other than that the store is away. */
  readonly errors: TroupeError[] = [];
  private readonly options: Required<OwnerOptions>;
  private readonly dice = new Dice(7);
  private buckets: OwnedBucket[] = [];
  private isRunning = false;
  private working: Promise<unknown> = Promise.resolve();
  private made = 0;

  constructor(options: OwnerOptions) {
    this.options = { manners: 'reopen', depth: 3, share: 0.7, ...options };
    this.name = options.name;
    this.journal = options.journal;
  }

  get inFlight(): number {
    return this.buckets.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  get epochs(): number[] {
    return this.buckets.map(({ known }) => known.epoch);
  }

  /** Of the last records that were acknowledged. */
  get positions(): number[] {
    return this.buckets.map(({ known }) => known.position);
  }

  get incarnations(): Hash64[] {
    return this.buckets.map(({ known }) => known.incarnation);
  }

  /** Buckets that it still has. */
  get owned(): number {
    return this.buckets.length - this.left.length;
  }

  /** Indices of the buckets that it has left. */
  get left(): number[] {
    return this.buckets.filter(({ state }) => state === 'left').map(({ id }) => id.index);
  }

  async take(): Promise<void> {
    const heads = await this.journal.openBuckets(this.options.ids);
    this.buckets = heads.map((head) => {
      this.options.history.take(this.name, head.bucket.index, head.epoch, head.position);
      return { id: head.bucket, maker: new LogMaker(head), known: head, inFlight: 0, failure: null, state: 'owned' };
    });
  }

  /** For a failed test. */
  describe(): string {
    const buckets = this.buckets.map(({ id, state, inFlight, failure, known }) => `${id.index} ${state} ${inFlight} ${failure?.kind ?? ''} ${known.epoch}`);
    return `${this.name}: ${buckets.join(', ')}; ${this.errors.map((error) => error.message).join(', ')}`;
  }

  /** Of the buckets that it has left, the one at `i` is wanted back: it is taken while the owner works. */
  claim(i: number): void {
    const bucket = this.buckets[i]!;
    if (bucket.state !== 'left' || bucket.inFlight > 0) return;
    bucket.failure = { kind: 'unknown', message: 'what the other owner does is not known' };
    bucket.state = 'failed';
  }

  /** Works until `stop`. */
  start(): void {
    this.isRunning = true;
    const lanes = Array.from({ length: this.options.depth }, () => this.work());
    this.working = Promise.all([...lanes, this.recover()]);
  }

  /** Resolves when everything on its way has been answered. */
  async stop(): Promise<void> {
    this.isRunning = false;
    await this.working;
  }

  /** One append to each bucket it owns. */
  async once(): Promise<AppendOutcome[]> {
    const { batch, attempts } = this.nextBatch(1);
    const outcomes = await this.journal.append(batch);
    outcomes.forEach((outcome, i) => this.heard(attempts[i]!, batch[i]!, outcome));
    return outcomes;
  }

  /** What failed is taken again; for between calls of `once`. */
  async reopen(): Promise<void> {
    while (this.buckets.some(({ state }) => state === 'failed')) await this.recoverFailed();
  }

  private async work(): Promise<void> {
    while (this.isRunning) {
      const { batch, attempts } = this.nextBatch(this.options.share);
      if (batch.length > 0) {
        const outcomes = await this.journal.append(batch);
        outcomes.forEach((outcome, i) => this.heard(attempts[i]!, batch[i]!, outcome));
      }
      await sleep(PAUSE_MS);
    }
  }

  private nextBatch(share: number): { batch: Append[]; attempts: Attempt[] } {
    const batch: Append[] = [];
    const attempts: Attempt[] = [];
    for (const bucket of this.buckets) {
      if (bucket.state !== 'owned' || this.dice.below(100) >= share * 100) continue;
      const actors = Array.from({ length: 1 + this.dice.below(3) }, () => `a.A:${this.dice.below(5)}`);
      const append = bucket.maker.next(actors, () => `${this.name} ${bucket.id.index} ${++this.made} ${'.'.repeat(this.dice.below(120))}`);
      batch.push(append);
      attempts.push(this.options.history.call(this.name, append, bucket.maker.records.slice(-actors.length).map(({ bytes }) => bytes)));
      bucket.inFlight++;
    }
    return { batch, attempts };
  }

  private heard(attempt: Attempt, append: Append, outcome: AppendOutcome): void {
    this.options.history.answer(attempt, outcome);
    const bucket = this.buckets.find(({ id }) => id.index === append.bucket.index)!;
    bucket.inFlight--;
    if (outcome.kind === 'appended') {
      bucket.known = { ...bucket.known, position: append.position + append.count - 1, head: append.headAfter };
    } else if (bucket.state === 'owned') {
      bucket.state = 'failed';
      bucket.failure = outcome;
    }
    // An outcome that is not known counts for more than a refusal.
    if (outcome.kind === 'unknown') bucket.failure = outcome;
  }

  private async recover(): Promise<void> {
    while (this.isRunning) {
      await this.recoverFailed();
      await sleep(PAUSE_MS);
    }
  }

  private async recoverFailed(): Promise<void> {
    const failed = this.buckets.filter(({ state, inFlight }) => state === 'failed' && inFlight === 0);
    await Promise.all(failed.map((bucket) => this.goOn(bucket)));
  }

  private async goOn(bucket: OwnedBucket): Promise<void> {
    const { manners, history } = this.options;
    const { kind } = bucket.failure!;
    if ((kind === 'fenced' && manners === 'yield') || kind === 'rolledBack') {
      bucket.state = 'left';
      return;
    }
    if (manners === 'insist' || kind === 'refused') {
      bucket.maker = new LogMaker(bucket.known);
    } else {
      try {
        bucket.known = await this.journal.openBucket(bucket.id);
        history.take(this.name, bucket.id.index, bucket.known.epoch, bucket.known.position);
        bucket.maker = new LogMaker(bucket.known);
      } catch (error) {
        if (!(error instanceof TroupeError)) throw error;
        if (error.code !== 'STORE_UNAVAILABLE') {
          this.errors.push(error);
          bucket.state = 'left';
        }
        await sleep(RETRY_MS);
        return;
      }
    }
    bucket.failure = null;
    bucket.state = 'owned';
  }
}
