/**
 * A disk that is as slow as a test says: the server is started with a library in front of its C library (slow-disk.c), and every fsync and
 * fdatasync of it lasts so long, or until the test says otherwise. Writes are as quick as ever. Of use for the death of a process alone: nothing is
 * synchronised in truth, until the disk is left to itself.
 */

import { join } from 'node:path';

import { compilePreload, writeNumber } from './preload.ts';

/** Longer than any test. */
const HELD_MS = 3_600_000;
const REAL = -1;

/** Leaves a library in a folder that is there; the disk takes no time at first. @throws Error without a C compiler */
export async function makeSlowDisk(directory: string): Promise<SlowDisk> {
  return new SlowDisk(directory, await compilePreload('slow-disk', directory));
}

export class SlowDisk {
  /** For the server, when it is started. */
  readonly env: Readonly<Record<string, string>>;
  private readonly file: string;

  /** Compiles nothing; use `makeSlowDisk`. */
  constructor(directory: string, library: string) {
    this.file = join(directory, 'sync-time');
    this.env = { LD_PRELOAD: library, TROUPE_SYNC_TIME: this.file };
    this.set(0);
  }

  /** Each synchronisation lasts so long, those included that are under way. */
  set(timeMs: number): void {
    writeNumber(this.file, timeMs);
  }

  /** The disk does as it can. */
  release(): void {
    this.set(REAL);
  }

  /** None ends until `set` says otherwise. */
  hold(): void {
    this.set(HELD_MS);
  }
}
