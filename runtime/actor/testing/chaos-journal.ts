/**
 * A journal that keeps its contract and is otherwise as unpleasant as the contract allows: outcomes come late and in any
 * order, appends are refused, or their answer is lost before, after, or long before they were written.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Append, AppendOutcome, Journal } from '../../journal/journal.ts';
import { copyAppend } from './copy-append.ts';
import type { Random } from './random-actor.ts';

export interface ChaosRates {
  /** One append of a bucket in so many does not end well; 0 switches it off. */
  failOneIn: number;
  readonly delayMaxMs: number;
}

const lost: AppendOutcome = { kind: 'unknown', message: 'the answer was lost' };
const refused: AppendOutcome = { kind: 'refused', code: 'JOURNAL_FULL', message: 'no room just now', retryable: true };

export class ChaosJournal {
  readonly inner: Journal;
  readonly rates: ChaosRates;
  private readonly random: Random;
  /** Buckets that accept nothing until they are opened again (J5, J6). */
  private readonly shut = new Set<number>();
  private turn: Promise<unknown> = Promise.resolve();
  failures = 0;
  landedLate = 0;

  constructor(inner: Journal, random: Random, rates: ChaosRates) {
    this.inner = inner;
    this.random = random;
    this.rates = rates;
  }

  asJournal(): Journal {
    const own: Partial<Journal> = {
      append: (batch) => this.append(batch),
      openBucket: async (bucket) => {
        await sleep(this.random.below(60));
        const head = await this.inner.openBucket(bucket);
        this.shut.delete(bucket.index);
        return head;
      },
    };
    return new Proxy(this.inner, {
      get: (target, name) => {
        const value = own[name as keyof Journal] ?? (Reflect.get(target, name) as unknown);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value),
    });
  }

  private async append(batch: readonly Append[]): Promise<AppendOutcome[]> {
    const copy = batch.map(copyAppend);
    // On their way for a while, in order (J5); and then the outcome takes its time too.
    const written = this.turn.then(() => this.write(copy));
    this.turn = written;
    const outcomes = await written;
    await sleep(this.random.below(this.rates.delayMaxMs + 1));
    return outcomes;
  }

  private async write(batch: readonly Append[]): Promise<AppendOutcome[]> {
    await sleep(this.random.below(this.rates.delayMaxMs + 1));
    const before = batch.map((append) => this.before(append));
    const through = batch.filter((_, i) => before[i] === null);
    const inner = through.length === 0 ? [] : await this.inner.append(through);
    return before.map((outcome, i) => outcome ?? this.behind(batch[i]!, inner.shift()!));
  }

  /** What happens to an append that is not passed on now. */
  private before(append: Append): AppendOutcome | null {
    const { bucket } = append;
    if (this.shut.has(bucket.index)) return { kind: 'conflict', position: 0, head: { hi: 0, lo: 0 } };
    if (!this.fails()) return null;
    this.shut.add(bucket.index);
    if (this.random.below(3) === 0) return refused;
    if (this.random.below(2) === 0) void this.landLater(append);
    return lost;
  }

  /** An append that was written, and nobody is told. */
  private behind(append: Append, outcome: AppendOutcome): AppendOutcome {
    if (outcome.kind !== 'appended' || !this.fails()) return outcome;
    this.shut.add(append.bucket.index);
    return lost;
  }

  private async landLater(append: Append): Promise<void> {
    await sleep(this.random.below(60));
    const [outcome] = await this.inner.append([append]);
    if (outcome?.kind === 'appended') this.landedLate++;
  }

  private fails(): boolean {
    const { failOneIn } = this.rates;
    if (failOneIn === 0 || this.random.below(failOneIn * 2) > 0) return false;
    this.failures++;
    return true;
  }
}
