import t from 'tap';

import { mergeTimelines, Recorder, SLICE_MS } from './recorder.ts';

t.test('slices have their own percentiles, empty ones too, and add up to the whole', async (t) => {
  const recorder = new Recorder();
  recorder.begin(1_000);
  for (const [since, now] of [[1_000, 1_010], [1_020, 1_050], [1_250, 1_260]] as const) {
    recorder.roll(now);
    recorder.answered(since, now);
  }
  recorder.end(1_300);
  const { acknowledged, windowMs, histogram, timeline } = recorder.dump();
  t.equal(acknowledged, 3);
  t.equal(windowMs, 300);
  t.same(timeline.commands, [2, 0, 1]);
  t.equal(timeline.p99Ms[1], 0);
  t.ok(timeline.maxMs[0]! === 30 && timeline.maxMs[2] === 10);
  t.equal(histogram.total, 3);
  t.equal(histogram.maxMs, 30);
  t.equal(SLICE_MS, 100);
});

t.test('what belongs to the window is decided by when it was due, throughput by when it was answered', async (t) => {
  const recorder = new Recorder();
  recorder.answered(10, 20);
  recorder.begin(1_000);
  recorder.answered(990, 1_001);
  recorder.answered(1_050, 1_060);
  recorder.end(1_100);
  recorder.answered(1_090, 1_900);
  recorder.answered(1_200, 1_950);
  const { acknowledged, histogram } = recorder.dump();
  t.equal(acknowledged, 2, 'the one from before, and the one within');
  t.equal(histogram.total, 2, 'the one within, and the one that was answered late');
  t.equal(histogram.maxMs, 810, 'with all of its delay');
});

t.test('lately: the middle of the slices of the last second in which something was answered', async (t) => {
  const recorder = new Recorder();
  recorder.begin(0);
  t.same(recorder.lately(500), { p50Ms: null, p99Ms: null }, 'nothing yet');
  for (let now = 550; now < 1_550; now += 100) {
    recorder.roll(now);
    // One slice stands out; the last one is not over.
    for (let i = 0; i < 5; i++) recorder.answered(now - (now === 950 ? 400 : 20), now);
  }
  const { p50Ms, p99Ms } = recorder.lately(1_550);
  t.ok(Math.abs(p50Ms! - 20) < 0.2 && Math.abs(p99Ms! - 20) < 0.2, `${p50Ms} ${p99Ms}`);
  t.same(recorder.lately(3_000), { p50Ms: null, p99Ms: null }, 'nothing for a second');
});

t.test('a new window forgets the last one', async (t) => {
  const recorder = new Recorder();
  for (const began of [0, 500]) {
    recorder.begin(began);
    recorder.answered(began + 1, began + 2);
    recorder.written(began + 1, began + 1);
    recorder.end(began + 50);
  }
  const { acknowledged, histogram, late } = recorder.dump();
  t.same([acknowledged, histogram.total, late.total], [1, 1, 1]);
});

t.test('timelines of several drivers: sums, and the worst of times', async (t) => {
  const one = { commands: [1, 2], p50Ms: [1, 1], p99Ms: [5, 5], maxMs: [9, 9] };
  const other = { commands: [10], p50Ms: [2], p99Ms: [4], maxMs: [20] };
  t.same(mergeTimelines([one, other]), { commands: [11, 2], p50Ms: [2, 1], p99Ms: [5, 5], maxMs: [20, 9] });
});
