/**
 * Where every bucket's log stands: once as it is on disk, and once with what waits for the disk on top. Appends are checked
 * against the second, reverted to the first when waiting frames are refused.
 */

import type { BucketId } from '../../codec/address.ts';
import type { MutableHash64 } from '../../codec/chain.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { BucketHead } from '../journal.ts';

export interface StoredCheckpoint {
  readonly position: number;
  readonly head: Hash64;
  readonly bytes: Buffer;
}

export class BucketState {
  readonly id: BucketId;
  /** Dense number for tables in memory. */
  readonly slot: number;
  incarnation: Hash64;
  epoch = 0;
  position = 0;
  /** Changed in place for every run: whoever keeps a head copies it. */
  readonly head: MutableHash64;
  durablePosition = 0;
  readonly durableHead: MutableHash64;
  /** Failed appends whose outcome has not been given out yet (J5). */
  failing = 0;
  checkpoint: StoredCheckpoint | null = null;

  constructor(id: BucketId, slot: number, incarnation: Hash64) {
    this.id = { bits: id.bits, index: id.index };
    this.slot = slot;
    this.incarnation = incarnation;
    this.head = { hi: incarnation.hi, lo: incarnation.lo };
    this.durableHead = { hi: incarnation.hi, lo: incarnation.lo };
  }

  /** The log on disk ends here. */
  settle(position: number, headHi: number, headLo: number): void {
    this.durablePosition = position;
    this.durableHead.hi = headHi;
    this.durableHead.lo = headLo;
  }

  /** A run that leads to this head waits for the disk. */
  advance(count: number, head: Hash64): void {
    this.position += count;
    this.head.hi = head.hi;
    this.head.lo = head.lo;
  }

  /** What waited was refused: the log stands where the disk has it. */
  revert(): void {
    this.position = this.durablePosition;
    this.head.hi = this.durableHead.hi;
    this.head.lo = this.durableHead.lo;
  }

  stands(position: number, head: Hash64): boolean {
    return this.position === position && sameHash(this.head, head);
  }

  toHead(): BucketHead {
    const { id, incarnation, epoch, position, head, checkpoint } = this;
    return {
      bucket: id,
      incarnation,
      epoch,
      position,
      head: { hi: head.hi, lo: head.lo },
      checkpoint: checkpoint === null ? null : { position: checkpoint.position, bytes: checkpoint.bytes },
    };
  }
}

export class BucketTable {
  readonly all: BucketState[] = [];
  // By bits, then by index: two array reads instead of a map per run.
  private readonly byBits: (BucketState | undefined)[][] = [];

  get(bits: number, index: number): BucketState | undefined {
    return this.byBits[bits]?.[index];
  }

  create(id: BucketId, incarnation: Hash64): BucketState {
    const state = new BucketState(id, this.all.length, incarnation);
    this.all.push(state);
    (this.byBits[id.bits] ??= [])[id.index] = state;
    return state;
  }
}
