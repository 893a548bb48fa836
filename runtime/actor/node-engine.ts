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

import { TroupeError } from '../codec/errors.ts';
import type { AppendOutcome, Journal } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import type { ResultReader, SandboxPool, SampleMismatch } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import { Catalog } from './catalog.ts';
import { Checkpoints } from './checkpoints.ts';
import { Admission } from './admission.ts';
import { newBuckets, openBuckets } from './bucket-fold.ts';
import { BucketJobs } from './bucket-jobs.ts';
import { BucketRecovery } from './bucket-recovery.ts';
import type { Bucket } from './bucket.ts';
import type { BundleStore } from './bundles.ts';
import { Bundles } from './bundles.ts';
import { Calls } from './calls.ts';
import { History } from './causes/history.ts';
import { Replay } from './causes/replay.ts';
import type { BundleChecks, PreparedBundle } from './deployments.ts';
import { Deployments } from './deployments.ts';
import { Duplicates } from './duplicates.ts';
import type { BucketStat, EngineStat, OwnedLog } from './engine-stat.ts';
import type { CommandRequest, Deployed, Elsewhere, Engine, GetRequest, RecordView, Routes, ServedBehavior, Watch, WatchRequest } from './engine.ts';
import type { EngineLimits } from './engine-limits.ts';
import { engineLimits } from './engine-limits.ts';
import { JOB_COMMAND, JOB_GET, Job } from './job.ts';
import { KeySlab } from './key-slab.ts';
import { LinkViews } from './links/link-views.ts';
import { Loader } from './loader.ts';
import { Losses } from './losses.ts';
import { LogPlaces } from './log-places.ts';
import { letterView } from './messages/letter-view.ts';
import { Messages } from './messages/messages.ts';
import type { Courier, SentRecord } from './messages/outbox.ts';
import type { CommitGroup, GateListener } from './output-gate.ts';
import { OutputGate } from './output-gate.ts';
import { Ownership } from './ownership.ts';
import { Passivation } from './passivation.ts';
import { viewRecords } from './record-view.ts';
import { Routing } from './routing.ts';
import type { Clock, Entropy, Log, Scheduler } from './seams.ts';
import { Strikes } from './strikes.ts';
import type { TurnHost } from './turn-loop.ts';
import { TurnResults } from './turn-results.ts';
import { TurnLoop } from './turn-loop.ts';
import { Trials } from './trials.ts';
import { Turns } from './turns.ts';
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
  /** Name of the node, for clients. */
  readonly node?: string;
  readonly bucketBits?: number;
  readonly limits?: Partial<EngineLimits>;
  /** In a cluster: the engine begins without buckets, takes over and hands over, and gives back what is not its own. */
  readonly elsewhere?: Elsewhere;
  /** In a cluster: takes messages to actors of other nodes. */
  readonly courier?: Courier;
  /** In a cluster: whether a bucket whose append failed should still be this node's. @throws when that cannot be known now */
  readonly isClaimed?: (index: number) => Promise<boolean>;
  /** In a cluster: with what other nodes tell of their buckets. */
  readonly places?: LogPlaces;
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
  private readonly checkpoints: Checkpoints;
  private readonly buckets: Bucket[] = [];
  private readonly results: TurnResults;
  private readonly routing: Routing;
  private readonly admission: Admission;
  private readonly losses: Losses;
  private readonly strikes: Strikes;
  private readonly recovery: BucketRecovery;
  private readonly deployments: Deployments;
  readonly ownership: Ownership;
  readonly messages: Messages;
  readonly links: LinkViews;
  readonly places: LogPlaces;
  readonly history: History;
  private ownPlace: { readonly node: string; readonly routes: Routes } | null = null;
  private commandsAnswered = 0;
  private bucketStops = 0;
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
    this.checkpoints = new Checkpoints(buckets, this.gate, scheduler);
    const { gate, loop, turns, bundles, loader } = this;
    this.strikes = new Strikes(turns, buckets, log);
    const duplicates = new Duplicates(journal, bundles, this.calls, limitsInForce.keyAgeMaxMs);
    const trials = new Trials({ pool, bundles, clock, entropy });
    this.places = parts.places ?? new LogPlaces(2 ** bucketBits, clock);
    const { places } = this;
    this.routing = new Routing({
      slab: new KeySlab(),
      limits: limitsInForce,
      trials,
      elsewhere: parts.elsewhere ?? null,
      buckets, bucketBits, catalog, bundles, loader, loop, watches, scheduler, log, places,
    });
    const { routing } = this;
    this.admission = new Admission({ bundles, routing, duplicates, clock, journal, places, again: (job) => loop.push(job), takeOut: (which) => loop.takeOut(which) });
    this.messages = new Messages({
      journal, buckets, bundles, routing, clock, scheduler, log,
      limits: limitsInForce,
      elsewhere: parts.courier ?? null,
      view: letterView(bundles, this.calls),
      viewRecords: (stored) => viewRecords(stored, bundles, this.calls),
    });
    const { messages } = this;
    this.links = new LinkViews({ journal, bucketOf: (address) => routing.bucketOf(address) });
    turns.messages.onBroadcast = (bucket) => messages.broadcasts.wake(bucket);
    turns.messages.onParked = (...parked) => messages.resumption.parked(...parked);
    this.losses = new Losses({ loop, gate, routing, catalog, trials, messages, log });
    const isListed = parts.elsewhere !== undefined;
    this.deployments = new Deployments({ bundles, store, checks, pool, buckets, loop, gate, turns, clock, log, isListed, changed: () => messages.resumption.servedChanged() });
    const { deployments } = this;
    const jobs = new BucketJobs(catalog, loop, routing);
    const isClaimed = parts.isClaimed ?? null;
    const giveUp = (bucket: Bucket, outcome: AppendOutcome): Promise<void> => this.ownership.fenced(bucket, outcome);
    this.recovery = new BucketRecovery({ journal, jobs, gate, routing, loop, deployments, watches, messages, isClaimed, giveUp, clock, scheduler, log });
    const { recovery, admission, strikes, passivation, calls } = this;
    const replay = new Replay(journal, bundles, trials);
    this.history = new History({ journal, buckets, bundles, calls, replay, bucketOf: (address) => routing.bucketOf(address) });
    this.ownership = new Ownership({ journal, buckets, jobs, gate, loop, routing, recovery, deployments, watches, messages, clock, scheduler, log });
    this.results = new TurnResults({ pool, routing, admission, turns, strikes, catalog, passivation, log });
    pool.onLost = (loss) => void this.losses.onLost(loss);
    pool.onMismatch = (mismatch) => this.mismatch(mismatch);
    journal.onCheckpointWanted = () => scheduler.soon(() => this.checkpoint());
  }

  /** Opens the buckets and puts the bundles in service that were; in a cluster it owns none yet. The journal and the pool have been started. */
  async start(): Promise<void> {
    const { journal, bucketBits } = this.parts;
    const bits = bucketBits ?? limits.bucketBits;
    if (this.parts.elsewhere === undefined) {
      this.buckets.push(...(await openBuckets(journal, bits)));
      await this.deployments.restore();
    } else {
      this.buckets.push(...newBuckets(bits));
    }
    this.state = null;
    this.routing.refusal = null;
    for (const bucket of this.buckets) if (!bucket.isHeld) this.messages.serves(bucket);
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
      bucketOf: (address) => this.routing.bucketOf(address),
      get: (get) => this.get(get),
    });
  }

  deploy(content: Buffer): Promise<Deployed> {
    if (this.state !== null) return Promise.reject(new TroupeError('NOT_READY', `the node is ${this.state}`));
    return this.deployments.deploy(content);
  }

  /** In a cluster a deployment has two halves: a bundle is checked by one node, and put in service by all. */
  prepare(content: Buffer): Promise<PreparedBundle> {
    return this.deployments.prepare(content);
  }

  putInService(bundle: string, types: readonly string[]): Promise<void> {
    return this.deployments.putInService(bundle, types);
  }

  /** Whether requests for the bucket are taken here: served, or held until it is open. */
  owns(index: number): boolean {
    return this.buckets[index]!.owned;
  }

  /** Under which the bucket is served; 0 while it is not. */
  epochOf(index: number): number {
    const bucket = this.buckets[index]!;
    return bucket.isHeld ? 0 : bucket.epoch;
  }

  ownedIndexes(): number[] {
    return this.buckets.filter(({ owned }) => owned).map(({ id }) => id.index);
  }

  behaviors(): readonly ServedBehavior[] {
    return this.deployments.behaviors();
  }

  async records(actor: string, fromSeq: number, recordsMax: number, areChangesWanted = false): Promise<readonly RecordView[]> {
    return this.history.records(actor, fromSeq, recordsMax, areChangesWanted);
  }

  notReady(): string | null {
    return this.state;
  }

  /** As of a node by itself: it owns everything, and whoever asks has found it already. */
  place(): { readonly node: string; readonly routes: Routes } {
    return (this.ownPlace ??= ownPlace(this.parts.node ?? '', this.buckets.length));
  }

  stat(): EngineStat {
    return {
      activations: this.catalog.size,
      stateBytes: this.catalog.stateBytes,
      commandsWaiting: this.routing.waiting,
      commandBytesWaiting: this.routing.waitingBytes,
      commandsAnswered: this.commandsAnswered,
      duplicatesAnswered: this.admission.duplicatesAnswered,
      triesSearched: this.admission.tried.searched,
      activationsLoaded: this.routing.loads,
      passivations: this.passivation.passivations,
      snapshots: this.passivation.snapshots,
      rebuilds: this.losses.rebuilds,
      batches: this.loop.batchesSent,
      items: this.loop.itemsSent,
      groupsInFlight: this.gate.groupsInFlight,
      bucketStops: this.bucketStops,
      messages: this.messages.stat(),
    };
  }

  /** The buckets of this node by ascending index. Read from where their logs stand: turns count nothing for it. */
  bucketStats(): BucketStat[] {
    const { journal } = this.parts;
    return this.buckets.filter(({ owned }) => owned).map(({ id, epoch, durablePosition, refusal, messageCounts }) => ({
      index: id.index, epoch,
      position: durablePosition,
      refused: refusal?.code ?? null,
      ...messageCounts,
      ...journal.sizesOf?.(id),
    }));
  }

  /** Notes how far the logs have come, for those who ask later; to be called every second or so. Answers those of this node. */
  notePlaces(): OwnedLog[] {
    const owned = this.buckets.filter(({ isHeld }) => !isHeld).map(({ id, incarnation, durablePosition }) => ({ index: id.index, place: { incarnation, position: durablePosition + 1 } }));
    for (const { index, place } of owned) this.places.learn(index, place);
    this.places.note();
    this.admission.tried.forgetUnused();
    return owned;
  }

  /** How many actors of each bucket are in memory, by index. Walks over all of them. */
  actorsByBucket(): Uint32Array {
    const counts = new Uint32Array(this.buckets.length);
    for (const { bucket } of this.catalog.all()) counts[bucket.id.index]!++;
    return counts;
  }

  /** Refuses new commands, waits until those that are here are answered. */
  async close(): Promise<void> {
    this.state = 'stopping';
    this.routing.refusal = { code: 'NOT_READY', message: 'the node is stopping' };
    this.recovery.stopping = true;
    this.messages.timers.stop();
    while (this.routing.waiting > 0 || this.gate.groupsInFlight > 0) {
      await new Promise<void>((resolve) => this.parts.scheduler.later(5, resolve));
    }
  }

  // TurnHost

  admit(job: Job, group: CommitGroup): boolean {
    return this.admission.admit(job, group);
  }

  took(job: Job, result: ResultReader, group: CommitGroup): void {
    this.results.took(job, result, group);
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

  sent(record: SentRecord): void {
    this.messages.sent(record);
  }

  groupReleased(group: CommitGroup): void {
    this.messages.timers.released(group);
    this.loop.released();
    if (this.passivation.overfull) this.loop.schedule();
    for (const record of group.watched) this.watches.offer(record, group);
    if (this.touched.length === 0) return;
    const touched = this.touched;
    this.touched = [];
    for (const activation of touched) {
      for (const pump of activation.watchers ?? []) pump.answered();
    }
  }

  bucketStopped(bucket: Bucket, outcome: AppendOutcome): void {
    this.bucketStops++;
    this.messages.gone(bucket);
    if (outcome.kind === 'fenced' && this.parts.elsewhere !== undefined) void this.ownership.fenced(bucket, outcome);
    else void this.recovery.reopen(bucket, outcome);
  }

  private mismatch({ sample, again }: SampleMismatch): void {
    this.parts.log.error(
      { actor: `${sample.type}:${sample.id}`, status: sample.status, again: again.status },
      'a decision gave another result when it was run again: the behaviour is not deterministic',
    );
  }

  /** Bucket checkpoints now, as far as they are small, actor snapshots over the next ticks. */
  private checkpoint(): void {
    this.checkpoints.take();
    this.passivation.checkpoint();
    this.loop.schedule();
  }
}

function ownPlace(node: string, buckets: number): { readonly node: string; readonly routes: Routes } {
  return { node, routes: { version: 1, bits: Math.log2(buckets), nodes: [{ id: node, url: '' }], owners: new Int16Array(buckets) } };
}
