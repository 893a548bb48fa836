/**
 * A clock that stands still until a test puts it forward, and a scheduler that follows it: what is due by then runs at once. What waits
 * runs when its real time is over, too.
 */

import type { Clock, Scheduler } from '../seams.ts';

/** Shorter waits than this are those of machinery; they take the time that they take. */
const SHORT_MS = 50;

export class TestTime {
  private nowMs = Date.now();
  private waiting: { readonly at: number; readonly run: () => void }[] = [];
  readonly clock: Clock = { now: () => this.nowMs, monotonic: () => performance.now() };
  readonly scheduler: Scheduler = {
    soon: (task) => void setImmediate(task),
    later: (delayMs, task) => {
      let hasRun = false;
      const run = (): void => {
        if (!hasRun) task();
        hasRun = true;
      };
      setTimeout(run, delayMs).unref();
      if (delayMs > SHORT_MS) this.waiting.push({ at: this.nowMs + delayMs, run });
    },
  };

  get now(): number {
    return this.nowMs;
  }

  advance(ms: number): void {
    this.nowMs += ms;
    const { now } = this;
    const due = this.waiting.filter(({ at }) => at <= now);
    this.waiting = this.waiting.filter(({ at }) => at > now);
    for (const { run } of due) run();
  }
}
