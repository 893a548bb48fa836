/**
 * Some tests start programs that no npm package brings along. Where one is needed and not on the path, it is installed, if this is a
 * machine on which that is one command away and permitted; else the tests that need it cannot run, and it is said once what to
 * install.
 */

import { spawnSync } from 'node:child_process';
import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';

export interface Program {
  readonly name: string;
  /** Of Debian and Ubuntu. */
  readonly packages: readonly string[];
  /** By a file of tests: a path relative to the project's root, with slashes. */
  isNeededBy(file: string): boolean;
}

export const programs: readonly Program[] = [
  { name: 'redis-server', packages: ['redis-server'], isNeededBy: (file) => /\.redis\.test\.ts$/.test(file) || /^(cluster|bench)\/.*\.e2e\.test\.ts$/.test(file) },
  // For what stands in front of a server's C library while a test sets its clock, or slows its disk.
  { name: 'cc', packages: ['gcc', 'libc6-dev'], isNeededBy: (file) => /-(clock|disk)\.(redis|e2e)\.test\.ts$/.test(file) },
];

export interface Machine {
  /** As in the environment: where programs are looked for. */
  readonly path: string;
  readonly isRoot: boolean;
  /** A script that Debian asks before it starts a service; its absence is a yes. */
  readonly servicePolicy: string;
  /** To whoever waits; not part of the result. */
  say(line: string): void;
}

const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A program that is needed and not to be had. */
export interface MissingProgram {
  readonly program: Program;
  /** What to install. */
  readonly line: string;
}

export type Plan = 'go on' | 'install' | 'give up';

export function planFor(missing: readonly Program[], has: { apt: boolean; root: boolean }): Plan {
  if (missing.length === 0) return 'go on';
  return has.apt && has.root ? 'install' : 'give up';
}

/**
 * Sees to it that `files` can run; answers the programs without which some of them cannot.
 *
 * It says one line when something is being installed, and apt's own words when that fails.
 */
export async function ensurePrograms(files: readonly string[], machine: Machine): Promise<MissingProgram[]> {
  const missing = missingFor(files, machine);
  const plan = planFor(missing, { apt: isOnPath('apt-get', machine.path), root: machine.isRoot });
  if (plan === 'go on') return [];
  if (plan === 'install') {
    const packages = missing.flatMap((program) => program.packages);
    machine.say(`tests: installing ${packages.join(' ')} with apt-get (once) ...`);
    const problem = await install(packages, machine);
    const left = missingFor(files, machine);
    if (left.length > 0) machine.say(problem ?? `apt-get ended well, but there is no ${namesOf(left)} on the path`);
  }
  return missingFor(files, machine).map((program) => ({ program, line: lineOf(program, files) }));
}

function missingFor(files: readonly string[], machine: Machine): Program[] {
  return programs.filter(({ name, isNeededBy }) => files.some(isNeededBy) && !isOnPath(name, machine.path));
}

function lineOf({ name, packages, isNeededBy }: Program, files: readonly string[]): string {
  const count = files.filter(isNeededBy).length;
  return `${name} is missing: ${count} test ${count === 1 ? 'file needs' : 'files need'} it; install it (Debian, Ubuntu: apt-get install ${packages.join(' ')})`;
}

function namesOf(list: readonly Program[]): string {
  return list.map(({ name }) => name).join(' and no ');
}

/** Null, or what apt had to say. A list that could not be fetched may be none of those that matter: only the last step counts. */
async function install(packages: readonly string[], machine: Machine): Promise<string | null> {
  let heard: NodeJS.Signals | null = null;
  const onSignal = (signal: NodeJS.Signals): void => { heard = signal; };
  for (const signal of interrupts) process.on(signal, onSignal);
  const permitServices = forbidServices(machine.servicePolicy);
  try {
    apt(machine, ['update', '-qq']);
    return apt(machine, ['install', '-qq', '-y', '--no-install-recommends', ...packages]);
  } finally {
    // [A Ctrl-C while apt works ends this process too, and from then on the machine starts no service that is installed.]
    permitServices();
    await setImmediate();
    for (const signal of interrupts) process.off(signal, onSignal);
    if (heard !== null) process.kill(process.pid, heard);
  }
}

function apt(machine: Machine, args: readonly string[]): string | null {
  const env = { ...process.env, PATH: machine.path, DEBIAN_FRONTEND: 'noninteractive' };
  // Somebody else may be installing; but not for ever.
  const result = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (result.status === 0) return null;
  return `apt-get ${args.join(' ')} failed: ${result.error?.message ?? (result.stderr.trim() || result.stdout.trim())}`;
}

/** The tests start their own servers; one that runs as a service would only be in the way. Answers what undoes it. */
function forbidServices(policy: string): () => void {
  try {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
  } catch {
    // Somebody has decided already, or it cannot be written: then the service starts, as it does for whoever installs by hand.
    return () => {};
  }
  return () => rmSync(policy, { force: true });
}

function isOnPath(program: string, directories: string): boolean {
  return directories.split(path.delimiter).some((directory) => {
    try {
      accessSync(path.join(directory, program), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}

export function thisMachine(): Machine {
  return {
    path: process.env['PATH'] ?? '', isRoot: process.getuid?.() === 0, servicePolicy: '/usr/sbin/policy-rc.d',
    say: (line) => { process.stderr.write(`${line}\n`); },
  };
}
