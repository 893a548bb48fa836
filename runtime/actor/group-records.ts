/**
 * The records of one tick, of all buckets, one behind the other in one buffer: what a tick writes lies together, and a bucket
 * costs no buffer of its own. Records of one bucket that follow each other are one run, and a run is one append; a batch whose
 * items are in the order of their buckets makes one run a bucket.
 *
 * Q1  The buffer, and every run, belongs to the journal from `close` until its appends have settled.
 */

import assert from 'node:assert/strict';

import type { BucketId } from '../codec/address.ts';
import type { MutableHash64 } from '../codec/chain.ts';
import { chain } from '../codec/chain.ts';
import type { RecordReader } from '../codec/record.ts';
import { WireWriter } from '../codec/wire.ts';
import type { Append } from '../journal/journal.ts';
import type { Bucket } from './bucket.ts';

/** Most records are this long at least, and shorter than 16,384 bytes: their length takes two bytes. */
const TWO_BYTE_LENGTH_MIN = 128;
const NO_BYTES = Buffer.alloc(0);
/** What grew for one burst is given back. */
const KEEP_BYTES = 4 * 1024 * 1024;

/** Records of one bucket; used again for another one in a later tick. */
export class Run implements Append {
  owner: Bucket;
  bucket: BucketId;
  epoch = 0;
  position = 0;
  count = 0;
  readonly headBefore: MutableHash64 = { hi: 0, lo: 0 };
  readonly headAfter: MutableHash64 = { hi: 0, lo: 0 };
  bytes: Buffer = NO_BYTES;
  from = 0;
  to = 0;
  actorHashes: Uint32Array = new Uint32Array(0);
  hashesFrom = 0;

  constructor(owner: Bucket) {
    this.owner = owner;
    this.bucket = owner.id;
  }
}

export class GroupRecords {
  readonly runs: Run[] = [];
  private readonly freeRuns: Run[] = [];
  private wire = new WireWriter(64 * 1024);
  private hashes = new Uint32Array(1024);
  private records = 0;
  /** Where the open record begins, behind the two bytes for its length. */
  private from = 0;

  get isEmpty(): boolean {
    return this.runs.length === 0;
  }

  /** Opens the bucket's next record: its fields are written to what this returns, then `end` closes it. */
  begin(): WireWriter {
    const { wire } = this;
    wire.reserve(2);
    wire.length += 2;
    this.from = wire.length;
    return wire;
  }

  /** The open record as it will stand in the log. */
  readOpen(reader: RecordReader): RecordReader {
    return reader.over(this.wire.buffer, this.from, this.wire.length);
  }

  /** As `readOpen`, a copy. */
  copyOpen(): Buffer {
    return Buffer.from(this.wire.buffer.subarray(this.from, this.wire.length));
  }

  /** Closes the open record: the bucket's position and head move behind it. Returns its position. */
  end(bucket: Bucket, hashHi: number, hashLo: number): number {
    const run = this.runOf(bucket);
    const at = this.records * 2;
    if (at === this.hashes.length) this.growHashes();
    this.hashes[at] = hashHi;
    this.hashes[at + 1] = hashLo;
    this.records++;
    run.count++;
    bucket.position++;
    const { wire } = this;
    chain(bucket.head, bucket.head, wire.buffer, this.from, wire.length);
    this.writeLength();
    return bucket.position;
  }

  /** The runs as appends; nothing may be added any more (Q1). */
  close(): readonly Run[] {
    const { runs, wire, hashes } = this;
    this.closeRun();
    for (let i = 0; i < runs.length; i++) {
      const run = runs[i]!;
      run.bytes = wire.buffer;
      run.actorHashes = hashes;
    }
    return runs;
  }

  reset(): void {
    const { runs, freeRuns } = this;
    while (runs.length > 0) {
      const run = runs.pop()!;
      run.bytes = NO_BYTES;
      freeRuns.push(run);
    }
    this.wire.reset();
    if (this.wire.buffer.length > KEEP_BYTES) this.wire = new WireWriter(64 * 1024);
    this.records = 0;
  }

  private runOf(bucket: Bucket): Run {
    const { runs } = this;
    if (runs.length > 0 && runs[runs.length - 1]!.owner === bucket) return runs[runs.length - 1]!;
    this.closeRun();
    const run = this.freeRuns.pop() ?? new Run(bucket);
    run.owner = bucket;
    run.bucket = bucket.id;
    run.epoch = bucket.epoch;
    run.position = bucket.position + 1;
    run.count = 0;
    run.headBefore.hi = bucket.head.hi;
    run.headBefore.lo = bucket.head.lo;
    run.from = this.from - 2;
    run.hashesFrom = this.records * 2;
    runs.push(run);
    return run;
  }

  /** The run before the record that is being closed ends where that record's length begins. */
  private closeRun(): void {
    const { runs } = this;
    if (runs.length === 0) return;
    const run = runs[runs.length - 1]!;
    run.headAfter.hi = run.owner.head.hi;
    run.headAfter.lo = run.owner.head.lo;
  }

  private writeLength(): void {
    const { wire, from } = this;
    const run = this.runs[this.runs.length - 1]!;
    const size = wire.length - from;
    if (size >= TWO_BYTE_LENGTH_MIN && size < 16_384) {
      wire.buffer[from - 2] = (size & 0x7f) | 0x80;
      wire.buffer[from - 1] = size >>> 7;
    } else {
      this.moveForLength(size);
    }
    run.to = wire.length;
  }

  private moveForLength(size: number): void {
    const { wire, from } = this;
    const lengthBytes = size < TWO_BYTE_LENGTH_MIN ? 1 : size < 2_097_152 ? 3 : 4;
    wire.reserve(2);
    wire.buffer.copyWithin(from - 2 + lengthBytes, from, wire.length);
    wire.length = from - 2;
    wire.varint(size);
    assert.equal(wire.length, from - 2 + lengthBytes);
    wire.length += size;
  }

  private growHashes(): void {
    const grown = new Uint32Array(this.hashes.length * 2);
    grown.set(this.hashes);
    this.hashes = grown;
  }
}
