/**
 * Opens what a process left behind, however it ended. Bounded by the bytes of log files that are not sealed.
 *
 * R1  The numbers of segments and log files are 1 to n without a gap, and n is a log file. Anything else is damage.
 * R2  A file with a successor ends where the successor's header says (L2). Only the last one may have a torn tail, and only
 *     above everything that was known to be durable (F4).
 * R3  What is valid of the last file is copied into a new one with a new incarnation, which is synchronised with its name
 *     before anything is answered; the old one is removed only afterwards. Cutting the tail in place would leave intact
 *     frames behind the cut, which a later frame of the right length could join to the log again.
 * R4  A segment and the log file it was sealed from may both be there: the segment was complete before it got its name, so
 *     the log file goes.
 */

import * as path from 'node:path';

import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { blockMemory } from '../sealed/block-memory.ts';
import { damaged } from '../sealed/damaged.ts';
import type { Blocks, Disk, DiskFile } from '../sealed/disk.ts';
import type { BucketTable } from './bucket-table.ts';
import { checksumSeed, FileImage, FRAME_ALIGN, FRAME_HEADER_BYTES, FRAME_VERSION, frameChecksum, KIND_COMMIT, padded } from './frame.ts';
import { LOG_HEADER_BYTES, LogFile, logHeader, openForImage, readLogHeader } from './log-file.ts';
import type { LogLink } from './log-file.ts';
import { scanLog } from './log-scan.ts';
import type { ScanRules } from './log-scan.ts';
import { logName, readListing } from './names.ts';
import type { Listing, LogName, SegmentName } from './names.ts';

const ZEROS_BYTES = 1024 * 1024;

export interface RecoveryRules extends ScanRules {
  /** R3; off only in the test that shows what it is for. */
  readonly copied: boolean;
}

export interface Recovered {
  readonly logs: LogFile[];
  readonly segments: SegmentName[];
}

export interface RecoverySettings {
  readonly directory: string;
  readonly fileBytes: number;
  readonly blocks: Blocks;
  readonly sync: boolean;
  readonly rules: RecoveryRules;
  readonly random64: () => Hash64;
}

/** First of all: they may hold the last room of a full disk. */
export function removeLeftovers(disk: Disk, directory: string): void {
  for (const file of readListing(disk.list(directory)).leftovers) disk.remove(path.join(directory, file));
}

/** Null when the directory has never held a journal. Leftovers are gone already. @throws TroupeError JOURNAL_DAMAGED, JOURNAL_VERSION */
export function recover(disk: Disk, buckets: BucketTable, settings: RecoverySettings): Recovered | null {
  const { directory } = settings;
  const listing = readListing(disk.list(directory));
  if (listing.logs.length === 0 && listing.segments.length === 0 && !listing.formatted) return null;
  const names = openNames(disk, directory, listing);
  const logs: LogFile[] = [];
  const links = names.map((name) => linkOf(disk, directory, name));
  const memory = new ImageMemory(disk, settings.blocks);
  for (const [i, name] of names.entries()) {
    checkLink(directory, name, links[i]!, names[i - 1]?.incarnation ?? listing.segments.at(-1)?.incarnation);
    const next = links[i + 1] ?? null;
    const log = new LogFile(disk, directory, name, links[i]!);
    const image = memory.read(log);
    scanLog(log, image, buckets, next, settings.rules);
    log.synced = log.end;
    logs.push(next === null && settings.rules.copied ? copyTail(disk, log, memory, settings) : log);
  }
  return { logs, segments: listing.segments };
}

/** The log files to read, after those that a crash left behind twice are gone. */
function openNames(disk: Disk, directory: string, listing: Listing): LogName[] {
  const sealed = listing.segments.length;
  for (const [i, segment] of listing.segments.entries()) {
    if (segment.number !== i + 1) throw missing(directory, i + 1);
  }
  const names: LogName[] = [];
  for (const [i, name] of listing.logs.entries()) {
    const newer = listing.logs[i + 1]?.number === name.number;
    if (newer || name.number <= sealed) disk.remove(path.join(directory, name.file));
    else names.push(name);
  }
  for (const [i, name] of names.entries()) {
    if (name.number !== sealed + 1 + i) throw missing(directory, sealed + 1 + i);
  }
  if (names.length === 0) throw missing(directory, sealed + 1);
  return names;
}

function missing(directory: string, number: number): TroupeError {
  return damaged(directory, 0, `file ${number} of the log is missing`);
}

function linkOf(disk: Disk, directory: string, name: LogName): LogLink {
  const file = disk.open(path.join(directory, name.file), 'read');
  try {
    const header = Buffer.alloc(LOG_HEADER_BYTES);
    file.read(header, 0);
    return readLogHeader(header, name, file.path);
  } finally {
    file.close();
  }
}

function checkLink(directory: string, name: LogName, link: LogLink, before: Hash64 | undefined): void {
  if (sameHash(link.incarnation, before ?? { hi: 0, lo: 0 })) return;
  throw damaged(path.join(directory, name.file), 0, 'the file before it is not the one it was written behind');
}

/** One memory for the images of all files, one after the other: touching fresh memory costs more than reading a file into it. */
class ImageMemory {
  private readonly disk: Disk;
  private readonly blocks: Blocks;
  private memory = blockMemory(0);

  constructor(disk: Disk, blocks: Blocks) {
    this.disk = disk;
    this.blocks = blocks;
  }

  /** Valid until the next one is read. */
  read(log: LogFile): FileImage {
    const size = log.file.size();
    // Room for a mark behind a file that is full.
    const needed = size + FRAME_HEADER_BYTES + this.blocks.bytes + FRAME_ALIGN;
    if (this.memory.length < needed) this.memory = blockMemory(needed);
    const image = this.image(size);
    const file = openForImage(this.disk, log.path, this.blocks);
    try {
      if (file.read(image.bytes.subarray(0, size), 0) !== size) throw damaged(log.path, 0, 'the file became shorter while it was read');
    } finally {
      file.close();
    }
    image.bytes.fill(0, size);
    return image;
  }

  /** What was read last, or its beginning, or a little more. */
  image(size: number): FileImage {
    return new FileImage(size, this.memory.subarray(0, padded(size)));
  }
}

/** R3. The frames keep their places, so the index that was built on the old file serves the new one. */
function copyTail(disk: Disk, old: LogFile, memory: ImageMemory, settings: RecoverySettings): LogFile {
  const { directory, blocks } = settings;
  const name = logName(old.name.number, old.name.generation + 1, settings.random64());
  const end = padded(old.end + FRAME_HEADER_BYTES, blocks.bytes);
  const image = memory.image(end);
  image.bytes.fill(0, old.end);
  logHeader(name, old.link).copy(image.bytes);
  const checksum = chainAnew(image, old.end, end, checksumSeed(name.incarnation));

  const temporary = path.join(directory, 'recovered.tmp');
  disk.open(temporary, 'create').close();
  const file = disk.open(temporary, blocks.direct ? 'direct' : 'write');
  try {
    file.write(image.bytes, 0);
    writeZeros(file, end, padded(Math.max(settings.fileBytes, end), blocks.bytes));
    if (settings.sync) file.sync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path.join(directory, name.file));
  if (settings.sync) disk.syncDirectory(directory);
  old.close();
  disk.remove(old.path);

  const log = new LogFile(disk, directory, name, old.link, old.index);
  log.end = log.synced = end;
  log.checksum = checksum;
  return log;
}

function writeZeros(file: DiskFile, from: number, to: number): void {
  const zeros = blockMemory(Math.min(ZEROS_BYTES, to - from));
  for (let at = from; at < to; at += zeros.length) file.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at);
}

/**
 * Chains the frames up to `end` anew, and closes them with a mark that reaches to `markEnd`: what was found is about to be shown
 * to readers, so from now on it counts as acknowledged (F4). Answers the checksum of the mark.
 */
function chainAnew(image: FileImage, end: number, markEnd: number, seed: number): number {
  const { words, bytes } = image;
  let checksum = 0;
  let at = LOG_HEADER_BYTES;
  for (let length = 0; at < end; at += length) {
    const w = at >> 2;
    length = words[w + 1]!;
    words[w + 3] = checksum;
    checksum = words[w] = frameChecksum(bytes, at, length, seed);
  }
  const length = markEnd - end;
  words.set([0, length, FRAME_VERSION | (KIND_COMMIT << 8), checksum, end, end, 0, 0], end >> 2);
  return (words[end >> 2] = frameChecksum(bytes, end, length, seed));
}
