import t from 'tap';

import type { CaseReport, Report, RunReport } from './report.ts';
import { figuresOf, kindOf, kindsOf, middle, ratioByRound, ratiosOf, spreadOver, sumOfKind, summarise, summariseCase, throughput } from './summary.ts';
import { sampleReport, type SampleCase } from './testing/sample.ts';

const echo: SampleCase = { subject: 'echo', load: '64x16', isBaseline: true, speed: 100 };
const ours: SampleCase = { subject: 'embedded', load: '64x16', speed: 40 };

/** The runs of a case with these throughputs; null failed its check. */
function withSpeeds(one: CaseReport, speeds: readonly (number | null)[]): CaseReport {
  const runs = speeds.map((speed, i): RunReport => ({ ...one.runs[0]!, round: i + 1, commandsPerSecond: speed, check: { passed: speed !== null, detail: speed === null ? 'lost one' : 'good' } }));
  return { ...one, runs };
}

function two(echoSpeeds: readonly (number | null)[], ourSpeeds: readonly (number | null)[]): Report {
  const report = sampleReport({ cases: [echo, ours] });
  return { ...report, cases: [withSpeeds(report.cases[0]!, echoSpeeds), withSpeeds(report.cases[1]!, ourSpeeds)] };
}

t.test('M2: the ratio is the median of the ratios within each round', async (t) => {
  // Medians over everything would give 20/100; the machine was ten times slower in the second round.
  const report = two([100, 10, 100], [40, 4, 20]);
  t.same(ratiosOf(report, report.cases[1]!).map((one) => one.commandsPerSecond), [{ median: 0.4, lowest: 0.2, highest: 0.4, rounds: 3 }]);
});

t.test('M1: one failed round takes the figures of all, and every ratio', async (t) => {
  const report = two([100, 100], [50, null]);
  const ourSummary = summarise(report)[1]!;
  t.equal(ourSummary.commandsPerSecond, null);
  t.equal(ourSummary.median, null);
  t.same(ourSummary.failed, ['round 2: lost one']);
  t.equal(ratioByRound(report.cases[1]!, report.cases[0]!), null);
  const other = two([100, null], [50, 50]);
  t.equal(ratioByRound(other.cases[1]!, other.cases[0]!), null, 'on the other side too');
});

t.test('rounds that only one side has are left out, and a baseline of 0 gives no ratio', async (t) => {
  const report = two([100, 50], [40]);
  t.equal(ratioByRound(report.cases[1]!, report.cases[0]!)!.rounds, 1);
  const still = two([0], [40]);
  t.equal(ratioByRound(still.cases[1]!, still.cases[0]!), null);
  t.equal(ratioByRound({ ...report.cases[1]!, runs: [] }, report.cases[0]!), null);
});

t.test('baselines are those of the same load', async (t) => {
  const report = sampleReport({ cases: [echo, { ...echo, load: '64x1' }, ours] });
  t.same(ratiosOf(report, report.cases[2]!).map((one) => one.baseline.id), ['counter/64x16/echo']);
});

t.test('a case without throughput, and one without runs', async (t) => {
  const [one] = sampleReport({ cases: [ours], rounds: 2 }).cases;
  const silent = { ...one!, runs: one!.runs.map((run) => ({ ...run, commandsPerSecond: null })) };
  const summary = summariseCase(silent);
  t.equal(summary.commandsPerSecond, null);
  t.not(summary.median, null, 'its figures and costs are there');
  t.same(summariseCase({ ...one!, runs: [] }), { case: { ...one!, runs: [] }, failed: [], commandsPerSecond: null, median: null });
});

t.test('processes of one kind are added up, the driver comes last', async (t) => {
  const [run] = sampleReport({ cases: [{ ...ours, roles: ['driver', 'node', 'node 2', 'redis'] }] }).cases[0]!.runs;
  t.same(kindsOf([run!]), ['node', 'redis', 'driver']);
  t.equal(kindOf('node 12'), 'node');
  t.equal(kindOf('node'), 'node');
  const costs = run!.processes;
  t.equal(sumOfKind(run!, 'node', 'rssMib'), costs[1]!.rssMib! + costs[2]!.rssMib!);
  const unknown = { ...run!, processes: costs.map((process) => ({ ...process, rssMib: null })) };
  t.equal(sumOfKind(unknown, 'node', 'rssMib'), null);
});

t.test('figures over the rounds', async (t) => {
  const [one] = sampleReport({ cases: [{ ...ours, figures: [{ name: 'lag', value: 10, unit: 'ms', isLessBetter: true }] }], noise: 0 }).cases;
  t.match(figuresOf(one!), [{ name: 'lag', unit: 'ms', isLessBetter: true, spread: { median: 10, rounds: 3 } }]);
});

t.test('the middle of a list', async (t) => {
  t.equal(middle([3, 1, 2]), 2);
  t.equal(middle([4, 1, 2, 3]), 2.5);
  t.equal(spreadOver({ ...sampleReport({ cases: [ours] }).cases[0]!, runs: [] }, throughput), null);
});
