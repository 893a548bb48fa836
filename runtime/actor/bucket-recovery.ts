/**
 * Opens a bucket again whose append was not `appended`.
 *
 * V1  The new epoch comes first, the log is read after it (E3): whatever was still on its way under the old epoch can then no
 *     longer land behind our back. Until the bucket serves again, none of its actors is activated.
 * V2  The bucket stays stopped until its log is folded: a decision before that would give out channel numbers twice.
 * V3  It serves again between two turns, when nothing of it is in the sandbox. Everything that waited goes on in the order in
 *     which it was submitted. A deployment that the log lacks is completed in front of it.
 * V4  A bucket that cannot be opened for long refuses what comes, with the reason, and goes on trying: a store that comes back, or an
 *     operator who decides, is all it takes.
 * V5  In a cluster the bucket may have been given to another node while this one could not write: its epoch is not taken from it. [A node
 *     that was cut off from the store comes back and fences its successor, which takes the bucket back, and so on.]
 */

import type { AppendOutcome, Journal } from '../journal/journal.ts';
import { TroupeError } from '../codec/errors.ts';
import { answerErrorOf } from './answer-error.ts';
import type { BucketJobs } from './bucket-jobs.ts';
import { openFold } from './bucket-fold.ts';
import type { Bucket } from './bucket.ts';
import type { Deployments } from './deployments.ts';
import type { Messages } from './messages/messages.ts';
import type { OutputGate } from './output-gate.ts';
import { limits } from '../limits.ts';
import { byOrder } from './routing.ts';
import type { Routing } from './routing.ts';
import type { Clock, Log, Scheduler } from './seams.ts';
import type { TurnLoop } from './turn-loop.ts';
import type { WatchRegistry } from './watch-registry.ts';

const RETRY_MS = 50;
const RETRY_MS_MAX = 1_000;

export interface BucketRecoveryParts {
  readonly journal: Journal;
  readonly jobs: BucketJobs;
  readonly gate: OutputGate;
  readonly routing: Routing;
  readonly loop: TurnLoop;
  readonly deployments: Deployments;
  readonly watches: WatchRegistry;
  readonly messages: Messages;
  /** Whether the bucket should still be this node's; null where there is no other node. @throws when that cannot be known now */
  readonly isClaimed: ((index: number) => Promise<boolean>) | null;
  /** Gives a bucket up that should be another node's. */
  readonly giveUp: (bucket: Bucket, outcome: AppendOutcome) => Promise<void>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

export class BucketRecovery {
  private readonly parts: BucketRecoveryParts;
  /** The node stops: who waits for a bucket that cannot be opened is told so. */
  stopping = false;
  /** Being opened again, each with its tenure. */
  private readonly reopening = new Map<Bucket, number>();

  constructor(parts: BucketRecoveryParts) {
    this.parts = parts;
  }

  async reopen(bucket: Bucket, outcome: AppendOutcome): Promise<void> {
    // One at a time: a second one would take the epoch from under the first.
    if (this.reopening.get(bucket) === bucket.tenure) return;
    const { tenure } = bucket;
    this.reopening.set(bucket, tenure);
    await this.open(bucket, outcome, () => bucket.tenure === tenure && bucket.owned && !bucket.leaving);
    if (this.reopening.get(bucket) === tenure) this.reopening.delete(bucket);
  }

  private async open(bucket: Bucket, outcome: AppendOutcome, isWanted: () => boolean): Promise<void> {
    const { journal, clock, scheduler, log, isClaimed } = this.parts;
    log.error({ bucket: bucket.name, outcome }, 'append failed, opening the bucket again');
    const since = clock.monotonic();
    if (outcome.kind === 'rolledBack') this.refuse(bucket, new TroupeError('ROLLED_BACK', outcome.message));
    for (let tries = 0; isWanted(); tries++) {
      try {
        if (isClaimed !== null && !(await isClaimed(bucket.id.index))) {
          await this.parts.giveUp(bucket, outcome);
          return;
        }
        const head = await journal.openBucket(bucket.id);
        if (!isWanted()) return;
        await openFold(bucket, head, journal);
        break;
      } catch (error) {
        if (!isWanted()) return;
        if (tries === 0) log.error({ bucket: bucket.name, err: error }, 'cannot open the bucket again yet');
        if (this.stopping && this.giveUp(bucket)) return;
        if (isLasting(error) || clock.monotonic() - since > limits.stoppedBucketHoldMaxMs) this.refuse(bucket, error);
        await new Promise<void>((resolve) => scheduler.later(Math.min(RETRY_MS * 2 ** tries, RETRY_MS_MAX), resolve));
      }
    }
    // Given up meanwhile: whoever gave it up has taken care of what waited.
    if (isWanted()) await this.serve(bucket, isWanted);
  }

  /** V4 */
  private refuse(bucket: Bucket, error: unknown): void {
    const { routing } = this.parts;
    // Whatever keeps it from being looked at again, that is what it was refused for.
    if (bucket.refusal?.code === 'ROLLED_BACK' && !isLasting(error)) return;
    bucket.refusal = answerErrorOf(error);
    const { held, refusal } = bucket;
    bucket.held = [];
    for (const job of held) routing.failSoon(job, refusal);
  }

  /** V3 */
  private async serve(bucket: Bucket, isWanted: () => boolean): Promise<void> {
    const { gate, routing, loop, deployments, watches } = this.parts;
    loop.hold();
    await loop.drain();
    if (!isWanted()) {
      loop.resume();
      return;
    }
    this.parts.jobs.collect([bucket]);
    const held = bucket.held.sort(byOrder);
    bucket.held = [];
    gate.forgetStop(bucket);
    bucket.serve();
    deployments.complete(bucket);
    for (const job of held) routing.reroute(job);
    this.parts.messages.serves(bucket);
    // What was of unknown outcome may have turned out to be in the log, and nobody was told.
    watches.wakeAll();
    loop.resume();
  }

  /** Answers who waits; true when nobody is left who could come to wait here. */
  private giveUp(bucket: Bucket): boolean {
    const { routing, jobs } = this.parts;
    jobs.takeReady([bucket]);
    for (const job of bucket.held) routing.failSoon(job, { code: 'NOT_READY', message: 'the node is stopping' });
    const last = bucket.held.length === routing.waiting;
    bucket.held = [];
    return last;
  }
}

/** What waiting does not change. */
function isLasting(error: unknown): boolean {
  return error instanceof TroupeError && (error.code === 'ROLLED_BACK' || error.code === 'JOURNAL_DAMAGED' || error.code === 'JOURNAL_VERSION');
}
