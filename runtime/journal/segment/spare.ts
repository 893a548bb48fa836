/**
 * The next log file, made ahead: written with real zeros and synchronised, so that a commit into it changes no metadata and
 * its sync costs one write (measured: a preallocated file syncs 1.3 times as often as a growing one; fallocate alone leaves
 * extents that change state at the first write). Written in small pieces, and with pauses as long as it is well ahead of the
 * file that is being filled, or commits would wait behind zeros (measured with pieces of 1 MiB: 16 ms for one command in a thousand).
 */

import * as path from 'node:path';

import { blockMemory } from '../sealed/block-memory.ts';
import type { Blocks, Disk, DiskFile } from '../sealed/disk.ts';
import { padded } from './frame.ts';
import { spareFile } from './names.ts';

const PIECE_BYTES = 256 * 1024;
const PAUSE_MS = 4;
/** Twice as far as the active file, and a little more. */
const AHEAD = 2;
const AHEAD_MIN = 0.05;

export class Spare {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly bytes: number;
  private readonly sync: boolean;
  /** How much of the active file is in use, from 0 to 1. */
  private readonly used: () => number;
  private readonly blocks: () => Blocks;
  private readonly zeros = blockMemory(PIECE_BYTES);
  private making: Promise<string> | null = null;
  private stopped = false;

  constructor(disk: Disk, directory: string, bytes: number, sync: boolean, used: () => number, blocks: () => Blocks) {
    this.disk = disk;
    this.directory = directory;
    this.bytes = bytes;
    this.sync = sync;
    this.used = used;
    this.blocks = blocks;
  }

  /** Begins to make the file, unless it is made or being made. Its failure shows when it is taken. */
  prepare(): void {
    if (this.making !== null || this.stopped) return;
    this.making = this.make();
    this.making.catch(() => undefined);
  }

  /** The path of the finished file, which is the caller's from then on. After a failure the next call tries again. */
  async take(): Promise<string> {
    this.prepare();
    try {
      return await this.making!;
    } finally {
      this.making = null;
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.making?.catch(() => undefined);
  }

  private async make(): Promise<string> {
    const target = path.join(this.directory, spareFile);
    const { bytes, direct } = this.blocks();
    this.disk.open(target, 'create').close();
    const file = this.disk.open(target, direct ? 'direct' : 'write');
    try {
      await this.fill(file, padded(this.bytes, bytes), direct);
      if (this.sync) await later((done) => file.syncLater(done));
    } catch (error) {
      // What there is of it holds the room that somebody else may need.
      this.disk.remove(target);
      throw error;
    } finally {
      file.close();
    }
    return target;
  }

  private async fill(file: DiskFile, size: number, direct: boolean): Promise<void> {
    const { zeros } = this;
    for (let at = 0; at < size && !this.stopped; at += zeros.length) {
      const piece = zeros.subarray(0, Math.min(zeros.length, size - at));
      await later((done) => file.writeLater(piece, at, done));
      // What lies in the page cache goes to the disk piece by piece, too, or the last sync would keep the commits waiting.
      if (this.sync && !direct) await later((done) => file.syncLater(done));
      const isAhead = at / size > this.used() * AHEAD + AHEAD_MIN;
      if (isAhead && at + zeros.length < size) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

export function later(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error === null ? resolve() : reject(error))));
}
