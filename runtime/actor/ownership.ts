/**
 * Takes buckets over and hands them over while others serve. Who owns what is decided elsewhere; that it cannot be two at once is
 * the journal's epoch.
 *
 * O1  Taking over: epoch, then log, then fold; the types in service are brought up to date, and only then the first decision is
 *     made. What comes meanwhile waits.
 * O2  Handing over: nothing new begins; what is in the sandbox is finished, made durable and answered; then what waited is given back in the order
 *     in which it was submitted, and whoever takes it answers it. What is not durable within the pause budget ends the attempt: the bucket
 *     serves on here.
 * O3  A bucket that somebody else has taken (FENCED) is given up at once: the states in the sandbox hold decisions that do not exist.
 */

import { TroupeError } from '../codec/errors.ts';
import type { AppendOutcome, BucketHead, Journal } from '../journal/journal.ts';
import { openFold } from './bucket-fold.ts';
import type { BucketJobs } from './bucket-jobs.ts';
import type { BucketRecovery } from './bucket-recovery.ts';
import type { Bucket } from './bucket.ts';
import type { Deployments } from './deployments.ts';
import type { Messages } from './messages/messages.ts';
import type { OutputGate } from './output-gate.ts';
import { byOrder } from './routing.ts';
import type { Routing } from './routing.ts';
import type { Clock, Log, Scheduler } from './seams.ts';
import { encodeCheckpoint } from './snapshots.ts';
import type { TurnLoop } from './turn-loop.ts';
import type { WatchRegistry } from './watch-registry.ts';

export interface OwnershipParts {
  readonly journal: Journal;
  readonly buckets: readonly Bucket[];
  readonly jobs: BucketJobs;
  readonly gate: OutputGate;
  readonly loop: TurnLoop;
  readonly routing: Routing;
  readonly recovery: BucketRecovery;
  readonly deployments: Deployments;
  readonly watches: WatchRegistry;
  readonly messages: Messages;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

/** A bucket of this node as the cluster sees it. */
export interface OwnedBucket {
  readonly index: number;
  readonly epoch: number;
}

export class Ownership {
  /** Somebody else has taken the bucket. */
  onFenced: ((index: number) => void) | null = null;
  private readonly parts: OwnershipParts;
  /** Being taken over. */
  private readonly opening = new Set<Bucket>();

  constructor(parts: OwnershipParts) {
    this.parts = parts;
  }

  /**
   * O1. Resolves with those that serve. Those that cannot be opened now refuse what comes, and are tried again; those that were given up
   * meanwhile stay so. `ready` is awaited when the epochs are taken: what was put in service before that is known then.
   * @throws what `ready` throws; none of them is owned then
   */
  async acquire(indexes: readonly number[], ready: () => Promise<void>): Promise<OwnedBucket[]> {
    const { buckets, journal, log } = this.parts;
    const wanted = indexes.map((index) => buckets[index]!).filter((bucket) => !bucket.owned);
    const tenures = new Map(wanted.map((bucket) => [bucket, bucket.tenure]));
    const isStillWanted = (bucket: Bucket): boolean => bucket.tenure === tenures.get(bucket) && !bucket.leaving;
    for (const bucket of wanted) {
      bucket.owned = true;
      this.opening.add(bucket);
    }
    const heads = await this.open(wanted);
    try {
      await ready();
    } catch (error) {
      // Whoever asked tries again; what waits here finds its way back then.
      for (const bucket of wanted) if (bucket.tenure === tenures.get(bucket)) this.giveUp(bucket);
      throw error;
    }
    const opened: Bucket[] = [];
    await Promise.all(
      wanted.map(async (bucket, i) => {
        const head = heads[i]!;
        if (!isStillWanted(bucket)) return;
        try {
          if (head instanceof Error) throw head;
          await openFold(bucket, head, journal);
          opened.push(bucket);
        } catch (error) {
          if (bucket.tenure !== tenures.get(bucket)) return;
          this.opening.delete(bucket);
          log.error({ bucket: bucket.name, err: error }, 'cannot open the bucket');
          // It goes on trying by itself.
          void this.parts.recovery.reopen(bucket, { kind: 'unknown', message: 'it could not be opened' });
        }
      }),
    );
    const serving = opened.filter(isStillWanted);
    // One that is leaving by now goes, or stays and is then opened again.
    for (const bucket of wanted) if (bucket.tenure === tenures.get(bucket)) this.opening.delete(bucket);
    for (const bucket of serving) this.serve(bucket);
    return serving.map(({ id, epoch }) => ({ index: id.index, epoch }));
  }

  /**
   * O2. Resolves when nothing of them is under way here, or, with false, when that took longer than the budget: then all of them
   * serve on. What is not owned is left alone. `onLogIndex` is called with what the next owner can use (`takeLogIndex`).
   */
  async release(indexes: readonly number[], pauseMaxMs = Infinity, onLogIndex?: (index: number, logIndex: Buffer) => void): Promise<boolean> {
    const { buckets, gate, loop, jobs, clock, log } = this.parts;
    const leaving = indexes.map((index) => buckets[index]!).filter((bucket) => bucket.owned && !bucket.leaving);
    if (leaving.length === 0) return true;
    const since = clock.monotonic();
    for (const bucket of leaving) bucket.leave();
    loop.hold();
    await loop.drain();
    jobs.takeReady(leaving);
    // From here on no batch holds anything of them; what is committed must become durable before their log is somebody else's.
    const flushed = gate.flushed();
    loop.resume();
    if (!(await this.within(flushed, pauseMaxMs - (clock.monotonic() - since)))) {
      log.warn({ buckets: leaving.length, pauseMaxMs }, 'a hand-off took too long, serving on');
      for (const bucket of leaving) this.stay(bucket);
      return false;
    }
    this.keepFolds(leaving.filter((bucket) => !bucket.stopped));
    jobs.collect(leaving);
    if (onLogIndex !== undefined) this.tellLogIndexes(leaving.filter((bucket) => !bucket.stopped), onLogIndex);
    for (const bucket of leaving) this.giveUp(bucket);
    return true;
  }

  /** As the owner of a bucket that comes here next was told by `onLogIndex`. */
  takeLogIndex(index: number, logIndex: Uint8Array): void {
    const bucket = this.parts.buckets[index];
    if (bucket !== undefined && !bucket.owned) this.parts.journal.takeLogIndex(bucket.id, logIndex);
  }

  /** O3. Nothing of the bucket is being appended. `outcome` is what stopped it: fenced, or another one behind which the map names another owner. */
  async fenced(bucket: Bucket, outcome: AppendOutcome): Promise<void> {
    const { loop, jobs, log } = this.parts;
    log.warn({ bucket: bucket.name, outcome }, outcome.kind === 'fenced' ? 'another node has taken the bucket' : 'the map gives the bucket to another node');
    loop.hold();
    await loop.drain();
    if (bucket.owned && bucket.stopped) {
      jobs.collect([bucket]);
      this.giveUp(bucket);
      this.onFenced?.(bucket.id.index);
    }
    loop.resume();
  }

  private async open(wanted: readonly Bucket[]): Promise<(BucketHead | Error)[]> {
    const { journal } = this.parts;
    if (wanted.length === 0) return [];
    try {
      return await journal.openBuckets(wanted.map(({ id }) => id));
    } catch (error) {
      if (!(error instanceof TroupeError) || wanted.length === 1) return wanted.map(() => toError(error));
    }
    // One of them cannot be opened; the others can.
    return Promise.all(wanted.map(({ id }) => journal.openBucket(id).catch(toError)));
  }

  private within(settles: Promise<void>, timeMaxMs: number): Promise<boolean> {
    if (timeMaxMs === Infinity) return settles.then(() => true);
    return new Promise((resolve) => {
      this.parts.scheduler.later(Math.max(0, timeMaxMs), () => resolve(false));
      void settles.then(() => resolve(true));
    });
  }

  private stay(bucket: Bucket): void {
    bucket.stay();
    if (bucket.stopped) {
      // Its recovery ended when it began to leave, if it had any. Without this nobody would ever open it.
      if (!this.opening.has(bucket)) void this.parts.recovery.reopen(bucket, { kind: 'unknown', message: 'it stopped while it was to be handed over' });
      return;
    }
    const held = bucket.held.sort(byOrder);
    bucket.held = [];
    for (const job of held) this.parts.routing.reroute(job);
    this.parts.messages.again(bucket);
  }

  private serve(bucket: Bucket): void {
    const { gate, routing, deployments, watches } = this.parts;
    const held = bucket.held.sort(byOrder);
    bucket.held = [];
    gate.forgetStop(bucket);
    bucket.serve();
    deployments.complete(bucket);
    for (const job of held) routing.reroute(job);
    this.parts.messages.serves(bucket);
    watches.wakeAll();
  }

  /** Folds are caches: the next owner starts from them. */
  private keepFolds(buckets: readonly Bucket[]): void {
    this.parts.journal.putCheckpoints(buckets.map(encodeCheckpoint));
  }

  private tellLogIndexes(buckets: readonly Bucket[], onLogIndex: (index: number, logIndex: Buffer) => void): void {
    const { journal, log } = this.parts;
    for (const { id, name } of buckets) {
      try {
        const logIndex = journal.logIndexOf(id);
        if (logIndex !== null) onLogIndex(id.index, logIndex);
      } catch (error) {
        // The next owner reads the log. Without the others it would not be told at all.
        log.warn({ bucket: name, err: error }, 'the index of the log is not handed over');
      }
    }
  }

  private giveUp(bucket: Bucket): void {
    const { gate, routing, watches, journal } = this.parts;
    const held = bucket.held.sort(byOrder);
    bucket.held = [];
    this.opening.delete(bucket);
    bucket.giveUp();
    this.parts.messages.gone(bucket);
    gate.forgetStop(bucket);
    journal.forgetBucket(bucket.id);
    watches.leave(bucket.id);
    for (const job of held) routing.handOver(job, bucket);
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
