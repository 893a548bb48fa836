import t from 'tap';

import type { RunResult } from './run.ts';
import { middle, ratioByRound, summarise, targets } from './summary.ts';
import { parseCounterOptions } from './options.ts';

function run(subject: RunResult['subject'], round: number, speed: number | null, p50 = 0.3): RunResult {
  return {
    subject, round, durability: 'disk', commandsPerSecond: speed, commands: 1, deviceBytesPerCommand: null, retries: 0, errors: {}, processes: [],
    latencyMs: speed === null ? null : { p50, p90: 1, p99: 1, p999: 1, max: 1, mean: 1 },
    check: { passed: speed !== null, detail: speed === null ? 'lost one' : 'good' },
  };
}

const fsync = { blockingGrowing: 0.2, blockingPreallocated: 0.1, asyncGrowing: 0.25, asyncPreallocated: 0.15 };

t.test('the ratio is the median of the ratios within each round', async (t) => {
  // Medians over everything would give 20/100; the machine was ten times slower in the second round.
  const runs = [run('echo', 1, 100), run('product', 1, 40), run('echo', 2, 10), run('product', 2, 4), run('echo', 3, 100), run('product', 3, 20)];
  t.equal(ratioByRound({ shape: '64x16', runs }, 'product', 'echo'), 0.4);
  t.equal(ratioByRound({ shape: '64x16', runs: [run('echo', 1, 100)] }, 'product', 'echo'), null);
});

t.test('a failed check takes the speed away, and with it every ratio', async (t) => {
  const shapes = [{ shape: '64x16', runs: [run('echo', 1, 100), run('product', 1, 50), run('echo', 2, 100), run('product', 2, null)] }];
  const product = summarise(shapes).find((one) => one.subject === 'product')!;
  t.equal(product.commandsPerSecond, null);
  t.equal(product.failed.length, 1);
  t.equal(targets(shapes, fsync)[0]!.reached, null);
});

t.test('targets are reached or not, on both sides of the line', async (t) => {
  const shapes = (speed: number, p50: number) => [
    { shape: '64x16', runs: [run('echo', 1, 100), run('product', 1, speed * 0.3)] },
    { shape: '64x1', runs: [run('floor', 1, 100), run('product', 1, speed * 0.6)] },
    { shape: '1x1', runs: [run('product', 1, 10, p50)] },
  ];
  t.same(targets(shapes(100, 0.15), fsync).map((one) => one.reached), [true, true, true, true, true, true]);
  t.same(targets(shapes(99, 0.35), fsync).map((one) => one.reached), [false, false, false, true, false, true]);
});

t.test('the middle of a list', async (t) => {
  t.equal(middle([3, 1, 2]), 2);
  t.equal(middle([4, 1, 2, 3]), 2.5);
});

t.test('options: shapes, and what is refused', async (t) => {
  t.same(parseCounterOptions([]).shapes, [{ connections: 64, inFlight: 16 }, { connections: 64, inFlight: 1 }, { connections: 1, inFlight: 1 }]);
  t.same(parseCounterOptions(['--connections', '2', '--in-flight', '3']).shapes, [{ connections: 2, inFlight: 3 }]);
  t.same(parseCounterOptions(['--node-args=--cpu-prof --x']).nodeArgs, ['--cpu-prof', '--x']);
  for (const bad of [['--shape', '64'], ['--shape', 'axb'], ['--rounds', '0'], ['--duration', '0'], ['--subjects', 'ecko'], ['--nonsense']]) {
    t.throws(() => parseCounterOptions(bad), bad.join(' '));
  }
});
