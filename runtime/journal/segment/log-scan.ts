/**
 * Reads a log file from its beginning, verifies every frame, and folds it into the buckets' heads and the file's index.
 * Decides whether what follows the last good frame is a torn tail, which was never acknowledged, or damage, which was.
 */

import { crc32 } from 'node:zlib';

import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import { damaged } from '../sealed/damaged.ts';
import { hashAt, wide } from '../sealed/words.ts';
import type { BucketState, BucketTable, StoredCheckpoint } from './bucket-table.ts';
import {
  CHECKPOINT_WORDS,
  ENTRY_CHECKPOINT,
  ENTRY_HEAD,
  ENTRY_RUN,
  entryBits,
  entryWords,
  FileImage,
  FRAME_ALIGN,
  FRAME_HEADER_BYTES,
  FRAME_VERSION,
  frameKind,
  framePrevious,
  frameSyncedTo,
  frameVersion,
  KIND_TABLE,
  verifiedLength,
} from './frame.ts';
import { LOG_HEADER_BYTES } from './log-file.ts';
import type { LogFile, LogLink } from './log-file.ts';

/** The newest of each bucket in a file, by word. A file holds several of each, of megabytes together when there are many timers: one is copied. */
type CheckpointPlaces = Map<BucketState, number>;

export interface ScanRules {
  /** F2; off only in the test that shows what it is for. */
  readonly chained: boolean;
}

/**
 * Scans `log`, whose header has been read. `next` is what the header of the following file says about this one; null for the
 * last file, whose tail may be torn. Sets the log's end, checksum and index, and the buckets' heads.
 * @throws TroupeError JOURNAL_DAMAGED, JOURNAL_VERSION
 */
export function scanLog(log: LogFile, image: FileImage, buckets: BucketTable, next: LogLink | null, rules: ScanRules): void {
  let at = LOG_HEADER_BYTES;
  let checksum = 0;
  const limit = next === null ? image.bytes.length : next.end;
  const checkpoints: CheckpointPlaces = new Map();
  while (at < limit) {
    const length = verifiedLength(image, at, log.seed);
    if (length === 0 || (rules.chained && framePrevious(image, at) !== checksum)) break;
    takeFrame(log, image, at, buckets, checkpoints);
    checksum = image.words[at >> 2]!;
    at += length;
  }
  log.end = at;
  log.checksum = checksum;
  for (const [bucket, w] of checkpoints) bucket.checkpoint = checkpointAt(image, w);
  if (at === LOG_HEADER_BYTES) throw damaged(log.path, at, 'the table of buckets cannot be read');
  if (next !== null) {
    if (at !== next.end || checksum !== next.checksum) throw damaged(log.path, at, 'the file after this one names another end');
    return;
  }
  const later = highestSyncedTo(log, image, at);
  if (later > at) throw damaged(log.path, at, `a later frame shows that all up to byte ${later} was durable`);
}

/** The highest `syncedTo` of frames that verify by themselves behind `from` (F4). */
function highestSyncedTo(log: LogFile, image: FileImage, from: number): number {
  const { words, bytes } = image;
  let highest = 0;
  for (let at = from; at + FRAME_HEADER_BYTES <= bytes.length; at += FRAME_ALIGN) {
    // The stored offset tells nearly all of them apart from zeros and data, before a checksum is taken.
    if (words[(at >> 2) + 4] !== at || verifiedLength(image, at, log.seed) === 0) continue;
    highest = Math.max(highest, frameSyncedTo(image, at));
  }
  return highest;
}

function takeFrame(log: LogFile, image: FileImage, at: number, buckets: BucketTable, checkpoints: CheckpointPlaces): void {
  if (frameVersion(image, at) > FRAME_VERSION) {
    throw new TroupeError('JOURNAL_VERSION', `${log.path} has a frame of format ${frameVersion(image, at)}, this is ${FRAME_VERSION}`);
  }
  const table = frameKind(image, at) === KIND_TABLE;
  if (table !== (at === LOG_HEADER_BYTES)) throw damaged(log.path, at, 'a frame stands where it cannot be');
  const { words } = image;
  const entries = words[(at >> 2) + 6]!;
  let w = (at + FRAME_HEADER_BYTES) >> 2;
  for (let i = 0; i < entries; i++) {
    takeEntry(log, image, w, buckets, checkpoints);
    w += entryWords(words, w);
  }
  log.index.add(words, at >> 2, at, (bits, index) => buckets.get(bits, index)!.slot);
}

function takeEntry(log: LogFile, image: FileImage, w: number, buckets: BucketTable, checkpoints: CheckpointPlaces): void {
  const { words } = image;
  const bits = entryBits(words, w);
  const index = words[w + 1]!;
  const bucket = buckets.get(bits, index);
  switch (words[w]! & 0xff) {
    case ENTRY_HEAD: {
      const state = bucket ?? buckets.create({ bits, index }, hashAt(words, w + 4));
      if (bucket === undefined) {
        state.settle(wide(words, w + 6), words[w + 9]!, words[w + 8]!);
        state.revert();
      }
      if (!state.stands(wide(words, w + 6), hashAt(words, w + 8)) || !sameHash(state.incarnation, hashAt(words, w + 4))) {
        throw damaged(log.path, w << 2, 'the head of a bucket does not fit its log');
      }
      state.epoch = Math.max(state.epoch, wide(words, w + 2));
      return;
    }
    case ENTRY_RUN: {
      if (bucket === undefined || !bucket.stands(wide(words, w + 4) - 1, hashAt(words, w + 8))) {
        throw damaged(log.path, w << 2, 'a run does not follow the log of its bucket');
      }
      if (wide(words, w + 2) !== bucket.epoch) throw damaged(log.path, w << 2, 'a run has an epoch that was not the newest');
      bucket.settle(bucket.position + words[w + 6]!, words[w + 11]!, words[w + 10]!);
      bucket.revert();
      return;
    }
    case ENTRY_CHECKPOINT: {
      if (bucket === undefined || wide(words, w + 2) > bucket.position || crc32(checkpointBytes(image, w)) !== words[w + 7]) return;
      checkpoints.set(bucket, w);
      return;
    }
    default:
  }
}

function checkpointBytes({ words, bytes }: FileImage, w: number): Buffer {
  const from = (w + CHECKPOINT_WORDS) << 2;
  return bytes.subarray(from, from + words[w + 6]!);
}

/** A copy, since the image's memory is used again. */
function checkpointAt(image: FileImage, w: number): StoredCheckpoint {
  const { words } = image;
  const bytes = Buffer.allocUnsafeSlow(words[w + 6]!);
  checkpointBytes(image, w).copy(bytes);
  return { position: wide(words, w + 2), head: hashAt(words, w + 4), bytes };
}
