/**
 * A range on its way to the thread that writes it: all its records in one piece of memory, which is handed over without a copy. This
 * is the whole cost of a write for the event loop, so it goes in pieces, and everything else (chain of heads, hashes of actors,
 * compression, disk) is left to the thread.
 */

import assert from 'node:assert/strict';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { SnapshotPut, StoredRecord } from '../journal.ts';
import { snapshotEntryWords, writeSnapshotEntry } from '../sealed/snapshot-entry.ts';
import { bytesOfWords } from '../sealed/words.ts';
import { coldBounds } from './bounds.ts';
import { bucketName, checkNamespace } from './cold-range.ts';
import { Pieces } from './pieces.ts';

/** What `ColdTier.write` is given. The buffers are the tier's until it answers (J10). */
export interface ColdWrite {
  /** `main` when left out. */
  readonly namespace?: string;
  readonly bucket: BucketId;
  readonly incarnation: Hash64;
  /** Position of the first record, and the head it follows. */
  readonly from: number;
  readonly headBefore: Hash64;
  /** At least one, in order of position, without a gap. */
  readonly records: readonly StoredRecord[];
  /** Of actors of this bucket, at positions in front of the range's end; of several under one hash the newest is kept. */
  readonly snapshots: readonly SnapshotPut[];
}

export interface PackedRange {
  readonly namespace: string;
  readonly bucket: BucketId;
  readonly incarnation: Hash64;
  readonly from: number;
  readonly headBefore: Hash64;
  /** The records one after the other; where each ends; the head behind each (hi, lo). */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly heads: Uint32Array<ArrayBuffer>;
  /** Entries as in snapshot-entry.ts, in order of hash, one after the other; and the word where each ends. */
  readonly snapshots: Uint32Array<ArrayBuffer>;
  readonly snapshotEnds: Uint32Array<ArrayBuffer>;
}

/** What need not be copied when a range goes to another thread. */
export function memoryOf({ bytes, ends, heads, snapshots, snapshotEnds }: PackedRange): ArrayBuffer[] {
  return [bytes, ends, heads, snapshots, snapshotEnds].map(({ buffer }) => buffer);
}

/** @throws TroupeError JOURNAL_DAMAGED when positions have a gap */
export async function packRange(write: ColdWrite): Promise<PackedRange> {
  const { namespace = 'main', bucket, incarnation, from, headBefore, records } = write;
  checkNamespace(namespace);
  assert(records.length > 0 && records.length <= coldBounds.recordsPerRangeMax, `a range of ${records.length} records`);
  const pieces = new Pieces();
  const ends = await endsOf(write, pieces);
  const bytes = new Uint8Array(ends[records.length - 1]!);
  const heads = new Uint32Array(2 * records.length);
  let at = 0;
  for (const [i, record] of records.entries()) {
    bytes.set(record.bytes, at);
    at = ends[i]!;
    heads[2 * i] = record.head.hi;
    heads[2 * i + 1] = record.head.lo;
    if (pieces.isOver(record.bytes.length)) await pieces.pause();
  }
  const { words, ends: snapshotEnds } = await packSnapshots(write, pieces);
  return { namespace, bucket, incarnation, from, headBefore, bytes, ends, heads, snapshots: words, snapshotEnds };
}

async function endsOf({ bucket, from, records }: ColdWrite, pieces: Pieces): Promise<Uint32Array<ArrayBuffer>> {
  const ends = new Uint32Array(records.length);
  let end = 0;
  for (const [i, { position, bytes }] of records.entries()) {
    if (position !== from + i) {
      const location = `${bucketName(bucket)}@${from + i}`;
      throw new TroupeError('JOURNAL_DAMAGED', `${location}: the record at this position is missing, ${position} comes next`, { location });
    }
    end += bytes.length;
    assert(end <= coldBounds.rangeBytesMax, `a range of more than ${coldBounds.rangeBytesMax} bytes`);
    ends[i] = end;
    if (pieces.isOver(0)) await pieces.pause();
  }
  return ends;
}

/** In order of hash, whatever order they come in: the same range and snapshots are the same file. */
async function packSnapshots(write: ColdWrite, pieces: Pieces): Promise<{ words: Uint32Array<ArrayBuffer>; ends: Uint32Array<ArrayBuffer> }> {
  const newest = newestOf(write);
  const actorBytes = newest.map(({ actor }) => Buffer.byteLength(actor));
  const sizes = newest.map((put, i) => snapshotEntryWords(put, actorBytes[i]!));
  const words = new Uint32Array(sizes.reduce((sum, size) => sum + size, 0));
  assert(words.byteLength <= coldBounds.rangeBytesMax, `snapshots of more than ${coldBounds.rangeBytesMax} bytes`);
  const bytes = bytesOfWords(words);
  const ends = new Uint32Array(newest.length);
  let at = 0;
  for (const [i, put] of newest.entries()) {
    writeSnapshotEntry(words, bytes, at, put, actorBytes[i]!, write.incarnation);
    at += sizes[i]!;
    ends[i] = at;
    if (pieces.isOver(put.bytes.length)) await pieces.pause();
  }
  return { words, ends };
}

/** An actor's cell in the index has room for one snapshot. */
function newestOf({ bucket, from, records, snapshots }: ColdWrite): SnapshotPut[] {
  const inOrder = [...snapshots].sort(
    (a, b) => a.actorHash.hi - b.actorHash.hi || a.actorHash.lo - b.actorHash.lo || b.position - a.position || (a.actor < b.actor ? -1 : 1),
  );
  return inOrder.filter((put, i) => {
    assert(put.bucket.bits === bucket.bits && put.bucket.index === bucket.index, 'a snapshot of another bucket');
    // Nobody who reads the cold tier alone could hold it against the log.
    assert(put.position < from + records.length, `a snapshot at position ${put.position}, behind the range`);
    const before = inOrder[i - 1];
    return before === undefined || before.actorHash.hi !== put.actorHash.hi || before.actorHash.lo !== put.actorHash.lo;
  });
}
