/** The thread that seals. */

import { parentPort } from 'node:worker_threads';

import { realDisk } from '../sealed/disk.ts';
import { serveThisThreadLast } from '../sealed/served-last.ts';
import { forgetMemory, seal } from './seal.ts';
import type { SealRequest } from './seal.ts';

/** So long after a file the next one will not come at once. */
const IDLE_MS = 5_000;

export type SealAnswer = { readonly segment: string } | { readonly error: Error };

serveThisThreadLast();

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
