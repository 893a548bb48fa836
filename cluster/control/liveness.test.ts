import t from 'tap';

import { Liveness } from './liveness.ts';

const LEASE_MS = 2_000;
const HEARTBEAT_MS = 500;

/** One observer; node 1 is looked at. */
class Observer {
  readonly liveness = new Liveness(LEASE_MS);
  now = 1_000_000;

  beat(counter: number, afterMs = HEARTBEAT_MS): boolean {
    this.now += afterMs;
    this.liveness.observe(this.now, [{ number: 1, counter }]);
    return this.liveness.isAlive(1);
  }

  miss(afterMs = HEARTBEAT_MS): void {
    this.now += afterMs;
    this.liveness.missed();
  }
}

t.test('a counter that stands still for a lease is a dead node, one that moves again a living one (L1)', async (t) => {
  const observer = new Observer();
  t.ok(observer.beat(7), 'seen for the first time (L4)');
  t.same([7, 7, 7, 7, 7].map((counter) => observer.beat(counter)), [true, true, true, false, false]);
  t.equal(observer.liveness.silentMs(1), 2_500);
  t.ok(observer.beat(8));
  t.equal(observer.liveness.silentMs(1), 0);
});

t.test('a counter that went back has moved: the store was restored', async (t) => {
  const observer = new Observer();
  observer.beat(7);
  t.same([7, 7, 7].map((counter) => observer.beat(counter)), [true, true, true]);
  t.ok(observer.beat(3));
  t.equal(observer.liveness.silentMs(1), 0);
});

t.test('an outage is no silence, and the count starts anew after it (L2)', async (t) => {
  const observer = new Observer();
  observer.beat(7);
  observer.beat(7);
  for (let i = 0; i < 100; i++) observer.miss();
  t.same([7, 7, 7, 7].map((counter) => observer.beat(counter)), [true, true, true, true]);
  t.notOk(observer.beat(7));
});

t.test('one failed beat is an outage; so is a long gap between two that succeeded (L2)', async (t) => {
  const observer = new Observer();
  observer.beat(7);
  for (let i = 0; i < 3; i++) observer.beat(7);
  observer.miss(100);
  t.ok(observer.beat(7, HEARTBEAT_MS - 100));
  t.equal(observer.liveness.silentMs(1), 0);
  for (let i = 0; i < 3; i++) observer.beat(7);
  t.ok(observer.beat(7, 3_600_000), 'suspended for an hour');
  t.equal(observer.liveness.silentMs(1), 0);
  for (let i = 0; i < 20; i++) t.ok(observer.beat(7, LEASE_MS / 2), 'a store so slow that nobody can beat in time');
});

t.test('an outage raises nobody from the dead (L3)', async (t) => {
  const observer = new Observer();
  for (let i = 0; i < 6; i++) observer.beat(7);
  observer.miss();
  t.notOk(observer.beat(7));
  t.ok(observer.beat(8));
});

t.test('who is not in the last answer is not alive, and is new when it comes back', async (t) => {
  const observer = new Observer();
  for (let i = 0; i < 4; i++) observer.beat(7);
  observer.liveness.observe(observer.now, []);
  t.notOk(observer.liveness.isAlive(1));
  t.ok(observer.beat(7));
  t.equal(observer.liveness.silentMs(1), 0);
});
