/**
 * Which node owns which bucket, as the control plane has it. An immutable value, twelve bytes a bucket: 3 KiB for 256 buckets.
 *
 * The map is a hint. Who may write to a bucket is decided by its epoch in the journal, and by nothing in here: a map that is old or
 * wrong costs a redirect.
 *
 * M1  A bucket has at most one owner, and at most one node that is to take over from it.
 * M2  A change of the owner by assignment clears the epoch: the new owner has not opened the bucket yet.
 * M3  The version grows with every change, so equal versions of one cluster are equal maps. (Unless the store went back: C6.)
 *
 * A node is named by its number, which is minted when an incarnation of it joins and is never used again: a node that was started
 * anew owns nothing.
 */

/** Stands for no node. */
export const NO_NODE = 0;

/**
 * - `vacant`: nobody is named.
 * - `given`: the owner is named, and has not said yet that it has opened the bucket.
 * - `held`: the owner has opened the bucket.
 * - `moving`: held, and another node is to take it over.
 */
export type BucketPhase = 'vacant' | 'given' | 'held' | 'moving';

export interface BucketEntry {
  readonly owner: number;
  /** The node that is to take over; NO_NODE when nothing moves. */
  readonly next: number;
  /** Under which the owner opened the bucket; 0 when it has not yet. A hint, as everything here. */
  readonly epoch: number;
}

/** What a scheduler wants of one bucket. */
export interface Assignment {
  readonly index: number;
  readonly owner: number;
  readonly next: number;
}

export const ENTRY_BYTES = 12;
const WORDS = 3;
const OWNER = 0;
const NEXT = 1;
const EPOCH = 2;

export class BucketMap {
  /** 0 for a map that nobody has seen yet. */
  readonly version: number;
  readonly bits: number;
  private readonly words: Uint32Array;

  private constructor(version: number, bits: number, words: Uint32Array) {
    this.version = version;
    this.bits = bits;
    this.words = words;
  }

  /** Every bucket vacant. */
  static empty(bits: number, version = 0): BucketMap {
    return new BucketMap(version, bits, new Uint32Array(2 ** bits * WORDS));
  }

  /** `bytes` as `toBytes` gives them. @throws RangeError when they are not 2^bits entries */
  static fromBytes(version: number, bits: number, bytes: Uint8Array): BucketMap {
    if (bytes.length !== 2 ** bits * ENTRY_BYTES) throw new RangeError(`a map of ${bits} bits has ${2 ** bits * ENTRY_BYTES} bytes, not ${bytes.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const words = new Uint32Array(bytes.length / 4);
    for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i, true);
    return new BucketMap(version, bits, words);
  }

  /** Owner, next and epoch of every bucket in order, 32 bits each, little-endian. */
  toBytes(): Buffer {
    const bytes = Buffer.alloc(4 * this.words.length);
    for (let i = 0; i < this.words.length; i++) bytes.writeUInt32LE(this.words[i]!, 4 * i);
    return bytes;
  }

  /** How many buckets there are. */
  get size(): number {
    return this.words.length / WORDS;
  }

  ownerOf(index: number): number {
    return this.words[index * WORDS + OWNER]!;
  }

  nextOf(index: number): number {
    return this.words[index * WORDS + NEXT]!;
  }

  epochOf(index: number): number {
    return this.words[index * WORDS + EPOCH]!;
  }

  entryOf(index: number): BucketEntry {
    return { owner: this.ownerOf(index), next: this.nextOf(index), epoch: this.epochOf(index) };
  }

  phaseOf(index: number): BucketPhase {
    if (this.ownerOf(index) === NO_NODE) return 'vacant';
    if (this.epochOf(index) === 0) return 'given';
    return this.nextOf(index) === NO_NODE ? 'held' : 'moving';
  }

  /** Buckets whose entries differ from those of `older`, ascending: all that are not vacant when there is none. */
  diff(older: BucketMap | null): number[] {
    const changed: number[] = [];
    if (older === this) return changed;
    for (let index = 0; index < this.size; index++) {
      if (!sameEntry(this.words, older?.words ?? null, index * WORDS)) changed.push(index);
    }
    return changed;
  }

  /** The map after these assignments (M2). */
  assigned(version: number, assignments: readonly Assignment[]): BucketMap {
    const map = this.copy(version);
    for (const { index, owner, next } of assignments) {
      if (owner !== map.ownerOf(index)) map.words[index * WORDS + EPOCH] = 0;
      map.words[index * WORDS + OWNER] = owner;
      map.words[index * WORDS + NEXT] = next;
    }
    return map;
  }

  /** The map with these entries, in place of what it has there. */
  replaced(version: number, entries: ReadonlyMap<number, BucketEntry>): BucketMap {
    const map = this.copy(version);
    for (const [index, { owner, next, epoch }] of entries) {
      map.words[index * WORDS + OWNER] = owner;
      map.words[index * WORDS + NEXT] = next;
      map.words[index * WORDS + EPOCH] = epoch;
    }
    return map;
  }

  private copy(version: number): BucketMap {
    return new BucketMap(version, this.bits, this.words.slice());
  }
}

function sameEntry(words: Uint32Array, older: Uint32Array | null, at: number): boolean {
  for (let i = at; i < at + WORDS; i++) if (words[i] !== (older === null ? 0 : older[i])) return false;
  return true;
}
