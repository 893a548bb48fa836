/**
 * The turn loop: takes what is ready, crosses into the sandbox once per tick, and gives what comes back to the output gate.
 *
 * T1  Jobs enter batches in the order in which they became ready, and within a batch those of one bucket do; commands of one
 *     actor therefore run in the order in which they were submitted, behind the activation that they need.
 * T2  A command may run before the one in front of it is durable; its answer leaves through the output gate.
 * T3  At most `batchesInFlightMax` batches are in the sandbox.
 *     While commands are on their way, a batch that is small beside them waits for company, but not for long: a crossing, a
 *     commit, and a write to every connection cost nearly as much for ten commands as for a hundred.
 * T4  While the loop is held (a deployment, a rebuild), nothing enters the sandbox; commands wait.
 * T5  A batch is filled by what its turns are expected to cost (turn-costs.ts). Turns that cost much wait for the next one when it is full, in order,
 *     while others go on; and the next one begins with who waited. [Two hundred orders give their pieces back at once, each a turn of one
 *     inventory with ten thousand reservations, ten milliseconds each: whoever comes behind waits for two seconds.]
 */

import assert from 'node:assert/strict';

import { limits } from '../limits.ts';
import type { ResultReader, SandboxPool } from '../sandbox/sandbox.ts';
import { FORMAT_PROTO } from '../sandbox/sandbox.ts';
import { BatchWriter } from '../sandbox/batch.ts';
import { GONE } from './activation.ts';
import type { Bucket } from './bucket.ts';
import { BucketOrder } from './bucket-order.ts';
import type { Job } from './job.ts';
import { JOB_ACTIVATE, JOB_COMMAND, JOB_GET, JOB_NOTE, JOB_SNAPSHOT } from './job.ts';
import type { CommitGroup, OutputGate } from './output-gate.ts';
import type { Clock, Entropy, Scheduler } from './seams.ts';
import { TurnCosts } from './turn-costs.ts';
import { touchForAdmission, touchForResults } from './touch.ts';

/** What the loop asks of the engine. */
export interface TurnHost {
  /**
   * Last checks before a command, read or snapshot enters a batch (served type, key window, quarantine). False: it was taken
   * care of otherwise. What must be answered at once goes into `group`.
   */
  admit(job: Job, group: CommitGroup): boolean;
  /** A result arrived; results of one batch come in order. */
  took(job: Job, result: ResultReader, group: CommitGroup): void;
  /** A tick is over. */
  afterTick(): void;
  /** Commands and reads between their arrival and their answer. */
  readonly commandsWaiting: number;
}

/** The time of a bucket's next record: never before that of the one in front of it. */
function timeIn(bucket: Bucket, now: number): number {
  if (now > bucket.nowMs) bucket.nowMs = now;
  return bucket.nowMs;
}

/** No actor has it. */
const NO_HANDLE = 0;

/** So long a batch may be under way without its items having cost anything worth counting. */
const PASSAGE_MS = 1;

interface SentBatch {
  readonly id: number;
  readonly jobs: Job[];
  readonly sentAt: number;
  readonly expectedUs: number;
}

export class TurnLoop {
  private readonly pool: SandboxPool;
  private readonly gate: OutputGate;
  private readonly host: TurnHost;
  private readonly clock: Clock;
  private readonly entropy: Entropy;
  private readonly scheduler: Scheduler;

  private readonly writer = new BatchWriter();
  private readonly order = new BucketOrder();
  private ready: Job[] = [];
  private readyFrom = 0;
  readonly costs = new TurnCosts();
  /** Put off while a batch is built. */
  private readonly waitingForNext: Job[] = [];
  /** The bucket of the last message among them. */
  private bucketBehind: Bucket | null = null;
  private readonly inFlight: SentBatch[] = [];
  private readonly freeBatches: Job[][] = [];
  private nextBatchId = 1;
  /** Batches that were filled, also those of which nothing came. */
  private fills = 0;
  private scheduled = false;
  /** A timer runs out for what is ready. */
  private isWaiting = false;
  private waitedEnough = false;
  private lastResultsAt = 0;
  private holds = 0;
  private drained: (() => void)[] = [];
  private untilSample: number;
  private readonly sampleOneIn: number;
  /** See touch.ts. */
  touched = 0;
  batchesSent = 0;
  itemsSent = 0;

  constructor(
    pool: SandboxPool,
    gate: OutputGate,
    host: TurnHost,
    clock: Clock,
    entropy: Entropy,
    scheduler: Scheduler,
    sampleOneIn: number,
  ) {
    this.pool = pool;
    this.gate = gate;
    this.host = host;
    this.clock = clock;
    this.entropy = entropy;
    this.scheduler = scheduler;
    this.sampleOneIn = this.untilSample = sampleOneIn;
    pool.onResults = (results) => this.onResults(results);
  }

  get jobsReady(): number {
    return this.ready.length - this.readyFrom;
  }

  push(job: Job): void {
    this.ready.push(job);
    this.schedule();
  }

  schedule(): void {
    if (this.scheduled || this.holds > 0) return;
    if (this.inFlight.length >= limits.batchesInFlightMax) return;
    this.scheduled = true;
    this.scheduler.soon(this.run);
  }

  /** A group of answers has left: what is ready may be worth a batch now. */
  released(): void {
    if (this.jobsReady > 0) this.schedule();
  }

  /** Whether what is ready is little beside what is on its way. */
  private get isSmall(): boolean {
    if (this.inFlight.length === 0 && this.gate.groupsInFlight === 0) return false;
    return this.jobsReady * 100 < this.host.commandsWaiting * limits.batchSharePercentMin;
  }

  private waitForCompany(): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    const sent = this.batchesSent;
    this.scheduler.later(limits.batchHoldMaxMs, () => {
      this.isWaiting = false;
      if (this.jobsReady === 0) return;
      // What is ready now came behind a batch that was sent meanwhile.
      this.waitedEnough = sent === this.batchesSent;
      this.schedule();
    });
  }

  /** Lets nothing in until `resume`; holds nest (T4). */
  hold(): void {
    this.holds++;
  }

  resume(): void {
    assert(this.holds > 0);
    this.holds--;
    if (this.jobsReady > 0) this.schedule();
  }

  /** Resolves when no batch is in the sandbox. Hold first. */
  async drain(): Promise<void> {
    if (this.inFlight.length === 0) return;
    await new Promise<void>((resolve) => this.drained.push(resolve));
  }

  /** The sandbox is gone: gives back what it had not answered, batch by batch, and then what was ready. */
  abandon(): { unanswered: Job[][]; ready: Job[] } {
    const unanswered = this.inFlight.map((batch) => batch.jobs);
    this.inFlight.length = 0;
    const ready = this.ready.slice(this.readyFrom);
    this.ready = [];
    this.readyFrom = 0;
    this.wakeDrained();
    return { unanswered, ready };
  }

  /** Takes the requests out of the queue that `which` names. */
  takeOut(which: (job: Job) => boolean): Job[] {
    const taken: Job[] = [];
    const left: Job[] = [];
    for (const job of this.ready.slice(this.readyFrom)) (which(job) ? taken : left).push(job);
    this.ready = left;
    this.readyFrom = 0;
    return taken;
  }

  private readonly run = (): void => {
    this.scheduled = false;
    if (this.holds > 0) return;
    if (this.isSmall && !this.waitedEnough) {
      this.waitForCompany();
      return;
    }
    this.waitedEnough = false;
    while (this.jobsReady > 0 && this.inFlight.length < limits.batchesInFlightMax) {
      if (!this.sendBatch()) break;
    }
    this.host.afterTick();
  };

  /** Builds and sends one batch; false when nothing may be sent now. */
  private sendBatch(): boolean {
    const group = this.gate.take();
    const jobs = this.freeBatches.pop() ?? [];
    const { writer, ready } = this;
    const now = this.clock.now();
    writer.begin(this.nextBatchId, this.pool.generation);
    const readyTo = Math.min(ready.length, this.readyFrom + limits.batchItemsMax);
    this.order.sort(ready, this.readyFrom, readyTo);
    this.touched = touchForAdmission(ready, this.readyFrom, readyTo);
    this.costs.begin();
    this.fills++;
    while (this.readyFrom < readyTo && writer.bytes < limits.batchBytesMax) {
      const job = ready[this.readyFrom]!;
      this.readyFrom++;
      if (this.putOff(job)) continue;
      if (!this.host.admit(job, group)) continue;
      this.write(job, now);
      jobs.push(job);
      this.costs.add(job);
      if (job.activation !== null && job.activation.stateBytes > writer.stateBytes) writer.stateBytes = job.activation.stateBytes;
    }
    this.putBack();
    this.compactReady();
    // What `admit` answered goes out in front of the batch, through the gate like everything else.
    this.gate.commit(group);
    if (jobs.length === 0) {
      this.freeBatches.push(jobs);
      return this.jobsReady > 0 && this.inFlight.length === 0;
    }
    this.inFlight.push({ id: this.nextBatchId++, jobs, sentAt: this.clock.monotonic(), expectedUs: this.costs.batchUs });
    this.batchesSent++;
    this.itemsSent += jobs.length;
    this.pool.send(writer);
    return true;
  }

  /** T5. What concerns an actor waits behind the first that does, and so do messages for its bucket: those of one channel have an order to keep. */
  private putOff(job: Job): boolean {
    const { activation, origin, bucket } = job;
    if (bucket === null) return false;
    const isBehind = activation !== null && activation.putOffIn === this.fills;
    const isMessageBehind = origin !== null && bucket === this.bucketBehind;
    if (!isBehind && !isMessageBehind && this.costs.hasRoomFor(job, bucket.id.index)) return false;
    if (activation !== null) activation.putOffIn = this.fills;
    if (origin !== null) this.bucketBehind = bucket;
    this.waitingForNext.push(job);
    return true;
  }

  /** In front of what is ready, where they stood. */
  private putBack(): void {
    const { waitingForNext, ready } = this;
    this.costs.end(waitingForNext);
    this.bucketBehind = null;
    if (waitingForNext.length === 0) return;
    this.readyFrom -= waitingForNext.length;
    for (const [i, job] of waitingForNext.entries()) ready[this.readyFrom + i] = job;
    waitingForNext.length = 0;
  }

  private write(job: Job, now: number): void {
    const { writer } = this;
    const activation = job.activation;
    switch (job.kind) {
      case JOB_COMMAND: {
        job.nowMs = timeIn(activation!.bucket, now);
        if (this.writeCulprit(job)) return;
        job.seedHi = this.entropy.next() | 0;
        job.seedLo = this.entropy.next() | 0;
        job.sampled = --this.untilSample <= 0;
        if (job.sampled) this.untilSample = this.sampleOneIn;
        const command = job.command!;
        activation!.inSandbox++;
        writer.decide(
          activation!.handle,
          job.version!.bundle.index,
          job.commandIndex,
          command.format,
          command.body,
          job.nowMs,
          job.seedHi,
          job.seedLo,
          command.principal,
          job.sampled,
          command.bodyFrom,
          command.bodyTo,
          job.origin?.firing?.(job) ?? null,
        );
        return;
      }
      case JOB_NOTE:
        job.nowMs = timeIn(job.bucket!, now);
        writer.drop(NO_HANDLE);
        return;
      case JOB_GET:
        if (this.writeCulprit(job)) return;
        activation!.inSandbox++;
        writer.read(activation!.handle, job.version!.bundle.index, job.get!.format);
        return;
      case JOB_SNAPSHOT:
        activation!.inSandbox++;
        job.stateBundle = activation!.stateBundle!;
        writer.read(activation!.handle, job.stateBundle.index, FORMAT_PROTO);
        return;
      default:
        if (activation !== null && activation.phase !== GONE) activation.inSandbox++;
        job.write!(writer);
    }
  }

  /**
   * Who may not enter keeps its place all the same, with an item that does nothing: recorded at once, its failure would
   * overtake what is in the sandbox, in the log, in the key window, and in recorded time.
   */
  private writeCulprit(job: Job): boolean {
    if (job.deaths < limits.suspicionMax && job.verdict === null) return false;
    job.activation!.inSandbox++;
    job.nowMs = job.activation!.bucket.nowMs;
    this.writer.drop(NO_HANDLE);
    return true;
  }

  private compactReady(): void {
    if (this.readyFrom === this.ready.length) {
      this.ready.length = 0;
      this.readyFrom = 0;
    } else if (this.readyFrom > 8_192) {
      this.ready = this.ready.slice(this.readyFrom);
      this.readyFrom = 0;
    }
  }

  private onResults(results: ResultReader): void {
    const batch = this.inFlight.shift();
    assert(batch !== undefined && batch.id === results.id, 'results come in the order of the batches');
    const group = this.gate.take();
    const shareUs = this.shareUs(batch);
    this.costs.took(batch.jobs, results.cpuUs, batch.expectedUs);
    this.touched = touchForResults(batch.jobs);
    for (const job of batch.jobs) {
      assert(results.next(), 'a result for every item');
      const { activation } = job;
      if (activation !== null) {
        if (activation.inSandbox > 0) activation.inSandbox--;
        if (job.kind === JOB_COMMAND || job.kind === JOB_ACTIVATE) activation.replayUs += shareUs;
      }
      this.host.took(job, results, group);
    }
    assert(!results.next(), 'no more results than items');
    batch.jobs.length = 0;
    this.freeBatches.push(batch.jobs);
    this.gate.commit(group);
    this.wakeDrained();
    if (this.jobsReady > 0) this.schedule();
  }

  /** What one item of the batch cost by the clock, the way to the sandbox and back left out. */
  private shareUs(batch: SentBatch): number {
    const now = this.clock.monotonic();
    const tookMs = now - Math.max(batch.sentAt, this.lastResultsAt);
    this.lastResultsAt = now;
    return Math.round((Math.max(0, tookMs - PASSAGE_MS) * 1_000) / batch.jobs.length);
  }

  private wakeDrained(): void {
    if (this.inFlight.length > 0 || this.drained.length === 0) return;
    const waiting = this.drained;
    this.drained = [];
    for (const wake of waiting) wake();
  }
}
