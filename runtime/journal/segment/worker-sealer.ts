/** Seals in a worker thread. */

import { WorkerThread } from '../sealed/worker-thread.ts';
import type { SealAnswer } from './seal-worker.ts';
import type { SealRequest } from './seal.ts';
import type { Sealer } from './sealing.ts';

export class WorkerSealer implements Sealer {
  private readonly thread = new WorkerThread<SealRequest, SealAnswer>(new URL('./seal-worker.ts', import.meta.url));

  async seal(request: SealRequest): Promise<string> {
    const answer = await this.thread.ask(request);
    if ('segment' in answer) return answer.segment;
    await this.close();
    throw answer.error;
  }

  async close(): Promise<void> {
    // Half a segment has a temporary name, so that the thread can be ended anywhere.
    await this.thread.close();
  }
}
