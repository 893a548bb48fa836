/**
 * The engine of one node: wires the parts together and follows a command from `submit` to its answer.
 *
 *   submit -> routing.ts (catalog, loader.ts) -> admission.ts -> turn-loop.ts -> sandbox -> turns.ts -> output-gate.ts -> answer
 *
 * E1  A command is answered exactly once, in a later turn of the event loop than `submit`.
 * E2  When the sandbox is lost, every activation is dropped, and nothing is activated before all appends in flight have
 *     settled: a state that is rebuilt from the durable log then holds every decision that will ever be durable. [An output
 *     being appended while the next batch kills the sandbox: the rebuilt state lacks it, then it lands, and the next
 *     decision spends twice.]
 * E3  A bucket whose append was not `appended` is opened again, under a new epoch, before its log is read. [A delayed
 *     append lands after its owner has read an empty log and decided anew.]
 * E4  A deployment happens between two turns: no batch is in the sandbox when the control records get their positions, so
 *     every decision in front of them is the old bundle's and every one behind them the new one's.
 */

import { hashText, parseAddress } from '../codec/address.ts';
import { RecordReader } from '../codec/record.ts';
import { TroupeError } from '../codec/errors.ts';
import type { AppendOutcome, Journal } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import type { ResultReader, SandboxPool, SampleMismatch } from '../sandbox/sandbox.ts';
import { STATUS_FAILED } from '../sandbox/sandbox.ts';
import { Activation, GONE } from './activation.ts';
import { Catalog } from './catalog.ts';
import { Admission } from './admission.ts';
import { openBuckets } from './bucket-fold.ts';
import { BucketRecovery } from './bucket-recovery.ts';
import type { Bucket } from './bucket.ts';
import type { BundleStore } from './bundles.ts';
import { Bundles } from './bundles.ts';
import { Calls } from './calls.ts';
import type { BundleChecks } from './deployments.ts';
import { Deployments } from './deployments.ts';
import { Duplicates } from './duplicates.ts';
import type { CommandRequest, Deployed, Engine, GetRequest, RecordView, ServedBehavior, Watch, WatchRequest } from './engine.ts';
import type { EngineLimits } from './engine-limits.ts';
import { engineLimits } from './engine-limits.ts';
import { JOB_ACTIVATE, JOB_CALL, JOB_COMMAND, JOB_GET, JOB_SNAPSHOT, Job } from './job.ts';
import { KeySlab } from './key-slab.ts';
import { Loader } from './loader.ts';
import { Losses } from './losses.ts';
import type { CommitGroup, GateListener } from './output-gate.ts';
import { OutputGate } from './output-gate.ts';
import { Passivation } from './passivation.ts';
import { viewRecords } from './record-view.ts';
import { Routing } from './routing.ts';
import type { Clock, Entropy, Log, Scheduler } from './seams.ts';
import { encodeCheckpoint, encodeSnapshot } from './snapshots.ts';
import { Strikes } from './strikes.ts';
import type { TurnHost } from './turn-loop.ts';
import { TurnLoop } from './turn-loop.ts';
import { Trials } from './trials.ts';
import { Turns, loadErrorOf } from './turns.ts';
import { WatchRegistry } from './watch-registry.ts';
import { openWatch } from './watch-open.ts';

export interface EngineParts {
  readonly journal: Journal;
  readonly pool: SandboxPool;
  readonly store: BundleStore;
  readonly checks: BundleChecks;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly namespace?: string;
  readonly bucketBits?: number;
  readonly limits?: Partial<EngineLimits>;
}

export interface EngineStat {
  readonly activations: number;
  readonly stateBytes: number;
  readonly commandsWaiting: number;
  readonly commandBytesWaiting: number;
  readonly commandsAnswered: number;
  readonly duplicatesAnswered: number;
  readonly activationsLoaded: number;
  readonly passivations: number;
  readonly snapshots: number;
  readonly rebuilds: number;
  readonly batches: number;
  readonly items: number;
  readonly groupsInFlight: number;
}

export class NodeEngine implements Engine, TurnHost, GateListener {
  private readonly parts: EngineParts;
  private readonly catalog: Catalog;
  private readonly watches = new WatchRegistry();
  private readonly gate: OutputGate;
  private readonly loop: TurnLoop;
  private readonly turns: Turns;
  private readonly bundles: Bundles;
  private readonly calls: Calls;
  private readonly loader: Loader;
  private readonly passivation: Passivation;
  private readonly buckets: Bucket[] = [];
  private readonly routing: Routing;
  private readonly admission: Admission;
  private readonly losses: Losses;
  private readonly strikes: Strikes;
  private readonly recovery: BucketRecovery;
  private readonly deployments: Deployments;
  private commandsAnswered = 0;
  private state: string | null = 'starting';
  private touched: Activation[] = [];

  constructor(parts: EngineParts) {
    this.parts = parts;
    const { journal, pool, store, checks, clock, entropy, scheduler, log } = parts;
    const bucketBits = parts.bucketBits ?? limits.bucketBits;
    const limitsInForce = engineLimits(parts.limits);
    this.catalog = new Catalog(limitsInForce.activationsMax, limitsInForce.stateBytesResidentMax);
    const { buckets, catalog, watches } = this;
    this.gate = new OutputGate(journal, this);
    this.loop = new TurnLoop(pool, this.gate, this, clock, entropy, scheduler, limitsInForce.sampleOneIn);
    this.turns = new Turns(parts.namespace ?? 'main');
    this.bundles = new Bundles(store, pool);
    this.calls = new Calls((job) => this.loop.push(job));
    this.loader = new Loader(journal, this.bundles);
    this.passivation = new Passivation(catalog, this.loop, limitsInForce);
    const { gate, loop, turns, bundles, loader } = this;
    this.strikes = new Strikes(turns, buckets, log);
    const duplicates = new Duplicates(journal, bundles, this.calls, limitsInForce.keyAgeMaxMs);
    const trials = new Trials({ pool, bundles, clock, entropy });
    this.routing = new Routing({
      slab: new KeySlab(),
      limits: limitsInForce,
      trials,
      buckets, bucketBits, catalog, bundles, loader, loop, watches, scheduler, log,
    });
    const { routing } = this;
    this.admission = new Admission({ bundles, routing, duplicates, clock, again: (job) => loop.push(job) });
    this.losses = new Losses({ loop, gate, routing, catalog, trials, log });
    this.deployments = new Deployments({ bundles, store, checks, pool, buckets, loop, gate, turns, clock, log });
    const { deployments } = this;
    this.recovery = new BucketRecovery({ journal, catalog, gate, routing, loop, deployments, watches, scheduler, log });
    pool.onLost = (loss) => {
      void this.losses.onLost(loss);
    };
    pool.onMismatch = (mismatch) => this.mismatch(mismatch);
    journal.onCheckpointWanted = () => scheduler.soon(() => this.checkpoint());
  }

  /** Opens the buckets and puts the bundles in service that were. The journal and the pool have been started. */
  async start(): Promise<void> {
    const { journal, bucketBits } = this.parts;
    this.buckets.push(...(await openBuckets(journal, bucketBits ?? limits.bucketBits)));
    await this.deployments.restore();
    this.state = null;
    this.routing.refusal = null;
    this.checkpoint();
  }

  submit(request: CommandRequest): void {
    this.routing.submit(new Job(JOB_COMMAND, null, request));
  }

  get(request: GetRequest): void {
    const job = new Job(JOB_GET, null);
    job.get = request;
    this.routing.submit(job);
  }

  watch(request: WatchRequest): Watch {
    const { journal } = this.parts;
    const { bundles, calls, watches, catalog } = this;
    return openWatch(request, {
      journal, bundles, calls, watches, catalog,
      bucketOf: (address) => this.routing.bucketOf(address).id,
      get: (get) => this.get(get),
    });
  }

  deploy(content: Buffer): Promise<Deployed> {
    if (this.state !== null) return Promise.reject(new TroupeError('NOT_READY', `the node is ${this.state}`));
    return this.deployments.deploy(content);
  }

  behaviors(): readonly ServedBehavior[] {
    return this.deployments.behaviors();
  }

  async records(actor: string, fromSeq: number, recordsMax: number): Promise<readonly RecordView[]> {
    const address = parseAddress(actor);
    const bucket = this.routing.bucketOf(address);
    const stored = await this.parts.journal.readActorRecords(bucket.id, actor, hashText(actor));
    const views = await viewRecords(selectFrom(stored, fromSeq, recordsMax), this.bundles, this.calls);
    return views;
  }

  notReady(): string | null {
    return this.state;
  }

  stat(): EngineStat {
    return {
      activations: this.catalog.size,
      stateBytes: this.catalog.stateBytes,
      commandsWaiting: this.routing.waiting,
      commandBytesWaiting: this.routing.waitingBytes,
      commandsAnswered: this.commandsAnswered,
      duplicatesAnswered: this.admission.duplicatesAnswered,
      activationsLoaded: this.routing.loads,
      passivations: this.passivation.passivations,
      snapshots: this.passivation.snapshots,
      rebuilds: this.losses.rebuilds,
      batches: this.loop.batchesSent,
      items: this.loop.itemsSent,
      groupsInFlight: this.gate.groupsInFlight,
    };
  }

  /** Refuses new commands, waits until those that are here are answered. */
  async close(): Promise<void> {
    this.state = 'stopping';
    this.routing.refusal = { code: 'NOT_READY', message: 'the node is stopping' };
    this.recovery.stopping = true;
    while (this.routing.waiting > 0 || this.gate.groupsInFlight > 0) {
      await new Promise<void>((resolve) => this.parts.scheduler.later(5, resolve));
    }
  }

  // TurnHost

  admit(job: Job, group: CommitGroup): boolean {
    return this.admission.admit(job, group);
  }

  took(job: Job, result: ResultReader, group: CommitGroup): void {
    if (job.kind === JOB_CALL) {
      job.took!(result);
      return;
    }
    const { activation } = job;
    if (activation === null) return;
    const request = job.kind === JOB_COMMAND || job.kind === JOB_GET;
    if (request && activation.bucket.stopped) {
      // What it saw may not exist, and nothing may follow an append that failed: it runs again on the log as it stands (E3).
      activation.bucket.held.push(job);
      return;
    }
    if (activation.phase === GONE && activation.loadError === null) {
      if (request) this.routing.reroute(job);
      return;
    }
    if (request && job.deaths >= limits.suspicionMax) {
      this.tookCulprit(job, activation, group);
      return;
    }
    switch (job.kind) {
      case JOB_COMMAND:
        this.tookCommand(job, activation, result, group);
        return;
      case JOB_GET:
        this.turns.get(job, result, group);
        return;
      case JOB_ACTIVATE:
        this.tookActivate(activation, result);
        return;
      case JOB_SNAPSHOT:
        this.tookSnapshot(job, activation, result, group);
    }
  }

  get commandsWaiting(): number {
    return this.routing.waiting;
  }

  afterTick(): void {
    this.passivation.afterTick();
    if (this.passivation.sweeping) this.loop.schedule();
  }

  // GateListener

  answer(job: Job, arena: Buffer): void {
    this.commandsAnswered++;
    const { activation } = job;
    if (activation !== null && activation.watchers !== null) this.touched.push(activation);
    this.routing.answer(job, arena);
  }

  groupReleased(): void {
    this.loop.released();
    if (this.passivation.overfull) this.loop.schedule();
    if (this.touched.length === 0) return;
    const touched = this.touched;
    this.touched = [];
    for (const activation of touched) {
      for (const pump of activation.watchers ?? []) pump.wake();
    }
  }

  bucketStopped(bucket: Bucket, outcome: AppendOutcome): void {
    void this.recovery.reopen(bucket, outcome);
  }

  private tookCommand(job: Job, activation: Activation, result: ResultReader, group: CommitGroup): void {
    this.turns.command(job, job.version!, result, group);
    const failed = result.status === STATUS_FAILED;
    if (!failed) this.catalog.resize(activation, result.stateBytes);
    if (job.sampled) this.sample(job, activation, result);
    this.passivation.recorded(activation);
    if (activation.joiners !== null) this.admission.ended(job, !failed, group);
  }

  /** What may not enter the sandbox has come to its turn. */
  private tookCulprit(job: Job, activation: Activation, group: CommitGroup): void {
    if (activation.loadError !== null) {
      job.error = loadErrorOf(activation);
      group.jobs.push(job);
    } else if (job.kind === JOB_GET) this.strikes.refuse(job, group);
    else {
      this.strikes.fail(job, group);
      if (activation.joiners !== null) this.admission.ended(job, true, group);
    }
  }

  private tookActivate(activation: Activation, result: ResultReader): void {
    if (result.status !== STATUS_FAILED) {
      this.catalog.resize(activation, result.stateBytes);
      return;
    }
    const { code, message, location } = result.error ?? { code: 'INTERNAL', message: 'activation failed', location: '' };
    activation.loadError = { code, message: location === '' ? message : `${message} (${location})` };
    this.parts.log.error({ actor: activation.address, code, location }, 'cannot fold the history');
    // The commands behind it in this batch get this error; the next one tries again.
    this.catalog.remove(activation);
  }

  private tookSnapshot(job: Job, activation: Activation, result: ResultReader, group: CommitGroup): void {
    // A command in front of it may have carried the state to another bundle than the one that encoded it here.
    const stale = job.stateBundle !== activation.stateBundle;
    if (result.status === STATUS_FAILED || stale || activation.bucket.stopped || activation.recordsSinceSnapshot === 0) {
      activation.snapshotOnItsWay = false;
      return;
    }
    const state = result.bodyFrom < 0 ? NO_BYTES : result.buffer.subarray(result.bodyFrom, result.bodyTo);
    group.snapshots.push({
      activation,
      put: encodeSnapshot(activation, state),
      records: activation.recordsSinceSnapshot,
      replayUs: activation.replayUs,
    });
  }

  private sample(job: Job, activation: Activation, result: ResultReader): void {
    if (result.status === STATUS_FAILED || result.migratedFrom >= 0) return;
    const { payloadFrom, payloadTo } = this.turns;
    const { buffer, stateBeforeFrom, stateBeforeTo, tailFrom, tailTo } = result;
    this.parts.pool.sample({
      bundle: job.version!.bundle.index,
      type: activation.type,
      id: activation.id,
      stateBefore: stateBeforeFrom < 0 ? null : Buffer.from(buffer.subarray(stateBeforeFrom, stateBeforeTo)),
      command: job.commandIndex,
      body: Buffer.from(buffer.subarray(payloadFrom, payloadTo)),
      nowMs: job.nowMs,
      seedHi: job.seedHi,
      seedLo: job.seedLo,
      caller: job.command!.principal,
      status: result.status,
      tail: tailFrom < 0 ? NO_BYTES : Buffer.from(buffer.subarray(tailFrom, tailTo)),
    });
  }

  private mismatch({ sample, again }: SampleMismatch): void {
    this.parts.log.error(
      { actor: `${sample.type}:${sample.id}`, status: sample.status, again: again.status },
      'a decision gave another result when it was run again: the behaviour is not deterministic',
    );
  }

  /** Bucket checkpoints now, actor snapshots over the next ticks. */
  private checkpoint(): void {
    const group = this.gate.take();
    for (const bucket of this.buckets) if (!bucket.stopped) group.checkpoints.push(encodeCheckpoint(bucket));
    this.gate.commit(group);
    this.passivation.checkpoint();
    this.loop.schedule();
  }
}

const NO_BYTES = Buffer.alloc(0);

/** Records from the first that holds an event with seq >= `fromSeq` on. */
function selectFrom(stored: Awaited<ReturnType<Journal['readActorRecords']>>, fromSeq: number, recordsMax: number): typeof stored {
  if (fromSeq <= 1) return stored.slice(0, recordsMax);
  const reader = new RecordReader();
  const first = stored.findIndex(({ bytes }) => {
    const record = reader.over(bytes);
    return record.firstSeq + record.events > fromSeq;
  });
  return first < 0 ? [] : stored.slice(first, first + recordsMax);
}
