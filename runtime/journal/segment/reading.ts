/**
 * A lookup is a generator that asks for ranges of files: one text serves the append path, which must know at once, and
 * activation, which must not stop the event loop for a disk. Ranges of log files are read at once in any case: a sandbox that was
 * lost is rebuilt from thousands of short ones that lie close together, and the trip to another thread costs ten times as much as
 * a read that the page cache answers (measured: the p99 of a node that loses a sandbox every two seconds went from 0.65 to 1.1 s).
 */

import type { DiskFile } from './disk.ts';

export interface ReadRequest {
  readonly file: DiskFile;
  readonly position: number;
  readonly bytes: number;
  readonly atOnce?: boolean;
}

/** Is given what was there, which is shorter than asked for at the end of a file. */
export type Reading<T> = Generator<ReadRequest, T, Buffer>;

export function readNow<T>(reading: Reading<T>): T {
  let step = reading.next();
  while (step.done !== true) {
    step = reading.next(fetchNow(step.value));
  }
  return step.value;
}

function fetchNow({ file, position, bytes }: ReadRequest): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  const there = file.read(buffer, position);
  return there === bytes ? buffer : buffer.subarray(0, there);
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
      const buffer = step.value.atOnce === true ? fetchNow(step.value) : await this.fetch(step.value);
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
