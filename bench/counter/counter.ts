/** `bench counter`: rounds of shapes of subjects, then the report. Exit code 1 when a check failed. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describeMachine } from '../machine/machine.ts';
import type { FsyncMedians } from '../subject/fsync-loop.ts';
import { startCluster } from '../subject/cluster.ts';
import { startProduct } from '../subject/product.ts';
import { startEcho, startFloor } from '../subject/subject.ts';
import type { Subject, SubjectName } from '../subject/subject.ts';
import type { CounterOptions, Shape } from './options.ts';
import { counterHelp, parseCounterOptions, shapeName } from './options.ts';
import { runOnce } from './run.ts';
import type { RunResult } from './run.ts';
import { middleFsync, summarise, targets } from './summary.ts';
import { renderReport } from './table.ts';

const FSYNC_MS_PER_WAY = 1_000;

export async function benchCounter(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(counterHelp);
    return 0;
  }
  const options = parseCounterOptions(args);
  const root = mkdtempSync(join(options.dataRoot ?? tmpdir(), 'troupe-bench-'));
  const machine = describeMachine(root);
  const shapes = options.shapes.map((shape) => ({ shape: shapeName(shape), runs: [] as RunResult[] }));
  const fsyncRounds: FsyncMedians[] = [];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      fsyncRounds.push(await fsyncLoop(root, round));
      for (const [i, shape] of options.shapes.entries()) {
        for (const subject of options.subjects) shapes[i]!.runs.push(await oneRun(root, subject, shape, round, options));
      }
    }
  } finally {
    if (options.keep) say(`kept: ${root}`);
    else rmSync(root, { recursive: true, force: true });
  }
  const summaries = summarise(shapes);
  const fsync = middleFsync(fsyncRounds);
  const reached = targets(shapes, fsync);
  const report = options.jsonReport
    ? `${JSON.stringify({ workload: 'counter', at: new Date().toISOString(), machine, options, summaries, fsync, fsyncRounds, targets: reached, shapes }, null, 2)}\n`
    : renderReport(machine, summaries, fsync, reached);
  process.stdout.write(report);
  return summaries.some((one) => one.failed.length > 0) ? 1 : 0;
}

async function oneRun(root: string, name: SubjectName, shape: Shape, round: number, options: CounterOptions): Promise<RunResult> {
  // A fresh server and directory for every run: no run inherits another's heap, compiled code or data.
  const directory = mkdtempSync(join(root, `${name}-`));
  const subject = await startSubject(name, directory, options);
  try {
    const result = await runOnce(subject, directory, shape, round, options);
    const speed = result.commandsPerSecond === null ? `CHECK FAILED: ${result.check.detail}` : `${Math.round(result.commandsPerSecond)}/s`;
    say(`round ${round}/${options.rounds} ${shapeName(shape)} ${name}: ${speed}`);
    return result;
  } finally {
    await subject.stop();
    if (!options.keep) rmSync(directory, { recursive: true, force: true });
  }
}

function startSubject(name: SubjectName, directory: string, options: CounterOptions): Promise<Subject> {
  switch (name) {
    case 'echo':
      return startEcho();
    case 'floor':
      return startFloor(directory);
    case 'product':
    case 'sends':
      return startProduct(name, directory, { nodeArgs: options.nodeArgs, startArgs: options.startArgs });
    case 'redis':
    case 'cluster':
      return startCluster(name, directory, { nodeArgs: options.nodeArgs, startArgs: options.startArgs, fsync: options.redisFsync, nodes: name === 'redis' ? 1 : options.nodes });
  }
}

async function fsyncLoop(root: string, round: number): Promise<FsyncMedians> {
  const path = join(import.meta.dirname, '../subject/fsync-loop.ts');
  const child = fork(path, [join(root, 'fsync.log'), String(FSYNC_MS_PER_WAY)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exit = once(child, 'exit');
  const [message] = (await once(child, 'message')) as [{ medians: FsyncMedians }];
  await exit;
  const { blockingGrowing, blockingPreallocated } = message.medians;
  say(`round ${round} append+fdatasync: ${blockingGrowing.p50.toFixed(3)} ms growing, ${blockingPreallocated.p50.toFixed(3)} ms preallocated`);
  return message.medians;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
