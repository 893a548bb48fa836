/** For a thread that works for nobody who waits: it asks the operating system to be served last. */

import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

const NICE = 10;

export function serveThisThreadLast(): void {
  try {
    // On Linux a thread has a priority of its own, and this link ends with its id.
    setPriority(Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))![0]), NICE);
  } catch {
    // Elsewhere it runs like any other thread.
  }
}
