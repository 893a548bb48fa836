import t from 'tap';

import { Histogram } from './histogram.ts';

t.test('percentiles are within one percent of the sorted values', async (t) => {
  const histogram = new Histogram();
  const values: number[] = [];
  let state = 12345;
  for (let i = 0; i < 50_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Spread over six powers of ten, from 10 µs to 10 s.
    const ms = 10 ** ((state / 2 ** 32) * 6 - 2);
    values.push(ms);
    histogram.record(ms);
  }
  values.sort((a, b) => a - b);
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = values[Math.ceil(share * values.length) - 1]!;
    const found = histogram.percentile(share);
    t.ok(Math.abs(found - exact) / exact < 0.01, `p${share * 100}: ${found} against ${exact}`);
  }
  t.equal(histogram.max, values.at(-1));
});

t.test('two histograms added are the histogram of all values', async (t) => {
  const a = new Histogram();
  const b = new Histogram();
  const both = new Histogram();
  for (let i = 1; i <= 1000; i++) {
    (i % 3 === 0 ? a : b).record(i / 7);
    both.record(i / 7);
  }
  a.add(b.dump());
  t.equal(a.count, both.count);
  t.equal(a.percentile(0.5), both.percentile(0.5));
  t.equal(a.max, both.max);
});

t.test('nothing recorded, zero, and values beyond the range', async (t) => {
  const histogram = new Histogram();
  t.equal(histogram.percentile(0.5), 0);
  histogram.record(0);
  t.equal(histogram.percentile(1), 0);
  histogram.record(10_000_000);
  t.equal(histogram.max, 10_000_000);
  histogram.reset();
  t.equal(histogram.count, 0);
});
