/**
 * A lookup is a generator that asks for ranges of files and for blocks to be unpacked: one text serves the append path, which must
 * know at once, and activation, which must not stop the event loop for a disk. Ranges of log files are read at once in any case: a
 * sandbox that was lost is rebuilt from thousands of short ones that lie close together, and the trip to another thread costs ten
 * times as much as a read that the page cache answers (measured: the p99 of a node that loses a sandbox every two seconds went
 * from 0.65 to 1.1 s).
 */

import { zstdDecompress, zstdDecompressSync } from 'node:zlib';

/** What a lookup needs of a file. A file on a shared volume can only be read later. */
export interface ReadableFile {
  readonly path: string;
  /** Fills `buffer` from `position`; answers how many bytes there were. */
  read(buffer: Buffer, position: number): number;
  readLater(buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void): void;
}

export interface ReadRequest {
  readonly file: ReadableFile;
  readonly position: number;
  readonly bytes: number;
  readonly atOnce?: boolean;
}

/** A zstd frame of `rawBytes` bytes. */
export interface UnpackRequest {
  readonly packed: Buffer;
  readonly rawBytes: number;
}

/** A read is given what was there, which is shorter than asked for at the end of a file. */
export type Reading<T> = Generator<ReadRequest | UnpackRequest, T, Buffer>;

/** What takes less than half a millisecond to unpack is not worth the trip to another thread. */
const UNPACK_AT_ONCE_BYTES = 256 * 1024;

export function readNow<T>(reading: Reading<T>): T {
  let step = reading.next();
  while (step.done !== true) {
    step = reading.next('file' in step.value ? fetchNow(step.value) : unpackNow(step.value));
  }
  return step.value;
}

function fetchNow({ file, position, bytes }: ReadRequest): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  const there = file.read(buffer, position);
  return there === bytes ? buffer : buffer.subarray(0, there);
}

function unpackNow({ packed, rawBytes }: UnpackRequest): Buffer {
  return zstdDecompressSync(packed, inOnePiece(rawBytes));
}

/** The default of 16 KiB a step copies everything once more. */
function inOnePiece(rawBytes: number): { chunkSize: number; maxOutputLength: number } {
  const bytes = Math.max(64, rawBytes);
  return { chunkSize: bytes, maxOutputLength: bytes };
}

/**
 * Runs readings without stopping the event loop, a few at a time: the thread pool has four threads, and a commit that waits
 * behind a thousand reads of cold actors would delay every acknowledgement.
 */
export class Reader {
  private readonly width: number;
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  /** Actors that are read together want the same bytes: whoever comes second waits for the first. */
  private readonly underWay = new Map<string, Promise<Buffer>>();

  constructor(width = 2) {
    this.width = width;
  }

  async read<T>(reading: Reading<T>): Promise<T> {
    let step = reading.next();
    while (step.done !== true) {
      const request = step.value;
      let answer: Buffer;
      if (!('file' in request)) answer = request.rawBytes <= UNPACK_AT_ONCE_BYTES ? unpackNow(request) : await unpackLater(request);
      else if (request.atOnce === true) answer = fetchNow(request);
      else answer = await this.fetch(request);
      step = reading.next(answer);
    }
    return step.value;
  }

  private fetch(request: ReadRequest): Promise<Buffer> {
    const key = `${request.file.path}@${request.position}+${request.bytes}`;
    let fetching = this.underWay.get(key);
    if (fetching === undefined) {
      fetching = this.fetchAlone(request).finally(() => this.underWay.delete(key));
      this.underWay.set(key, fetching);
    }
    return fetching;
  }

  private async fetchAlone({ file, position, bytes }: ReadRequest): Promise<Buffer> {
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

function unpackLater({ packed, rawBytes }: UnpackRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zstdDecompress(packed, inOnePiece(rawBytes), (error, raw) => (error === null ? resolve(raw) : reject(error)));
  });
}
