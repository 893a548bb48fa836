import t from 'tap';

import { parseOptions } from '../harness/options.ts';
import { loadName, variantName } from '../harness/load-spec.ts';
import { casesOf } from './plain.ts';
import { halve, search, verdictOn } from './find-max.ts';
import type { CasePlan } from '../harness/case.ts';
import { loadConfig, loadsOf, refuseIdleLoad } from './load-options.ts';
import type { CaseReport, RunReport } from '../report/report.ts';

function loads(...args: string[]) {
  return loadsOf(parseOptions(args, loadConfig).values, 'increment');
}

t.test('lists make a case of each combination, with names of their own', async (t) => {
  const names = loads('--shape', '64x16,1x1', '--distribution', 'uniform,hot', '--per-frame', '1,16').map((load) => `${loadName(load)}/${variantName(load)}`);
  t.same(names, ['64x16/', '64x16/hot', '1x1/', '1x1/hot', '64x16, 16 a frame/', '64x16, 16 a frame/hot', '1x1, 16 a frame/', '1x1, 16 a frame/hot']);
  t.same(loads('--rate', '1000,20000').map(loadName), ['1000/s', '20000/s']);
  t.same(loads('--value-size', '0,1000', '--shape', '4x1').map(({ type }) => type), ['bench.v1.Counter', 'bench.v1.Document']);
});

t.test('a baseline stands in front of the cases that have its load, once', async (t) => {
  const { common, values } = parseOptions(['--shape', '64x16,64x1', '--distribution', 'uniform,zipf', '--subjects', 'embedded,cluster'], loadConfig);
  t.same(casesOf('counter', loadsOf(values, 'increment'), common).map(({ id }) => id), [
    'counter/64x16/echo', 'counter/64x16/floor', 'counter/64x16/embedded', 'counter/64x16/cluster of 2', 'counter/64x16/zipf/embedded', 'counter/64x16/zipf/cluster of 2',
    'counter/64x1/echo', 'counter/64x1/floor', 'counter/64x1/embedded', 'counter/64x1/cluster of 2', 'counter/64x1/zipf/embedded', 'counter/64x1/zipf/cluster of 2',
  ]);
});

function refusedOr(args: readonly string[]): void {
  const { values, given } = parseOptions(args, { ...loadConfig, 'find-max': { type: 'boolean', default: false }, p99: { type: 'string', default: '20ms' } });
  refuseIdleLoad(values, given);
}

t.test('what makes no sense is refused, by the name of the option', async (t) => {
  for (const [option, value] of [
    ['--shape', '64'], ['--shape', 'axb'], ['--rounds', '0'], ['--duration', '0'], ['--subjects', 'ecko'], ['--baselines', 'embedded'], ['--rate', 'fast'], ['--distribution', 'even'],
    ['--subjects', 'target'], ['--redis-fsync', 'often'],
  ] as const) t.throws(() => loads(option, value), { message: new RegExp(`^${option}`) }, `${option} ${value}`);
  for (const args of [['--nodes', '3'], ['--redis-fsync', 'always'], ['--target', 'ws://127.0.0.1:1', '--subjects', 'embedded']]) t.throws(() => loads(...args), { message: new RegExp(`^${args[0]}`) }, args.join(' '));
  for (const args of [['--p99', '5'], ['--shape', '1x1', '--rate', '100'], ['--connections', '5'], ['--rate', '5', '--find-max'], ['--shape', '1x1', '--find-max'], ['--rounds', '3', '--find-max']]) {
    t.throws(() => refusedOr(args), { message: new RegExp(`^${args[0]}`) }, args.join(' '));
  }
  for (const args of [['--connections', '5', '--find-max', '--p99', '5'], ['--connections', '5', '--rate', '10'], ['--nodes', '3', '--subjects', 'cluster']]) refusedOr(args);
  t.throws(() => loads('--nonsense'), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' });
});

t.test('a search comes close to the limit, from below, and asks little', async (t) => {
  for (const limit of [1, 40, 7_777, 99_000, 100_000]) {
    let asked = 0;
    const found = await halve(100_000, async (rate) => {
      asked++;
      return rate <= limit;
    });
    t.ok(found <= limit && found >= limit - Math.max(1, limit * 0.03) - 1, `${found} of ${limit}`);
    t.ok(asked <= 20, `${asked} tries`);
  }
  t.equal(await halve(100_000, async () => false), 0);
});

t.test('whoever watches a search is told what became of a rate, and why', async (t) => {
  const run = (p99: number, commands: number | null): RunReport => ({ check: { passed: commands !== null }, latencyMs: { p99 }, commands, due: 1_000 }) as unknown as RunReport;
  t.equal(verdictOn(run(20, 1_000), 20), 'is kept, p99 within 20 ms');
  t.equal(verdictOn(run(20.1, 1_000), 20), 'is not kept, p99 above 20 ms');
  t.equal(verdictOn(run(3, 989), 20), 'is not kept, 98 % of what became due was answered in time');
  t.equal(verdictOn(run(3, null), 20), 'is not kept, the check failed');
});

t.test('a machine that stands still now and then does not hide the rate, and what is found has held twice', async (t) => {
  const tries: number[] = [];
  /** Every third run stands still; above 60,000 p99 is too high. */
  const runCase = async ({ id }: CasePlan): Promise<CaseReport> => {
    const rate = Number(id);
    tries.push(rate);
    const p99 = tries.length % 3 === 0 || rate > 60_000 ? 40 : 3;
    return { id, runs: [{ check: { passed: true }, latencyMs: { p99 }, commands: rate, due: rate, figures: [], remarks: [] }] } as unknown as CaseReport;
  };
  const { best, cases } = await search(runCase, (rate) => ({ id: String(rate) }) as CasePlan, 100_000, 20);
  t.ok(best <= 60_000 && best >= 57_000, `${best}`);
  t.ok(cases.find(({ id }) => id === String(best))!.runs.filter(({ latencyMs }) => latencyMs!.p99 <= 20).length >= 2);
  const fast = await search(async ({ id }) => ({ id, runs: [{ check: { passed: true }, latencyMs: { p99: 1 }, commands: 1, due: 1, figures: [], remarks: [] }] }) as unknown as CaseReport, (rate) => ({ id: String(rate) }) as CasePlan, 1_000, 20);
  t.match(fast.cases.at(-1)!.runs[0]!.figures, [{ name: 'highest rate with p99 within 20 ms, at least: none was refused', value: fast.best }]);
  t.match(cases.find(({ id }) => id === String(best))!.runs[0]!.figures, [{ name: 'highest rate with p99 within 20 ms', value: best }]);
  t.same(fast.cases.at(-1)!.runs[0]!.remarks, ['is kept, p99 within 20 ms']);
  t.same((await search(async (plan) => runCase({ ...plan, id: '70000' } as CasePlan), () => ({}) as CasePlan, 100_000, 20)).best, 0);
});
