/** Seals in a worker thread, which is started with the first request and does not keep the process alive. */

import { Worker } from 'node:worker_threads';

import type { SealAnswer } from './seal-worker.ts';
import type { SealRequest } from './seal.ts';
import type { Sealer } from './sealing.ts';

export class WorkerSealer implements Sealer {
  private worker: Worker | null = null;

  async seal(request: SealRequest): Promise<string> {
    const worker = (this.worker ??= new Worker(new URL('./seal-worker.ts', import.meta.url)));
    worker.unref();
    const answer = await new Promise<SealAnswer>((resolve) => {
      const onError = (error: Error): void => done({ error });
      const onExit = (): void => done({ error: new Error('the sealing thread ended') });
      // Only these are taken off again: `terminate` waits for the exit with a listener of its own.
      const done = (answer: SealAnswer): void => {
        worker.off('message', done).off('error', onError).off('exit', onExit);
        resolve(answer);
      };
      worker.on('message', done).on('error', onError).on('exit', onExit);
      worker.postMessage(request);
    });
    if ('segment' in answer) return answer.segment;
    await this.close();
    throw answer.error;
  }

  async close(): Promise<void> {
    const { worker } = this;
    this.worker = null;
    // Half a segment has a temporary name, so that the thread can be ended anywhere.
    worker?.ref();
    await worker?.terminate();
  }
}
