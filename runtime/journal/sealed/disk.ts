/**
 * The narrow seam to the file system: everything the segment journal asks of a disk, and nothing else, so that a simulated
 * disk can show what a power cut leaves behind.
 *
 * What is assumed of a disk, and modelled by the simulated one:
 * - Bytes written are durable only once `sync` of their file has succeeded, or the `durable` write itself; before
 *   that any subset of the touched sectors may be there. A durable write says nothing about earlier, plain ones.
 * - A created, renamed or removed name is durable only once `syncDirectory` has succeeded.
 * - After a failed sync nothing is known about what was written, and a later successful sync proves nothing.
 * - A block that is being written when the power fails may hold anything afterwards.
 */

import * as fs from 'node:fs';
import * as path from 'node:path';

import { TroupeError } from '../../codec/errors.ts';
import { blockMemory } from './block-memory.ts';

export type Done = (error: Error | null) => void;

/** Once it is closed, whatever is asked of it fails with JOURNAL_FAILED; what is under way comes to its end first. */
export interface DiskFile {
  readonly path: string;
  size(): number;
  /** Fills `buffer` from `position`; answers how many bytes there were. */
  read(buffer: Buffer, position: number): number;
  readLater(buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void): void;
  /** Writes all of `bytes`. The buffer must stay as it is until done. */
  write(bytes: Uint8Array, position: number): void;
  writeLater(bytes: Uint8Array, position: number, done: Done): void;
  sync(): void;
  syncLater(done: Done): void;
  close(): void;
}

/**
 * `durable`: a write is over only when it is synchronised (O_DSYNC). `direct`: a write goes past the page cache (O_DIRECT), begins
 * and ends at a block, and comes out of block memory.
 */
export type OpenMode = 'read' | 'write' | 'create' | 'durable' | 'direct' | 'durable-direct';

/** What writes to a directory's files are made of. */
export interface Blocks {
  /** A write of whole blocks touches no other bytes. */
  readonly bytes: number;
  /** Whether files there can be opened `direct`. */
  readonly direct: boolean;
}

export interface Disk {
  makeDirectory(path: string): void;
  blocksOf(directory: string): Blocks;
  list(directory: string): string[];
  open(path: string, mode: OpenMode): DiskFile;
  rename(from: string, to: string): void;
  remove(path: string): void;
  syncDirectory(path: string): void;
}

/** Not on every system. */
const O_DIRECT = (fs.constants as Partial<typeof fs.constants>).O_DIRECT ?? 0;
/** Logical blocks of the disks there are; the smaller one first. */
const BLOCKS = [512, 4096];
/** What goes through the page cache is written by pages. */
const CACHED_BLOCK = 4096;
const PROBE = 'probe.tmp';

const flags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_TRUNC,
  durable: fs.constants.O_RDWR | fs.constants.O_DSYNC,
  direct: fs.constants.O_RDWR | O_DIRECT,
  'durable-direct': fs.constants.O_RDWR | O_DIRECT | fs.constants.O_DSYNC,
};

class RealFile implements DiskFile {
  readonly path: string;
  private readonly opened: number;
  private underWay = 0;
  private closed = false;

  constructor(path: string, mode: OpenMode) {
    this.path = path;
    this.opened = fs.openSync(path, flags[mode], 0o600);
  }

  private get descriptor(): number {
    this.check();
    return this.opened;
  }

  /** A descriptor that was given back may name another file by now. */
  private check(): void {
    if (this.closed) throw new TroupeError('JOURNAL_FAILED', `${this.path} is closed`);
  }

  size(): number {
    return fs.fstatSync(this.descriptor).size;
  }

  read(buffer: Buffer, position: number): number {
    let done = 0;
    while (done < buffer.length) {
      const bytes = fs.readSync(this.descriptor, buffer, done, buffer.length - done, position + done);
      if (bytes === 0) break;
      done += bytes;
    }
    return done;
  }

  readLater(buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void): void {
    const over = this.begin(done);
    const step = (sofar: number): void => {
      fs.read(this.opened, buffer, sofar, buffer.length - sofar, position + sofar, (error, bytes) => {
        if (error !== null) over(error, sofar);
        else if (bytes === 0 || sofar + bytes === buffer.length) over(null, sofar + bytes);
        else step(sofar + bytes);
      });
    };
    step(0);
  }

  write(bytes: Uint8Array, position: number): void {
    let done = 0;
    while (done < bytes.length) done += fs.writeSync(this.descriptor, bytes, done, bytes.length - done, position + done);
  }

  writeLater(bytes: Uint8Array, position: number, done: Done): void {
    const over = this.begin(done);
    // A short write is legal; the rest follows. In practice the first call writes everything.
    const step = (sofar: number): void => {
      fs.write(this.opened, bytes, sofar, bytes.length - sofar, position + sofar, (error, written) => {
        if (error !== null) over(error);
        else if (sofar + written === bytes.length) over(null);
        else step(sofar + written);
      });
    };
    step(0);
  }

  sync(): void {
    fs.fdatasyncSync(this.descriptor);
  }

  syncLater(done: Done): void {
    fs.fdatasync(this.opened, this.begin(done));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.underWay === 0) fs.closeSync(this.opened);
  }

  /** `done`, for an operation that keeps the descriptor from being given back. */
  private begin<A extends unknown[]>(done: (...args: A) => void): (...args: A) => void {
    this.check();
    this.underWay++;
    return (...args) => {
      this.underWay--;
      if (this.closed && this.underWay === 0) fs.closeSync(this.opened);
      done(...args);
    };
  }
}

export const realDisk: Disk = {
  makeDirectory(path) {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  blocksOf(directory) {
    const file = path.join(directory, PROBE);
    try {
      fs.writeFileSync(file, '');
      const bytes = BLOCKS.find((bytes) => takesDirect(file, bytes));
      return { bytes: bytes ?? CACHED_BLOCK, direct: bytes !== undefined };
    } finally {
      fs.rmSync(file, { force: true });
    }
  },
  list(directory) {
    return fs.readdirSync(directory);
  },
  open(path, mode) {
    return new RealFile(path, mode);
  },
  rename(from, to) {
    fs.renameSync(from, to);
  },
  remove(path) {
    fs.unlinkSync(path);
  },
  syncDirectory(path) {
    const descriptor = fs.openSync(path, fs.constants.O_RDONLY);
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  },
};

/** A write of one block that does not begin at 0 tells. @throws what a full or broken disk throws, which says nothing about blocks */
function takesDirect(file: string, bytes: number): boolean {
  if (O_DIRECT === 0) return false;
  let descriptor = -1;
  try {
    descriptor = fs.openSync(file, flags.direct);
    return fs.writeSync(descriptor, blockMemory(bytes), 0, bytes, bytes) === bytes;
  } catch (error) {
    if (['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  } finally {
    if (descriptor >= 0) fs.closeSync(descriptor);
  }
}

/** The error of a disk without room: what was asked for did not happen, and asking again later may help. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
