/**
 * `npm test`: the type check, then every test file with tap, then one closing line "N passed, N failed" (assertions; the
 * type check, a file that crashed, and a program that is missing count as one each). Names of files as arguments run those alone.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { ensurePrograms, thisMachine } from './programs.ts';
import { countTap } from './tap-count.ts';

const root = path.join(import.meta.dirname, '..');
const tapProgram = 'node_modules/tap/dist/esm/run.mjs';
const tscProgram = 'node_modules/typescript/bin/tsc';
const testFiles = '{proto,runtime,cluster,bench,behaviors,scripts}/**/*.test.ts';

let passed = 0;
let failed = 0;

async function main(asked: string[]): Promise<void> {
  const found = asked.length > 0 ? asked.map(fromRoot) : globSync(testFiles, { cwd: root }).map(withSlashes).sort();
  if (asked.length === 0) await typeCheck();
  const files = await withPrograms(found);
  // What starts real processes comes behind what does not: its files are the long ones, and wait more than they compute.
  const hasProcesses = (file: string): boolean => /\.(redis|e2e)\.test\.ts$/.test(file);
  await tap(files.filter((file) => !hasProcesses(file)));
  await tap(files.filter(hasProcesses));
}

/** The files that can run. What needs a program that is not there and cannot be installed would fail file by file for that one reason. */
async function withPrograms(files: string[]): Promise<string[]> {
  const missing = await ensurePrograms(files, thisMachine());
  for (const { line } of missing) process.stdout.write(`not ok - ${line}\n`);
  failed += missing.length;
  return files.filter((file) => !missing.some(({ program }) => program.isNeededBy(file)));
}

/** A file as asked for on the command line, which runs in the project's root, as a path relative to it. */
function fromRoot(file: string): string {
  return withSlashes(path.relative(root, path.resolve(root, file)));
}

function withSlashes(file: string): string {
  return file.split(path.sep).join('/');
}

async function typeCheck(): Promise<void> {
  const code = await ended(start([tscProgram, '-p', '.'], 'inherit'));
  process.stdout.write(code === 0 ? 'ok - type check\n' : 'not ok - type check\n');
  if (code === 0) passed++;
  else failed++;
}

async function tap(files: string[]): Promise<void> {
  if (files.length === 0) return;
  const child = start([tapProgram, '--reporter=tap', ...files], 'pipe');
  const lines: string[] = [];
  const end = ended(child);
  let shownTo = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    const point = /^(not )?ok /.exec(line);
    if (point === null) continue;
    // A file that passed is one line of progress; one that failed is shown whole.
    process.stdout.write(point[1] === undefined ? `${line.replace(/ \{$/, '')}\n` : `${lines.slice(shownTo).join('\n')}\n`);
    shownTo = lines.length;
  }
  const code = await end;
  const count = countTap(lines.join('\n'));
  passed += count.passed;
  failed += count.failed;
  const failure = code !== 0 || count.failed > 0;
  if (failure) process.stdout.write(`${lines.slice(shownTo).join('\n')}\n`);
  // tap may refuse for a reason that is no test point; that must not look like a pass.
  if (code !== 0 && count.failed === 0) failed++;
}

function start(args: string[], stdout: 'inherit' | 'pipe'): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', stdout, 'inherit'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  return child;
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

await main(process.argv.slice(2));
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
