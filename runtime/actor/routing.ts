/**
 * Routing: from an address to a resident actor. Takes commands and reads in, finds or makes the activation, lets them wait
 * while its history is read, and bounds how much may wait.
 */

import type { ActorAddress } from '../codec/address.ts';
import { bucketIndex, hashText, parseAddress, shardKey, splitAddress } from '../codec/address.ts';
import { TroupeError } from '../codec/errors.ts';
import { limits } from '../limits.ts';
import { Activation, GONE, LOADING, RESIDENT } from './activation.ts';
import { answerErrorOf } from './answer-error.ts';
import type { Catalog } from './catalog.ts';
import type { Bucket } from './bucket.ts';
import type { Bundles } from './bundles.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { AnswerError, Elsewhere, LogPlace } from './engine.ts';
import { JOB_ACTIVATE, JOB_COMMAND, JOB_GET, JOB_NOTE, Job } from './job.ts';
import type { KeySlab } from './key-slab.ts';
import { KeyWindow } from './keys.ts';
import type { ActivationPlan, Loader } from './loader.ts';
import type { LogPlaces } from './log-places.ts';
import { Mailboxes } from './mailbox.ts';
import { Proofs } from './proofs.ts';
import type { Log, Scheduler } from './seams.ts';
import type { Trials } from './trials.ts';
import type { TurnLoop } from './turn-loop.ts';
import { unknownTypeError } from './unknown-names.ts';
import type { WatchRegistry } from './watch-registry.ts';

export interface RoutingParts {
  readonly slab: KeySlab;
  readonly buckets: readonly Bucket[];
  readonly bucketBits: number;
  readonly limits: EngineLimits;
  readonly catalog: Catalog;
  readonly bundles: Bundles;
  readonly loader: Loader;
  readonly loop: TurnLoop;
  readonly watches: WatchRegistry;
  readonly trials: Trials;
  readonly elsewhere: Elsewhere | null;
  readonly places: Pick<LogPlaces, 'firstTryMs' | 'at'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

export class Routing {
  private readonly parts: RoutingParts;
  private readonly proofs: Proofs;
  private readonly mailboxes: Mailboxes;
  private nextHandle = 1;
  private submitted = 0;
  private holds = 0;
  private held: Job[] = [];
  private failures: { job: Job; error: AnswerError }[] = [];
  /** Commands and reads between `submit` and their answer, and the bytes of their bodies. */
  waiting = 0;
  waitingBytes = 0;
  loads = 0;
  /** Set while the node cannot take requests. */
  refusal: AnswerError | null = { code: 'NOT_READY', message: 'the node is starting' };

  constructor(parts: RoutingParts) {
    this.parts = parts;
    this.mailboxes = new Mailboxes(parts.limits.keysPerActorMax, (job) => parts.loop.push(job));
    this.proofs = new Proofs(parts.loader, parts.trials, parts.slab, parts.limits.keysPerActorMax);
  }

  /** Takes a new job in, or refuses it. */
  submit(job: Job): void {
    const bytes = bytesOf(job);
    const error = this.refusal ?? this.overload(bytes);
    const { command } = job;
    if (command !== null && command.key !== '') job.firstTryMs = this.parts.places.firstTryMs(command);
    job.order = ++this.submitted;
    this.waiting++;
    this.waitingBytes += bytes;
    if (error !== null) this.failSoon(job, error);
    else this.route(job);
  }

  /** Hands a job its answer. What the receiver throws is the receiver's defect, and must not keep the others from theirs. */
  answer(job: Job, arena: Buffer): void {
    try {
      job.deliver(arena);
    } catch (error) {
      this.parts.log.error({ err: error }, 'an answer was not taken');
    }
    if (job.kind !== JOB_COMMAND && job.kind !== JOB_GET) return;
    this.waiting--;
    this.waitingBytes -= bytesOf(job);
    const { activation } = job;
    if (activation !== null && this.mailboxes.left(activation, job) && activation.phase === RESIDENT) this.mailboxes.goOn(activation);
  }

  /**
   * Brings a job to its actor: behind the commands that are already there. While the bucket is stopped nothing is activated: a
   * history that is read before the new epoch is taken may still grow behind the reader's back (E3).
   */
  route(job: Job): void {
    if (this.holds > 0) {
      this.held.push(job);
      return;
    }
    const address = job.command !== null ? job.command.to : job.get!.to;
    const { catalog } = this.parts;
    let activation = catalog.at(address);
    if (activation === undefined) {
      try {
        const parsed = parseAddress(address.text);
        const bucket = this.bucketOf(parsed);
        if (bucket.isHeld) {
          this.waitAt(bucket, job);
          return;
        }
        activation = this.activate(address.text, parsed, bucket);
      } catch (error) {
        if (!(error instanceof TroupeError)) throw error;
        this.failSoon(job, { code: error.code, message: error.message });
        return;
      }
    } else if (activation.waiting >= this.parts.limits.mailboxLengthMax) {
      this.failSoon(job, { code: 'MAILBOX_FULL', message: `${activation.waiting} commands wait for ${address.text}` });
      return;
    }
    if (activation.bucket.channels.backlog > limits.messagesBehindMax && job.command !== null) {
      this.failSoon(job, { code: 'OVERLOADED', message: `${activation.bucket.channels.backlog} messages of actors like ${address.text} are not delivered yet` });
      return;
    }
    job.activation = activation;
    activation.waiting++;
    if (activation.bucket.isHeld) {
      this.waitAt(activation.bucket, job);
      return;
    }
    if (job.arrivedAt < 0) job.arrivedAt = activation.bucket.durablePosition;
    catalog.use(activation);
    if (activation.poisoned) job.deaths = limits.suspicionMax;
    this.mailboxes.enter(activation, job);
  }

  /** Takes a job that was on its way through the sandbox back to the start. */
  reroute(job: Job): void {
    this.detach(job);
    this.route(job);
  }

  /** Gives a request back whose bucket is not this node's: it is answered by whoever takes it (O2 of ownership.ts). */
  handOver(job: Job, bucket: Bucket): void {
    this.detach(job);
    const { elsewhere } = this.parts;
    if (elsewhere === null) {
      this.failSoon(job, { code: 'NOT_OWNER', message: 'this node does not own the actor' });
      return;
    }
    this.waiting--;
    this.waitingBytes -= bytesOf(job);
    if (job.command !== null) elsewhere.command(job.command, this.sinceOf(job, bucket));
    else elsewhere.get(job.get!);
  }

  /** From where on another try of the job may have been recorded: since it came, or since before, if it came late. Null when this node does not know. */
  private sinceOf({ arrivedAt, firstTryMs }: Job, { id, incarnation, durablePosition }: Bucket): LogPlace | null {
    if (firstTryMs !== undefined) return this.parts.places.at(id.index, firstTryMs) ?? null;
    if (durablePosition === 0) return null;
    return { incarnation, position: (arrivedAt < 0 ? durablePosition : Math.min(arrivedAt, durablePosition)) + 1 };
  }

  // What no client has sent. Nothing of it waits here: whoever has sent it in does so again.

  get isHeld(): boolean {
    return this.holds > 0 || this.refusal !== null;
  }

  soon(task: () => void): void {
    this.parts.scheduler.soon(task);
  }

  /** See MessageRouting. */
  enter(job: Job): boolean {
    const origin = job.origin!;
    if (this.isHeld || origin.bucket.isHeld) return false;
    this.waiting++;
    if (job.kind !== JOB_NOTE) {
      const { to } = job.command!;
      try {
        const activation = this.parts.catalog.at(to) ?? this.activate(to.text, parseAddress(to.text), origin.bucket);
        job.activation = activation;
        activation.waiting++;
        this.parts.catalog.use(activation);
        if (activation.poisoned) job.deaths = limits.suspicionMax;
        if (activation.phase === LOADING) {
          activation.wait(job);
          return true;
        }
        if (job.deaths > 0 && job.deaths < limits.suspicionMax) {
          void this.prove(job, activation);
          return true;
        }
      } catch (error) {
        this.leave(job);
        this.refuse(job, error);
        return true;
      }
    }
    this.parts.loop.push(job);
    origin.entered(job);
    return true;
  }

  private async prove(job: Job, activation: Activation): Promise<void> {
    const failure: unknown = await this.proofs.examine(job, activation).then(() => null, (error: unknown) => error);
    const isGone = activation.phase === GONE || activation.bucket.isHeld || this.isHeld;
    if (isGone || failure !== null) {
      this.leave(job);
      if (isGone) job.origin!.lost(job);
      else this.refuse(job, failure);
      return;
    }
    this.parts.loop.push(job);
    job.origin!.entered(job);
  }

  /** See MessageRouting. */
  warm(address: string, bucket: Bucket): void {
    if (this.parts.catalog.find(address) !== undefined || !this.hasRoomAhead) return;
    const { type, id } = splitAddress(address);
    if (this.parts.bundles.served.has(type)) this.activate(address, { type, id }, bucket);
  }

  /**
   * Also a full node reads some ahead, or each message to somebody who is not in memory would wait for a history of its own. They go last,
   * so that there must be few beside all others: those that left before their message came would be read twice.
   */
  private get hasRoomAhead(): boolean {
    const { catalog } = this.parts;
    const { activationsMax } = this.parts.limits;
    return catalog.size < activationsMax || catalog.unused < Math.min(limits.actorsReadAheadMax, activationsMax / 4);
  }

  /** A job that no client has sent is through, or taken back. */
  leave(job: Job): void {
    this.waiting--;
    if (job.activation !== null) job.activation.waiting--;
  }

  /** Its actor cannot be brought into memory. */
  private refuse(job: Job, error: unknown): void {
    const { code, message } = answerErrorOf(error);
    const isLasting = error instanceof TroupeError && !error.retryable;
    job.activation = null;
    if (isLasting) job.origin!.refused(job, code, message);
    else this.parts.scheduler.later(limits.messageRetryMs, () => job.origin!.lost(job));
  }

  private waitAt(bucket: Bucket, job: Job): void {
    if (!bucket.owned) this.handOver(job, bucket);
    else if (bucket.refusal !== null) this.failSoon(job, bucket.refusal);
    else bucket.held.push(job);
  }

  private detach(job: Job): void {
    if (job.activation !== null) this.mailboxes.left(job.activation, job);
    job.activation = null;
    job.keySlot = -1;
    job.error = null;
    job.isAgain = job.arrivedAt >= 0;
    if (job.isSearched) job.isSearched = false;
  }

  /** Lets nobody through until `release`; holds nest. */
  hold(): void {
    this.holds++;
  }

  /** Ends a hold. `again` was on its way already; it goes on with what was held, in the order in which it was submitted. */
  release(again: readonly Job[] = []): void {
    for (const job of again) this.detach(job);
    this.held = [...again, ...this.held];
    this.holds--;
    if (this.holds > 0) return;
    const held = this.held.sort(byOrder);
    this.held = [];
    for (const job of held) this.route(job);
  }

  /** Answers with an error in a later turn (E1). */
  failSoon(job: Job, error: AnswerError): void {
    this.failures.push({ job, error });
    if (this.failures.length > 1) return;
    this.parts.scheduler.soon(() => {
      const failures = this.failures;
      this.failures = [];
      for (const failure of failures) {
        failure.job.error = failure.error;
        this.answer(failure.job, NO_BYTES);
      }
    });
  }

  /** The bucket an address belongs to. */
  bucketOf(address: { readonly type: string; readonly id: string }): Bucket {
    return this.parts.buckets[bucketIndex(hashText(shardKey(address)), this.parts.bucketBits)]!;
  }

  private overload(bytes: number): AnswerError | null {
    if (this.waiting >= this.parts.limits.commandsWaitingMax) {
      return { code: 'OVERLOADED', message: `${this.waiting} commands wait on this node` };
    }
    if (this.waitingBytes + bytes > this.parts.limits.commandBytesWaitingMax) {
      return { code: 'OVERLOADED', message: `${this.waitingBytes} bytes of commands wait on this node` };
    }
    return null;
  }

  private activate(text: string, address: ActorAddress, bucket: Bucket): Activation {
    const { parts } = this;
    const served = parts.bundles.served.get(address.type);
    if (served === undefined) throw unknownTypeError(address.type, parts.bundles.served.keys());
    const shard = hashText(shardKey(address));
    const keys = new KeyWindow(parts.slab, parts.limits.keysPerActorMax);
    const activation = new Activation(text, served.type, hashText(text), shard, bucket, keys);
    activation.watchers = parts.watches.of(text);
    parts.catalog.add(activation);
    this.loads++;
    parts.loader.load(activation).then(
      (plan) => this.examined(activation, plan),
      (error: unknown) => this.loadFailed(activation, error),
    );
    return activation;
  }

  /** Suspects prove themselves before the actor enters the active sandbox. */
  private examined(activation: Activation, plan: ActivationPlan): void {
    // Earlier strikes are in the history: whatever this actor does next has to prove itself.
    if (activation.strikes > 0) for (const job of activation.mailbox) job.deaths ||= 1;
    if (activation.phase !== LOADING || activation.mailbox.every((job) => job.deaths === 0)) {
      this.loaded(activation, plan);
      return;
    }
    this.parts.trials.examine(activation, plan).then(
      () => this.loaded(activation, plan),
      (error: unknown) => this.loadFailed(activation, error),
    );
  }

  private loaded(activation: Activation, plan: ActivationPlan): void {
    // Dropped while its history was read: whoever dropped it took the mailbox along.
    if (activation.phase !== LOADING) return;
    const { loop } = this.parts;
    activation.phase = RESIDENT;
    activation.keysFrom = Math.min(activation.keys.oldest, activation.lastPosition + 1);
    activation.handle = this.nextHandle++;
    // The sandbox says it exactly; what waits is in front of the queue by then (T5 of the turn loop).
    this.parts.catalog.resize(activation, plan.stateBytes);
    if (!activation.poisoned) {
      const job = new Job(JOB_ACTIVATE, activation);
      job.write = plan.write;
      loop.push(job);
    }
    this.mailboxes.goOn(activation);
  }

  private loadFailed(activation: Activation, error: unknown): void {
    if (activation.phase !== LOADING) return;
    const { catalog, log } = this.parts;
    const answer = answerErrorOf(error);
    // What passes by itself is told by whoever caused it, once, and not for each actor that somebody asks for meanwhile.
    if (!(error instanceof TroupeError && error.retryable)) log.error({ actor: activation.address, code: answer.code, err: error }, 'cannot activate');
    catalog.remove(activation);
    for (const job of activation.takeMailbox()) {
      if (job.origin === null) this.failSoon(job, answer);
      else {
        this.leave(job);
        this.refuse(job, error);
      }
    }
  }
}

function bytesOf(job: Job): number {
  return job.command === null ? 0 : job.command.bodyTo - job.command.bodyFrom;
}

/** For sorting jobs into the order in which they were submitted. */
export function byOrder(a: Job, b: Job): number {
  return a.order - b.order;
}

const NO_BYTES = Buffer.alloc(0);
