/**
 * Activations: the actors that are in memory. The state itself lives in the sandbox; here is the fold of what the host keeps
 * about an actor, its mailbox, and its place in the order of use.
 *
 * A1  An activation's fold (seq, lastPosition, keys, strikes) stands where the sandbox's state stands: both have taken in
 *     the same records. Both are dropped together when the sandbox is lost.
 * A2  An actor leaves memory only when its newest record is durable: whoever activates it again reads the durable log.
 */

import type { BucketId } from '../codec/address.ts';
import type { Hash64 } from '../codec/hash64.ts';
import type { TimerRef } from '../codec/record-timers.ts';
import type { Bucket } from './bucket.ts';
import type { LoadedBundleEntry } from './bundles.ts';
import type { Address } from './engine.ts';
import type { Job } from './job.ts';
import type { KeyHistory } from './key-history.ts';
import type { KeyWindow } from './keys.ts';
import type { Search } from './tried-commands.ts';
import type { WatchPump } from './watches.ts';

/** The history is being read; commands wait in the mailbox. */
export const LOADING = 0;
/** In the sandbox, or on its way there in front of its commands. */
export const RESIDENT = 1;
/** No longer in the catalog. */
export const GONE = 2;

/** Shared: an empty array of its own would be 32 bytes an actor. */
const NO_JOBS: readonly Job[] = Object.freeze([]);

/**
 * Its fields are declared in the order in which a command needs them, so that each step of its way meets few lines of memory:
 * with ten thousand actors in turn that is what a command waits for.
 */
export class Activation {
  // Routing.
  readonly bucket: Bucket;
  phase: typeof LOADING | typeof RESIDENT | typeof GONE = LOADING;
  /** Commands between `submit` and their answer, mailbox included. */
  waiting = 0;
  /** Those of them that have a key and have left the mailbox (M1 of mailbox.ts). */
  keyedUnderWay = 0;
  /** Its history alone ends a sandbox: nothing of this actor is run (trials.ts, R4). */
  poisoned = false;
  /** The catalog's era in which it was last moved to the young end; 0 while it was not used. */
  usedIn = 0;
  watchers: Set<WatchPump> | null = null;

  // Admission.
  readonly keys: KeyWindow;
  readonly type: string;
  /** Reason and bundle (hex), when quarantined. */
  quarantined: { readonly reason: string; readonly bundle: string } | null = null;
  /** Number of the actor in the sandbox; never used again within a generation. */
  handle = 0;
  /** Items in the sandbox that are not answered. */
  inSandbox = 0;

  // Turn.
  seq = 0;
  lastPosition = 0;
  /** Head of the bucket's log behind the actor's newest record. */
  lastHeadHi = 0;
  lastHeadLo = 0;
  /** Records behind the newest snapshot, and at most how long folding them will take, from what they took to be made. */
  recordsSinceSnapshot = 0;
  /** In whole microseconds: a number with a fraction is an object of its own. */
  replayUs = 0;
  /** What one of its turns is expected to cost; 0 while nothing is known of that (turn-costs.ts). */
  turnUs = 0;
  /** The last filling of a batch that had no room for it (turn-loop.ts). */
  putOffIn = 0;
  snapshotOnItsWay = false;
  /** The bundle as whose state the sandbox holds it. */
  stateBundle: LoadedBundleEntry | null = null;
  // Hashes are kept as signed 32-bit halves: a larger number in a field is an object of its own, too.
  readonly hashHi: number;
  readonly hashLo: number;
  readonly shardHi: number;
  readonly shardLo: number;
  strikes = 0;
  stateBytes = 0;
  /** Duplicates that wait for the first command with their key. */
  joiners: Job[] | null = null;
  /** Its window knew every key from this position on when it came into memory: whatever was not answered by the process that had it before stands behind. */
  keysFrom = 0;
  /** What is being looked for in its history, and who waits for that. */
  search: Search | null = null;
  /** Keys in front of the window, when somebody was looked for lately. */
  keyHistory: KeyHistory | null = null;
  /** Timers that are armed, by name; null while there was none. */
  armed: Map<string, TimerRef> | null = null;
  /** Links to other actors, with the number of each on its channel. */
  linked: Map<string, number> | null = null;
  /** Decisions with changes to timers since it came into the sandbox. */
  timerChanges = 0;

  // Life.
  readonly address: string;
  /** Commands that wait for the history, or for room (mailbox.ts). */
  mailbox: readonly Job[] = NO_JOBS;
  /** Why the history could not be folded; answers every command that came with it. */
  loadError: { readonly code: string; readonly message: string } | null = null;
  /** The senders' objects that lead here, the newest first; see Catalog. */
  knownBy: Address | null = null;
  knownBefore: Address | null = null;
  newer: Activation | null = null;
  older: Activation | null = null;

  /** `type`: the one string that all of the type share. */
  constructor(
    address: string,
    type: string,
    actorHash: Hash64,
    shardHash: Hash64,
    bucket: Bucket,
    keys: KeyWindow,
  ) {
    this.address = address;
    this.type = type;
    this.hashHi = actorHash.hi | 0;
    this.hashLo = actorHash.lo | 0;
    this.shardHi = shardHash.hi | 0;
    this.shardLo = shardHash.lo | 0;
    this.bucket = bucket;
    this.keys = keys;
  }

  /** Made when it is asked for, which is once a life. */
  get id(): string {
    return this.address.slice(this.type.length + 1);
  }

  get actorHash(): Hash64 {
    return { hi: this.hashHi >>> 0, lo: this.hashLo >>> 0 };
  }

  get shardHash(): Hash64 {
    return { hi: this.shardHi >>> 0, lo: this.shardLo >>> 0 };
  }

  get lastHead(): Hash64 {
    return { hi: this.lastHeadHi >>> 0, lo: this.lastHeadLo >>> 0 };
  }

  headMovedTo(position: number, head: Hash64): void {
    this.lastPosition = position;
    this.lastHeadHi = head.hi | 0;
    this.lastHeadLo = head.lo | 0;
  }

  wait(job: Job): void {
    if (this.mailbox === NO_JOBS) this.mailbox = [job];
    else (this.mailbox as Job[]).push(job);
  }

  /** Takes the first out of a mailbox that has one. */
  takeFirst(): Job {
    const job = (this.mailbox as Job[]).shift()!;
    if (this.mailbox.length === 0) this.mailbox = NO_JOBS;
    return job;
  }

  takeMailbox(): readonly Job[] {
    const { mailbox } = this;
    this.mailbox = NO_JOBS;
    return mailbox;
  }

  /** Takes out the requests that wait for something about the actor other than its history or the sandbox. */
  takeWaiting(): Job[] {
    const waiting = [...(this.joiners ?? []), ...(this.search?.waiting ?? [])];
    this.joiners = null;
    this.search = null;
    return waiting;
  }

  get bucketId(): BucketId {
    return this.bucket.id;
  }
}
