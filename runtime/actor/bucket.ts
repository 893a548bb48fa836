/**
 * One bucket as its owner sees it: where its log stands, what is being appended, and the fold of the records that are not an
 * actor's.
 *
 * B1  `position` and `head` run ahead of what is durable: they stand behind the last record that was encoded.
 * B2  Both move with every record that a group takes in (group-records.ts), in the order in which groups are committed.
 */

import type { BucketId } from '../codec/address.ts';
import type { MutableHash64 } from '../codec/chain.ts';
import type { Hash64 } from '../codec/hash64.ts';
import { hashToHex } from '../codec/hash64.ts';
import type { DecodedActivation } from '../codec/record.ts';
import type { Job } from './job.ts';
import type { BucketHead } from '../journal/journal.ts';

export interface ServedType {
  /** SHA-256, hex. */
  bundle: string;
  foldHash: Hash64;
  /** Recorded time of the activation. */
  sinceMs: number;
}

export class Bucket {
  readonly id: BucketId;
  incarnation: Hash64 = { hi: 0, lo: 0 };
  epoch = 0;
  /** Position and head of the last record encoded (B1). */
  position = 0;
  readonly head: MutableHash64 = { hi: 0, lo: 0 };
  durablePosition = 0;
  /** The newest recorded time; the next decision's is not before it. */
  nowMs = 0;
  /** The recorded time of the last record encoded; decisions on their way may have a later one already, below `nowMs`. */
  recordedMs = 0;
  appendsInFlight = 0;
  /** True after an append that was not `appended`: nothing is decided here until it has been opened again. */
  stopped = false;
  /** Jobs that wait until a stopped bucket has been opened again. */
  held: Job[] = [];

  // The fold.
  readonly served = new Map<string, ServedType>();
  /** Last number given out per destination bucket index. */
  readonly sent = new Map<number, number>();
  /** Strikes per "<type> <bundle hex>". */
  readonly typeStrikes = new Map<string, number>();
  /** Reasons per "<type> <bundle hex>". */
  readonly typeQuarantines = new Map<string, string>();

  constructor(id: BucketId) {
    this.id = id;
  }

  opened(head: BucketHead): void {
    this.incarnation = head.incarnation;
    this.epoch = head.epoch;
    this.position = this.durablePosition = head.position;
    this.head.hi = head.head.hi;
    this.head.lo = head.head.lo;
  }

  activate(activation: DecodedActivation, sinceMs: number): void {
    const bundle = activation.bundle.toString('hex');
    for (const { type, foldHash } of activation.types) this.served.set(type, { bundle, foldHash, sinceMs });
  }

  nextChannelNumber(destination: number): number {
    const number = (this.sent.get(destination) ?? 0) + 1;
    this.sent.set(destination, number);
    return number;
  }

  strikeType(key: string): void {
    this.typeStrikes.set(key, (this.typeStrikes.get(key) ?? 0) + 1);
  }

  /** The name used in logs and errors. */
  get name(): string {
    return `${this.id.index}/${2 ** this.id.bits} (${hashToHex(this.incarnation)})`;
  }
}
