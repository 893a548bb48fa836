/** A whole benchmark: rounds of cases that take turns, then the report. */

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { describeMachine } from '../machine/machine.ts';
import { versionsNow } from '../machine/versions.ts';
import { renderPage } from '../report/page.ts';
import { REPORT_FORMAT } from '../report/report.ts';
import type { CaseReport, GoalReport, LoopReport, Report, RunReport } from '../report/report.ts';
import { renderText } from '../report/text.ts';
import { checkTargets } from '../subject/target.ts';
import type { CasePlan } from './case.ts';
import type { CommonOptions } from './options.ts';
import { Progress } from './progress.ts';

const MS_PER_S = 1_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** The terminal and the launcher both pass a signal on, so it comes twice; whoever gives it again much later means it. */
const MEANT_BEHIND_MS = 3_000;
/** What a signal has ended may be noticed before the signal itself. */
const SIGNAL_LATE_MS = 100;

/** As a shell has it for SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** Somebody has ended the run. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
  }
}

export interface SuitePlan {
  readonly workload: string;
  readonly args: readonly string[];
  readonly options: CommonOptions;
  /** In the order in which they run within a round: what is to be compared stands together. */
  readonly cases: readonly CasePlan[];
  /** Once a round, before the cases. */
  readonly loops: readonly ((root: string) => Promise<readonly LoopReport[]>)[];
  goals(cases: readonly CaseReport[], loops: readonly LoopReport[]): GoalReport[];
}

/** Runs a case once. `judge`: what a search makes of the run, shown behind its figures. */
export type RunCase = (plan: CasePlan, round?: number, judge?: (run: RunReport) => string) => Promise<CaseReport>;

export interface Ran {
  readonly cases: readonly CaseReport[];
  readonly loops?: readonly LoopReport[];
  readonly goals?: readonly GoalReport[];
  readonly isPassed: boolean;
}

/** The exit code: 1 when a check failed. */
export function runSuite(plan: SuitePlan): Promise<number> {
  const { options } = plan;
  return runCases(plan.workload, plan.args, options, async (runCase, root) => {
    const rounds: CaseReport[][] = [];
    const loops: LoopReport[][] = [];
    for (let round = 1; round <= options.rounds; round++) {
      const ofRound: LoopReport[] = [];
      for (const loop of plan.loops) ofRound.push(...(await loop(root)));
      loops.push(ofRound);
      const reports: CaseReport[] = [];
      for (const one of plan.cases) reports.push(await runCase(one, round));
      rounds.push(reports);
    }
    const cases = mergeRounds(rounds);
    const merged = mergeRounds(loops);
    return { cases, loops: merged, goals: plan.goals(cases, merged), isPassed: cases.every(({ runs }) => runs.every(({ check }) => check.passed)) };
  }, plan.cases.length * options.rounds);
}

/** `total`: how many runs it will be; 0 when that is not known. Answers the exit code. */
export async function runCases(workload: string, args: readonly string[], options: CommonOptions, body: (runCase: RunCase, root: string) => Promise<Ran>, total = 0): Promise<number> {
  checkFolders(options);
  if (options.subjects.includes('target')) await checkTargets(options.target);
  const began = performance.now();
  const at = new Date().toISOString();
  const root = mkdtempSync(join(options.dataRoot ?? tmpdir(), 'troupe-bench-'));
  const machine = describeMachine(root);
  const progress = new Progress(total);
  const ending = new AbortController();
  const remove = (): void => {
    if (options.keep) process.stderr.write(`kept: ${root}\n`);
    else rmSync(root, { recursive: true, force: true });
  };
  let interruptedAt = Infinity;
  // Servers are stopped and folders removed on the way out.
  const interrupt = (): void => {
    const now = performance.now();
    if (now - interruptedAt > MEANT_BEHIND_MS) {
      remove();
      process.exit(EXIT_INTERRUPTED);
    }
    interruptedAt = Math.min(interruptedAt, now);
    ending.abort(new Interrupted());
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  let ran: Ran;
  try {
    ran = await body(async (plan, round = 1, judge) => {
      ending.signal.throwIfAborted();
      progress.begin(options.rounds > 1 ? `round ${round}/${options.rounds} ${plan.id}` : plan.id);
      const { run, durability, parameters: found } = await plan.run({ root, round, options, signal: ending.signal, onProgress: (text) => progress.say(text) });
      progress.end(judge === undefined ? outcomeOf(run) : `${outcomeOf(run)}: ${judge(run)}`);
      const { id, subject, load, isBaseline, parameters } = plan;
      return { id, workload: plan.workload, subject, load, isBaseline, durability, parameters: { ...parameters, ...found }, runs: [run] };
    }, root);
  } catch (error) {
    await sleep(SIGNAL_LATE_MS);
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    progress.close();
    remove();
    for (const name of SIGNALS) process.off(name, interrupt);
  }
  const { cases, loops = [], goals = [], isPassed } = ran;
  publish({ format: REPORT_FORMAT, at, seconds: Math.round((performance.now() - began) / MS_PER_S), workload, args, machine, versions: versionsNow(), cases, loops, goals }, options);
  return isPassed ? 0 : 1;
}

/** Before anything is measured. */
function checkFolders({ out, dataRoot }: CommonOptions): void {
  if (out !== null && !isFolder(dirname(out))) throw new Error(`--out ${out}: there is no folder ${dirname(out)}`);
  if (dataRoot !== null && !isFolder(dataRoot)) throw new Error(`--data ${dataRoot}: there is no such folder`);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function publish(report: Report, { json, out }: CommonOptions): void {
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : renderText(report));
  if (out === null) return;
  writeFileSync(`${out}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${out}.html`, renderPage(report));
  process.stderr.write(`written: ${out}.json and ${out}.html\n`);
}

function outcomeOf(run: RunReport): string {
  return run.commandsPerSecond === null ? `CHECK FAILED: ${run.check.detail}` : `${Math.round(run.commandsPerSecond).toLocaleString('en-US')}/s, p99 ${run.latencyMs!.p99.toFixed(2)} ms`;
}

/** Of several rounds of the same list, each entry with the runs of all. */
export function mergeRounds<R, T extends { readonly runs: readonly R[] }>(rounds: readonly (readonly T[])[]): T[] {
  return (rounds[0] ?? []).map((first, i) => ({ ...first, runs: rounds.flatMap((round) => round[i]!.runs) }));
}
