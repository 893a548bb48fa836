import t from 'tap';

import { sweepsOf } from '../cases.ts';
import type { RunReport } from '../report.ts';
import { sampleReport, type SampleCase } from '../testing/sample.ts';
import { latencyCurves, latencyOverSweep, latencyOverTime, throughputOverSweep, throughputOverTime, timelineRows, timelineRowsMax } from './curves.ts';

const [sample] = sampleReport({ cases: [{ subject: 'embedded', load: '64x16', speed: 1_000 }] }).cases[0]!.runs;

function run(change: Partial<RunReport>): RunReport {
  return { ...sample!, ...change };
}

t.test('latency stands over nines, the slowest command at 1 - 1/n', async (t) => {
  const runs = [
    { name: 'a', run: run({ commands: 1_000, latencyCurve: [[0, 0], [0.5, 1], [0.9, 2], [0.99, 3], [1, 9]] }) },
    { name: 'b', run: run({ commands: 10_000, latencyCurve: [[0.9, 5], [1, 7]] }) },
  ];
  const { xs, lines, x } = latencyCurves('latency', runs);
  t.same(xs, [0, 0.301, 1, 2, 3, 4]);
  t.same(lines.map((line) => line.values), [[null, 1, 2, 3, 9, null], [null, null, 5, null, null, 7]], '0 ms has no place on a logarithmic axis');
  t.same(x.ticks!.map((tick) => tick.text), ['0 %', '90 %', '99 %', '99.9 %', '99.99 %']);
  t.same(latencyCurves('none', []).xs, []);
});

t.test('over time: slices at their middles, gaps where nothing was answered, marks in seconds', async (t) => {
  const one = run({ windowMs: 2_000, timeline: { sliceMs: 500, commands: [100, 0, 50], p50Ms: [1, 0, 2], p99Ms: [3, 0, 4], maxMs: [5, 0, 6] }, marks: [{ atMs: 500, untilMs: 1_000, text: 'kill' }, { atMs: 1_900, untilMs: 1_900, text: 'deploy' }] });
  const throughput = throughputOverTime(one, 'g');
  t.same(throughput.xs, [0.25, 0.75, 1.25]);
  t.same(throughput.lines[0]!.values, [200, 0, 100], 'no throughput is 0, not a gap');
  t.same(throughput.x.range, [0, 2]);
  t.same(throughput.marks, [{ from: 0.5, to: 1, label: '1' }, { from: 1.9, to: 1.9, label: '2' }]);
  t.same(latencyOverTime(one, 'g').lines.map(({ name, values }) => [name, values]), [['p50', [1, null, 2]], ['p99', [3, null, 4]], ['longest', [5, null, 6]]]);
  t.equal(new Set(latencyOverTime(one, 'g').lines.map(({ dash }) => dash.join())).size, 3, 'told apart without colours');
});

t.test('the table of a timeline stays short and loses no stall', async (t) => {
  const slices = 100;
  const at = (stall: number, calm: number): number[] => Array.from({ length: slices }, (_, i) => (i === 57 ? stall : calm));
  const rows = timelineRows({ sliceMs: 100, commands: at(0, 10), p50Ms: at(0, 1), p99Ms: at(0, 2), maxMs: at(900, 3) });
  t.ok(rows.length <= timelineRowsMax);
  t.equal(rows.at(-1)!.to, 10);
  t.equal(Math.max(...rows.map((row) => row.max!)), 900);
  t.equal(rows.reduce((sum, row) => sum + row.commandsPerSecond * (row.to - row.from), 0).toFixed(3), '990.000');
  t.same(timelineRows({ sliceMs: 0, commands: [], p50Ms: [], p99Ms: [], maxMs: [] }), []);
  t.match(timelineRows({ sliceMs: 100, commands: [0], p50Ms: [0], p99Ms: [0], maxMs: [0] }), [{ commandsPerSecond: 0, p50: null, p99: null, max: null }]);
});

t.test('a sweep has a line a family, with the range of the rounds, and a hole where a check failed', async (t) => {
  const nodes = (count: number, more: Partial<SampleCase> = {}): SampleCase => ({ subject: 'cluster', load: '64x16', speed: 100 * count, parameters: { nodes: count }, ...more });
  const [sweep] = sweepsOf(sampleReport({ noise: 0, cases: [nodes(1), nodes(2, { failed: [1] }), nodes(3), nodes(1, { subject: 'peer' }), nodes(2, { subject: 'peer' })] }), 'nodes');
  const throughput = throughputOverSweep(sweep!);
  t.same(throughput.xs, [1, 2, 3]);
  t.same(throughput.lines.map(({ name, values }) => [name, values]), [['cluster', [100, null, 300]], ['peer', [100, 200, null]]]);
  t.same(throughput.lines[0]!.ranges, [[100, 100], null, [300, 300]]);
  t.same(latencyOverSweep(sweep!).lines.map(({ name }) => name), ['cluster p50', 'cluster p99', 'cluster p99.9', 'peer p50', 'peer p99', 'peer p99.9']);
});

t.test('what is no number stands side by side', async (t) => {
  const cases = ['uniform', 'zipf 0.99'].map((distribution): SampleCase => ({ subject: 'embedded', load: '64x16', speed: 100, parameters: { distribution } }));
  const plot = throughputOverSweep(sweepsOf(sampleReport({ cases, rounds: 1 }), 'distribution')[0]!);
  t.same(plot.xs, [0, 1]);
  t.same(plot.x.ticks!.map((tick) => tick.text), ['uniform', 'zipf 0.99']);
  t.same(plot.lines[0]!.ranges, [null, null], 'one round has no range');
});
