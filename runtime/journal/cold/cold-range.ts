/**
 * One range of a bucket's log in the cold tier: which file holds it, and what the file must be. The list of a bucket's ranges is kept
 * by the hot tier, under the bucket's epoch; a range is plain data, and stored there as a short string of bytes.
 *
 * A file's name says what is in it, so that a range can be rebuilt from its file, and so that the same range written twice is the
 * same file: `<namespace>/range-<bits>-<index>-<incarnation>-<from>-<to>-<digest>.seg`. With `store:` in front of it, it is no file of a
 * directory, but kept by the hot tier's store itself (place.ts).
 */

import assert from 'node:assert/strict';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { hashToHex, sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { WireReader, WireWriter } from '../../codec/wire.ts';

/** The records of a bucket with position in `[from, to)`. */
export interface ColdRange {
  readonly namespace: string;
  readonly bucket: BucketId;
  /** Of the bucket's log when the range was written. */
  readonly incarnation: Hash64;
  readonly from: number;
  readonly to: number;
  /** The head that the first record follows, and the head that the last one leads to. */
  readonly headBefore: Hash64;
  readonly headAfter: Hash64;
  /** Relative to the directory of the tier, with a slash; or in the store. */
  readonly file: string;
  /** SHA-256 of the file, its first 32 hex digits. */
  readonly digest: string;
  /** Size of the file. */
  readonly bytes: number;
  /** `to - from`. */
  readonly records: number;
  /** Size of the encoded records before compression. */
  readonly rawBytes: number;
}

/** What a file's name says. */
export type ColdName = Pick<ColdRange, 'namespace' | 'bucket' | 'incarnation' | 'from' | 'to' | 'digest'>;

const namespacePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const filePattern = /^range-(\d{2,})-(\d{6,})-([0-9a-f]{16})-(\d{16})-(\d{16})-([0-9a-f]{32})\.seg$/;

/** A namespace is the name of a folder here. */
export function checkNamespace(namespace: string): void {
  assert(namespacePattern.test(namespace), `${JSON.stringify(namespace)} is the name of no namespace`);
}

export function coldFile({ namespace, bucket, incarnation, from, to, digest }: ColdName): string {
  const place = `${digits(bucket.bits, 2)}-${digits(bucket.index, 6)}-${hashToHex(incarnation)}`;
  return `${namespace}/range-${place}-${digits(from, 16)}-${digits(to, 16)}-${digest}.seg`;
}

const IN_STORE = 'store:';

export function storeFile(name: ColdName): string {
  return `${IN_STORE}${coldFile(name)}`;
}

/** Whether the range is kept by the hot tier's store itself. */
export function isInStore({ file }: Pick<ColdRange, 'file'>): boolean {
  return file.startsWith(IN_STORE);
}

/** `name`: of a file in the namespace's folder. Null when it is no range. */
export function readColdName(namespace: string, name: string): ColdName | null {
  const match = filePattern.exec(name);
  if (match === null) return null;
  const [, bits, index, incarnation, from, to, digest] = match;
  return {
    namespace,
    bucket: { bits: Number(bits), index: Number(index) },
    incarnation: { hi: Number.parseInt(incarnation!.slice(0, 8), 16), lo: Number.parseInt(incarnation!.slice(8), 16) },
    from: Number(from),
    to: Number(to),
    digest: digest!,
  };
}

/** Of ranges in a directory. */
const VERSION = 1;
/** Of ranges in the store: who knows of none would look for a file. The store's own functions look at this byte, too. */
const VERSION_IN_STORE = 2;

/** Protobuf fields, which a later version may add to: each is named in `decodeColdRange`. The version is the second byte. */
export function encodeColdRange(range: ColdRange): Buffer {
  const wire = new WireWriter(128);
  wire.uint(1, isInStore(range) ? VERSION_IN_STORE : VERSION);
  wire.string(2, range.namespace);
  wire.uint(3, range.bucket.bits);
  wire.uint(4, range.bucket.index);
  wire.fixed64(5, range.incarnation.hi, range.incarnation.lo);
  wire.uint(6, range.from);
  wire.uint(7, range.records);
  wire.fixed64(8, range.headBefore.hi, range.headBefore.lo);
  wire.fixed64(9, range.headAfter.hi, range.headAfter.lo);
  wire.bytes(10, Buffer.from(range.digest, 'hex'));
  wire.uint(11, range.bytes);
  wire.uint(12, range.rawBytes);
  return wire.copy();
}

/** @throws TroupeError JOURNAL_DAMAGED when the bytes are no range, JOURNAL_VERSION when a newer version wrote them */
export function decodeColdRange(bytes: Uint8Array): ColdRange {
  const numbers = new Map<number, number>();
  const hashes = new Map<number, Hash64>();
  let namespace = '';
  let digest = '';
  try {
    const wire = new WireReader().over(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    while (wire.next()) {
      if (wire.field === 2 && wire.wireType === 2) namespace = wire.string();
      else if (wire.field === 10 && wire.wireType === 2) digest = wire.bytes().toString('hex');
      else if (wire.wireType === 0) numbers.set(wire.field, wire.varint());
      else if (wire.wireType === 1) {
        wire.fixed64();
        hashes.set(wire.field, { hi: wire.hi, lo: wire.lo });
      } else wire.skip();
    }
  } catch (error) {
    throw unreadable(error);
  }
  const number = (field: number): number => numbers.get(field) ?? 0;
  const hash = (field: number): Hash64 => hashes.get(field) ?? { hi: 0, lo: 0 };
  const version = number(1);
  if (version > VERSION_IN_STORE) throw new TroupeError('JOURNAL_VERSION', `a range of the cold tier is listed in format ${version}, this is ${VERSION_IN_STORE}`);
  if (version < VERSION || digest.length !== 32 || !namespacePattern.test(namespace) || number(6) < 1 || number(7) < 1) throw unreadable();
  const from = number(6);
  const records = number(7);
  const name = { namespace, bucket: { bits: number(3), index: number(4) }, incarnation: hash(5), from, to: from + records, digest };
  return { ...name, headBefore: hash(8), headAfter: hash(9), file: version === VERSION_IN_STORE ? storeFile(name) : coldFile(name), bytes: number(11), records, rawBytes: number(12) };
}

function unreadable(cause?: unknown): TroupeError {
  return new TroupeError('JOURNAL_DAMAGED', 'a range in the list of the cold tier cannot be read', {
    hint: 'Rebuild the list from the files of the cold tier.',
    cause,
  });
}

/** The bucket's name in messages and locations. */
export function bucketName(bucket: BucketId): string {
  return `bucket ${bucket.bits}/${bucket.index}`;
}

/**
 * A list is of one bucket, begins at position 1 and has neither gap nor overlap, in the positions and in the heads. [A list that lost
 * an entry reads like an actor that never did anything.] @throws TroupeError JOURNAL_DAMAGED with the position
 */
export function checkList(ranges: readonly ColdRange[]): void {
  let position = 1;
  for (const [i, range] of ranges.entries()) {
    const before = ranges[i - 1];
    const follows = before === undefined || (sameLog(before, range) && sameHash(before.headAfter, range.headBefore));
    if (range.from !== position || !follows) {
      const where = `${bucketName(range.bucket)}@${position}`;
      throw new TroupeError('JOURNAL_DAMAGED', `no listed file of the cold tier continues ${bucketName(range.bucket)} at position ${position}`, { location: where });
    }
    position = range.to;
  }
}

/** Incarnations may differ: an accepted loss begins a new one behind the same head. */
export function sameLog(a: ColdRange, b: ColdRange): boolean {
  return a.namespace === b.namespace && a.bucket.bits === b.bucket.bits && a.bucket.index === b.bucket.index;
}

/** The range that holds `position`, or the first one behind it; `ranges.length` when all end before it. */
export function findRange(ranges: readonly ColdRange[], position: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.to <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function digits(number: number, width: number): string {
  return String(number).padStart(width, '0');
}
