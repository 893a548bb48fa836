/** What stands in the engine's queues: one object per command, read or helper call, from `submit` to its answer. */

import type { ErrorCode } from '../codec/errors.ts';
import type { BatchWriter, ResultReader } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import type { Bucket } from './bucket.ts';
import type { LoadedBundleEntry, TypeVersion } from './bundles.ts';
import type { AnswerError, CommandRequest, GetRequest } from './engine.ts';
import type { Origin, Verdict } from './messages/origin.ts';

export const JOB_COMMAND = 0;
export const JOB_GET = 1;
/** Puts an actor into the sandbox. */
export const JOB_ACTIVATE = 2;
/** Reads a state for a snapshot. */
export const JOB_SNAPSHOT = 3;
/** Takes an actor out of the sandbox. */
export const JOB_DROP = 4;
/** A helper call without an actor: normalise, to JSON. */
export const JOB_CALL = 5;
/** A message that needs no actor: its verdict becomes a record when its turn comes. */
export const JOB_NOTE = 6;

export type JobKind =
  | typeof JOB_COMMAND
  | typeof JOB_GET
  | typeof JOB_ACTIVATE
  | typeof JOB_SNAPSHOT
  | typeof JOB_DROP
  | typeof JOB_CALL
  | typeof JOB_NOTE;

/** What hardly any command needs, kept apart: a hundred thousand jobs a second are made, filled and forgotten. */
class Rare {
  get: GetRequest | null = null;
  write: ((batch: BatchWriter) => void) | null = null;
  took: ((result: ResultReader | null) => void) | null = null;
  otherKeys: number[] | null = null;
  isSearched = false;
  isAgain = false;
  firstTryMs: number | undefined = undefined;
  acquittals = 0;
  strike: ErrorCode | null = null;
  stateBundle: LoadedBundleEntry | null = null;
  verdict: Verdict | null = null;
}

export class Job {
  readonly kind: JobKind;
  activation: Activation | null;
  /** JOB_COMMAND. */
  readonly command: CommandRequest | null;
  /** Who has sent it, unless a client has. */
  readonly origin: Origin | null;
  /** Its place among all that was submitted: what was taken back to the start goes on in this order. */
  order = 0;
  /** The type under the bundle that decides it. */
  version: TypeVersion | null = null;
  commandIndex = 0;
  nowMs = 0;
  seedHi = 0;
  seedLo = 0;
  /** Slot in the actor's key window; -1 without a key. A joiner has the slot of the command that it waits for. */
  keySlot = -1;
  /** How far its bucket's log had come when it came to its actor; -1 before. */
  arrivedAt = -1;
  /** It has a key and has left the mailbox, and is not answered (mailbox.ts). */
  isUnderWay = false;
  sampled = false;
  /** What it was expected to cost when it entered the batch. */
  expectedUs = 0;
  /** Points for deaths of the sandbox that may be this job's doing; above 0 it has to prove itself. See trials.ts. */
  deaths = 0;

  // The answer, from the turn until the output gate opens.
  seq = 0;
  error: AnswerError | null = null;
  /** Range in the commit group's arena. */
  bodyFrom = 0;
  bodyTo = 0;

  private rare: Rare | null = null;

  constructor(kind: JobKind, activation: Activation | null, command: CommandRequest | null = null, origin: Origin | null = null) {
    this.kind = kind;
    this.activation = activation;
    this.command = command;
    this.origin = origin;
  }

  /** JOB_GET. */
  get get(): GetRequest | null {
    return this.rare === null ? null : this.rare.get;
  }

  set get(get: GetRequest) {
    this.extra().get = get;
  }

  /** JOB_ACTIVATE, JOB_DROP, JOB_CALL: writes the item. */
  get write(): ((batch: BatchWriter) => void) | null {
    return this.rare === null ? null : this.rare.write;
  }

  set write(write: (batch: BatchWriter) => void) {
    this.extra().write = write;
  }

  /** JOB_CALL: takes the result; null when the sandbox could not run it. */
  get took(): ((result: ResultReader | null) => void) | null {
    return this.rare === null ? null : this.rare.took;
  }

  set took(took: (result: ResultReader | null) => void) {
    this.extra().took = took;
  }

  /** Positions that the window named, of another key with the same hash or of one that is too old (K1, K4). */
  get otherKeys(): readonly number[] | null {
    return this.rare === null ? null : this.rare.otherKeys;
  }

  addOtherKey(position: number): void {
    (this.extra().otherKeys ??= []).push(position);
  }

  /** The log was asked for an earlier try of it (tried-commands.ts). */
  get isSearched(): boolean {
    return this.rare !== null && this.rare.isSearched;
  }

  set isSearched(isSearched: boolean) {
    this.extra().isSearched = isSearched;
  }

  /** It came to its actor before, and was taken back to the start: the bucket has stopped, or is somebody else's. */
  get isAgain(): boolean {
    return this.rare !== null && this.rare.isAgain;
  }

  set isAgain(isAgain: boolean) {
    if (isAgain || this.rare !== null) this.extra().isAgain = isAgain;
  }

  /** Nothing of the command was recorded before that moment; undefined when nothing of it was before it came. See log-places.ts. */
  get firstTryMs(): number | undefined {
    return this.rare === null ? undefined : this.rare.firstTryMs;
  }

  set firstTryMs(firstTryMs: number | undefined) {
    if (firstTryMs !== undefined) this.extra().firstTryMs = firstTryMs;
  }

  /** How often it proved itself and was suspected again. */
  get acquittals(): number {
    return this.rare === null ? 0 : this.rare.acquittals;
  }

  set acquittals(acquittals: number) {
    this.extra().acquittals = acquittals;
  }

  /** A strike to be recorded together with what comes of this command. */
  get strike(): ErrorCode | null {
    return this.rare === null ? null : this.rare.strike;
  }

  set strike(strike: ErrorCode | null) {
    this.extra().strike = strike;
  }

  /** JOB_SNAPSHOT: as whose state it was read. */
  get stateBundle(): LoadedBundleEntry | null {
    return this.rare === null ? null : this.rare.stateBundle;
  }

  set stateBundle(stateBundle: LoadedBundleEntry) {
    this.extra().stateBundle = stateBundle;
  }

  /** What becomes of a message instead of a decision. */
  get verdict(): Verdict | null {
    return this.rare === null ? null : this.rare.verdict;
  }

  set verdict(verdict: Verdict | null) {
    if (verdict !== null || this.rare !== null) this.extra().verdict = verdict;
  }

  /** The bucket that it concerns; null for what concerns none. */
  get bucket(): Bucket | null {
    return this.activation !== null ? this.activation.bucket : this.origin === null ? null : this.origin.bucket;
  }

  /**
   * The same to be sent on its way once more, while this one may still stand in a queue: whoever keeps account of it tells the two apart. What it is
   * suspected of goes along, or a message that ends sandboxes would begin anew for ever.
   */
  again(origin = this.origin, kind = this.kind): Job {
    const job = new Job(kind, null, this.command, origin);
    job.deaths = this.deaths;
    if (this.acquittals > 0) job.acquittals = this.acquittals;
    if (this.strike !== null) job.strike = this.strike;
    job.verdict = this.verdict;
    return job;
  }

  /** Hands the answer over; `arena` holds the body. */
  deliver(arena: Buffer): void {
    const target = this.command ?? this.get;
    if (target === null) return;
    if (this.error !== null) target.failed(this.error);
    else target.done(this.seq, arena, this.bodyFrom, this.bodyTo);
  }

  private extra(): Rare {
    return (this.rare ??= new Rare());
  }
}
