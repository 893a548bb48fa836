import t from 'tap';

import { ManualClock } from './rig.ts';
import { Timers } from './timers.ts';
import type { TimerEntry } from './timers.ts';

t.test('each fires once, in time, unless cancelled', (t) => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const fired = new Map<number, number>();
  const entries = new Map<number, TimerEntry>();
  const start = clock.now();
  // Rounds of the wheel are 10,240 ms long.
  const delays = [0, 1, 9, 10, 11, 250, 10_239, 10_240, 10_241, 30_000, 300_000, -5];
  for (const delay of delays) entries.set(delay, timers.add(delay, () => fired.set(delay, clock.now() - start)));
  timers.cancel(timers.add(50, () => t.fail('was cancelled')));
  timers.cancel(entries.get(250)!);
  timers.cancel(entries.get(250)!);
  t.equal(timers.size, delays.length - 1);
  clock.advance(310_000);
  for (const delay of delays.filter((each) => each !== 250)) {
    const at = fired.get(delay)!;
    t.ok(at >= delay && at <= Math.max(delay, 0) + 20, `${delay} fired at ${at}`);
  }
  t.notOk(fired.has(250));
  t.equal(timers.size, 0);
  t.end();
});

t.test('after a pause of many rounds, and from within an expiry', (t) => {
  const clock = new ManualClock();
  const timers = new Timers({ now: () => clock.now(), wallNow: () => 0, every: (ms, callback) => clock.every(ms * 10_000, callback) });
  const fired: string[] = [];
  const victim: { entry: TimerEntry | null } = { entry: null };
  timers.add(40_000, () => {
    fired.push('first');
    timers.cancel(victim.entry!);
    timers.add(0, () => fired.push('third'));
  });
  victim.entry = timers.add(50_000, () => fired.push('victim'));
  timers.add(1_000_000, () => fired.push('far'));
  clock.advance(100_000);
  t.ok(fired.length >= 1 && fired[0] !== 'far');
  clock.advance(300_000);
  t.notOk(fired.includes('far'), 'never early');
  t.ok(fired.includes('third'));
  clock.advance(1_000_000);
  t.ok(fired.includes('far'));
  t.end();
});

t.test('many, in any order', (t) => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const kept = new Set<number>();
  const fired = new Set<number>();
  for (let i = 0; i < 5_000; i++) {
    const entry = timers.add((i * 7_919) % 40_000, () => fired.add(i));
    if (i % 3 === 0) timers.cancel(entry);
    else kept.add(i);
  }
  clock.advance(40_020);
  t.same(fired.size, kept.size);
  t.equal([...fired].every((i) => kept.has(i)), true);
  t.end();
});
