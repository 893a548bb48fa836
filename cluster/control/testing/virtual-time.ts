/** Time that a test owns: what is due runs in order, each with all that follows from it at once, and nothing else passes time. */

import type { Clock, Scheduler } from '../../../runtime/actor/seams.ts';

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
}

export class VirtualTime implements Pick<Clock, 'monotonic'>, Pick<Scheduler, 'later'> {
  nowMs = 0;
  /** A binary heap: who is due next is first. Of a thousand nodes, thousands of things are due. */
  private readonly due: Due[] = [];
  private order = 0;

  monotonic(): number {
    return this.nowMs;
  }

  later(delayMs: number, task: () => void): void {
    const { due } = this;
    const entry = { atMs: this.nowMs + delayMs, order: this.order++, task };
    let at = due.length;
    due.push(entry);
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(entry, due[parent]!); parent = (at - 1) >> 1) {
      due[at] = due[parent]!;
      at = parent;
    }
    due[at] = entry;
  }

  /** Lets so much time pass. */
  async pass(durationMs: number): Promise<void> {
    const untilMs = this.nowMs + durationMs;
    await settled();
    while (this.due.length > 0 && this.due[0]!.atMs <= untilMs) {
      const next = this.takeFirst();
      this.nowMs = next.atMs;
      next.task();
      await settled();
    }
    this.nowMs = untilMs;
  }

  private takeFirst(): Due {
    const { due } = this;
    const first = due[0]!;
    const last = due.pop()!;
    if (due.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= due.length) break;
      if (child + 1 < due.length && isBefore(due[child + 1]!, due[child]!)) child++;
      if (!isBefore(due[child]!, last)) break;
      due[at] = due[child]!;
      at = child;
    }
    due[at] = last;
    return first;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** All promises that can go on have gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The time of one process, which can be suspended: what is due then waits until it goes on. */
export class ProcessTime implements Pick<Clock, 'monotonic'>, Pick<Scheduler, 'later'> {
  private readonly time: VirtualTime;
  /** Null while it runs. */
  private waiting: (() => void)[] | null = null;
  private isEnded = false;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  get isSuspended(): boolean {
    return this.waiting !== null;
  }

  monotonic(): number {
    return this.time.nowMs;
  }

  later(delayMs: number, task: () => void): void {
    this.time.later(delayMs, () => this.run(task));
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.later(delayMs, resolve));
  }

  suspend(): void {
    this.waiting ??= [];
  }

  resume(): void {
    const waiting = this.waiting ?? [];
    this.waiting = null;
    for (const task of waiting) this.later(0, task);
  }

  /** Killed: nothing of it runs any more. */
  end(): void {
    this.isEnded = true;
  }

  private run(task: () => void): void {
    if (this.isEnded) return;
    if (this.waiting === null) task();
    else this.waiting.push(task);
  }
}
