/** The records of one entry of a bucket's log, with their heads; and the value of a snapshot or checkpoint as it is stored. */

import { hashBytes } from '../../codec/address.ts';
import type { BucketId } from '../../codec/address.ts';
import { chain } from '../../codec/chain.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { WireError } from '../../codec/wire.ts';
import type { StoredRecord } from '../journal.ts';
import { actorRange, isRecordOf, RunWalker } from '../record-run.ts';
import type { EntryRef } from './hot-log.ts';

const walker = new RunWalker();
const VALUE_HEADER = 16;

export function damaged(bucket: BucketId, position: number, what: string): TroupeError {
  return new TroupeError('JOURNAL_DAMAGED', `bucket ${bucket.index}/${2 ** bucket.bits} in the store: ${what}`, { location: `position ${position}` });
}

/** The records of an entry, verified against the heads before and after it. Buffers are the caller's. @throws TroupeError JOURNAL_DAMAGED */
export function recordsOfEntry(bucket: BucketId, ref: EntryRef, bytes: Buffer | null): StoredRecord[] {
  if (bytes === null) throw damaged(bucket, ref.last, 'an entry of the log is missing');
  const records: StoredRecord[] = [];
  let head = ref.headBefore;
  try {
    walker.over(bytes);
    while (walker.next()) {
      const next = { hi: 0, lo: 0 };
      chain(next, head, bytes, walker.from, walker.to);
      head = next;
      records.push({ position: ref.before + 1 + records.length, head, bytes: bytes.subarray(walker.from, walker.to) });
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw damaged(bucket, ref.last, `an entry cannot be read: ${error.message}`);
  }
  if (ref.before + records.length !== ref.last || !sameHash(head, ref.headAfter)) throw damaged(bucket, ref.last, 'the records of an entry do not lead to its head');
  return records;
}

/** Those of one actor, copied out of the entry: what is kept must not keep the others' bytes. */
export function copiesOf(records: readonly StoredRecord[], actor: Buffer, from = 1, to = Infinity): StoredRecord[] {
  return records
    .filter(({ position, bytes }) => position >= from && position < to && isRecordOf(bytes, 0, bytes.length, actor))
    .map((record) => ({ ...record, bytes: Buffer.from(record.bytes) }));
}

/** The hashes of the records' actors as in `Append.actorHashes`, into `out` from 0 on. */
export function actorHashesOf(records: readonly StoredRecord[], out: number[]): void {
  out.length = 0;
  for (const { bytes } of records) {
    const range = actorRange(bytes, 0, bytes.length);
    if (range === null) out.push(0, 0);
    else {
      const hash = hashBytes(bytes.subarray(range.from, range.to));
      out.push(hash.hi, hash.lo);
    }
  }
}

export function bytesOfHash(hash: Hash64): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32LE(hash.lo, 0);
  bytes.writeUInt32LE(hash.hi, 4);
  return bytes;
}

export function hashOfBytes(bytes: Buffer, at = 0): Hash64 {
  return { lo: bytes.readUInt32LE(at), hi: bytes.readUInt32LE(at + 4) };
}

export interface StoredValue {
  readonly position: number;
  readonly head: Hash64;
  readonly bytes: Buffer;
}

export function encodeValue(value: { readonly position: number; readonly head: Hash64; readonly bytes: Uint8Array }): Buffer {
  const bytes = Buffer.allocUnsafe(VALUE_HEADER + value.bytes.length);
  bytes.writeDoubleLE(value.position, 0);
  bytes.writeUInt32LE(value.head.lo, 8);
  bytes.writeUInt32LE(value.head.hi, 12);
  bytes.set(value.bytes, VALUE_HEADER);
  return bytes;
}

/** null for what is no such value: a cache that cannot be read is none (J8). */
export function decodeValue(bytes: Buffer | null): StoredValue | null {
  if (bytes === null || bytes.length < VALUE_HEADER) return null;
  return { position: bytes.readDoubleLE(0), head: hashOfBytes(bytes, 8), bytes: Buffer.from(bytes.subarray(VALUE_HEADER)) };
}
