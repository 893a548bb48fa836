/**
 * The workloads under which something happens, each once and briefly: what was done is marked, what it did is in the figures, and all was applied once.
 * And the check of such a run fails when an actor holds what no client has sent. One cluster serves several runs, each with actors of its own.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { connect } from '../../runtime/client/client.ts';
import { Deploy } from '../disturbance/deploy.ts';
import type { Disturbance } from '../disturbance/disturbance.ts';
import { HandOff } from '../disturbance/hand-off.ts';
import { Kill } from '../disturbance/kill.ts';
import { runDisturbed } from '../harness/disturbed-run.ts';
import { readReport } from '../report/read.ts';
import type { RunReport } from '../report/report.ts';
import { startProduct } from '../subject/start.ts';

t.setTimeout(1_200_000);

const directory = mkdtempSync(join(tmpdir(), 'troupe-bench-faults-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const cluster = await startProduct('cluster', directory, { nodes: 2, redisFsync: 'everysec', nodeArgs: [], startArgs: [], target: [] });
t.teardown(() => cluster.stop());

const ACTORS = 20;
const STRIKE_MS = 300;

async function run(prefix: string, disturbance: Disturbance): Promise<RunReport> {
  const load = { clients: 2, direct: true, loop: { kind: 'open', perSecond: 200 }, actors: ACTORS, distribution: 'uniform' } as const;
  const settings = { round: 1, seed: 1, drivers: 1, warmUpMs: 300, durationMs: 1_000, prefix, signal: new AbortController().signal };
  return runDisturbed(cluster, directory, load, disturbance, [STRIKE_MS], settings);
}

function figure({ figures }: RunReport, name: string): number {
  const found = figures.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no figure "${name}" among ${figures.map((one) => one.name).join('; ')}`);
  return found.value;
}

t.test('hand-off: a node is emptied and filled again', async (t) => {
  const report = await run('moved-', new HandOff(4));
  t.ok(report.check.passed, report.check.detail);
  t.match(report.marks.map(({ text }) => text), [/^n1 is emptied of its \d+ buckets$/, /^n1 takes its share again$/]);
  t.ok(report.marks[0]!.atMs >= STRIKE_MS && report.marks[0]!.untilMs <= report.marks[1]!.untilMs && report.marks[1]!.untilMs <= report.windowMs, 'all of it lies in the measured time');
  t.ok(figure(report, 'buckets handed over') >= 128);
  for (const name of ['pause of a bucket as a client sees it, worst', 'handing a bucket over, as the nodes log it, p50', 'opening a bucket, as the nodes log it, p50', 'p99 while a node is emptied']) t.ok(figure(report, name) > 0, name);
  t.equal(figure(report, 'commands that failed for the client'), 0);
  t.ok(report.timeline.commands.length >= report.windowMs / report.timeline.sliceMs - 1, 'the timeline covers it');
});

t.test('kill: the scheduler goes, and comes back', async (t) => {
  const report = await run('killed-', new Kill('scheduler', 500));
  t.ok(report.check.passed, report.check.detail);
  t.ok(report.marks.some(({ text }) => /^kill -9 of n\d, the scheduler: its \d+ buckets answer again$/.test(text)));
  t.ok(report.marks.some(({ text }) => /^n\d is started again/.test(text)));
  t.equal(figure(report, 'kills'), 1);
  const last = figure(report, 'until the last of them did, worst kill');
  t.ok(last >= figure(report, 'until half of the buckets of a killed node answered again') && last > 0);
  t.ok(figure(report, 'p99 from the kill to the last answer') > 0);
  t.ok(figure(report, 'longest time without any answer') > 0);
  t.equal(figure(report, 'commands that failed for the client'), 0);
  t.ok(cluster.nodes.every(({ isRunning }) => isRunning));
});

t.test('the check fails when an actor holds an increment that no client of the run has sent; then there are no figures', async (t) => {
  const stranger: Disturbance = {
    kinds: ['while a stranger is there'],
    isProbing: false,
    prepare: async () => undefined,
    async strike(world) {
      const client = connect(cluster.endpoints.map(({ host, port }) => `ws://${host}:${port}`));
      await client.send('bench.v1.Counter:strange-c-3', 'Increment', { by: 4 });
      client.close();
      world.lasted('while a stranger is there', STRIKE_MS, world.nowMs(), 'somebody else sends');
    },
    figures: async () => [],
  };
  const report = await run('strange-', stranger);
  t.notOk(report.check.passed);
  t.match(report.check.detail, /state differs from what was acknowledged.*"actor":3,/);
  t.same([report.commandsPerSecond, report.latencyMs, report.figures], [null, null, []]);
});

t.test('deploy: on a cluster', async (t) => {
  const report = await run('deployed-', new Deploy());
  t.ok(report.check.passed, report.check.detail);
  t.match(report.marks.map(({ text }) => text), ['version 1 is deployed, through n1']);
  t.ok(figure(report, 'a deployment takes, max') > 0);
});

t.test('deploy: from the command line, on a node by itself', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'troupe-bench-test-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const args = ['deploy', '--subjects', 'embedded', '--rounds', '1', '--duration', '2', '--every', '0.6', '--warm-up', '0.5', '--rate', '200', '--actors', '50', '--data', data, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, '../main.ts'), ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  t.equal(status, 0, stderr);
  const [one] = readReport(stdout, 'stdout').cases;
  t.equal(one!.id, 'deploy/200/s/embedded');
  const [report] = one!.runs;
  t.match(report!.check.detail, /actors hold the sum and the count/);
  t.same(report!.marks.map(({ text }) => text), ['version 1 is deployed', 'version 2 is deployed', 'version 3 is deployed']);
  t.equal(figure(report!, 'deployments'), 3);
  t.ok(report!.lateMs!.p50 >= 0);
  t.same(readdirSync(data), [], 'data directories are removed');
});
