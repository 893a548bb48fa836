/**
 * Which node owns which bucket, as the control plane has it. An immutable value, twelve bytes a bucket: 3 KiB for 256 buckets, 768 KiB for 65,536.
 * It lies in chunks that a map shares with those it was made from, so that a change costs what it changes, and not the whole map.
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
const CHUNK_BITS = 6;
const CHUNK = 2 ** CHUNK_BITS;
const OWNER = 0;
const NEXT = 1;
const EPOCH = 2;

export class BucketMap {
  /** 0 for a map that nobody has seen yet. */
  readonly version: number;
  readonly bits: number;
  /** How many buckets there are. */
  readonly size: number;
  /** Entries of 64 buckets each; one that is in two maps is written no more. */
  private readonly chunks: Uint32Array[];

  private constructor(version: number, bits: number, chunks: Uint32Array[]) {
    this.version = version;
    this.bits = bits;
    this.size = 2 ** bits;
    this.chunks = chunks;
  }

  /** Every bucket vacant. */
  static empty(bits: number, version = 0): BucketMap {
    const chunk = new Uint32Array(Math.min(CHUNK, 2 ** bits) * WORDS);
    return new BucketMap(version, bits, Array.from({ length: Math.ceil(2 ** bits / CHUNK) }, () => chunk));
  }

  /** `bytes` as `toBytes` gives them. @throws RangeError when they are not 2^bits entries */
  static fromBytes(version: number, bits: number, bytes: Uint8Array): BucketMap {
    if (bytes.length !== 2 ** bits * ENTRY_BYTES) throw new RangeError(`a map of ${bits} bits has ${2 ** bits * ENTRY_BYTES} bytes, not ${bytes.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const chunks: Uint32Array[] = [];
    for (let from = 0; from < bytes.length; from += CHUNK * ENTRY_BYTES) {
      const words = new Uint32Array(Math.min(CHUNK * WORDS, (bytes.length - from) / 4));
      for (let i = 0; i < words.length; i++) words[i] = view.getUint32(from + 4 * i, true);
      chunks.push(words);
    }
    return new BucketMap(version, bits, chunks);
  }

  /** Owner, next and epoch of every bucket in order, 32 bits each, little-endian. */
  toBytes(): Buffer {
    const bytes = Buffer.alloc(this.size * ENTRY_BYTES);
    let at = 0;
    for (const words of this.chunks) for (let i = 0; i < words.length; i++, at += 4) bytes.writeUInt32LE(words[i]!, at);
    return bytes;
  }

  ownerOf(index: number): number {
    return this.word(index, OWNER);
  }

  nextOf(index: number): number {
    return this.word(index, NEXT);
  }

  epochOf(index: number): number {
    return this.word(index, EPOCH);
  }

  /** Owner and next of every bucket, for who looks at all of them. */
  copyTo(owners: Uint32Array, nexts: Uint32Array): void {
    let index = 0;
    for (const words of this.chunks) {
      for (let at = 0; at < words.length; at += WORDS, index++) {
        owners[index] = words[at + OWNER]!;
        nexts[index] = words[at + NEXT]!;
      }
    }
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
    for (let i = 0; i < this.chunks.length; i++) {
      const words = this.chunks[i]!;
      const before = older === null ? null : older.chunks[i] ?? null;
      if (words === before) continue;
      for (let at = 0; at < words.length; at += WORDS) if (!sameEntry(words, before, at)) changed.push(i * CHUNK + at / WORDS);
    }
    return changed;
  }

  /** The map after these assignments (M2). */
  assigned(version: number, assignments: readonly Assignment[]): BucketMap {
    const entries = new Map<number, BucketEntry>();
    for (const { index, owner, next } of assignments) {
      const before = entries.get(index) ?? this.entryOf(index);
      entries.set(index, { owner, next, epoch: owner === before.owner ? before.epoch : 0 });
    }
    return this.replaced(version, entries);
  }

  /** The map with these entries, in place of what it has there. */
  replaced(version: number, entries: ReadonlyMap<number, BucketEntry>): BucketMap {
    const chunks = [...this.chunks];
    for (const [index, { owner, next, epoch }] of entries) {
      const i = index >>> CHUNK_BITS;
      if (chunks[i] === this.chunks[i]) chunks[i] = chunks[i]!.slice();
      const words = chunks[i]!;
      const at = (index % CHUNK) * WORDS;
      words[at + OWNER] = owner;
      words[at + NEXT] = next;
      words[at + EPOCH] = epoch;
    }
    return new BucketMap(version, this.bits, chunks);
  }

  private word(index: number, which: number): number {
    return this.chunks[index >>> CHUNK_BITS]![(index % CHUNK) * WORDS + which]!;
  }
}

function sameEntry(words: Uint32Array, older: Uint32Array | null, at: number): boolean {
  if (older === null) return words[at] === 0 && words[at + NEXT] === 0 && words[at + EPOCH] === 0;
  return words[at] === older[at] && words[at + NEXT] === older[at + NEXT] && words[at + EPOCH] === older[at + EPOCH];
}
