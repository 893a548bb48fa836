/**
 * The sandbox port: how the engine has behaviour run. The adapter (`pool.ts`) keeps an active sandbox process and a warm
 * spare per namespace; `batch.ts` writes and reads the bytes of proto/troupe/v1/sandbox.proto.
 *
 * S1  Results come back in the order of the batches, and result i of a batch answers its item i.
 * S2  When the active process ends, for whatever reason, nothing of an unfinished batch is delivered. `onLost` is called
 *     once, `generation` has grown, every actor's state in it is gone, and the spare, which has every installed
 *     bundle loaded, serves from then on. The engine decides what runs again.
 * S3  Every item of a batch has a time of its own (every event of a history that an item folds, too), counted from when it runs: a time of CPU,
 *     and many times as long by the clock. The node enforces both with SIGKILL, and says which item it was. A batch that takes long though each
 *     of its items is in time is ended behind `batchTimeMaxMs`, by nobody's fault.
 * S4  A process that grows past its RSS cap is killed.
 * S5  The process has no environment, network, file system or descriptors but its pipes, and ends when they close.
 * S6  Nothing a script does, throws or returns can change what the host does, except through the typed results.
 */

import type { Hash64 } from '../codec/hash64.ts';
import type { BatchWriter, ResultReader } from './batch.ts';

/*
 * A state under another bundle. Decide carries it over, and `migrated` holds it when the fold hash differs; an actor without
 * events has nothing to carry and takes the new initial state. When the item fails the actor stays where it was, and
 * `migrated` is absent. Read carries it over for its answer only and never sets `migrated`: what is not recorded must not
 * stay. Activate refuses records whose fold changes without a MIGRATE record between them (BAD_STATE).
 */

/** Values of troupe.v1.Format. */
export const FORMAT_PROTO = 1;
export const FORMAT_JSON = 2;
export type Format = typeof FORMAT_PROTO | typeof FORMAT_JSON;

/** Values of troupe.v1.Status. */
export const STATUS_OK = 0;
export const STATUS_REJECTED = 1;
export const STATUS_FAILED = 2;
export const STATUS_SKIPPED = 3;

/** Values of troupe.v1.Ask. */
export const ASK_TIMERS = 1;
export const ASK_LINKS = 2;
export const ASK_BROADCASTS = 4;

/** Values of troupe.v1.TraceKind. */
export const TRACE_EVENT = 1;
export const TRACE_SEND = 2;
export const TRACE_TIMER = 3;
export const TRACE_LINK = 4;
export const TRACE_BROADCAST = 5;
export const TRACE_REFUSAL = 6;

/** Values of troupe.v1.Payload. */
export const PAYLOAD_STATE = 1;
export const PAYLOAD_EVENT = 2;
export const PAYLOAD_REPLY = 3;
export const PAYLOAD_COMMAND = 4;

export interface LoadedType {
  readonly type: string;
  readonly foldHash: Hash64;
  /** The index in this list is `Decide.command`. */
  readonly commands: readonly string[];
  readonly events: readonly string[];
  readonly migrates: boolean;
}

export interface LoadedBundle {
  readonly types: readonly LoadedType[];
  readonly engineHash: Hash64;
}

/** Why the active process ended. `code` is BEHAVIOR_TIMEOUT, BEHAVIOR_MEMORY or SANDBOX_LOST. */
export interface SandboxLoss {
  readonly code: 'BEHAVIOR_TIMEOUT' | 'BEHAVIOR_MEMORY' | 'SANDBOX_LOST';
  readonly message: string;
  /** The item of the oldest unanswered batch whose time was over, or null: the process has ended by itself, or nobody knows where it was. */
  readonly item: number | null;
  /** No item has done anything wrong: together they took too long, or it was no batch that did. */
  readonly isNobodys: boolean;
  /** Batches that had been sent and not answered, oldest first. */
  readonly unanswered: readonly number[];
}

/** The timer that has brought a command. */
export interface Firing {
  readonly name: string;
  readonly dueMs: number;
  readonly missed: number;
  /** Decisions with changes to timers that the engine has seen of the actor since it came into the sandbox. */
  readonly timerChanges: number;
}

/** Of a decision that is run again elsewhere: there, nothing has changed a timer. */
export const TIMER_CHANGES_ALL = 0xffff_ffff;

/** A decision to run again in the spare, with what it gave the first time. The bytes are the pool's from then on. */
export interface Sample {
  readonly bundle: number;
  readonly type: string;
  readonly id: string;
  /** null: the actor had its initial state. */
  readonly stateBefore: Buffer | null;
  readonly command: number;
  /** The normalised payload. */
  readonly body: Buffer;
  readonly nowMs: number;
  readonly seedHi: number;
  readonly seedLo: number;
  readonly caller: string;
  readonly firing: Firing | null;
  readonly status: number;
  readonly tail: Buffer;
}

export interface SampleMismatch {
  readonly sample: Sample;
  readonly again: { readonly status: number; readonly tail: Buffer };
}

/** How a trial has ended its process. */
export type TrialEnd = Pick<SandboxLoss, 'code' | 'item'>;

export interface SandboxStat {
  readonly generation: number;
  readonly losses: number;
  readonly samplesCompared: number;
  readonly samplesDifferent: number;
  readonly activeRssBytes: number;
  readonly spareRssBytes: number;
  readonly activePid: number;
  readonly sparePid: number;
}

export interface SandboxPool {
  /** Starts the active process and the spare; resolves when both are ready. */
  start(): Promise<void>;

  /** Grows by one whenever another process becomes the active one. */
  readonly generation: number;

  /**
   * Loads a bundle into a process that serves nobody, and throws it away with the process if that fails or hangs.
   * @throws TroupeError BUNDLE_INVALID with location (file, line, column) and reason
   */
  check(content: Buffer): Promise<LoadedBundle>;

  /** Loads a checked bundle into the active process and the spare, and into every later one, under this number. */
  install(bundle: number, content: Buffer): Promise<LoadedBundle>;

  /** Sends a finished batch to the active process; `batch` may be reused at once. At most limits.batchesInFlightMax are open. */
  send(batch: BatchWriter): void;

  /** Runs a decision again in the spare and compares; drops the sample when the spare is busy or absent. */
  sample(sample: Sample): void;

  /**
   * Runs a batch in the spare, as soon as there is a warm one, and throws the results away when `read` has seen them, which is called at most
   * once. Answers null when its process lived through it, otherwise how it ended; the active process is not touched.
   */
  trial(write: (batch: BatchWriter) => void, read?: (results: ResultReader) => void): Promise<TrialEnd | null>;

  /** The results of one batch. The reader's bytes are valid only during the call. */
  onResults: (results: ResultReader) => void;
  onLost: (loss: SandboxLoss) => void;
  onMismatch: (mismatch: SampleMismatch) => void;

  stat(): SandboxStat;

  close(): Promise<void>;
}

export type { BatchWriter, ResultReader };
