import t from 'tap';

import { compareReports, isWorse, type Change, type Comparison } from './compare.ts';
import { renderComparison } from './comparison-text.ts';
import type { Report, RunReport } from './report.ts';
import { mapTexts, sampleReport, type SampleCase } from './testing/sample.ts';

const echo: SampleCase = { subject: 'echo', load: '64x16', isBaseline: true, speed: 100_000 };
const ours: SampleCase = { subject: 'embedded', load: '64x16', speed: 40_000 };

/** Without noise of its own: medians are what was asked for. */
function report(cases: readonly SampleCase[], rounds = 3): Report {
  return sampleReport({ cases, rounds, noise: 0 });
}

function withRuns(one: Report, id: string, change: (run: RunReport) => Partial<RunReport>): Report {
  return { ...one, cases: one.cases.map((item) => (item.id === id ? { ...item, runs: item.runs.map((run) => ({ ...run, ...change(run) })) } : item)) };
}

function withSpeeds(one: Report, speeds: readonly number[]): Report {
  return withRuns(one, 'counter/64x16/embedded', (run) => ({ commandsPerSecond: speeds[run.round - 1]! }));
}

function changeOf(comparison: Comparison, measure: string, id = 'counter/64x16/embedded'): Change {
  return comparison.cases.find((one) => one.id === id)!.changes.find((one) => one.measure === measure)!;
}

function speedVerdict(old: readonly number[], next: readonly number[]): Change {
  return changeOf(compareReports(withSpeeds(report([ours], old.length), old), withSpeeds(report([ours], next.length), next)), 'commands/s');
}

t.test('a report compared with itself', async (t) => {
  const one = sampleReport();
  const comparison = compareReports(one, one);
  t.same(comparison.warnings, []);
  t.equal(comparison.cases.length, one.cases.length);
  t.same([...new Set(comparison.cases.flatMap((item) => item.changes.map((change) => change.verdict)))].sort(), ['not judged', 'within the noise']);
  t.equal(isWorse(comparison), false);
  t.match(renderComparison(comparison), /No case is worse\.\n$/);
});

t.test('what the reports remark is said, and judged by nobody', async (t) => {
  const [calm, unsettled] = [report([ours]), report([{ ...ours, remarks: ['latency had not settled'] }])];
  const comparison = compareReports(calm, unsettled);
  t.match(comparison.cases, [{ verdict: 'within the noise', note: 'new: round 1, 2, 3: latency had not settled' }]);
  t.match(renderComparison(comparison), /within the noise, new: round 1, 2, 3: latency had not settled$/m);
  t.match(compareReports(unsettled, calm).cases, [{ note: 'old: round 1, 2, 3: latency had not settled' }]);
});

t.test('D1: a change counts when it is larger than the larger spread', async (t) => {
  t.match(speedVerdict([98, 100, 102], [92, 94, 96]), { verdict: 'worse', percent: -6, noisePercent: 5 }, 'by more than the floor of 5 %, which is larger than both spreads');
  t.match(speedVerdict([98, 100, 102], [94, 95, 96]), { verdict: 'within the noise', percent: -5 });
  t.match(speedVerdict([90, 100, 110], [84, 85, 86]), { verdict: 'within the noise', noisePercent: 20 }, 'the spread of the old one');
  t.match(speedVerdict([99, 100, 101], [75, 85, 95]), { verdict: 'within the noise', noisePercent: 20 }, 'the spread of the new one');
  t.match(speedVerdict([90, 100, 110], [124, 125, 126]), { verdict: 'better', percent: 25 });
});

t.test('D2: few rounds know no spread', async (t) => {
  t.match(speedVerdict([100], [91]), { verdict: 'within the noise', noisePercent: 10, note: 'one round: no spread known' });
  t.match(speedVerdict([100], [89]), { verdict: 'worse', note: 'one round: no spread known' });
  t.match(speedVerdict([100, 100, 100], [89]), { verdict: 'worse', note: 'one round: no spread known' }, 'in either');
  t.match(speedVerdict([100, 100], [91, 91]), { verdict: 'within the noise', note: '2 rounds: the spread says little' });
});

t.test('less latency, CPU and memory is better, and of figures what they say', async (t) => {
  const figures = [{ name: 'gap', value: 100, unit: 'ms', isLessBetter: true }, { name: 'moves/s', value: 100, unit: '', isLessBetter: false }, { name: 'moved', value: 100, unit: '', isLessBetter: null }, { name: 'stalls', value: 0, unit: '', isLessBetter: true }];
  const old = report([{ ...ours, figures }]);
  const next = withRuns(old, 'counter/64x16/embedded', (run) => ({
    latencyMs: { ...run.latencyMs!, p50: run.latencyMs!.p50 * 2, p99: run.latencyMs!.p99 / 2 },
    processes: run.processes.map((process) => ({ ...process, cpuUsPerCommand: process.cpuUsPerCommand! * 2, rssMib: process.rssMib! / 2 })),
    figures: run.figures.map((figure) => ({ ...figure, value: figure.value * 2 + 1 })),
  }));
  const comparison = compareReports(old, next);
  const verdicts = Object.fromEntries(comparison.cases[0]!.changes.map((change) => [change.measure, change.verdict]));
  t.same(verdicts, {
    'commands/s': 'within the noise', p50: 'worse', p99: 'better', 'CPU of node a command': 'worse', 'CPU of sandbox a command': 'worse', 'CPU of driver a command': 'not judged',
    'memory of node': 'better', 'memory of sandbox': 'better', gap: 'worse', 'moves/s': 'better', moved: 'not judged', stalls: 'worse',
  });
  t.equal(changeOf(comparison, 'stalls').percent, null, 'from 0 there is no percentage, but a verdict');
});

t.test('CPU is added up over the nodes', async (t) => {
  const old = report([{ ...ours, roles: ['node', 'node 2'] }]);
  const [run] = old.cases[0]!.runs;
  const { median } = changeOf(compareReports({ ...old, cases: [{ ...old.cases[0]!, runs: [run!] }] }, old), 'CPU of node a command').old!;
  t.equal(median, run!.processes[0]!.cpuUsPerCommand! + run!.processes[1]!.cpuUsPerCommand!);
});

t.test('D3: a slower product is worse by figure and by ratio', async (t) => {
  const comparison = compareReports(report([echo, ours]), report([echo, { ...ours, speed: 30_000 }]));
  t.match(changeOf(comparison, 'commands/s'), { verdict: 'worse' });
  t.match(changeOf(comparison, 'commands/s / echo'), { verdict: 'worse' });
  t.equal(Math.round(changeOf(comparison, 'commands/s / echo').percent!), -25);
  t.equal(isWorse(comparison), true);
});

t.test('D4: on a slower machine the ratios are judged', async (t) => {
  const old = report([echo, ours]);
  const slower = report([{ ...echo, speed: 50_000 }, { ...ours, speed: 20_000 }]);
  const moved = compareReports(old, slower);
  t.match(changeOf(moved, 'commands/s'), { verdict: 'not judged', percent: -50, note: 'a baseline changed: see the ratios' });
  t.match(changeOf(moved, 'commands/s / echo'), { verdict: 'within the noise' });
  t.equal(isWorse(moved), false);
  t.match(moved.warnings, [/the baseline counter\/64x16\/echo changed by -50\.0 %/]);
  const elsewhere = compareReports(old, { ...slower, machine: { ...slower.machine, cpu: 'Atom' } });
  t.match(changeOf(elsewhere, 'p50'), { verdict: 'not judged', note: 'another machine: see the ratios' });
  t.equal(isWorse(elsewhere), false);
  const worse = compareReports(old, report([{ ...echo, speed: 50_000 }, { ...ours, speed: 10_000 }]));
  t.match(changeOf(worse, 'commands/s / echo'), { verdict: 'worse' }, 'and are seen to become worse');
  t.equal(isWorse(worse), true);
});

t.test('D4: without a baseline figures are judged all the same, with a warning', async (t) => {
  const next = report([{ ...ours, speed: 20_000 }]);
  const comparison = compareReports(report([ours]), { ...next, machine: { ...next.machine, cores: 64 } });
  t.equal(isWorse(comparison), true);
  t.match(comparison.warnings, [/the machine: cores differs: 2, now 64/]);
});

t.test('D5: a baseline is not judged', async (t) => {
  const comparison = compareReports(report([echo]), report([{ ...echo, speed: 1_000 }]));
  t.equal(comparison.cases[0]!.verdict, 'not judged');
  t.match(changeOf(comparison, 'commands/s', 'counter/64x16/echo'), { note: 'a baseline' });
});

t.test('D6: a failed check in the new report is worse, in the old one better', async (t) => {
  const failing = report([echo, { ...ours, failed: [2] }]);
  const good = report([echo, ours]);
  t.match(compareReports(good, failing).cases[1], { verdict: 'worse', note: 'its check failed in the new report', changes: [] });
  t.match(compareReports(failing, good).cases[1], { verdict: 'better', note: 'its check failed in the old report' });
  t.match(compareReports(failing, failing).cases[1], { verdict: 'worse', note: 'its check failed in both' });
  const failingEcho = report([{ ...echo, failed: [1] }, ours]);
  t.notOk(compareReports(good, failingEcho).cases[1]!.changes.some((change) => change.measure.includes('/ echo')), 'and there is no ratio to it');
});

t.test('warnings: versions, kernel, durability, parameters, measured time, a busy machine', async (t) => {
  const old = report([{ ...ours, slices: 40 }]);
  const next = report([{ ...ours, slices: 80, durability: 'memory' }]);
  const { warnings } = compareReports(old, {
    ...next, versions: { troupe: '0.2.0', node: 'v26.10.0', etcd: '3.6' }, machine: { ...next.machine, kernel: 'Linux 7.0', loadBefore: 1.9, fileSystem: null },
    cases: next.cases.map((one) => ({ ...one, parameters: { actors: 5 } })),
  });
  for (const text of [
    'the machine: fileSystem differs: /dev/vda1 ext4, now unknown', 'kernel differs: Linux 6.1.0, now Linux 7.0', 'the version of troupe differs: 0.1.0, now 0.2.0', 'the version of redis differs: 7.0.15, now unknown',
    'the version of etcd differs: unknown, now 3.6', 'the durability of counter/64x16/embedded differs: disk, now memory', 'the parameter actors of counter/64x16/embedded differs: unknown, now 5',
    'the measured time of counter/64x16/embedded differs: 10 s, now 20 s', 'the machine of the new report was busy before it began: load 1.9 on 2 cores',
  ]) t.ok(warnings.includes(text), `${text} in ${warnings.join('\n')}`);
});

t.test('cases of one report alone are listed, and what is in one alone is not judged', async (t) => {
  const comparison = compareReports(report([echo, ours]), report([ours, { ...ours, load: '1x1' }]));
  t.same(comparison.onlyInOld, ['counter/64x16/echo']);
  t.same(comparison.onlyInNew, ['counter/1x1/embedded']);
  const withFigure = report([{ ...ours, figures: [{ name: 'gap', value: 1, unit: 'ms', isLessBetter: true }] }]);
  t.match(changeOf(compareReports(report([ours]), withFigure), 'gap'), { verdict: 'not judged', note: 'not in the old report', percent: null });
  t.match(changeOf(compareReports(withFigure, report([ours])), 'gap'), { verdict: 'not judged', note: 'not in the new report' });
  const seconds = report([{ ...ours, figures: [{ name: 'gap', value: 1, unit: 's', isLessBetter: true }] }]);
  t.match(changeOf(compareReports(withFigure, seconds), 'gap'), { verdict: 'not judged', note: 'was in ms' });
  const empty = { ...withFigure, cases: [{ ...withFigure.cases[0]!, runs: [] }] };
  t.match(compareReports(empty, empty).cases[0], { verdict: 'not judged', note: 'nothing measured in either' });
});

t.test('in text: what is worse is seen from afar, and nothing moves the cursor', async (t) => {
  const text = renderComparison(compareReports(report([echo, ours], 1), report([echo, { ...ours, speed: 20_000 }], 1)));
  for (const part of [/^counter\/64x16\/echo \(baseline\): not judged$/m, /^counter\/64x16\/embedded: WORSE$/m, /commands\/s +40,000 +- +20,000 +- +−50\.0 % +10\.0 % +WORSE +one round: no spread known/, /1 worse, 0 better/, /WORSE than before\.\n$/]) t.match(text, part);
  const hostile = mapTexts(sampleReport({ rounds: 1 }), (text) => `\u001b[2J${text}\r\nfake line`);
  const other = { ...hostile, versions: {}, machine: { ...hostile.machine, cpu: '\u0007' }, cases: hostile.cases.slice(2) };
  const shown = renderComparison(compareReports(hostile, other));
  t.notMatch(shown, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  t.notMatch(shown, /^fake line/m);
});
