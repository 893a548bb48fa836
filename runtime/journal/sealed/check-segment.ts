/**
 * Reads a segment of one run from end to end and says everything that is wrong with it: what the checksums say, and what they cannot
 * know: that the records lead from head to head, and that the index has every record and every snapshot under the right hash.
 */

import { hashText } from '../../codec/address.ts';
import { chain } from '../../codec/chain.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { Reading } from './reading.ts';
import { endIn, headIn, SegmentFile, startIn } from './segment-file.ts';
import type { RecordBlock, SegmentRunIdentity, SegmentTables } from './segment-file.ts';
import { BLOCK_WORDS, CELL_WORDS, mayBeInBloom, PAGE_WORDS, SEGMENT_MAGIC } from './segment-format.ts';
import { readSnapshotEntry } from './snapshot-entry.ts';
import { wordsOfBytes } from './words.ts';

export interface SegmentFinding {
  /** Byte of the file. */
  readonly offset: number;
  readonly why: string;
}

/** Hash of the actor of the record `bytes[from, to)`, both halves 0 for none; null when it is no record. */
export type ActorHashOf = (bytes: Buffer, from: number, to: number) => Hash64 | null;

/** `run`: what the file must hold. The file is read with caches of its own, or what is in them would not be read. */
export function* checkSegment(file: SegmentFile, run: SegmentRunIdentity, hashOf: ActorHashOf): Reading<SegmentFinding[]> {
  const check = new SegmentCheck(file, run, hashOf);
  yield* check.all();
  return check.findings;
}

class SegmentCheck {
  readonly findings: SegmentFinding[] = [];
  private readonly file: SegmentFile;
  private readonly run: SegmentRunIdentity;
  private readonly hashOf: ActorHashOf;
  /** Hash of each record's actor: hi, lo. */
  private readonly hashes: Uint32Array;
  private readonly indexed: Uint8Array;
  /** Where the next block begins. */
  private end = SEGMENT_MAGIC.length;

  constructor(file: SegmentFile, run: SegmentRunIdentity, hashOf: ActorHashOf) {
    this.file = file;
    this.run = run;
    this.hashOf = hashOf;
    this.hashes = new Uint32Array(2 * run.records);
    this.indexed = new Uint8Array(run.records);
  }

  /** Without its tables nothing of the file can be found; everything else is looked at whatever was found before. */
  *all(): Reading<void> {
    const tables = yield* this.attempt(this.file.tables());
    const bloom = yield* this.attempt(this.file.bloom());
    if (tables === null || bloom === null) return;
    const isWhole = yield* this.records(tables);
    yield* this.snapshotBlocks(tables);
    for (let p = 0; p < tables.pages.length; p += PAGE_WORDS) yield* this.page(tables, bloom, p);
    const missed = isWhole ? this.indexed.findIndex((seen, i) => seen === 0 && !isNone(this.hashes, i)) : -1;
    if (missed >= 0) this.add(this.end, `the index does not have the record at position ${this.run.position + missed}`);
  }

  private add(offset: number, why: string): void {
    this.findings.push({ offset, why });
  }

  private *attempt<T>(reading: Reading<T>): Reading<T | null> {
    try {
      return yield* reading;
    } catch (error) {
      if (!(error instanceof TroupeError) || (error.code !== 'JOURNAL_DAMAGED' && error.code !== 'JOURNAL_VERSION')) throw error;
      this.add(Number(/@(\d+)$/.exec(error.location ?? '@0')![1]), error.message);
      return null;
    }
  }

  /** Whether all records could be read, in order and head to head. */
  private *records({ blocks, recordBlocks }: SegmentTables): Reading<boolean> {
    const head = { hi: this.run.headBefore.hi, lo: this.run.headBefore.lo };
    let next = 0;
    for (let i = 0; i < recordBlocks; i++) {
      const at = this.blockAt(blocks, i);
      const block = yield* this.attempt(this.file.recordBlock(i));
      if (block === null) return false;
      const why = this.blockFault(block, next, head);
      if (why !== null) {
        this.add(at, why);
        return false;
      }
      next += block.records;
    }
    if (next === this.run.records && sameHash(head, this.run.headAfter)) return true;
    this.add(this.end, 'the records do not lead to the last head');
    return false;
  }

  private blockFault(block: RecordBlock, next: number, head: { hi: number; lo: number }): string | null {
    const { words, bytes, records } = block;
    if (block.firstRecord !== next || words[0] !== records || next + records > this.run.records) return 'a block does not follow the one before it';
    for (let i = 0; i < records; i++) {
      const position = this.run.position + next + i;
      const from = startIn(block, i);
      const to = endIn(block, i);
      if (to < from || to > bytes.length) return `the record at position ${position} leads out of its block`;
      chain(head, head, bytes, from, to);
      if (!sameHash(head, headIn(block, i))) return `the record at position ${position} does not lead to its head`;
      const hash = this.hashOf(bytes, from, to);
      if (hash === null) return `what is at position ${position} is no record`;
      this.hashes[2 * (next + i)] = hash.hi;
      this.hashes[2 * (next + i) + 1] = hash.lo;
    }
    return endIn(block, records - 1) === bytes.length ? null : 'a block is longer than its records';
  }

  /** A block that holds no snapshot of any actor's cell is checked here, too. */
  private *snapshotBlocks({ blocks, recordBlocks }: SegmentTables): Reading<void> {
    for (let i = recordBlocks; i < blocks.length / BLOCK_WORDS; i++) {
      this.blockAt(blocks, i);
      yield* this.attempt(this.file.rawBlock(i));
    }
  }

  /** Blocks lie one behind the other, or there would be bytes that nothing checks. */
  private blockAt(blocks: Uint32Array, i: number): number {
    const at = blocks[i * BLOCK_WORDS]!;
    if (at !== this.end) this.add(at, 'a block does not begin where the one before it ends');
    this.end = at + blocks[i * BLOCK_WORDS + 1]!;
    return at;
  }

  private *page(tables: SegmentTables, bloom: Uint32Array, p: number): Reading<void> {
    const { pages } = tables;
    const at = pages[p + 2]!;
    const words = yield* this.attempt(this.file.page(pages, p));
    if (words === null) return;
    if (words[1] !== pages[p] || words[2] !== pages[p + 1]) this.add(at, 'the directory has another first actor for this page');
    const cells = words[0]!;
    for (let c = 1; c < 1 + cells * CELL_WORDS; c += CELL_WORDS) {
      const hash = { hi: words[c]!, lo: words[c + 1]! };
      if (c > 1 && (words[c - CELL_WORDS]! - hash.hi || words[c - CELL_WORDS + 1]! - hash.lo) >= 0) this.add(at, 'actors are out of order');
      if (!mayBeInBloom(bloom, hash.hi, hash.lo)) this.add(at, 'the bloom filter does not have an actor');
      const first = 1 + cells * CELL_WORDS + words[c + 4]!;
      this.cell(at, hash, words.subarray(first, first + words[c + 5]!));
      if (words[c + 2] !== 0) yield* this.snapshot(tables, at, hash, words[c + 2]! - 1, words[c + 3]!);
    }
  }

  private cell(at: number, hash: Hash64, numbers: Uint32Array): void {
    for (const [i, number] of numbers.entries()) {
      const isRight = this.hashes[2 * number] === hash.hi && this.hashes[2 * number + 1] === hash.lo;
      if (!isRight || (i > 0 && number <= numbers[i - 1]!)) this.add(at, `the index has the record at position ${this.run.position + number} under another actor`);
      else this.indexed[number] = 1;
    }
  }

  private *snapshot({ blocks, recordBlocks }: SegmentTables, at: number, hash: Hash64, block: number, offset: number): Reading<void> {
    if (block < recordBlocks || block >= blocks.length / BLOCK_WORDS) return this.add(at, 'the index names a block of snapshots that is none');
    let raw: Buffer;
    try {
      raw = yield* this.file.rawBlock(block);
    } catch (error) {
      // Said already, once for the whole block.
      if (error instanceof TroupeError && error.code === 'JOURNAL_DAMAGED') return;
      throw error;
    }
    const snapshot = readSnapshotEntry(wordsOfBytes(raw), offset >> 2, raw, offset);
    const { position, records } = this.run;
    if (snapshot === null) this.add(blocks[block * BLOCK_WORDS]!, 'a snapshot does not fit its checksum');
    else if (!sameHash(hashText(snapshot.actor), hash)) this.add(at, 'the index has a snapshot under another actor');
    else if (snapshot.position >= position + records) this.add(at, 'a snapshot names a position behind the range');
  }
}

function isNone(hashes: Uint32Array, i: number): boolean {
  return hashes[2 * i] === 0 && hashes[2 * i + 1] === 0;
}
