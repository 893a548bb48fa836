/**
 * A lookup in a segment is a generator that asks for ranges of files: one text serves the append path, which must know at
 * once, and activation, which must not stop the event loop for a disk.
 */

import type { DiskFile } from './disk.ts';

export interface ReadRequest {
  readonly file: DiskFile;
  readonly position: number;
  readonly bytes: number;
}

/** Is given what was there, which is shorter than asked for at the end of a file. */
export type Reading<T> = Generator<ReadRequest, T, Buffer>;

export function readNow<T>(reading: Reading<T>): T {
  let step = reading.next();
  while (step.done !== true) {
    const { file, position, bytes } = step.value;
    const buffer = Buffer.allocUnsafeSlow(bytes);
    const there = file.read(buffer, position);
    step = reading.next(there === bytes ? buffer : buffer.subarray(0, there));
  }
  return step.value;
}

/**
 * Runs readings without stopping the event loop, a few at a time: the thread pool has four threads, and a commit that waits
 * behind a thousand reads of cold actors would delay every acknowledgement.
 */
export class Reader {
  private readonly width: number;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(width = 2) {
    this.width = width;
  }

  async read<T>(reading: Reading<T>): Promise<T> {
    let step = reading.next();
    while (step.done !== true) {
      const buffer = await this.fetch(step.value);
      step = reading.next(buffer);
    }
    return step.value;
  }

  private async fetch({ file, position, bytes }: ReadRequest): Promise<Buffer> {
    if (this.running >= this.width) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.running++;
    try {
      const buffer = Buffer.allocUnsafeSlow(bytes);
      const there = await new Promise<number>((resolve, reject) => {
        file.readLater(buffer, position, (error, read) => (error === null ? resolve(read) : reject(error)));
      });
      return there === bytes ? buffer : buffer.subarray(0, there);
    } finally {
      this.running--;
      this.waiting.shift()?.();
    }
  }
}
