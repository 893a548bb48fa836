/** `troupe bench`: the benchmark, a program of its own that looks at nodes from outside; its arguments are not read here. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import path from 'node:path';

import type { Command } from 'commander';

import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

const program = path.join(import.meta.dirname, '../../bench/main.ts');
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function addBench(parent: Command, _terminal: Terminal): void {
  parent
    .command('bench')
    .description('measure: start servers or use a running cluster, load them, check that nothing is lost, report')
    .argument('[args...]', 'a workload and its options; troupe bench --help lists them')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (args: string[]) => {
      process.exitCode = await runBench(args);
    });
}

async function runBench(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], { stdio: 'inherit' });
  // The terminal gives Ctrl-C to both; whoever ends this process alone means the benchmark, which stops its servers first.
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of signals) process.on(signal, passOn);
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  for (const signal of signals) process.off(signal, passOn);
  // As a shell has it: it may be ended before it listens.
  return code ?? (signal === null ? exitCodes.failed : 128 + constants.signals[signal]);
}
