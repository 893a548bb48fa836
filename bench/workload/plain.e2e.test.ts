/** The harness end to end, for seconds only: a report that holds what it must, nothing left behind. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { readReport } from '../report/read.ts';
import { descendantsOf, isAlive } from '../../runtime/faults/proc.ts';

t.setTimeout(1_200_000);

const MAIN = join(import.meta.dirname, '../main.ts');
const SHORT = ['--rounds', '1', '--duration', '0.5', '--warm-up', '0.5', '--actors', '50'];

function folder(t: Test): string {
  const data = mkdtempSync(join(tmpdir(), 'troupe-bench-test-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  return data;
}

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

t.test('a node and its baselines, by a closed and by an open loop', async (t) => {
  const data = folder(t);
  const out = join(folder(t), 'report');
  const { status, stdout, stderr } = bench('counter', '--shape', '4x4', ...SHORT, '--data', data, '--out', out, '--json');
  t.equal(status, 0, stderr);
  const report = readReport(stdout, 'stdout');
  t.same(report.cases.map(({ id }) => id), ['counter/4x4/echo', 'counter/4x4/floor', 'counter/4x4/embedded']);
  for (const { id, runs: [run] } of report.cases) {
    t.ok(run!.commandsPerSecond! > 0, `${id} has a throughput`);
    t.ok(run!.latencyMs!.p50 > 0 && run!.latencyMs!.p50 <= run!.latencyMs!.max);
    t.ok(run!.timeline.commands.length >= 4);
    t.ok(run!.processes.some(({ role }) => role === 'driver'));
  }
  t.equal(report.cases[2]!.durability, 'disk');
  t.match(report.cases[2]!.runs[0]!.check.detail, /actors hold the sum and the count/);
  t.ok(report.loops[0]!.runs.every(({ value }) => value > 0));
  t.same(readdirSync(data), [], 'data directories are removed');
  t.same(JSON.parse(readFileSync(`${out}.json`, 'utf8')), JSON.parse(stdout));
  t.ok(existsSync(`${out}.html`));

  const open = bench('counter', '--rate', '500', '--connections', '4', '--baselines', 'none', ...SHORT, '--data', data, '--json');
  t.equal(open.status, 0, open.stderr);
  const [one] = readReport(open.stdout, 'stdout').cases;
  t.equal(one!.id, 'counter/500/s/embedded');
  const { lateMs, due, windowMs } = one!.runs[0]!;
  t.ok(lateMs!.p50 > 0, 'it says how late the driver was itself');
  // Of the time that was measured: on a machine that stands still for a while that is longer than what was asked for.
  const expected = 500 * (windowMs / 1_000);
  t.ok(due! > expected / 2 && due! < expected * 2, `${due} of ${Math.round(expected)} or so became due`);
});

t.test('reads, messages, and a hot actor', async (t) => {
  const data = folder(t);
  for (const [workload, ...args] of [['read'], ['sends', '--fan-out', '3'], ['counter', '--distribution', 'hot', '--value-size', '100', '--json-frames']] as const) {
    const { status, stdout, stderr } = bench(workload, ...args, '--shape', '2x2', '--baselines', 'none', ...SHORT, '--data', data, '--json');
    t.equal(status, 0, stderr);
    for (const { runs, id } of readReport(stdout, 'stdout').cases) t.ok(runs[0]!.commandsPerSecond! > 0, `${id}: ${runs[0]!.check.detail}`);
  }
});

t.test('an interrupted run leaves nothing behind', async (t) => {
  const data = folder(t);
  const child = spawn(process.execPath, [MAIN, 'counter', '--baselines', 'none', '--duration', '100', '--data', data], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  let begun: number[] = [];
  // The node, its sandboxes, the driver.
  while (begun.length < 4) {
    await sleep(50);
    begun = descendantsOf(child.pid!);
  }
  child.kill('SIGTERM');
  t.same(await exit, [130, null]);
  t.same(readdirSync(data), []);
  for (let i = 0; i < 400 && begun.some(isAlive); i++) await sleep(50);
  t.notOk(begun.some(isAlive), 'no process is left');
});

t.test('Ctrl-C while the first thing runs, which it ends, too', async (t) => {
  const data = folder(t);
  const child = spawn(process.execPath, [MAIN, 'counter', '--duration', '100', '--data', data], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  const exit = once(child, 'exit');
  const said = text(child.stderr!);
  while (!readdirSync(data, { recursive: true }).some((path) => String(path).endsWith('fsync.log'))) await sleep(20);
  process.kill(-child.pid!, 'SIGINT');
  t.same(await exit, [130, null]);
  t.equal(await said, 'interrupted: servers are stopped, folders removed\n');
  t.same(readdirSync(data), []);
});

t.test('what makes no sense is refused', async (t) => {
  for (const args of [['counter', '--shape', '64'], ['nonsense'], ['counter', '--nonsense'], []]) {
    const { status, stdout } = bench(...args);
    t.equal(status, 2, args.join(' '));
    t.equal(stdout, '');
  }
});
