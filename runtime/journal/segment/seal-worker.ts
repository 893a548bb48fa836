/** The thread that seals. It works for nobody who waits, so it asks the operating system to be served last. */

import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';

import { realDisk } from './disk.ts';
import { forgetMemory, seal } from './seal.ts';
import type { SealRequest } from './seal.ts';

const NICE = 10;
/** So long after a file the next one will not come at once. */
const IDLE_MS = 5_000;

export type SealAnswer = { readonly segment: string } | { readonly error: Error };

try {
  // On Linux a thread has a priority of its own, and this link ends with its id.
  setPriority(Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))![0]), NICE);
} catch {
  // Elsewhere it runs like any other thread.
}

let idle: NodeJS.Timeout | undefined;

parentPort!.on('message', (request: SealRequest) => {
  clearTimeout(idle);
  let answer: SealAnswer;
  try {
    answer = { segment: seal(realDisk, request) };
  } catch (error) {
    answer = { error: error as Error };
  }
  parentPort!.postMessage(answer);
  idle = setTimeout(forgetMemory, IDLE_MS);
});
