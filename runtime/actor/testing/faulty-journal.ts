/** A journal with faults on demand, around a real adapter: appends that wait, answers that get lost, ownership that is gone. */

import type { BucketId } from '../../codec/address.ts';
import type { Append, AppendOutcome, BucketHead, Journal } from '../../journal/journal.ts';
import { copyAppend } from './copy-append.ts';

interface HeldAppend {
  readonly batch: readonly Append[];
  readonly resolve: (outcomes: AppendOutcome[]) => void;
}

export class FaultyJournal {
  readonly inner: Journal;
  private holding = false;
  private releasing = false;
  private held: HeldAppend[] = [];
  /** Appends whose answer was lost and that have not reached the inner journal yet. */
  private delayed: (readonly Append[])[] = [];
  private loseNext = 0;
  private deliverFirst = false;
  private openGate: Promise<void> | null = null;
  private openGateEnds: () => void = () => {};
  private readonly heads = new Map<number, BucketHead>();
  owned = true;
  appends = 0;
  confirms = 0;
  /** Decides over every append of one bucket before it is passed on; null lets it through. */
  judge: ((append: Append) => AppendOutcome | null) | null = null;
  opens = 0;
  /** Switches the mechanism off that a new epoch is: opening a bucket again keeps the old one. */
  keepEpochs = false;

  constructor(inner: Journal) {
    this.inner = inner;
  }

  /** Everything of the port that has no fault goes to the inner adapter. */
  asJournal(): Journal {
    const own: Partial<Journal> = {
      append: (batch) => this.append(batch),
      confirm: async (owned) => {
        this.confirms++;
        return this.owned ? this.inner.confirm(owned) : owned.map(() => false);
      },
      openBucket: (bucket) => this.openBucket(bucket),
      openBuckets: (buckets) => this.openBuckets(buckets),
    };
    return new Proxy(this.inner, {
      get: (target, name) => {
        const mine = own[name as keyof Journal];
        if (mine !== undefined) return mine;
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value),
    });
  }

  /** Appends wait until `release`. */
  hold(): void {
    this.holding = true;
  }

  get appendsHeld(): number {
    return this.held.length;
  }

  /** Lets them go in their order; what comes meanwhile goes behind them, or waits when `hold` was called again. */
  async release(): Promise<void> {
    this.holding = false;
    this.releasing = true;
    let held = this.held.splice(0);
    while (held.length > 0) {
      for (const { batch, resolve } of held) resolve(await this.inner.append(batch));
      held = this.holding ? [] : this.held.splice(0);
    }
    this.releasing = false;
  }

  /** Taking a bucket again waits until `releaseOpens`. */
  holdOpens(): void {
    this.openGate = new Promise((resolve) => {
      this.openGateEnds = resolve;
    });
  }

  releaseOpens(): void {
    this.openGate = null;
    this.openGateEnds();
  }

  /** The next append is answered `unknown` and stays on its way until `deliver`. */
  loseNextAnswer(): void {
    this.loseNext++;
  }

  /** What was on its way arrives; the outcomes nobody hears. */
  async deliver(): Promise<AppendOutcome[]> {
    const delayed = this.delayed;
    this.delayed = [];
    const outcomes: AppendOutcome[] = [];
    for (const batch of delayed) outcomes.push(...(await this.inner.append(batch)));
    return outcomes;
  }

  private append(batch: readonly Append[]): Promise<AppendOutcome[]> {
    this.appends++;
    // The buffers are the engine's again once it is answered (J10): what goes on later needs its own.
    const copy = batch.map(copyAppend);
    if (this.loseNext > 0) {
      this.loseNext--;
      this.delayed.push(copy);
      return Promise.resolve(batch.map(() => ({ kind: 'unknown', message: 'the answer was lost' })));
    }
    if (this.deliverFirst) {
      this.deliverFirst = false;
      return this.deliver().then(() => this.inner.append(copy));
    }
    if (this.judge !== null) return this.judged(copy);
    if (!this.holding && !this.releasing) return this.inner.append(batch);
    return new Promise((resolve) => this.held.push({ batch: copy, resolve }));
  }

  /** What the judge lets through is appended; the rest has the judge's outcome. */
  private async judged(batch: readonly Append[]): Promise<AppendOutcome[]> {
    const outcomes = batch.map((append) => this.judge!(append));
    const through = batch.filter((_, i) => outcomes[i] === null);
    const appended = through.length === 0 ? [] : await this.inner.append(through);
    return outcomes.map((outcome) => outcome ?? appended.shift()!);
  }

  /** What was on its way arrives between the owner's look at the log and its next append. */
  async deliverBeforeNextAppend(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.deliverFirst = true;
  }

  /** Without its mechanism: the log is read, but the epoch under which the old append is on its way stays in force. */
  private async openBucket(bucket: BucketId): Promise<BucketHead> {
    this.opens++;
    await this.openGate;
    if (!this.keepEpochs) return this.inner.openBucket(bucket);
    const known = this.heads.get(bucket.index)!;
    let { position, head } = known;
    for await (const record of this.inner.readBucket(bucket, position + 1)) ({ position, head } = record);
    return { ...known, position, head, checkpoint: null };
  }

  private async openBuckets(buckets: readonly BucketId[]): Promise<BucketHead[]> {
    const heads = await this.inner.openBuckets(buckets);
    for (const head of heads) this.heads.set(head.bucket.index, head);
    return heads;
  }
}
