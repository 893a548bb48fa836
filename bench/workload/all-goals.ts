/** `bench goals`: all that we want to reach, in one run on one machine, each ratio between cases that took turns. */

import { baselineCase, loadCase } from '../harness/case.ts';
import type { CasePlan } from '../harness/case.ts';
import { plainLoad } from '../harness/load-spec.ts';
import type { LoadSpec } from '../harness/load-spec.ts';
import { commonHelp, parseOptions } from '../harness/options.ts';
import type { CommonOptions } from '../harness/options.ts';
import { mergeRounds, runCases } from '../harness/suite.ts';
import type { Ran, RunCase } from '../harness/suite.ts';
import { middle } from '../report/summary.ts';
import type { CaseReport, LoopReport } from '../report/report.ts';
import { fsyncLoop } from '../subject/fsync.ts';
import { activationCases, activationConfig, activationGoals } from './activation.ts';
import { search } from './find-max.ts';
import { goalsOf, openLoopGoal } from './goals.ts';
import { OPEN_IN_FLIGHT_MAX, shapeOf } from './load-options.ts';
import { shopCases, shopConfig, shopGoals } from './shop.ts';
import type { Workload } from './workload.ts';

const WITHOUT = ['subjects', 'baselines', 'peers', 'peer-folder', 'target', 'nodes'] as const;
/** Of the highest rate, for the goals of an open loop. */
const OPEN_RATIO = 0.5;
const OPEN_P99_MS = 20;
/** A quarter as many, and as many, as the counter has commands on their way. */
const SHOP_CUSTOMERS = '256,1024';

const help = `Usage: troupe bench goals [options]

The counter on one node (64x16, 64x1, 1x1; 16 a frame; one hot actor; open loops at half of what the closed one reached, and at half of the highest
rate that an open one keeps with a p99 of ${OPEN_P99_MS} ms, the floor beside them) and on two nodes with one Redis, beside echo, floor and an append+fdatasync loop; the shop;
activation, and the memory of a live actor. About half an hour; with --rounds 1 a third of it. Every goal is shown as reached or NOT; the exit code is
about checks alone.

${commonHelp({}, WITHOUT)}`;

export const goals: Workload = {
  name: 'goals',
  summary: 'everything that has a goal, in one run',
  help,
  run(args) {
    const { common } = parseOptions(args, {}, {}, WITHOUT);
    const options: CommonOptions = { ...common, nodes: 2, subjects: ['embedded'] };
    return runCases('goals', args, options, (runCase, root) => measure(runCase, root, options));
  },
};

async function measure(runCase: RunCase, root: string, options: CommonOptions): Promise<Ran> {
  const plans = [...counterCases(options), ...shopCases(options, { ...presets(shopConfig), customers: SHOP_CUSTOMERS, counter: 'none' }), ...activationCases(options, { ...presets(activationConfig), shape: '1x1', requests: 'get' })];
  const rounds: CaseReport[][] = [];
  const loops: LoopReport[][] = [];
  for (let round = 1; round <= options.rounds; round++) {
    loops.push(await fsyncLoop(root));
    const reports: CaseReport[] = [];
    for (const plan of plans) reports.push(await runCase(plan, round));
    rounds.push(reports);
  }
  const open = await openLoops(runCase, rounds, options);
  const cases = [...mergeRounds(rounds), ...open.flatMap(({ cases }) => cases)];
  const merged = mergeRounds(loops);
  return {
    cases, loops: merged,
    goals: [...goalsOf(cases, merged), ...open.map(({ at, floor, of }) => openLoopGoal(at, floor, of)), ...shopGoals(cases), ...activationGoals(cases)],
    isPassed: cases.every(({ runs }) => runs.every(({ check }) => check.passed)),
  };
}

function counterCases(options: CommonOptions): CasePlan[] {
  const load = (shape: string, more: Partial<LoadSpec> = {}): LoadSpec => ({ ...plainLoad, ...shapeOf(shape), ...more });
  const embedded = (of: LoadSpec): CasePlan => loadCase('counter', 'embedded', of, options);
  return [
    baselineCase('counter', 'echo', load('64x16')),
    embedded(load('64x16')),
    embedded(load('64x16', { perFrame: 16 })),
    embedded(load('64x16', { distribution: 'hot' })),
    loadCase('counter', 'cluster', load('64x16'), options),
    baselineCase('counter', 'floor', load('64x1')),
    embedded(load('64x1')),
    embedded(load('1x1')),
  ];
}

interface OpenLoop {
  /** Of what its rate is the half. */
  readonly of: string;
  readonly at: CaseReport;
  readonly floor: CaseReport;
  /** All that were run for it. */
  readonly cases: readonly CaseReport[];
}

/** Their rates follow from what was reached; none where that failed its check. */
async function openLoops(runCase: RunCase, rounds: readonly (readonly CaseReport[])[], options: CommonOptions): Promise<OpenLoop[]> {
  const reached = rounds.map((reports) => reports.find(({ id }) => id === 'counter/64x16/embedded')!.runs[0]!.commandsPerSecond);
  if (reached.some((one) => one === null)) return [];
  const load = (perSecond: number): LoadSpec => ({ ...plainLoad, connections: 64, loop: { kind: 'open', perSecond, inFlightMax: OPEN_IN_FLIGHT_MAX } });
  const plan = (perSecond: number): CasePlan => loadCase('counter', 'embedded', load(perSecond), options);
  const atHalf = async (of: string, perSecond: number, tried: readonly CaseReport[] = []): Promise<OpenLoop> => {
    const rate = Math.round(perSecond * OPEN_RATIO);
    const reports: CaseReport[][] = [];
    for (let round = 1; round <= options.rounds; round++) reports.push([await runCase(plan(rate), round), await runCase(baselineCase('counter', 'floor', load(rate)), round)]);
    const [at, floor] = mergeRounds(reports);
    return { of, at: at!, floor: floor!, cases: [at!, floor!, ...tried.filter(({ id }) => id !== at!.id)] };
  };
  const closed = middle(reached as number[]);
  const loops = [await atHalf(`what the closed loop reached, ${Math.round(closed)}/s`, closed)];
  const found = await search(runCase, plan, Math.ceil(closed), OPEN_P99_MS);
  if (found.best > 0) loops.push(await atHalf(`the highest rate with p99 within ${OPEN_P99_MS} ms, ${found.best}/s`, found.best, found.cases.filter(({ id }) => id !== loops[0]!.at.id)));
  return loops;
}

function presets(config: Readonly<Record<string, { readonly default: string }>>): Record<string, string> {
  return Object.fromEntries(Object.entries(config).map(([name, { default: value }]) => [name, value]));
}
