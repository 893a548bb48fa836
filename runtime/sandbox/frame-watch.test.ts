/** D1–D4 of frame-watch.ts, with times of the test's own. */

import t from 'tap';

import { limits } from '../limits.ts';
import { allowanceOf, FrameWatch } from './frame-watch.ts';
import type { Allowance, Verdict } from './frame-watch.ts';

const STEP_MS = 250;
const ALLOWANCE: Allowance = { items: 100, stepMs: STEP_MS, totalMs: limits.batchTimeMaxMs };

/** A process that is looked at and asked every ten milliseconds; `share` of each is CPU time that it gets. */
class Process {
  readonly watch = new FrameWatch();
  now = 1_000;
  cpuMs = 400;
  step = 7;

  constructor(allowance = ALLOWANCE) {
    this.watch.begin(allowance, this.now);
  }

  /** Until somebody is late or `ms` are over; `begun` items have begun at the end of each interval. */
  run(ms: number, begun: () => number, share = 1): Verdict | null {
    for (let end = this.now + ms; this.now < end;) {
      const late = this.watch.look(this.now, this.cpuMs, false);
      if (late !== null) return late;
      this.watch.asked(this.cpuMs);
      this.now += 10;
      this.cpuMs += 10 * share;
      const verdict = this.watch.reported(begun(), this.step, this.cpuMs);
      if (verdict !== null) return verdict;
    }
    return null;
  }
}

t.test('many items that are each in time make nobody late (D1)', async (t) => {
  const process = new Process();
  let begun = 0;
  const verdict = process.run(1_900, () => {
    process.step++;
    return ++begun % 100;
  });
  t.equal(verdict, null, 'seven times what one may take');
});

t.test('the item that does not end is named, the ones in front of it are not (D1)', async (t) => {
  const process = new Process();
  const verdict = process.run(10_000, () => {
    if (process.now < 1_500) process.step++;
    return 42;
  });
  t.match(verdict, { code: 'BEHAVIOR_TIMEOUT', item: 41, isNobodys: false });
  t.ok(process.now - 1_500 >= STEP_MS && process.now - 1_500 <= STEP_MS + 50, 'counted from when it was seen first');
});

t.test('events of a history that one item folds have a time each (D1)', async (t) => {
  const process = new Process({ ...ALLOWANCE, items: 1 });
  t.equal(process.run(60_000, () => (process.step++, 1)), null);
});

t.test('a node that reads an answer late makes nobody late (D2)', async (t) => {
  const process = new Process();
  t.equal(process.run(100, () => 5), null);
  process.watch.look(process.now, process.cpuMs, false);
  process.watch.asked(process.cpuMs);
  process.cpuMs += 10_000;
  t.equal(process.watch.reported(5, process.step, process.cpuMs), null, 'it may have ended long ago');
});

t.test('a machine that is busy convicts nobody (D3)', async (t) => {
  const process = new Process();
  t.equal(process.run(4_900, () => 3, 0.04), null, 'it got 196 ms in five seconds');
  const verdict = process.run(10_000, () => 3, 0);
  t.match(verdict, { code: 'SANDBOX_LOST', item: 2, isNobodys: false });
});

t.test('a node that did not run itself knows nothing of the other (D3)', async (t) => {
  const process = new Process();
  t.equal(process.run(100, () => 3, 0.1), null);
  process.now += 3_600_000;
  t.equal(process.run(100, () => 3, 0.1), null);
});

t.test('a batch that keeps everybody waiting is ended, by nobody\'s fault (D4)', async (t) => {
  const process = new Process();
  const verdict = process.run(60_000, () => {
    process.step++;
    return 1 + Math.floor((process.now - 1_000) / 200);
  });
  t.match(verdict, { code: 'BEHAVIOR_TIMEOUT', isNobodys: true });
  t.equal(verdict!.item, 10, 'two seconds of 200 ms each');
});

t.test('what says nothing of itself has one time for all of it, and is not the fault of those behind it', async (t) => {
  const process = new Process({ items: 0, stepMs: 1_000, totalMs: 1_000 });
  t.match(process.run(60_000, () => 0), { code: 'BEHAVIOR_TIMEOUT', item: null, isNobodys: true });
});

t.test('a report about another frame says nothing about this one', async (t) => {
  const process = new Process();
  t.equal(process.run(4_000, () => 0, 1), null);
  t.equal(process.watch.reported(101, 9, process.cpuMs), null);
});

t.test('a large state may take longer, a batch as long as its largest turn', async (t) => {
  const MIB = 1024 * 1024;
  t.equal(allowanceOf(1, 0, 0, STEP_MS).stepMs, STEP_MS);
  t.equal(allowanceOf(2_048, 0, 0, STEP_MS).stepMs, STEP_MS, 'company changes nothing');
  const largest = allowanceOf(1, 0, limits.stateBytesMax, STEP_MS);
  t.ok(largest.stepMs >= STEP_MS + (limits.stateBytesMax / MIB) * limits.turnCostPerMibMs);
  t.ok(largest.totalMs >= 2 * largest.stepMs);
});
