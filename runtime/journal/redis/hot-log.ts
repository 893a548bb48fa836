/**
 * What the owner of a bucket knows of its log in Redis without asking: where the entries end and lead to, and which of them hold an
 * actor's records. An entry is the records of one append.
 */

import type { Hash64 } from '../../codec/hash64.ts';
import { ActorChains } from './actor-chains.ts';

/** One entry: positions `(before, last]`, the head before and after it. */
export interface EntryRef {
  readonly before: number;
  readonly last: number;
  readonly headBefore: Hash64;
  readonly headAfter: Hash64;
}

/** Words: entries, what was demoted in two halves, the head there. Behind them records and bytes of each entry, heads, chains. */
const HEADER = 5;

export class HotLog {
  /** What was demoted: the position up to which, and the head there. */
  trimmed: number;
  private trimmedHead: Hash64;
  private chains = new ActorChains();
  private entries = 0;
  private lasts = new Float64Array(16);
  private heads = new Uint32Array(32);
  private sizes = new Uint32Array(16);
  bytes = 0;

  constructor(trimmed: number, trimmedHead: Hash64) {
    this.trimmed = trimmed;
    this.trimmedHead = trimmedHead;
  }

  get position(): number {
    return this.entries === 0 ? this.trimmed : this.lasts[this.entries - 1]!;
  }

  get head(): Hash64 {
    return this.entries === 0 ? this.trimmedHead : this.headAfter(this.entries - 1);
  }

  get records(): number {
    return this.chains.records;
  }

  /** `actorHashes[from, from + 2 * count)` are those of the records, as in `Append`. */
  add(count: number, bytes: number, head: Hash64, actorHashes: ArrayLike<number>, from: number): void {
    if (this.entries === this.lasts.length) this.grow();
    const i = this.entries;
    this.lasts[i] = this.position + count;
    this.heads[2 * i] = head.hi;
    this.heads[2 * i + 1] = head.lo;
    this.sizes[i] = bytes;
    this.entries++;
    this.bytes += bytes;
    for (let at = from; at < from + 2 * count; at += 2) this.chains.add(actorHashes[at]!, actorHashes[at + 1]!);
  }

  /** The head at `position`, where an entry or the log begins or ends; null elsewhere. */
  headAt(position: number): Hash64 | null {
    if (position === this.trimmed) return this.trimmedHead;
    if (position < this.trimmed || position > this.position) return null;
    const i = this.indexOf(position);
    return this.lasts[i] === position ? this.headAfter(i) : null;
  }

  /** The entry that holds `position`; null when it is not hot. */
  entryAt(position: number): EntryRef | null {
    if (position <= this.trimmed || position > this.position) return null;
    return this.entry(this.indexOf(position));
  }

  /** Entries with records in `[from, to)`, as many as have about `bytesMax` together, at least one. */
  entriesIn(from: number, to: number, bytesMax: number): EntryRef[] {
    const found: EntryRef[] = [];
    if (from > this.position || from <= this.trimmed) return found;
    let bytes = 0;
    for (let i = this.indexOf(from); i < this.entries && bytes < bytesMax; i++) {
      const entry = this.entry(i);
      if (entry.before + 1 >= to) break;
      bytes += this.sizes[i]!;
      found.push(entry);
    }
    return found;
  }

  /** The oldest entries, as many as have about `bytes` together; the newest one is never among them. */
  oldest(bytes: number): EntryRef[] {
    const found: EntryRef[] = [];
    let sum = 0;
    for (let i = 0; i + 1 < this.entries && sum < bytes; i++) {
      sum += this.sizes[i]!;
      found.push(this.entry(i));
    }
    return found;
  }

  /** Entries that hold records under the actor's hash with position in `[from, to)`, the oldest first. */
  entriesOf(hash: Hash64, from = 1, to = Infinity): EntryRef[] {
    const found: EntryRef[] = [];
    let known = this.entries;
    for (const ordinal of this.chains.of(hash, Math.max(0, from - 1 - this.trimmed))) {
      const position = this.trimmed + 1 + ordinal;
      if (position >= to || (known < this.entries && position > this.beforeOf(known))) continue;
      known = this.indexOf(position);
      found.push(this.entry(known));
    }
    return found.reverse();
  }

  /** The entries up to `position`, the last of one of them, were demoted. */
  forget(position: number): void {
    const i = this.indexOf(position);
    this.trimmedHead = this.headAfter(i);
    this.chains.forget(position - this.trimmed);
    this.trimmed = position;
    for (let k = 0; k <= i; k++) this.bytes -= this.sizes[k]!;
    this.lasts.copyWithin(0, i + 1, this.entries);
    this.heads.copyWithin(0, 2 * (i + 1), 2 * this.entries);
    this.sizes.copyWithin(0, i + 1, this.entries);
    this.entries -= i + 1;
  }

  get wordCount(): number {
    return HEADER + 4 * this.entries + this.chains.wordCount;
  }

  /** As words that `from` takes. */
  words(): Uint32Array<ArrayBuffer> {
    const { entries, trimmed, trimmedHead } = this;
    const words = new Uint32Array(this.wordCount);
    words.set([entries, Math.floor(trimmed / 2 ** 32), trimmed % 2 ** 32, trimmedHead.hi, trimmedHead.lo]);
    for (let i = 0; i < entries; i++) words[HEADER + i] = this.lasts[i]! - this.beforeOf(i);
    words.set(this.sizes.subarray(0, entries), HEADER + entries);
    words.set(this.heads.subarray(0, 2 * entries), HEADER + 2 * entries);
    words.set(this.chains.words(), HEADER + 4 * entries);
    return words;
  }

  /** Null for what are no such words. */
  static from(words: Uint32Array): HotLog | null {
    const [entries, high, low, hi, lo] = words;
    if (lo === undefined || words.length < HEADER + 4 * entries!) return null;
    const log = new HotLog(high! * 2 ** 32 + low!, { hi: hi!, lo });
    const chains = ActorChains.from(words.subarray(HEADER + 4 * entries!));
    if (chains === null) return null;
    log.chains = chains;
    log.lasts = new Float64Array(Math.max(16, entries!));
    log.sizes = new Uint32Array(Math.max(16, entries!));
    log.heads = new Uint32Array(2 * Math.max(16, entries!));
    log.sizes.set(words.subarray(HEADER + entries!, HEADER + 2 * entries!));
    log.heads.set(words.subarray(HEADER + 2 * entries!, HEADER + 4 * entries!));
    let last = log.trimmed;
    for (let i = 0; i < entries!; i++) {
      if (words[HEADER + i] === 0) return null;
      log.lasts[i] = last += words[HEADER + i]!;
      log.bytes += log.sizes[i]!;
    }
    log.entries = entries!;
    return last - log.trimmed === chains.records ? log : null;
  }

  private entry(i: number): EntryRef {
    return { before: this.beforeOf(i), last: this.lasts[i]!, headBefore: i === 0 ? this.trimmedHead : this.headAfter(i - 1), headAfter: this.headAfter(i) };
  }

  private beforeOf(i: number): number {
    return i === 0 ? this.trimmed : this.lasts[i - 1]!;
  }

  private headAfter(i: number): Hash64 {
    return { hi: this.heads[2 * i]!, lo: this.heads[2 * i + 1]! };
  }

  /** The first entry whose last position is not before `position`. */
  private indexOf(position: number): number {
    let low = 0;
    let high = this.entries - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.lasts[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private grow(): void {
    const lasts = new Float64Array(this.lasts.length * 2);
    lasts.set(this.lasts);
    this.lasts = lasts;
    const heads = new Uint32Array(this.heads.length * 2);
    heads.set(this.heads);
    this.heads = heads;
    const sizes = new Uint32Array(this.sizes.length * 2);
    sizes.set(this.sizes);
    this.sizes = sizes;
  }
}
