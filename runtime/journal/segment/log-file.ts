/**
 * One log file: a header of 64 bytes, then frames (frame.ts), then zeros up to the preallocated size.
 *
 * Words of the header: magic (2), version, number, generation, incarnation (2), and of the file before it, incarnation (2), end,
 * checksum of its last frame; checksum of the header last. With the end of the file before in it, a file that has a successor
 * has a known end, and damage in it is never a torn tail.
 */

import { crc32 } from 'node:zlib';
import * as path from 'node:path';

import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { damaged } from '../sealed/damaged.ts';
import type { Blocks, Disk, DiskFile } from '../sealed/disk.ts';
import { hashAt, setHash } from '../sealed/words.ts';
import { checksumSeed } from './frame.ts';
import type { LogName } from './names.ts';
import { TailIndex } from './tail-index.ts';

export const LOG_HEADER_BYTES = 64;
export const LOG_VERSION = 1;
const MAGIC_0 = 0x50_55_52_54; // "TRUP"
const MAGIC_1 = 0x31_47_4f_4c; // "LOG1"
const HEADER_WORDS = LOG_HEADER_BYTES / 4;

/** Where the file before ended. All zero for the first file. */
export interface LogLink {
  readonly incarnation: Hash64;
  readonly end: number;
  readonly checksum: number;
}

export const noLink: LogLink = { incarnation: { hi: 0, lo: 0 }, end: 0, checksum: 0 };

export function logHeader(name: LogName, link: LogLink): Buffer {
  const bytes = Buffer.alloc(LOG_HEADER_BYTES);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER_WORDS);
  words.set([MAGIC_0, MAGIC_1, LOG_VERSION, name.number, name.generation]);
  setHash(words, 5, name.incarnation);
  setHash(words, 7, link.incarnation);
  words[9] = link.end;
  words[10] = link.checksum;
  words[15] = crc32(bytes.subarray(0, LOG_HEADER_BYTES - 4));
  return bytes;
}

/** @throws TroupeError JOURNAL_DAMAGED, JOURNAL_VERSION */
export function readLogHeader(bytes: Buffer, name: LogName, file: string): LogLink {
  const copy = Buffer.alloc(LOG_HEADER_BYTES);
  bytes.copy(copy, 0, 0, LOG_HEADER_BYTES);
  const words = new Uint32Array(copy.buffer, copy.byteOffset, HEADER_WORDS);
  const whole = words[15] === crc32(copy.subarray(0, LOG_HEADER_BYTES - 4)) && words[0] === MAGIC_0 && words[1] === MAGIC_1;
  if (!whole) throw damaged(file, 0, 'the header of the file is not whole');
  if (words[2]! > LOG_VERSION) throw new TroupeError('JOURNAL_VERSION', `${file} has format ${words[2]}, this is ${LOG_VERSION}`);
  if (words[3] !== name.number || words[4] !== name.generation || !sameHash(hashAt(words, 5), name.incarnation)) {
    throw damaged(file, 0, 'the header names another file');
  }
  return { incarnation: hashAt(words, 7), end: words[9]!, checksum: words[10]! };
}

/** For reading the whole file: past the page cache if it is made of whole blocks. */
export function openForImage(disk: Disk, path: string, blocks: Blocks): DiskFile {
  const file = disk.open(path, 'read');
  if (!blocks.direct || file.size() % blocks.bytes !== 0) return file;
  file.close();
  return disk.open(path, 'direct');
}

export class LogFile {
  readonly name: LogName;
  readonly path: string;
  readonly seed: number;
  readonly index: TailIndex;
  readonly link: LogLink;
  /** For reads and syncs. */
  readonly file: DiskFile;
  /** For frames; only open while the file is the active one. A durable write is synchronised when it is over, a plain one is not. */
  durable: DiskFile | null = null;
  plain: DiskFile | null = null;
  /** Where the next frame goes. */
  end = LOG_HEADER_BYTES;
  /** All before it is known to be durable. */
  synced = 0;
  /** Checksum of the last frame. */
  checksum = 0;
  private readers = 0;
  private closing = false;

  constructor(disk: Disk, directory: string, name: LogName, link: LogLink, index = new TailIndex()) {
    this.name = name;
    this.index = index;
    this.path = path.join(directory, name.file);
    this.seed = checksumSeed(name.incarnation);
    this.link = link;
    this.file = disk.open(this.path, 'write');
  }

  openForFrames(disk: Disk, direct: boolean): void {
    this.durable = disk.open(this.path, direct ? 'durable-direct' : 'durable');
    this.plain = disk.open(this.path, direct ? 'direct' : 'write');
  }

  closeForFrames(): void {
    this.durable?.close();
    this.plain?.close();
    this.durable = this.plain = null;
  }

  toLink(): LogLink {
    return { incarnation: this.name.incarnation, end: this.end, checksum: this.checksum };
  }

  /** The file can be read until `release`, even if it is closed meanwhile. @throws TroupeError JOURNAL_FAILED when it is closed already */
  hold(): void {
    if (this.closing) throw new TroupeError('JOURNAL_FAILED', `${this.path} is closed`);
    this.readers++;
  }

  release(): void {
    this.readers--;
    if (this.closing && this.readers === 0) this.file.close();
  }

  close(): void {
    if (this.closing) return;
    this.closeForFrames();
    this.closing = true;
    if (this.readers === 0) this.file.close();
  }
}
