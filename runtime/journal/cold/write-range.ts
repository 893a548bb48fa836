/**
 * Writes the file of one range, on a thread that may wait for the disk; or makes its bytes, for a place that is no directory.
 *
 * W1  The file is whole and synchronised before it has its name, and the name is durable before the range is answered. So a file
 *     that carries a range's name is whole, whenever the power fails, and what is listed is there.
 * W2  A temporary name is nobody else's: two nodes that write the same range at once do not meet before the rename, and the second
 *     one puts the same bytes under the same name.
 * W3  The records lead from head to head, or nothing is written: what the hot tier lost or mixed up must not be made permanent.
 */

import { randomBytes } from 'node:crypto';
import * as path from 'node:path';

import { hashBytes } from '../../codec/address.ts';
import { chain } from '../../codec/chain.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { WireError, WireReader } from '../../codec/wire.ts';
import { isDiskFull } from '../sealed/disk.ts';
import type { Disk } from '../sealed/disk.ts';
import { SegmentWriter } from '../sealed/segment-writer.ts';
import type { PlannedRecord, PlannedSnapshot, SegmentSink } from '../sealed/segment-writer.ts';
import { bytesOfWords } from '../sealed/words.ts';
import { bucketName, coldFile, storeFile } from './cold-range.ts';
import type { ColdName, ColdRange } from './cold-range.ts';
import { GrowingBytes } from './growing-bytes.ts';
import type { PackedRange } from './packed-range.ts';

const RECORD_ACTOR = 4;
const NO_ACTOR: Hash64 = { hi: 0, lo: 0 };
const reader = new WireReader();

export interface WriteSettings {
  /** Of the tier. It must be there: a volume that is not mounted must not become a new tier. */
  readonly directory: string;
  readonly sync: boolean;
}

/** The same range and snapshots give the same file. @throws TroupeError JOURNAL_DAMAGED (W3), JOURNAL_FULL, JOURNAL_FAILED */
export function writeRange(disk: Disk, packed: PackedRange, { directory, sync }: WriteSettings): ColdRange {
  const folder = path.join(directory, packed.namespace);
  const temporary = path.join(folder, `${randomBytes(12).toString('hex')}.tmp`);
  try {
    // Of a directory that is missing this throws.
    disk.list(directory);
    disk.makeDirectory(folder);
    if (sync) disk.syncDirectory(directory);
    const range = writeFile(disk, temporary, packed, sync);
    disk.rename(temporary, path.join(directory, range.file));
    if (sync) disk.syncDirectory(folder);
    return range;
  } catch (error) {
    removeQuietly(disk, temporary);
    throw writeFailure(folder, error);
  }
}

/** The range as the hot tier's store keeps it: what its file would be. */
export interface BuiltRange {
  readonly range: ColdRange;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** The same range and snapshots give the same bytes. @throws TroupeError JOURNAL_DAMAGED (W3) */
export function buildRange(packed: PackedRange): BuiltRange {
  // Records compress to about half; growing once more costs a copy.
  const memory = new GrowingBytes(packed.bytes.length / 2);
  const range = writeTo(memory, packed, storeFile);
  return { range, content: memory.taken() };
}

function writeFile(disk: Disk, temporary: string, packed: PackedRange, sync: boolean): ColdRange {
  const file = disk.open(temporary, 'create');
  try {
    const range = writeTo(file, packed, coldFile);
    if (sync) file.sync();
    return range;
  } finally {
    file.close();
  }
}

function writeTo(sink: SegmentSink, packed: PackedRange, fileOf: (name: ColdName) => string): ColdRange {
  const { namespace, bucket, incarnation, from, headBefore, bytes, ends, heads } = packed;
  const records = ends.length;
  const headAfter = { hi: heads[2 * records - 2]!, lo: heads[2 * records - 1]! };
  const writer = new SegmentWriter(sink, records);
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const { bits, index } = bucket;
  writer.run({ bits, index, incarnation, position: from, headBefore, headAfter, records }, source, recordsOf(packed, source));
  writer.snapshots(snapshotsOf(packed));
  const written = writer.finish(0, incarnation);
  const name = { namespace, bucket, incarnation, from, to: from + records, digest: written.digest };
  return { ...name, headBefore, headAfter, file: fileOf(name), bytes: written.bytes, records, rawBytes: bytes.length };
}

/** Checked on the way (W3). The hash of an actor is computed here, so that no wrong one can hide a record from its actor. */
function* recordsOf({ bucket, from, headBefore, ends, heads }: PackedRange, source: Buffer): Generator<PlannedRecord> {
  const record: PlannedRecord = { from: 0, to: 0, headHi: 0, headLo: 0, actorHi: 0, actorLo: 0 };
  const head = { hi: headBefore.hi, lo: headBefore.lo };
  for (const [i, end] of ends.entries()) {
    record.from = record.to;
    record.to = end;
    chain(head, head, source, record.from, record.to);
    record.headHi = heads[2 * i]!;
    record.headLo = heads[2 * i + 1]!;
    if (!sameHash(head, { hi: record.headHi, lo: record.headLo })) throw broken(bucket, from + i, 'does not lead to its head');
    const actor = actorHashOf(source, record.from, record.to);
    if (actor === null) throw broken(bucket, from + i, 'is no record');
    record.actorHi = actor.hi;
    record.actorLo = actor.lo;
    yield record;
  }
}

function broken(bucket: PackedRange['bucket'], position: number, why: string): TroupeError {
  const location = `${bucketName(bucket)}@${position}`;
  return new TroupeError('JOURNAL_DAMAGED', `${location}: the record ${why}, and was not moved to the cold tier`, { location });
}

/** Hash of the address in the record `source[from, to)`; both halves 0 for a record of the bucket itself, null for no record at all. */
export function actorHashOf(source: Buffer, from: number, to: number): Hash64 | null {
  try {
    reader.over(source, from, to);
    while (reader.next()) {
      if (reader.field === RECORD_ACTOR && reader.wireType === 2) {
        const actor = reader.bytes();
        return actor.length === 0 ? NO_ACTOR : hashBytes(actor);
      }
      reader.skip();
    }
    return NO_ACTOR;
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

function* snapshotsOf({ snapshots, snapshotEnds }: PackedRange): Generator<PlannedSnapshot> {
  let w = 0;
  for (const end of snapshotEnds) {
    yield { hi: snapshots[w + 7]!, lo: snapshots[w + 6]!, entry: bytesOfWords(snapshots.subarray(w, end)) };
    w = end;
  }
}

/** It holds room that somebody else may need; `ColdTier.removeLeftovers` finds it later when this fails. */
function removeQuietly(disk: Disk, temporary: string): void {
  try {
    disk.remove(temporary);
  } catch {
    // It may not have come into being, or has its name already.
  }
}

function writeFailure(folder: string, error: unknown): TroupeError {
  if (error instanceof TroupeError) return error;
  const { message } = error as Error;
  if (isDiskFull(error)) {
    return new TroupeError('JOURNAL_FULL', `${folder} is full: ${message}`, { hint: 'Free space on the volume of the cold tier; until then the range stays in the hot tier.', cause: error });
  }
  const hint = 'Check the volume of the cold tier; until then the range stays in the hot tier.';
  return new TroupeError('JOURNAL_FAILED', `a range cannot be written to ${folder}: ${message}`, { hint, cause: error });
}
