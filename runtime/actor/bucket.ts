/**
 * One bucket as its owner sees it: where its log stands, what is being appended, and the fold of the records that are not an
 * actor's.
 *
 * B1  `position` and `head` run ahead of what is durable: they stand behind the last record that was encoded.
 * B2  Both move with every record that a group takes in (group-records.ts), in the order in which groups are committed.
 */

import type { BucketId } from '../codec/address.ts';
import type { MutableHash64 } from '../codec/chain.ts';
import { TroupeError } from '../codec/errors.ts';
import type { Hash64 } from '../codec/hash64.ts';
import { hashToHex } from '../codec/hash64.ts';
import type { DecodedActivation, RecordReader } from '../codec/record.ts';
import type { AnswerError } from './engine.ts';
import type { Job } from './job.ts';
import { Linked } from './links/linked.ts';
import { Channels } from './messages/channels.ts';
import { Letters } from './messages/letters.ts';
import type { Addressees, Message } from './messages/message.ts';
import type { BucketHead } from '../journal/journal.ts';
import { TimerIndex } from './timers/timer-index.ts';

export interface ServedType {
  /** SHA-256, hex. */
  bundle: string;
  foldHash: Hash64;
  /** Recorded time of the activation. */
  sinceMs: number;
}

export interface MessageCounts {
  /** Sent by its actors and not known to be taken in. */
  readonly backlog: number;
  /** Of those that were taken in: without effect so far. */
  readonly parked: number;
  readonly failed: number;
}

export class Bucket {
  readonly id: BucketId;
  incarnation: Hash64 = { hi: 0, lo: 0 };
  epoch = 0;
  /** Position and head of the last record encoded (B1). */
  position = 0;
  readonly head: MutableHash64 = { hi: 0, lo: 0 };
  durablePosition = 0;
  /** Where the log ended when it was opened, and where the journal's newest checkpoint of the fold stood then; 0 when there was none to use. */
  openedPosition = 0;
  openedCheckpoint = 0;
  /** The newest recorded time; the next decision's is not before it. */
  nowMs = 0;
  /** The recorded time of the last record encoded; decisions on their way may have a later one already, below `nowMs`. */
  recordedMs = 0;
  appendsInFlight = 0;
  /** This node is the owner, or is about to be: what comes for the bucket waits here. Otherwise it goes elsewhere. */
  owned = false;
  /** Raised when it is given up: what was begun for it before, such as opening it, does not concern it any more. */
  tenure = 0;
  /** Nothing is decided here until the bucket has been opened: it never was, or an append was not `appended`. */
  stopped = true;
  /** It is being handed over: what is in the sandbox is finished, nothing new begins. */
  leaving = false;
  /** Stopped or leaving. */
  isHeld = true;
  /** Jobs that wait until the bucket serves again. */
  held: Job[] = [];
  /** Set while a stopped bucket cannot be opened for long: nobody waits for it. */
  refusal: AnswerError | null = null;

  // The fold.
  readonly served = new Map<string, ServedType>();
  readonly channels: Channels;
  readonly letters = new Letters();
  readonly linked = new Linked();
  readonly timers = new TimerIndex();
  /** Strikes per "<type> <bundle hex>". */
  readonly typeStrikes = new Map<string, number>();
  /** Reasons per "<type> <bundle hex>". */
  readonly typeQuarantines = new Map<string, string>();

  /** Buckets of one node share their addressees. */
  constructor(id: BucketId, addressees?: Addressees) {
    this.id = id;
    this.channels = new Channels(id.bits, addressees);
  }

  opened(head: BucketHead): void {
    this.incarnation = head.incarnation;
    this.epoch = head.epoch;
    this.position = this.durablePosition = this.openedPosition = head.position;
    this.head.hi = head.head.hi;
    this.head.lo = head.head.lo;
  }

  stop(): void {
    this.stopped = this.isHeld = true;
  }

  leave(): void {
    this.leaving = this.isHeld = true;
  }

  /** No longer. */
  stay(): void {
    this.leaving = false;
    this.isHeld = this.stopped;
  }

  serve(): void {
    this.owned = true;
    this.stopped = this.leaving = this.isHeld = false;
    this.refusal = null;
  }

  /** Somebody else's from here on. */
  giveUp(): void {
    this.tenure++;
    this.owned = this.leaving = false;
    this.stopped = this.isHeld = true;
    this.refusal = null;
  }

  /** What whoever asks for something of the fold is told while it is held: why nobody can open it, or that it is not there yet. */
  heldError(): TroupeError {
    const { refusal } = this;
    if (refusal !== null) return new TroupeError(refusal.code, refusal.message);
    return new TroupeError('NOT_READY', `bucket ${this.id.index} does not serve on this node at the moment`);
  }

  activate(activation: DecodedActivation, sinceMs: number): void {
    const bundle = activation.bundle.toString('hex');
    for (const { type, foldHash } of activation.types) this.served.set(type, { bundle, foldHash, sinceMs });
  }

  /**
   * Takes in what a record says about messages and timers, as it is encoded and again when the log is read: what stands here live is what a
   * restart makes of the log. Answers what the record sends.
   */
  foldMessages(record: RecordReader): readonly Message[] {
    this.letters.fold(record);
    this.timers.fold(record);
    const sent = this.channels.fold(record);
    this.linked.fold(record, this.channels);
    return sent;
  }

  get messageCounts(): MessageCounts {
    const { channels, letters } = this;
    return { backlog: channels.backlog, parked: letters.parkedCount, failed: letters.failed.size };
  }

  strikeType(key: string): void {
    this.typeStrikes.set(key, (this.typeStrikes.get(key) ?? 0) + 1);
  }

  /** The name used in logs and errors. */
  get name(): string {
    return `${this.id.index}/${2 ** this.id.bits} (${hashToHex(this.incarnation)})`;
  }
}
