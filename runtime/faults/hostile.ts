/**
 * `faults hostile`: scripts that never return, that allocate without end, and whose thrown error has a getter for `stack` that never
 * returns, sent to again and again while other actors are under steady load. What the others notice, and how much memory any
 * process took.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { limits } from '../limits.ts';
import { Book, Findings } from './book.ts';
import { faultActors } from './commands.ts';
import { Link } from './link.ts';
import type { LinkAnswer } from './link.ts';
import { MemoryWatch } from './memory.ts';
import { BENCH_BEHAVIORS, NodeProcess } from './node-process.ts';
import { freePort } from '../testing/ports.ts';
import { checkStates } from './states.ts';
import { Steady } from './steady.ts';
import type { SteadyFigures } from './steady.ts';

export interface HostileOptions {
  readonly directory: string;
  readonly actors: number;
  readonly perSecond: number;
  readonly phaseMs: number;
  /** Between two hostile commands, each to a new actor. */
  readonly everyMs: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

export interface HostilePhase {
  readonly name: string;
  readonly others: SteadyFigures;
  readonly nodeMaxMib: number;
  readonly sandboxMaxMib: number;
  /** How the hostile commands were answered: code to count. */
  readonly answers: Readonly<Record<string, number>>;
}

export interface HostileResult {
  readonly phases: readonly HostilePhase[];
  readonly findings: readonly string[];
}

const P99_RISE_MAX_MS = 1_000;
/** Enough that a pause of some seconds does not run into the limit on requests in flight of one connection. */
const CONNECTIONS = 16;
const WARM_UP_MS = 3_000;
const DRAIN_MAX_MS = 30_000;
const types = ['Looper', 'Allocator', 'Thrower'] as const;

export async function runHostile(options: HostileOptions): Promise<HostileResult> {
  const findings = new Findings();
  const book = new Book(faultActors(options.actors), findings);
  const data = join(options.directory, 'data');
  mkdirSync(data, { recursive: true });
  const node = new NodeProcess({ data, log: join(options.directory, 'node.log'), port: await freePort(), adminPort: await freePort(), startArgs: options.startArgs });
  const phases: HostilePhase[] = [];
  try {
    await node.ready();
    await node.deploy(BENCH_BEHAVIORS);
    await node.deploy(join(import.meta.dirname, 'hostile-behaviors'));
    const links = await Promise.all(Array.from({ length: CONNECTIONS }, () => Link.open(node.port)));
    const hostileLink = await Link.open(node.port);
    const steady = new Steady(book, links, options.perSecond);
    steady.start();
    await sleep(WARM_UP_MS);
    steady.take();
    for (const type of [null, ...types, null]) {
      const phase = await runPhase(type, node, hostileLink, steady, options);
      phases.push(phase);
      options.say(phaseText(phase));
    }
    if (!(await steady.stop(DRAIN_MAX_MS))) findings.add(`${book.open.size} commands to actors that are not hostile were never answered`);
    else {
      book.settle();
      await checkStates(book, links[0]!);
    }
    for (const link of [...links, hostileLink]) link.close();
  } finally {
    await node.kill();
  }
  judge(phases, findings);
  return { phases, findings: findings.list };
}

async function runPhase(type: (typeof types)[number] | null, node: NodeProcess, link: Link, steady: Steady, options: HostileOptions): Promise<HostilePhase> {
  const answers: Record<string, number> = {};
  link.onAnswer = (answer: LinkAnswer) => {
    const code = answer.error?.code ?? 'accepted';
    answers[code] = (answers[code] ?? 0) + 1;
  };
  const memory = new MemoryWatch(node.pid);
  const until = performance.now() + options.phaseMs;
  for (let i = 0; performance.now() < until; i++) {
    if (type !== null) link.command({ id: `${type}${i}`, to: `hostile.v1.${type}:h-${i}`, name: `${type}Run`, body: new Uint8Array(0), key: `h-${type}-${i}` });
    await sleep(options.everyMs);
  }
  memory.stop();
  return { name: type ?? 'calm', others: steady.take(), nodeMaxMib: memory.nodeMaxMib, sandboxMaxMib: memory.sandboxMaxMib, answers };
}

function judge(phases: readonly HostilePhase[], findings: Findings): void {
  const calm = phases[0]!.others.p99Ms;
  for (const { name, others, sandboxMaxMib, answers } of phases) {
    if (others.p99Ms - calm >= P99_RISE_MAX_MS) findings.add(`${name}: p99 of the others rose from ${calm} to ${others.p99Ms} ms`);
    if (sandboxMaxMib > limits.sandboxRssMaxMib) findings.add(`${name}: a sandbox reached ${sandboxMaxMib} MiB, the cap is ${limits.sandboxRssMaxMib}`);
    if ((answers['accepted'] ?? 0) > 0) findings.add(`${name}: hostile commands were accepted`);
    if (name !== 'calm' && Object.keys(answers).length === 0) findings.add(`${name}: no hostile command was ever answered`);
  }
}

function phaseText({ name, others, nodeMaxMib, sandboxMaxMib, answers }: HostilePhase): string {
  const listed = (counts: Readonly<Record<string, number>>): string => Object.entries(counts).map(([code, count]) => `${code} ${count}`).join(', ') || 'none';
  return (
    `${name.padEnd(10)} others: ${others.commands} commands, p50 ${others.p50Ms} ms, p99 ${others.p99Ms} ms, max ${others.maxMs} ms, retries: ${listed(others.retries)}; ` +
    `most memory: node ${nodeMaxMib} MiB, a sandbox ${sandboxMaxMib} MiB; hostile commands: ${listed(answers)}`
  );
}
