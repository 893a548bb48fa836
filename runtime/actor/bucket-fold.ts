/** Opens buckets and folds what is not an actor's from their logs: types in service, channel numbers, strikes. */

import { KIND_CONTROL, KIND_FAILED, KIND_QUARANTINED, READER_VERSION, RecordReader } from '../codec/record.ts';
import { TroupeError } from '../codec/errors.ts';
import { splitAddress } from '../codec/address.ts';
import type { BucketHead, Journal } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import { Bucket } from './bucket.ts';
import { Addressees } from './messages/message.ts';
import { restoreCheckpoint } from './snapshots.ts';
import { countsForType } from './turns.ts';

/** Takes over where the log stands, and folds the bucket's records behind its checkpoint. */
export async function openFold(bucket: Bucket, head: BucketHead, journal: Journal): Promise<void> {
  bucket.served.clear();
  bucket.channels.clear();
  bucket.letters.clear();
  bucket.linked.clear();
  bucket.timers.clear();
  bucket.typeStrikes.clear();
  bucket.typeQuarantines.clear();
  bucket.opened(head);
  bucket.openedCheckpoint = head.checkpoint !== null && restoreCheckpoint(bucket, head.checkpoint.bytes) ? head.checkpoint.position : 0;
  const from = bucket.openedCheckpoint + 1;
  if (from <= head.position) {
    const record = new RecordReader();
    for await (const stored of journal.readBucket(head.bucket, from, head.position + 1)) foldRecord(bucket, record.over(stored.bytes));
  }
  bucket.channels.begin(head.incarnation);
  bucket.recordedMs = bucket.nowMs;
}

/** Takes one record into the bucket's fold. @throws TroupeError JOURNAL_VERSION */
export function foldRecord(bucket: Bucket, record: RecordReader): void {
  if (record.minReaderVersion > READER_VERSION) {
    throw new TroupeError('JOURNAL_VERSION', `bucket ${bucket.name} holds records of format ${record.minReaderVersion}`);
  }
  if (record.nowMs > bucket.nowMs) bucket.nowMs = record.nowMs;
  bucket.foldMessages(record);
  if (record.kind === KIND_FAILED && record.actor !== '') bucket.strikeType(`${splitAddress(record.actor).type} ${record.bundleHex()}`);
  if (record.kind !== KIND_CONTROL && record.kind !== KIND_QUARANTINED) return;
  if (record.activation !== null) bucket.activate(record.activation, record.nowMs);
  if (record.strike !== null && countsForType(record.strike.code)) bucket.strikeType(`${record.strike.type} ${record.strike.bundle.toString('hex')}`);
  if (record.quarantine !== null && record.quarantine.actor === '') {
    const key = `${record.quarantine.type} ${record.quarantine.bundle.toString('hex')}`;
    if (record.quarantine.released) bucket.typeQuarantines.delete(key);
    else bucket.typeQuarantines.set(key, record.quarantine.code);
  }
}

/** Opens all buckets of a namespace that has 2^bits of them. */
export async function openBuckets(journal: Journal, bits: number): Promise<Bucket[]> {
  const buckets = newBuckets(bits);
  const heads = await journal.openBuckets(buckets.map(({ id }) => id));
  for (let from = 0; from < buckets.length; from += limits.bucketsFoldedAtOnceMax) {
    const to = Math.min(from + limits.bucketsFoldedAtOnceMax, buckets.length);
    const folds: Promise<void>[] = [];
    for (let i = from; i < to; i++) folds.push(openFold(buckets[i]!, heads[i]!, journal));
    await Promise.all(folds);
  }
  for (const bucket of buckets) bucket.serve();
  return buckets;
}

/** All buckets of a namespace that has 2^bits of them, none of them open. */
export function newBuckets(bits: number): Bucket[] {
  const addressees = new Addressees(bits);
  return Array.from({ length: 2 ** bits }, (_, index) => new Bucket({ bits, index }, addressees));
}
