/** The harness end to end, for seconds only: every subject once, a report that holds what it must, nothing left behind. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

t.setTimeout(120_000);

const MAIN = join(import.meta.dirname, '../main.ts');

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'counter', ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

t.test('one short round of all subjects', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'troupe-bench-test-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const { status, stdout, stderr } = bench('--shape', '4x4', '--rounds', '1', '--duration', '0.5', '--warm-up', '0.5', '--actors', '50', '--data', data, '--json');
  t.equal(status, 0, stderr);
  const report = JSON.parse(stdout);
  t.same(report.summaries.map((one: { subject: string }) => one.subject), ['echo', 'floor', 'product']);
  for (const one of report.summaries) {
    t.ok(one.commandsPerSecond > 0, `${one.subject} has a throughput`);
    t.same(one.failed, []);
    t.ok(one.median.latencyMs.p50 > 0 && one.median.latencyMs.p50 <= one.median.latencyMs.max);
    t.ok(one.median.processes.some((process: { role: string }) => process.role === 'driver'));
  }
  t.equal(report.summaries[2].median.durability, 'disk');
  t.match(report.summaries[2].median.check.detail, /counters hold the sum and the count/);
  t.ok(report.fsync.blockingPreallocated > 0);
  t.ok(report.machine.cpu.length > 0 && report.machine.cores > 0);
  t.same(readdirSync(data), [], 'data directories are removed');
});

t.test('options that make no sense are refused', async (t) => {
  const { status, stderr } = bench('--shape', '64');
  t.equal(status, 1);
  t.match(stderr, /--shape 64/);
});
