/** What stands in the engine's queues: one object per command, read or helper call, from `submit` to its answer. */

import type { ErrorCode } from '../codec/errors.ts';
import type { BatchWriter, ResultReader } from '../sandbox/sandbox.ts';
import type { Activation } from './activation.ts';
import type { LoadedBundleEntry, TypeVersion } from './bundles.ts';
import type { AnswerError, CommandRequest, GetRequest } from './engine.ts';

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

export type JobKind =
  | typeof JOB_COMMAND
  | typeof JOB_GET
  | typeof JOB_ACTIVATE
  | typeof JOB_SNAPSHOT
  | typeof JOB_DROP
  | typeof JOB_CALL;

export class Job {
  readonly kind: JobKind;
  activation: Activation | null;

  /** JOB_COMMAND. */
  command: CommandRequest | null = null;
  /** JOB_GET. */
  get: GetRequest | null = null;
  /** JOB_ACTIVATE, JOB_DROP, JOB_CALL: writes the item. */
  write: ((batch: BatchWriter) => void) | null = null;
  /** JOB_CALL: takes the result; null when the sandbox could not run it. */
  took: ((result: ResultReader | null) => void) | null = null;

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
  sampled = false;
  /** Points for deaths of the sandbox that may be this job's doing; above 0 it has to prove itself. See trials.ts. */
  deaths = 0;
  /** Positions that the window named, of another key with the same hash (K4). */
  otherKeys: number[] | null = null;
  /** How often it proved itself and was suspected again. */
  acquittals = 0;
  /** A strike to be recorded together with what comes of this command. */
  strike: ErrorCode | null = null;

  /** JOB_SNAPSHOT: as whose state it was read. */
  stateBundle: LoadedBundleEntry | null = null;

  // The answer, from the turn until the output gate opens.
  seq = 0;
  error: AnswerError | null = null;
  /** Range in the commit group's arena. */
  bodyFrom = 0;
  bodyTo = 0;

  constructor(kind: JobKind, activation: Activation | null) {
    this.kind = kind;
    this.activation = activation;
  }

  /** Hands the answer over; `arena` holds the body. */
  deliver(arena: Buffer): void {
    const target = this.command ?? this.get;
    if (target === null) return;
    if (this.error !== null) target.failed(this.error);
    else target.done(this.seq, arena, this.bodyFrom, this.bodyTo);
  }
}
