/** How far logs had come some time ago. */

import t from 'tap';

import type { LogPlace } from './engine.ts';
import { LogPlaces } from './log-places.ts';

const at = (position: number): LogPlace => ({ incarnation: { hi: 1, lo: 1 }, position });
const before = (places: LogPlaces, index: number, triedMs: number): LogPlace | undefined => places.at(index, places.firstTryMs({ triedMs })!);

t.test('whoever asks for a time gets a place of before it, and a near one', async (t) => {
  let now = 5_000;
  const places = new LogPlaces(2, { monotonic: () => now });
  t.equal(before(places, 0, 1), undefined, 'nothing is known');
  t.equal(places.firstTryMs({}), undefined, 'nothing was tried');
  // A record a millisecond; a note every second, now and then late.
  const start = now;
  for (let i = 1; i <= 1_500; i++) {
    now = start + i * 1_000 + (i % 7) * 90;
    places.learn(0, at(now));
    places.note();
    places.learn(0, at(now + 1));
  }
  now += 400;
  t.same(places.of(0), at(now - 399));
  for (const forMs of [1, 500, 999, 1_000, 5_000, 29_000, 60_000, 300_000, 560_000]) {
    const { position } = before(places, 0, forMs)!;
    t.ok(position < now - forMs - 15_000, `${forMs} ms: a place of before that, and of before the way that took`);
    const slack = 15_000 + (forMs < 10_000 ? 2_000 : 12_000);
    t.ok(position > now - forMs * 1.01 - slack, `${forMs} ms: not much before that, but ${now - forMs - position} ms`);
  }
  t.equal(before(places, 0, 700_000), undefined, 'of long ago nothing is known');
  t.equal(before(places, 1, 1_000), undefined, 'of a bucket that nobody told of neither');
  for (const waitedMs of [1, 400, 999, 5_000, 29_000]) {
    const { position } = places.at(0, places.firstTryMs({ waitedMs })!)!;
    t.ok(position < now - waitedMs && position > now - waitedMs * 1.01 - 2_000, `${waitedMs} ms on its way, by our own clock: ${now - waitedMs - position} ms before that`);
    const tried = places.at(0, places.firstTryMs({ triedMs: 3_000, waitedMs })!)!;
    t.ok(tried.position < now - 3_000 - waitedMs - 15_000, 'and both');
  }
  t.ok((places as unknown as { notes: unknown[] }).notes.length < 100, 'few notes are kept');
});

t.test('after it stood still, a process says for how long, for a while', async (t) => {
  let now = 5_000;
  const places = new LogPlaces(1, { monotonic: () => now });
  const run = (ms: number): void => {
    for (const end = now + ms; now < end; now += 1_000) places.note();
  };
  run(10_000);
  t.equal(places.stalledMs, 0);
  const stoppedAt = now - 1_000;
  now += 7_000;
  t.equal(places.stalledMs, now - stoppedAt, 'before it is noted, too: what waited comes in first');
  t.equal(places.firstTryMs({ waitedMs: 100 }), now - (now - stoppedAt) * 1.01, 'of a stop and a way the longer one counts');
  now += 10;
  t.equal(places.stalledMs, now - stoppedAt);
  places.note();
  t.equal(places.stalledMs, now - stoppedAt);
  now += 1_500;
  places.note();
  t.equal(places.stalledMs, now - stoppedAt, 'what waited is still coming in');
  now += 1_000;
  places.note();
  t.equal(places.stalledMs, 0);
});

t.test('the notes of a process count for the next one, as older than they were', async (t) => {
  let now = 5_000;
  const first = new LogPlaces(2, { monotonic: () => now });
  for (const end = now + 200_000; now < end; now += 1_000) {
    first.learn(0, at(now));
    first.note();
  }
  const bytes = first.encode();
  t.ok(bytes.length < 500);
  const writtenAt = now;
  now = 70_000;
  const after = new LogPlaces(2, { monotonic: () => now });
  after.restore(bytes);
  after.note();
  now += 3_000;
  after.note();
  t.equal(after.stalledMs, 3_000, 'what another process noted is no stall of this one');
  t.equal(before(after, 1, 10), undefined);
  for (const forMs of [10, 5_000, 50_000]) {
    const { position } = before(after, 0, forMs)!;
    t.ok(position <= writtenAt + 3_000 - forMs - 15_000, `${forMs} ms: no later than if it had started at once`);
    t.ok(position > writtenAt - 2.2 * (forMs + 16_000));
  }
  const others = new LogPlaces(3, { monotonic: () => now });
  others.restore(bytes);
  t.equal(before(others, 0, 10), undefined, 'of another number of buckets');
  for (const damaged of [Buffer.alloc(0), Buffer.from('places 1'), bytes.subarray(0, bytes.length - 1), Buffer.concat([Buffer.from('x'), bytes])]) {
    const places = new LogPlaces(2, { monotonic: () => now });
    places.restore(damaged);
    t.equal(before(places, 0, 10), undefined);
  }
});
