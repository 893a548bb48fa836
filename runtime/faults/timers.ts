/**
 * `faults timers`: a node with very many pending timers beside one with none, after the same commands: time to ready, commands a second, the
 * node's CPU time for each. Then many timers that are due at once, and nobody's beat may be missing or doubled.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import protobuf from 'protobufjs';

import { Findings } from './book.ts';
import { Link } from './link.ts';
import { memoryText, nodeMemory } from './memory.ts';
import { NodeProcess } from './node-process.ts';
import { freePort } from '../testing/ports.ts';
import { descendantsOf, sampleProcess } from './proc.ts';
import { diskMib } from './scale.ts';

export interface TimersOptions {
  readonly directory: string;
  readonly timers: number;
  /** Commands of the load that is measured. */
  readonly commands: number;
  /** Timers that are due at once. */
  readonly burst: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

const BEHAVIORS = join(import.meta.dirname, 'timer-behaviors');
const PER_ACTOR = 100;
const LOAD_ACTORS = 1_000;
const IN_FLIGHT = 256;
/** An odd number has a middle. */
const WINDOWS = 7;
const STARTS = 7;
const DAY_MS = 86_400_000;
const BURST_IN_MS = 5_000;
const BURST_MAX_MS = 300_000;

const root = new protobuf.Root();
root.loadSync(join(BEHAVIORS, 'proto/timers/v1/pacer.proto'));
const arm = root.lookupType('timers.v1.Arm');
const beatReply = root.lookupType('timers.v1.BeatReply');
const NO_BYTES = new Uint8Array(0);

interface Command {
  readonly to: string;
  readonly name: 'Arm' | 'Beat';
  readonly body: Uint8Array;
}

export async function runTimers(options: TimersOptions): Promise<readonly string[]> {
  const findings = new Findings();
  const [none, many] = [0, options.timers].map((pending) => new Run(options, pending, findings)) as [Run, Run];
  const both = [none, many];
  try {
    for (const run of both) await run.arm();
    await compareLoad('as armed', both, options);
    await compareStarts('after SIGKILL', both, 1, (run) => run.node.kill(), options);
    await compareStarts('after an end in order', both, STARTS, (run) => run.node.stop(), options);
    await compareLoad('after the restarts', both, options);
    await many.burst();
  } finally {
    for (const run of both) await run.node?.kill();
  }
  return findings.list;
}

/** Taking turns, in several windows: a machine that is slow for a while slows both, and one window of a few seconds says as much about the garbage collector. */
async function compareLoad(what: string, runs: readonly Run[], { commands, say }: TimersOptions): Promise<void> {
  const measured = runs.map(() => ({ perSecond: [] as number[], cpuUs: [] as number[] }));
  for (const run of runs) await run.load(LOAD_ACTORS * 10);
  for (let window = 0; window < WINDOWS; window++) {
    for (const [i, run] of runs.entries()) {
      const { perSecond, cpuUs } = await run.load(commands);
      measured[i]!.perSecond.push(perSecond);
      measured[i]!.cpuUs.push(cpuUs);
    }
  }
  for (const [i, { perSecond, cpuUs }] of measured.entries()) {
    say(`${what}, ${runs[i]!.pending} pending: ${WINDOWS} times ${commands} commands, ${Math.round(middle(perSecond))}/s (median); CPU time of the node and its sandboxes each: ${middle(cpuUs).toFixed(2)} us, ${Math.min(...cpuUs).toFixed(2)} to ${Math.max(...cpuUs).toFixed(2)}`);
  }
}

async function compareStarts(what: string, runs: readonly Run[], starts: number, end: (run: Run) => Promise<unknown>, { say }: TimersOptions): Promise<void> {
  const measured = runs.map(() => ({ readyMs: [] as number[], cpuMs: [] as number[] }));
  for (let n = 0; n < starts; n++) {
    for (const [i, run] of runs.entries()) {
      await end(run);
      const { readyMs, cpuMs } = await run.start();
      measured[i]!.readyMs.push(readyMs);
      measured[i]!.cpuMs.push(cpuMs);
    }
  }
  for (const [i, { readyMs, cpuMs }] of measured.entries()) {
    say(`restart ${what}, ${runs[i]!.pending} pending: process start to ready ${rangeOf(readyMs)} ms, CPU time of the node until then ${rangeOf(cpuMs)} ms; ${memoryText(nodeMemory(runs[i]!.node.pid))}`);
  }
}

class Run {
  readonly pending: number;
  node!: NodeProcess;
  private readonly options: TimersOptions;
  private readonly findings: Findings;
  private readonly data: string;
  private readonly ports = { port: 0, adminPort: 0 };

  constructor(options: TimersOptions, pending: number, findings: Findings) {
    this.options = options;
    this.pending = pending;
    this.findings = findings;
    this.data = join(options.directory, `data-${pending}`);
    mkdirSync(this.data, { recursive: true });
  }

  async arm(): Promise<void> {
    const { options, pending } = this;
    this.ports.port = await freePort();
    this.ports.adminPort = await freePort();
    await this.start();
    await this.node.deploy(BEHAVIORS);
    const actors = Math.ceil(options.timers / PER_ACTOR);
    // Spread over a day that comes tomorrow.
    const body = arm.encode({ count: pending === 0 ? 0 : PER_ACTOR, in: DAY_MS, apart: DAY_MS / PER_ACTOR }).finish();
    const began = performance.now();
    await this.send(actors, (n) => ({ to: `timers.v1.Pacer:p-${n}`, name: 'Arm', body }));
    const seconds = (performance.now() - began) / 1_000;
    options.say(`${pending} timers armed by ${actors} commands in ${seconds.toFixed(1)} s; ${memoryText(nodeMemory(this.node.pid))}; ${diskMib(this.data)} MiB on disk`);
  }

  async load(commands: number): Promise<{ readonly perSecond: number; readonly cpuUs: number }> {
    const cpu = this.cpuMs();
    const began = performance.now();
    await this.send(commands, (n) => ({ to: `timers.v1.Pacer:load-${n % LOAD_ACTORS}`, name: 'Beat', body: NO_BYTES }));
    return { perSecond: (commands / (performance.now() - began)) * 1_000, cpuUs: ((this.cpuMs() - cpu) * 1_000) / commands };
  }

  async start(): Promise<{ readonly readyMs: number; readonly cpuMs: number }> {
    const { options, data, ports } = this;
    this.node = new NodeProcess({ ...ports, data, log: join(options.directory, 'node.log'), startArgs: options.startArgs });
    const readyMs = await this.node.ready();
    return { readyMs, cpuMs: sampleProcess(this.node.pid).cpuMs ?? 0 };
  }

  /** All of them are due at one moment, of actors of their own. */
  async burst(): Promise<void> {
    const { burst, say } = this.options;
    const actors = Math.ceil(burst / PER_ACTOR);
    const body = arm.encode({ count: PER_ACTOR, in: BURST_IN_MS, apart: 0 }).finish();
    await this.send(actors, (n) => ({ to: `timers.v1.Pacer:burst-${n}`, name: 'Arm', body }));
    await sleep(BURST_IN_MS);
    const began = performance.now();
    // To ask an actor is a beat of its own.
    let beats: number[] = [];
    let asked = 0;
    const fired = (): number => beats.reduce((sum, count) => sum + count - asked, 0);
    const ask = async (): Promise<void> => {
      beats = await this.send(actors, (n) => ({ to: `timers.v1.Pacer:burst-${n}`, name: 'Beat', body: NO_BYTES }));
      asked++;
    };
    do {
      await sleep(50);
      await ask();
    } while (fired() < actors * PER_ACTOR && performance.now() - began < BURST_MAX_MS);
    const seconds = (performance.now() - began) / 1_000;
    say(`${actors * PER_ACTOR} timers due at once had fired ${seconds.toFixed(2)} s later, ${Math.round((actors * PER_ACTOR) / seconds)}/s`);
    // None comes twice.
    await sleep(2_000);
    await ask();
    for (const [n, count] of beats.entries()) if (count - asked !== PER_ACTOR) this.findings.add(`of burst-${n} ${count - asked} timers fired, not ${PER_ACTOR}`);
  }

  /** Answers the beats of each reply, in the order of the commands. */
  private async send(count: number, command: (n: number) => Command): Promise<number[]> {
    const link = await Link.open(this.node.port, 64);
    const replies: number[] = new Array<number>(count).fill(0);
    let sent = 0;
    let answered = 0;
    await new Promise<void>((resolve, reject) => {
      const one = (n: number): void => link.command({ id: String(n), key: '', ...command(n) });
      link.onLost = () => reject(new Error('the connection was lost'));
      link.onAnswer = ({ id, done, error }) => {
        if (done === undefined) {
          reject(new Error(`${error?.code}: ${error?.message}`));
          return;
        }
        replies[Number(id)] = (beatReply.decode(done.body ?? NO_BYTES) as unknown as { beats: number }).beats;
        answered++;
        if (sent < count) one(sent++);
        else if (answered === count) resolve();
      };
      while (sent < Math.min(count, IN_FLIGHT)) one(sent++);
    });
    link.close();
    return replies;
  }

  private cpuMs(): number {
    const pids = [this.node.pid, ...descendantsOf(this.node.pid)];
    return pids.reduce((sum, pid) => sum + (sampleProcess(pid).cpuMs ?? 0), 0);
  }
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function rangeOf(values: readonly number[]): string {
  const [median, least, most] = [middle(values), Math.min(...values), Math.max(...values)].map(Math.round);
  return values.length === 1 ? String(median) : `${median} (${least} to ${most}, ${values.length} times)`;
}
