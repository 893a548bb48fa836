/**
 * Brings the buckets of this node's engine to where the bucket map says they are: opens what is given to it, hands over what is to
 * move, gives up what is another's.
 *
 * K1  The map is a wish, the engine's epochs are the facts: acting on an old map costs time and nothing else. So as to cost little of it, a bucket that
 *     is here is not given up because of the map this node happens to have, but when the store says that it is another's; and one that is to
 *     move away is never opened. [The next owner opens what it was told of before it has seen the map that says so, takes the map that it has
 *     for news, and gives all up again; the former one, whose map is a moment old, takes them back.]
 * K2  A hand-off: the owner finishes what is in the sandbox, makes it durable, answers it, and gives the bucket up; only then is the next
 *     owner told, with what spares it reading the log. It opens the bucket and says so. A crash in between is a hand-off without these steps:
 *     the scheduler gives the bucket to somebody else.
 * K3  One pass at a time; what changed meanwhile is looked at in the next one. What failed is tried again.
 * K4  What another node has taken is not opened again before the map was fetched anew: it may say by now that this is as it should be.
 */

import { Outage } from '../runtime/actor/outage.ts';
import type { Clock, Log, Scheduler } from '../runtime/actor/seams.ts';
import type { OwnedBucket } from '../runtime/actor/ownership.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketOwners } from './bucket-owners.ts';
import type { AcceptOutcome, Opened } from './control/control-store.ts';

export interface BucketKeeperParts {
  readonly owners: BucketOwners;
  readonly engine: {
    owns(index: number): boolean;
    /** Under which it is served here; 0 while it is not. */
    epochOf(index: number): number;
    acquire(indexes: readonly number[]): Promise<OwnedBucket[]>;
    /** False: it took longer than the budget, and they serve on. */
    release(indexes: readonly number[], pauseMaxMs?: number, onLogIndex?: (index: number, logIndex: Buffer) => void): Promise<boolean>;
  };
  /** How long a bucket that is handed over may stand still on this side. */
  readonly pauseMaxMs: number;
  /** As ControlPlane.accept. */
  accept(opened: readonly Opened[]): Promise<AcceptOutcome[]>;
  /** Tells a node that these buckets are handed over to it; `logIndexes` is what the engine told by `onLogIndex`. @throws Error when it cannot be told */
  handOver(node: number, indexes: readonly number[], logIndexes: ReadonlyMap<number, Buffer>): Promise<void>;
  /** Resolves when the map that is known is no older than this call. @throws Error when the store does not answer for a while */
  refreshed(): Promise<void>;
  /** Says that these buckets are given up. */
  vacate(indexes: readonly number[]): Promise<void>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly scheduler: Pick<Scheduler, 'later'>;
  readonly log: Log;
}

const RETRY_MS = 200;

/** What came of the hand-offs so far. */
export interface HandOffStat {
  handOffs: number;
  /** They would have paused for longer than the budget. */
  aborted: number;
  takeovers: number;
}

export class BucketKeeper {
  readonly stat: HandOffStat = { handOffs: 0, aborted: 0, takeovers: 0 };
  isStopping = false;
  private readonly parts: BucketKeeperParts;
  /** Opened here, and not yet in the map as this node's: bucket -> epoch. */
  private readonly toAccept = new Map<number, number>();
  /** What the store is being told at the moment: bucket -> epoch. */
  private readonly telling = new Map<number, number>();
  private told: Promise<void> = Promise.resolve();
  /** Under way in `open`. */
  private readonly opening = new Set<number>();
  /** The engine was asked to open them, and has them, unless they were given up or taken since. */
  private readonly here = new Set<number>();
  /** Taken by another node; the map was not fetched since (K4). */
  private readonly doubtful = new Set<number>();
  private isAsking = false;
  private running: Promise<void> | null = null;
  private isWanted = false;
  private isTimed = false;
  private readonly outage: Outage;

  constructor(parts: BucketKeeperParts) {
    this.parts = parts;
    this.outage = new Outage(parts.log, { begins: 'buckets are not where they should be; it is tried again', over: 'buckets are where they should be again' });
  }

  /** The map changed, or something failed that should be tried again. */
  sync(): void {
    this.isWanted = true;
    if (this.running !== null) return;
    this.running = this.run().finally(() => {
      this.running = null;
      if (this.isWanted) this.sync();
    });
  }

  /** These buckets were handed over to this node; the map may not say so yet (K2). */
  take(indexes: readonly number[]): void {
    if (this.isStopping) return;
    for (const index of indexes) this.parts.owners.hint(index, this.parts.owners.self);
    this.open(indexes).catch((error: unknown) => this.failed(error));
  }

  /** Another node has taken this bucket. */
  fenced(index: number): void {
    this.doubtful.add(index);
    if (!this.isAsking) void this.askAgain();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await this.running;
  }

  private async run(): Promise<void> {
    this.isWanted = false;
    const { owners, engine } = this.parts;
    const given: number[] = [];
    const moved: number[] = [];
    const moving = new Map<number, number[]>();
    for (const index of this.concerned()) {
      const { owner, next, epoch } = owners.map.entryOf(index);
      const isHere = engine.owns(index);
      if (owner !== owners.self) {
        if (isHere) this.claim(index);
      } else if (next !== NO_NODE) {
        if (!isHere) moved.push(index);
        else if (moving.has(next)) moving.get(next)!.push(index);
        else moving.set(next, [index]);
      } else if (!isHere) {
        if (!this.isStopping && !this.doubtful.has(index)) given.push(index);
      } else if (epoch === 0) this.claim(index);
      else this.toAccept.delete(index);
    }
    try {
      await Promise.all([this.open(given), this.vacate(moved), ...[...moving].map(([next, indexes]) => this.move(next, indexes))]);
      await this.accept();
      this.outage.worked(this);
    } catch (error) {
      this.failed(error);
    }
  }

  /** Buckets that are this node's by the map or are here; of the others there is nothing to do. */
  private concerned(): number[] {
    const { owners, engine } = this.parts;
    const concerned = [...owners.own];
    for (const index of this.here) {
      if (!engine.owns(index)) this.here.delete(index);
      else if (!owners.own.has(index)) concerned.push(index);
    }
    return concerned;
  }

  private failed(error: unknown): void {
    this.outage.again(this, error);
    this.syncLater();
  }

  /** The map does not say that it is this node's: the store is told that it is, and says so if it is not (K1). */
  private claim(index: number): void {
    const epoch = this.parts.engine.epochOf(index);
    if (epoch > 0) this.toAccept.set(index, epoch);
    // It does not serve yet; there is nothing to say.
    else if (!this.opening.has(index)) this.syncLater();
  }

  /** K4 */
  private async askAgain(): Promise<void> {
    this.isAsking = true;
    while (this.doubtful.size > 0 && !this.isStopping) {
      const asked = [...this.doubtful];
      try {
        await this.parts.refreshed();
        for (const index of asked) this.doubtful.delete(index);
        this.sync();
      } catch {
        await new Promise<void>((resolve) => this.parts.scheduler.later(RETRY_MS, resolve));
      }
    }
    this.isAsking = false;
  }

  private async open(indexes: readonly number[]): Promise<void> {
    const missing = indexes.filter((index) => !this.parts.engine.owns(index));
    if (missing.length === 0) return;
    const since = this.parts.clock.monotonic();
    for (const index of missing) {
      this.opening.add(index);
      this.here.add(index);
    }
    const opened = await this.parts.engine.acquire(missing).finally(() => {
      for (const index of missing) this.opening.delete(index);
    });
    if (opened.length < missing.length) this.syncLater();
    this.stat.takeovers += opened.length;
    for (const { index, epoch } of opened) this.toAccept.set(index, epoch);
    this.parts.log.info({ buckets: opened.length, ms: Math.round(this.parts.clock.monotonic() - since) }, 'buckets opened');
    this.accept().catch((error: unknown) => this.failed(error));
  }

  /** What is being said already is not said again, but waited for. */
  private accept(): Promise<void> {
    const opened = [...this.toAccept].filter(([index, epoch]) => this.telling.get(index) !== epoch).map(([index, epoch]) => ({ index, epoch }));
    if (opened.length > 0) this.told = this.tell(opened);
    return this.told;
  }

  private async tell(opened: readonly Opened[]): Promise<void> {
    for (const { index, epoch } of opened) this.telling.set(index, epoch);
    try {
      const outcomes = await this.parts.accept(opened);
      await this.learnOutcomes(opened, outcomes);
    } finally {
      for (const { index, epoch } of opened) if (this.telling.get(index) === epoch) this.telling.delete(index);
    }
  }

  private async learnOutcomes(opened: readonly Opened[], outcomes: readonly AcceptOutcome[]): Promise<void> {
    const unnamed: number[] = [];
    for (let i = 0; i < opened.length; i++) {
      const { index, epoch } = opened[i]!;
      if (this.toAccept.get(index) === epoch) this.toAccept.delete(index);
      if (outcomes[i] === 'unnamed' || outcomes[i] === 'stale') unnamed.push(index);
    }
    await this.giveUp(unnamed);
    if (unnamed.length > 0) this.syncLater();
  }

  private async giveUp(indexes: readonly number[]): Promise<void> {
    if (indexes.length === 0) return;
    this.parts.log.info({ buckets: indexes.length }, 'buckets given up');
    await this.parts.engine.release(indexes);
  }

  /** K2 */
  private async move(next: number, indexes: readonly number[]): Promise<void> {
    const { engine, owners, log } = this.parts;
    const since = this.parts.clock.monotonic();
    const logIndexes = new Map<number, Buffer>();
    if (!(await engine.release(indexes, this.parts.pauseMaxMs, (index, logIndex) => logIndexes.set(index, logIndex)))) {
      this.stat.aborted += indexes.length;
      this.syncLater();
      return;
    }
    for (const index of indexes) owners.hint(index, next);
    this.stat.handOffs += indexes.length;
    try {
      await this.parts.handOver(next, indexes, logIndexes);
    } catch (error) {
      log.info({ reason: error instanceof Error ? error.message : String(error), next, buckets: indexes.length }, 'the next owner was not told; the map tells it');
    }
    await this.vacate(indexes);
    log.info({ buckets: indexes.length, ms: Math.round(this.parts.clock.monotonic() - since) }, 'buckets handed over');
  }

  private async vacate(indexes: readonly number[]): Promise<void> {
    if (indexes.length > 0) await this.parts.vacate(indexes);
  }

  private syncLater(): void {
    if (this.isTimed) return;
    this.isTimed = true;
    this.parts.scheduler.later(RETRY_MS, () => {
      this.isTimed = false;
      this.sync();
    });
  }
}
