/**
 * `npm test`: the type check, then every test file with tap, then one closing line "N passed, N failed" (assertions; the
 * type check and each file that crashed count as one). Names of files as arguments run those alone.
 */

import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { countTap } from './tap-count.ts';

const root = path.join(import.meta.dirname, '..');
const tapProgram = path.join(root, 'node_modules/tap/dist/esm/run.mjs');
const tscProgram = path.join(root, 'node_modules/typescript/bin/tsc');
const folders = '{runtime,cluster,bench,behaviors,scripts}';

const scratch = mkdtempSync(path.join(tmpdir(), 'troupe-test-'));
let passed = 0;
let failed = 0;

async function main(asked: string[]): Promise<void> {
  const files = asked.length > 0 ? asked : globSync(`${folders}/**/*.test.ts`, { cwd: root }).sort();
  if (asked.length === 0) await typeCheck();
  // Real processes compete for the two cores that a small machine has; alone, their timeouts mean something.
  await tap(files.filter((file) => !file.endsWith('.e2e.test.ts')), 2);
  await tap(files.filter((file) => file.endsWith('.e2e.test.ts')), 1);
}

async function typeCheck(): Promise<void> {
  process.stdout.write('# type check\n');
  const code = await run([tscProgram, '-p', '.']);
  if (code === 0) passed++;
  else failed++;
}

async function tap(files: string[], jobs: number): Promise<void> {
  if (files.length === 0) return;
  const output = path.join(scratch, `jobs-${jobs}.tap`);
  const code = await run([tapProgram, `--jobs=${jobs}`, '--reporter=base', `--output-file=${output}`, ...files]);
  const count = countTap(readFileSync(output, 'utf8'));
  passed += count.passed;
  failed += count.failed;
  // tap may refuse for a reason that is no test point; that must not look like a pass.
  if (code !== 0 && count.failed === 0) failed++;
}

function run(args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  });
}

try {
  await main(process.argv.slice(2));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
