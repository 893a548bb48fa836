/** How late something is, told by two clocks that have nothing to do with each other. */

import t from 'tap';

import { WayTimes } from './way-times.ts';

const SKEW = 1_234_567;
const from = { node: 'n2', incarnation: 'i' };

/** Sent at `at` by our clock, `wayMs` on its way; the sender's clock is `driftPpm` faster. */
function send(ways: WayTimes, at: number, wayMs: number, driftPpm = 0, sender = from): number {
  return ways.heard(sender, Math.floor(SKEW + at * (1 + driftPpm / 1e6)), at + wayMs);
}

function acquainted(): WayTimes {
  const ways = new WayTimes();
  for (let at = 0; at <= 5_000; at += 1_000) send(ways, at, 1);
  return ways;
}

t.test('in time and late', async (t) => {
  const ways = acquainted();
  t.equal(send(ways, 6_000, 1), 0);
  t.equal(send(ways, 7_000, 60), 0);
  t.ok(Math.abs(send(ways, 7_000, 3_000) - 3_000) <= 2);
  t.ok(Math.abs(send(ways, 8_000, 2_100) - 2_100) <= 2);
  t.equal(send(ways, 11_000, 2), 0);
});

t.test('of a process that was not heard before everything counts as late, and so of one that took its place', async (t) => {
  const ways = new WayTimes();
  t.equal(send(ways, 0, 3_000), 4_000);
  t.equal(send(ways, 3_000, 1), 4_000);
  t.equal(send(ways, 4_500, 1), 4_000);
  t.equal(send(ways, 5_500, 1), 0);
  t.equal(send(ways, 6_000, 1, 0, { node: 'n2', incarnation: 'j' }), 4_000);
  t.equal(send(ways, 6_000, 1, 0, { node: 'n3', incarnation: 'i' }), 4_000);
});

t.test('clocks that drift are not taken for delays, whichever is faster', async (t) => {
  for (const ppm of [-200, 200]) {
    const ways = acquainted();
    for (let at = 6_000; at < 24 * 3_600_000; at += 10_000) {
      const lateMs = send(ways, at, 1, ppm);
      if (lateMs !== 0) t.fail(`${lateMs} ms late at ${at}, ${ppm} ppm`);
    }
    const lateMs = send(ways, 24 * 3_600_000, 2_000, ppm);
    t.ok(Math.abs(lateMs - 2_000) < 200, `${lateMs} ms`);
  }
});
