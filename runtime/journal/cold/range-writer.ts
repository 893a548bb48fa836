/** Where ranges are written, or made for a place that is no directory: on a thread of their own, or, for tests on a simulated disk, on the thread that calls. */

import { TroupeError } from '../../codec/errors.ts';
import type { ErrorCode, TroupeErrorDetails } from '../../codec/errors.ts';
import type { Disk } from '../sealed/disk.ts';
import { WorkerThread } from '../sealed/worker-thread.ts';
import type { ColdRange } from './cold-range.ts';
import { memoryOf } from './packed-range.ts';
import type { PackedRange } from './packed-range.ts';
import { writeRange } from './write-range.ts';
import type { BuiltRange, WriteSettings } from './write-range.ts';

export interface RangeWriter {
  /** The range's memory is the writer's from now on. */
  write(packed: PackedRange, settings: WriteSettings): Promise<ColdRange>;
  close(): Promise<void>;
}

export interface WriteRequest {
  readonly packed: PackedRange;
  /** null: the file is not written; its bytes are answered. */
  readonly settings: WriteSettings | null;
}

/** An error loses its class between threads. */
export interface WriteFailure extends TroupeErrorDetails {
  readonly code: ErrorCode;
  readonly message: string;
}

export type WriteAnswer = { readonly range: ColdRange } | BuiltRange | { readonly failure: WriteFailure };

export class WorkerRangeWriter implements RangeWriter {
  private readonly thread = new WorkerThread<WriteRequest, WriteAnswer>(new URL('./write-worker.ts', import.meta.url));

  async write(packed: PackedRange, settings: WriteSettings): Promise<ColdRange> {
    return (await this.ask({ packed, settings })).range;
  }

  /** As `buildRange`; the range's memory is gone. @throws TroupeError as that, JOURNAL_FAILED when the thread failed */
  async build(packed: PackedRange): Promise<BuiltRange> {
    return (await this.ask({ packed, settings: null })) as BuiltRange;
  }

  async close(): Promise<void> {
    await this.thread.close();
  }

  private async ask(request: WriteRequest): Promise<{ readonly range: ColdRange } | BuiltRange> {
    let answer: WriteAnswer;
    try {
      answer = await this.thread.ask(request, memoryOf(request.packed));
    } catch (error) {
      throw new TroupeError('JOURNAL_FAILED', `the thread that writes the cold tier failed: ${(error as Error).message}`, { cause: error });
    }
    if ('range' in answer) return answer;
    const { code, message, ...details } = answer.failure;
    throw new TroupeError(code, message, details);
  }
}

export class DirectRangeWriter implements RangeWriter {
  private readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  async write(packed: PackedRange, settings: WriteSettings): Promise<ColdRange> {
    await new Promise(setImmediate);
    return writeRange(this.disk, packed, settings);
  }

  async close(): Promise<void> {}
}
