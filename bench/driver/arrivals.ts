/**
 * When requests of an open loop become due: at random times of a stated rate, with independent gaps (a Poisson process), whatever becomes of
 * those before. Whoever sends takes what is due; this wakes it up often enough, in steps of a millisecond.
 */

import type { DriverRandom } from './random.ts';

const TICK_MS = 1;
const MS_PER_S = 1_000;

export class Arrivals {
  private readonly perSecond: number;
  private readonly random: DriverRandom;
  private readonly wake: (now: number) => void;
  private nextDue = Infinity;
  private timer: NodeJS.Timeout | null = null;

  /** `wake` is to take what is due by `now`. */
  constructor(perSecond: number, random: DriverRandom, wake: (now: number) => void) {
    this.perSecond = perSecond;
    this.random = random;
    this.wake = wake;
  }

  start(now: number): void {
    this.nextDue = now + this.gap();
    this.tick();
  }

  /** Nothing becomes due any more. */
  stop(): void {
    this.nextDue = Infinity;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  isDue(now: number): boolean {
    return this.nextDue <= now;
  }

  /** When the next one was due; there must be one. */
  take(): number {
    const due = this.nextDue;
    this.nextDue += this.gap();
    return due;
  }

  private tick(): void {
    this.timer = setTimeout(() => {
      // In front of the work, so that whoever stops in it stops this.
      this.tick();
      this.wake(performance.now());
    }, TICK_MS);
  }

  private gap(): number {
    return (-Math.log(1 - this.random.unit()) * MS_PER_S) / this.perSecond;
  }
}
