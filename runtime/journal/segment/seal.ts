/**
 * Seals a log file into a segment: writes it under a temporary name, synchronises it, and only then gives it its name, which
 * says what is in it (number, incarnation of the log, digest). The log file is removed by the journal afterwards. A crash
 * between any two steps leaves the log file, or both.
 */

import * as path from 'node:path';

import type { Hash64 } from '../../codec/hash64.ts';
import { blockMemory } from '../sealed/block-memory.ts';
import { damaged } from '../sealed/damaged.ts';
import type { Blocks, Disk } from '../sealed/disk.ts';
import { SegmentWriter } from '../sealed/segment-writer.ts';
import type { PlannedSnapshot } from '../sealed/segment-writer.ts';
import { entryWords, FileImage, padded } from './frame.ts';
import { openForImage } from './log-file.ts';
import { segmentName } from './names.ts';
import { planSeal, recordsOfBucket } from './seal-plan.ts';
import type { SealPlan, SealSource } from './seal-plan.ts';

export interface SealRequest extends SealSource {
  readonly directory: string;
  readonly blocks: Blocks;
  readonly number: number;
  readonly incarnation: Hash64;
  readonly sync: boolean;
}

/** Answers the name of the segment. @throws TroupeError JOURNAL_DAMAGED when the log changed on the disk */
export function seal(disk: Disk, request: SealRequest): string {
  const image = readImage(disk, request);
  const plan = planSeal(image, request);
  const temporary = path.join(request.directory, `segment-${request.number}.tmp`);
  const file = disk.open(temporary, 'create');
  let digest: string;
  try {
    const writer = new SegmentWriter(file, plan.records);
    for (const bucket of plan.buckets) writer.run(bucket, image.bytes, recordsOfBucket(plan, bucket, request.path));
    writer.snapshots(snapshotsOf(plan));
    digest = writer.finish(request.number, request.incarnation).digest;
    if (request.sync) file.sync();
  } finally {
    file.close();
  }
  const name = segmentName(request.number, request.incarnation, digest).file;
  disk.rename(temporary, path.join(request.directory, name));
  if (request.sync) disk.syncDirectory(request.directory);
  return name;
}

/** Of the last file that was sealed here: touching fresh memory costs more than reading a file into it. */
let kept: Buffer | null = null;

/** Gives back the memory that sealing keeps for the next file. */
export function forgetMemory(): void {
  kept = null;
}

function readImage(disk: Disk, request: SealRequest): FileImage {
  const { end, blocks } = request;
  const size = padded(end, blocks.bytes);
  if (kept === null || kept.length < size) kept = blockMemory(size);
  const file = openForImage(disk, request.path, blocks);
  try {
    if (file.read(kept.subarray(0, size), 0) < end) throw damaged(request.path, 0, 'the file became shorter');
  } finally {
    file.close();
  }
  return new FileImage(end, kept.subarray(0, padded(end)));
}

function* snapshotsOf(plan: SealPlan): Generator<PlannedSnapshot> {
  const { words, bytes } = plan.image;
  for (const w of plan.snapshots.values()) {
    const end = w + entryWords(words, w);
    yield { hi: words[w + 7]!, lo: words[w + 6]!, entry: bytes.subarray(w << 2, end << 2) };
  }
}
