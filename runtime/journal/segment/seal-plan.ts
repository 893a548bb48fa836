/**
 * Reads a whole log file and puts in order what its segment will hold: every bucket's records, verified by the chain of heads,
 * and the newest snapshot of each actor.
 */

import { chain } from '../../codec/chain.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { RunWalker } from '../record-run.ts';
import { damaged } from '../sealed/damaged.ts';
import type { PlannedRecord, PlannedRun } from '../sealed/segment-writer.ts';
import { ENTRY_SNAPSHOT } from '../sealed/snapshot-entry.ts';
import { hashAt, wide } from '../sealed/words.ts';
import {
  ENTRY_HEAD,
  ENTRY_RUN,
  entryBits,
  entryWords,
  FileImage,
  FRAME_HEADER_BYTES,
  framePrevious,
  RUN_WORDS,
  verifiedLength,
} from './frame.ts';
import { LOG_HEADER_BYTES } from './log-file.ts';

/** The file that is sealed, as the journal knows it. */
export interface SealSource {
  readonly path: string;
  readonly seed: number;
  readonly end: number;
  readonly checksum: number;
}

export interface PlannedBucket extends PlannedRun {
  headAfter: Hash64;
  /** Words where the bucket's runs begin in the image. */
  readonly runs: number[];
  records: number;
}

export interface SealPlan {
  readonly image: FileImage;
  /** In order of (bits, index). */
  readonly buckets: PlannedBucket[];
  readonly records: number;
  /** Words where the newest snapshot's entry of each hash begins, by the hash in hex. */
  readonly snapshots: Map<string, number>;
}

export function planSeal(image: FileImage, source: SealSource): SealPlan {
  const buckets = new Map<string, PlannedBucket>();
  const snapshots = new Map<string, number>();
  // A bucket's head entry is in the table, or in a commit before its first run.
  const incarnations = new Map<string, Hash64>();
  let records = 0;
  for (const w of entriesOfLog(image, source)) {
    const { words } = image;
    const kind = words[w]! & 0xff;
    if (kind === ENTRY_HEAD) {
      incarnations.set(keyOf(words, w), hashAt(words, w + 4));
    } else if (kind === ENTRY_RUN) {
      const bucket = bucketOf(buckets, words, w, incarnations);
      if (bucket.position + bucket.records !== wide(words, w + 4)) throw damaged(source.path, w << 2, 'a run does not follow the one before it');
      bucket.runs.push(w);
      bucket.records += words[w + 6]!;
      bucket.headAfter = hashAt(words, w + 10);
      records += words[w + 6]!;
    } else if (kind === ENTRY_SNAPSHOT) {
      const key = `${words[w + 7]}/${words[w + 6]}`;
      const known = snapshots.get(key);
      if (known === undefined || wide(words, known + 2) <= wide(words, w + 2)) snapshots.set(key, w);
    }
  }
  const inOrder = [...buckets.values()].sort((a, b) => a.bits - b.bits || a.index - b.index);
  return { image, buckets: inOrder, records, snapshots };
}

/** Every entry of the file, each frame verified as at recovery. */
function* entriesOfLog(image: FileImage, source: SealSource): Generator<number> {
  let checksum = 0;
  let at = LOG_HEADER_BYTES;
  while (at < source.end) {
    const length = verifiedLength(image, at, source.seed);
    if (length === 0 || framePrevious(image, at) !== checksum) throw damaged(source.path, at, 'a frame changed after it was written');
    const entries = image.words[(at >> 2) + 6]!;
    let w = (at + FRAME_HEADER_BYTES) >> 2;
    for (let i = 0; i < entries; i++) {
      yield w;
      w += entryWords(image.words, w);
    }
    checksum = image.words[at >> 2]!;
    at += length;
  }
  if (at !== source.end || checksum !== source.checksum) throw damaged(source.path, at, 'the file ends elsewhere than it did');
}

function bucketOf(buckets: Map<string, PlannedBucket>, words: Uint32Array, w: number, incarnations: Map<string, Hash64>): PlannedBucket {
  const key = keyOf(words, w);
  let bucket = buckets.get(key);
  if (bucket === undefined) {
    const headBefore = hashAt(words, w + 8);
    const place = { bits: entryBits(words, w), index: words[w + 1]!, incarnation: incarnations.get(key)! };
    bucket = { ...place, position: wide(words, w + 4), headBefore, headAfter: headBefore, runs: [], records: 0 };
    buckets.set(key, bucket);
  }
  return bucket;
}

function keyOf(words: Uint32Array, w: number): string {
  return `${entryBits(words, w)}/${words[w + 1]}`;
}

/** Walks a bucket's records in order; the same object every time. Checks that they lead from head to head. */
export function* recordsOfBucket(plan: SealPlan, bucket: PlannedBucket, path: string): Generator<PlannedRecord> {
  const { words, bytes } = plan.image;
  const record: PlannedRecord = { from: 0, to: 0, headHi: 0, headLo: 0, actorHi: 0, actorLo: 0 };
  const head = { hi: bucket.headBefore.hi, lo: bucket.headBefore.lo };
  const walker = new RunWalker();
  for (const w of bucket.runs) {
    const count = words[w + 6]!;
    const start = (w + RUN_WORDS + 2 * count) << 2;
    walker.over(bytes, start, start + words[w + 7]!);
    let i = 0;
    for (; walker.next(); i++) {
      chain(head, head, bytes, walker.from, walker.to);
      record.from = walker.from;
      record.to = walker.to;
      record.headHi = head.hi;
      record.headLo = head.lo;
      record.actorLo = words[w + RUN_WORDS + 2 * i]!;
      record.actorHi = words[w + RUN_WORDS + 2 * i + 1]!;
      yield record;
    }
    if (i !== count || head.hi !== words[w + 11] || head.lo !== words[w + 10]) {
      throw damaged(path, w << 2, 'the records of a run do not lead to its head');
    }
  }
}
