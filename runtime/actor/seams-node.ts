/** The seams of a real process. */

import { randomFillSync } from 'node:crypto';

import type { Clock, Entropy, Scheduler } from './seams.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

export const systemScheduler: Scheduler = {
  soon: (task) => {
    setImmediate(task);
  },
  later: (delayMs, task) => {
    setTimeout(task, delayMs).unref();
  },
};

/** Runs the task now and every second, until what it answers is called. */
export function everySecond(task: () => void): () => void {
  task();
  const timer = setInterval(task, 1_000).unref();
  return () => clearInterval(timer);
}

/** Bits of the operating system's generator, drawn in blocks. */
export function systemEntropy(): Entropy {
  const block = new Uint32Array(4_096);
  let at = block.length;
  return {
    next: () => {
      if (at === block.length) {
        randomFillSync(block);
        at = 0;
      }
      return block[at++]!;
    },
  };
}
