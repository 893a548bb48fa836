/**
 * The narrow seam to the shared directory as readers see it: everything later, because a volume that nodes share can be slow or, for a
 * while, not there, and the event loop must not wait for it. Writers work on threads of their own, with the seam of ../sealed/disk.ts.
 * Errors have the `code` that the operating system gave them.
 */

import * as fs from 'node:fs';

export interface VolumeFile {
  /** Fills `buffer` from `position`; answers how many bytes there were. */
  read(buffer: Buffer, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface VolumeStat {
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** All that reading needs. */
export interface ReadableVolume {
  open(path: string): Promise<VolumeFile>;
  list(directory: string): Promise<string[]>;
  stat(path: string): Promise<Pick<VolumeStat, 'bytes'>>;
}

export interface Volume extends ReadableVolume {
  stat(path: string): Promise<VolumeStat>;
  remove(path: string): Promise<void>;
}

class RealVolumeFile implements VolumeFile {
  private readonly descriptor: number;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  read(buffer: Buffer, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        fs.read(this.descriptor, buffer, done, buffer.length - done, position + done, (error, bytes) => {
          if (error !== null) reject(error);
          else if (bytes === 0 || done + bytes === buffer.length) resolve(done + bytes);
          else step(done + bytes);
        });
      };
      step(0);
    });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => fs.close(this.descriptor, (error) => (error ? reject(error) : resolve())));
  }
}

export const realVolume: Volume = {
  open(path) {
    return new Promise((resolve, reject) => {
      fs.open(path, 'r', (error, descriptor) => (error !== null ? reject(error) : resolve(new RealVolumeFile(descriptor))));
    });
  },
  list(directory) {
    return fs.promises.readdir(directory);
  },
  async stat(path) {
    const { size, mtimeMs } = await fs.promises.stat(path);
    return { bytes: size, modifiedMs: mtimeMs };
  },
  remove(path) {
    return fs.promises.unlink(path);
  },
};
