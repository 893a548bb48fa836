/** A clock that a test puts forward, and a scheduler that follows it: what is due by then runs at once. Real time goes on beside it. */

import type { Clock, Scheduler } from '../seams.ts';

/** Shorter waits than this are those of machinery; they take the time that they take. */
const SHORT_MS = 50;

export class TestTime {
  private aheadMs = 0;
  private waiting: { readonly at: number; readonly run: () => void }[] = [];
  readonly clock: Clock = { now: () => Date.now() + this.aheadMs, monotonic: () => performance.now() };
  readonly scheduler: Scheduler = {
    soon: (task) => void setImmediate(task),
    later: (delayMs, task) => {
      let hasRun = false;
      const run = (): void => {
        if (!hasRun) task();
        hasRun = true;
      };
      setTimeout(run, delayMs).unref();
      if (delayMs > SHORT_MS) this.waiting.push({ at: this.clock.now() + delayMs, run });
    },
  };

  get now(): number {
    return this.clock.now();
  }

  advance(ms: number): void {
    this.aheadMs += ms;
    const { now } = this;
    const due = this.waiting.filter(({ at }) => at <= now);
    this.waiting = this.waiting.filter(({ at }) => at > now);
    for (const { run } of due) run();
  }
}
