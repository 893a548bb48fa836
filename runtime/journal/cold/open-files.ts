/**
 * The files that readers have open: the last ones used, so that ten thousand files need no ten thousand descriptors, and an actor that
 * is read again needs no open. Nothing is opened before somebody reads.
 */

import assert from 'node:assert/strict';

import { TroupeError } from '../../codec/errors.ts';
import { damaged } from '../sealed/damaged.ts';
import type { ReadableFile } from '../sealed/reading.ts';
import type { ReadableVolume, VolumeFile } from './volume.ts';

interface OpenFile {
  readonly file: Promise<VolumeFile>;
  readers: number;
}

export class OpenFiles {
  private readonly volume: ReadableVolume;
  private readonly filesMax: number;
  /** By path, the one used last at the end. */
  private readonly files = new Map<string, OpenFile>();
  private closed = false;

  /** More than `filesMax` are open only while more than that are being read. */
  constructor(volume: ReadableVolume, filesMax: number) {
    this.volume = volume;
    this.filesMax = filesMax;
  }

  get count(): number {
    return this.files.size;
  }

  /** A handle; costs nothing, and fails when it is read. */
  at(path: string): ReadableFile {
    return {
      path,
      read: () => assert.fail('a file of a shared volume is read later, never at once'),
      readLater: (buffer, position, done) => {
        this.read(path, buffer, position).then((bytes) => done(null, bytes), (error: Error) => done(error, 0));
      },
    };
  }

  /** @throws TroupeError JOURNAL_DAMAGED when the file is missing, JOURNAL_FAILED when it cannot be read now */
  async read(path: string, buffer: Buffer, position: number): Promise<number> {
    try {
      return await this.attempt(path, buffer, position);
    } catch (error) {
      if (!isStale(error)) throw readFailure(path, error);
    }
    try {
      return await this.attempt(path, buffer, position);
    } catch (error) {
      throw readFailure(path, error);
    }
  }

  close(): void {
    this.closed = true;
    const open = [...this.files.values()];
    this.files.clear();
    open.forEach(closeUnused);
  }

  private async attempt(path: string, buffer: Buffer, position: number): Promise<number> {
    const open = this.take(path);
    try {
      return await (await open.file).read(buffer, position);
    } catch (error) {
      // The next reader tries it with a descriptor of its own: the volume may have been gone for a moment.
      if (this.files.get(path) === open) this.files.delete(path);
      throw error;
    } finally {
      open.readers--;
      if (this.files.get(path) !== open) closeUnused(open);
      this.trim();
    }
  }

  private take(path: string): OpenFile {
    if (this.closed) throw new TroupeError('JOURNAL_FAILED', 'the cold tier is closed');
    const open = this.files.get(path) ?? { file: this.volume.open(path), readers: 0 };
    this.files.delete(path);
    this.files.set(path, open);
    open.readers++;
    this.trim();
    return open;
  }

  private trim(): void {
    if (this.files.size <= this.filesMax) return;
    for (const [path, open] of this.files) {
      if (open.readers > 0) continue;
      this.files.delete(path);
      closeUnused(open);
      if (this.files.size <= this.filesMax) return;
    }
  }
}

/** On a network volume: another node wrote the same range again, and its file, with the same bytes, took the place of the one open. */
function isStale(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ESTALE';
}

/** Whoever reads last closes it. A file that was only read loses nothing when closing fails. */
function closeUnused(open: OpenFile): void {
  if (open.readers === 0) open.file.then((file) => file.close()).catch(() => undefined);
}

/** What is listed is there, or the journal is damaged: "missing" must never look like "empty". */
export function readFailure(path: string, error: unknown): TroupeError {
  if (error instanceof TroupeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return damaged(path, 0, 'the file is missing');
  return new TroupeError('JOURNAL_FAILED', `${path} cannot be read: ${message}`, {
    hint: 'Check the volume of the cold tier; nothing is lost, and reading goes on when it answers.',
    cause: error,
  });
}
