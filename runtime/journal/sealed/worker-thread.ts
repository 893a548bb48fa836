/**
 * One worker thread that answers one request at a time. It is started with the first request, keeps the process alive only while it
 * works, and another one takes its place after it ended. What it does must bear to be ended anywhere.
 */

import { Worker } from 'node:worker_threads';
import type { Transferable } from 'node:worker_threads';

export class WorkerThread<Request, Answer> {
  private readonly script: URL;
  private worker: Worker | null = null;

  constructor(script: URL) {
    this.script = script;
  }

  /** Rejects when the thread failed or ended. `transfer` is not the caller's any more. */
  async ask(request: Request, transfer: readonly Transferable[] = []): Promise<Answer> {
    const worker = (this.worker ??= new Worker(this.script));
    worker.ref();
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const onMessage = (answer: Answer): void => done(() => resolve(answer));
        const onError = (error: Error): void => done(() => reject(error));
        const onExit = (): void => done(() => reject(new Error('the thread ended')));
        // Only these are taken off again: `terminate` waits for the exit with a listener of its own.
        const done = (settle: () => void): void => {
          worker.off('message', onMessage).off('error', onError).off('exit', onExit).unref();
          settle();
        };
        worker.on('message', onMessage).on('error', onError).on('exit', onExit);
        worker.postMessage(request, transfer);
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const { worker } = this;
    this.worker = null;
    worker?.ref();
    await worker?.terminate();
  }
}
