/**
 * The output gate: holds every answer until all it depends on is durable.
 *
 * What leaves a tick (replies, rejections, errors that a script caused, reads) is gathered in a commit group together with
 * the records of that tick. Groups are released in the order in which they were committed, each after its append has
 * settled and every group before it was released. So whatever an answer may have seen, of any actor, is durable before
 * the answer leaves.
 *
 * G1  A group is released once: its answers are delivered, its snapshots and checkpoints are handed to the journal.
 * G2  When an append of a bucket was not `appended`, every answer about that bucket in this group and in later ones is
 *     replaced by an error until the bucket has been opened again: what those decisions saw may not exist.
 * G3  A read is answered only after an ownership check that began after the read arrived; an append of the same bucket in
 *     the same group is such a check.
 */

import { isErrorCode } from '../codec/errors.ts';
import { WireWriter } from '../codec/wire.ts';
import type { AppendOutcome, CheckpointPut, Journal, SnapshotPut } from '../journal/journal.ts';
import type { Activation } from './activation.ts';
import type { Bucket } from './bucket.ts';
import type { AnswerError } from './engine.ts';
import { GroupRecords } from './group-records.ts';
import type { Job } from './job.ts';
import type { SentRecord } from './messages/outbox.ts';
import type { FreshRecord } from './watches.ts';

export interface TakenSnapshot {
  readonly activation: Activation;
  readonly put: SnapshotPut;
  readonly records: number;
  readonly replayUs: number;
}

/** A channel that messages came in by (messages/intake.ts). */
export interface Receiver {
  /** The group that has its records up to this number was released; the last of them has this position. */
  released(number: number, position: number, group: CommitGroup): void;
}

/** Everything one tick has to say, and what must be durable before it may. */
export class CommitGroup {
  /** Groups are numbered as they are committed. */
  number = 0;
  readonly jobs: Job[] = [];
  /** Bodies of the answers. */
  readonly arena = new WireWriter(16 * 1_024);
  readonly records = new GroupRecords();
  readonly snapshots: TakenSnapshot[] = [];
  readonly checkpoints: CheckpointPut[] = [];
  /** Buckets that were read and not written (G3). */
  readonly reads = new Set<Bucket>();
  /** Records that send messages. */
  readonly sent: SentRecord[] = [];
  /** Channels by which messages of its records came in, with number and position of the last. No closure each: there may be as many as records. */
  readonly received: { readonly receivers: Receiver[]; readonly numbers: number[]; readonly positions: number[] } = { receivers: [], numbers: [], positions: [] };
  /** Records of actors that are watched. */
  readonly watched: FreshRecord[] = [];
  /** Called at release, with false when one of the group's appends failed. */
  readonly released: ((durable: boolean) => void)[] = [];
  /** What became of the appends, in the order of the runs. */
  outcomes: readonly AppendOutcome[] = [];
  appendSettled = false;
  confirmSettled = false;
  failed = false;

  reset(): void {
    this.jobs.length = 0;
    this.arena.reset();
    this.records.reset();
    this.snapshots.length = 0;
    this.checkpoints.length = 0;
    this.reads.clear();
    this.sent.length = 0;
    const { receivers, numbers, positions } = this.received;
    receivers.length = numbers.length = positions.length = 0;
    this.watched.length = 0;
    this.released.length = 0;
    this.outcomes = [];
    this.appendSettled = this.confirmSettled = this.failed = false;
  }
}

/** A bucket that has stopped. */
interface Stop {
  readonly outcome: AppendOutcome;
  /** The first group that it concerns, */
  from: number;
  /** and the last one that was committed when it was seen. Later ones hold nothing about the bucket. */
  readonly until: number;
  reported: boolean;
}

export interface GateListener {
  /** A job of a released group may be answered; `arena` holds the body. Must not throw. */
  answer(job: Job, arena: Buffer): void;
  /** An append failed: the bucket is stopped, and every group about it that was in flight has been released. */
  bucketStopped(bucket: Bucket, outcome: AppendOutcome): void;
  /** A record of a released group is durable, and what it sends may go. */
  sent(record: SentRecord): void;
  /** A group was released. */
  groupReleased(group: CommitGroup): void;
}

export class OutputGate {
  private readonly journal: Journal;
  private readonly listener: GateListener;
  private readonly queue: CommitGroup[] = [];
  private readonly freeGroups: CommitGroup[] = [];
  private readonly stops = new Map<Bucket, Stop>();
  private committed = 0;
  private releasedThrough = 0;
  private idleWaiters: (() => void)[] = [];
  private releaseWaiters: (() => void)[] = [];
  private releasing = false;

  constructor(journal: Journal, listener: GateListener) {
    this.journal = journal;
    this.listener = listener;
  }

  get groupsInFlight(): number {
    return this.queue.length;
  }

  take(): CommitGroup {
    return this.freeGroups.pop() ?? new CommitGroup();
  }

  /** Starts what the group must wait for. The group belongs to the gate from here on. */
  commit(group: CommitGroup): void {
    if (group.jobs.length === 0 && group.records.isEmpty && group.snapshots.length + group.checkpoints.length === 0 && group.released.length === 0) {
      group.reset();
      this.freeGroups.push(group);
      return;
    }
    group.number = ++this.committed;
    this.queue.push(group);
    this.append(group);
    this.confirm(group);
    this.release();
  }

  /** Resolves when every group committed so far has been released. */
  async idle(): Promise<void> {
    if (this.queue.length === 0) return;
    await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  /** Resolves when every group that is committed by now has been released. */
  async flushed(): Promise<void> {
    const through = this.committed;
    while (this.releasedThrough < through) await new Promise<void>((resolve) => this.releaseWaiters.push(resolve));
  }

  /** A stopped bucket has been opened again. */
  forgetStop(bucket: Bucket): void {
    this.stops.delete(bucket);
  }

  private append(group: CommitGroup): void {
    if (group.records.isEmpty) {
      group.appendSettled = true;
      return;
    }
    const runs = group.records.close();
    for (let i = 0; i < runs.length; i++) runs[i]!.owner.appendsInFlight++;
    this.journal.append(runs).then(
      (outcomes) => this.appended(group, outcomes),
      (error: unknown) => this.appended(group, runs.map(() => ({ kind: 'unknown', message: String(error) }))),
    );
  }

  private appended(group: CommitGroup, outcomes: readonly AppendOutcome[]): void {
    const { runs } = group.records;
    group.outcomes = outcomes;
    for (let i = 0; i < runs.length; i++) {
      const run = runs[i]!;
      const { owner } = run;
      owner.appendsInFlight--;
      const outcome = outcomes[i]!;
      if (outcome.kind === 'appended') owner.durablePosition = run.position + run.count - 1;
      else this.stop(owner, outcome, group);
    }
    group.appendSettled = true;
    this.release();
  }

  private confirm(group: CommitGroup): void {
    if (group.reads.size > 0) for (const run of group.records.runs) group.reads.delete(run.owner);
    if (group.reads.size === 0) {
      group.confirmSettled = true;
      return;
    }
    const buckets = [...group.reads];
    this.journal.confirm(buckets.map((bucket) => ({ bucket: bucket.id, epoch: bucket.epoch }))).then(
      (owned) => this.confirmed(group, buckets, owned),
      (error: unknown) => this.confirmed(group, buckets, null, String(error)),
    );
  }

  /** `owned` null: nobody could be asked. */
  private confirmed(group: CommitGroup, buckets: readonly Bucket[], owned: readonly boolean[] | null, message = ''): void {
    for (let i = 0; i < buckets.length; i++) {
      if (owned?.[i] === true) continue;
      const bucket = buckets[i]!;
      this.stop(bucket, owned === null ? { kind: 'refused', code: 'STORE_UNAVAILABLE', message, retryable: true } : { kind: 'fenced', epoch: bucket.epoch }, group);
    }
    group.confirmSettled = true;
    this.release();
  }

  private stop(bucket: Bucket, outcome: AppendOutcome, group: CommitGroup): void {
    group.failed = true;
    bucket.stop();
    const known = this.stops.get(bucket);
    if (known === undefined) this.stops.set(bucket, { outcome, from: group.number, until: this.committed, reported: false });
    else known.from = Math.min(known.from, group.number);
  }

  private release(): void {
    if (this.releasing) return;
    this.releasing = true;
    while (this.queue.length > 0) {
      const group = this.queue[0]!;
      if (!group.appendSettled || !group.confirmSettled) break;
      this.queue.shift();
      this.releasedThrough = group.number;
      this.releaseGroup(group);
      group.reset();
      this.freeGroups.push(group);
    }
    this.releasing = false;
    this.reportStops();
    if (this.releaseWaiters.length > 0) {
      const waiters = this.releaseWaiters;
      this.releaseWaiters = [];
      for (const wake of waiters) wake();
    }
    if (this.queue.length === 0 && this.idleWaiters.length > 0) {
      const waiters = this.idleWaiters;
      this.idleWaiters = [];
      for (const wake of waiters) wake();
    }
  }

  private releaseGroup(group: CommitGroup): void {
    const arena = group.arena.buffer;
    const stops = this.stops.size > 0;
    for (const job of group.jobs) {
      if (stops) this.replaceAnswer(job, group);
      this.listener.answer(job, arena);
    }
    this.handOver(group);
    // A bucket that stopped meanwhile has durable records, too: they are read from the log when it is opened again.
    for (const record of group.sent) if (!record.bucket.stopped) this.listener.sent(record);
    const { receivers, numbers, positions } = group.received;
    for (let i = 0; i < receivers.length; i++) receivers[i]!.released(numbers[i]!, positions[i]!, group);
    for (const tell of group.released) tell(!group.failed);
    this.listener.groupReleased(group);
  }

  private handOver(group: CommitGroup): void {
    for (const { activation, records, replayUs } of group.snapshots) {
      activation.snapshotOnItsWay = false;
      if (group.failed) continue;
      activation.recordsSinceSnapshot -= records;
      activation.replayUs -= replayUs;
    }
    // A fold is written only once the position it names is durable; after a failure it is simply taken again later.
    if (group.failed || this.stops.size > 0) return;
    if (group.snapshots.length > 0) this.journal.putSnapshots(group.snapshots.map((snapshot) => snapshot.put));
    if (group.checkpoints.length > 0) this.journal.putCheckpoints(group.checkpoints);
  }

  /** G2. A group in front of the failure keeps its answers, even if it is released behind it: what it says is durable. */
  private replaceAnswer(job: Job, group: CommitGroup): void {
    const bucket = job.activation?.bucket;
    const stop = bucket === undefined ? undefined : this.stops.get(bucket);
    if (stop === undefined || group.number < stop.from) return;
    // A record that is in the log must not be called fenced or refused, which would invite to send it again.
    const appended = this.wasAppended(bucket!, group);
    job.error = errorOf(appended ? { kind: 'unknown', message: 'the log is being read again' } : stop.outcome);
  }

  /** Whether the group has records of the bucket, and all of them are in the log. */
  private wasAppended(bucket: Bucket, group: CommitGroup): boolean {
    let seen = false;
    for (const [i, run] of group.records.runs.entries()) {
      if (run.owner !== bucket) continue;
      if (group.outcomes[i]?.kind !== 'appended') return false;
      seen = true;
    }
    return seen;
  }

  /** Waits for the groups about the bucket, not for the node to be idle, which under load it never is. */
  private reportStops(): void {
    for (const [bucket, stop] of this.stops) {
      if (stop.reported || bucket.appendsInFlight > 0 || this.releasedThrough < stop.until) continue;
      stop.reported = true;
      this.listener.bucketStopped(bucket, stop.outcome);
    }
  }
}

function errorOf(outcome: AppendOutcome): AnswerError {
  switch (outcome.kind) {
    case 'fenced':
      return { code: 'FENCED', message: 'another owner has taken this bucket' };
    case 'rolledBack':
      return { code: 'ROLLED_BACK', message: outcome.message };
    case 'refused':
      return { code: isErrorCode(outcome.code) ? outcome.code : 'JOURNAL_FAILED', message: outcome.message };
    case 'unknown':
      return { code: 'UNKNOWN_OUTCOME', message: outcome.message };
    default:
      return { code: 'UNKNOWN_OUTCOME', message: 'the log does not stand where this node left it' };
  }
}
