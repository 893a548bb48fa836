/**
 * Where a job comes from that no client has sent: a message of another actor, a timer, a message that is taken up again.
 * Clients' commands have none, and nothing of this touches them.
 */

import type { WireWriter } from '../../codec/wire.ts';
import type { Firing } from '../../sandbox/sandbox.ts';
import type { Bucket } from '../bucket.ts';
import type { Job } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';

/** Who waits for the reply: it is sent as a command of theirs, by the record that answers. */
export interface ReplyTo {
  readonly actor: string;
  readonly command: string;
  /** The bucket of that actor. */
  readonly destination: number;
}

export interface Origin {
  readonly bucket: Bucket;
  readonly reply: ReplyTo | null;
  /** It is parked already, and taken up again: when it still cannot be taken, nothing is written, and `refused` is called. */
  readonly isParked: boolean;
  /** Whether it is still its turn: asked last thing before it enters a batch. When it is not, `lost` is called. */
  isNext(job: Job): boolean;
  /** What a timer's command is told beside its body; the job's time is known. It is asked once, as the job enters a batch. */
  firing?(job: Job): Firing | null;
  /** The same for a trial, of which nothing comes. */
  trialFiring?(nowMs: number): Firing | null;
  /** Whether what it is about is over: it is dropped then, when its turn has come. */
  isOver?(job: Job): boolean;
  /** Writes the fields of its record that say where it came from. */
  write(wire: WireWriter): void;
  /** It stands in the queue for the sandbox: whatever is put there from now on comes behind it. */
  entered(job: Job): void;
  /** Its record has this position, and is durable when the group is released. */
  recorded(position: number, group: CommitGroup): void;
  /** It has not run, or nothing is left of it. It may be sent in again, when whatever is wrong has passed. */
  lost(job: Job): void;
  /** Its actor cannot take it, and waiting does not change that. Called for what is parked, and where the actor cannot be brought into memory. */
  refused(job: Job, code: string, message: string): void;
}

/**
 * What is recorded without a behaviour: a link changes, a broadcast goes on, or of a message that the actor cannot take it now (parked), or
 * never will without somebody's help (failed), or that an operator has dropped it. It keeps its place in the queue all the same, with an item
 * that does nothing.
 */
export type Verdict =
  | { readonly kind: 'linked' }
  | { readonly kind: 'dropped' }
  /** A chunk of a broadcast; `write` gives its record what it has beside its place. */
  | { readonly kind: 'cursor'; readonly write: (wire: WireWriter) => void }
  | { readonly kind: 'parked' | 'failed'; readonly code: string; readonly message: string };
