/** What the options of kill, hand-off and deploy come to. */

import t from 'tap';

import { deployments, handOffs, kills, planOf } from './faults.ts';
import { strikesOf } from './fault-options.ts';

const ids = (...args: Parameters<typeof planOf>): string[] => planOf(...args).cases.map(({ id }) => id);

t.test('a case has an id that says what happens, and to what', async (t) => {
  t.same(ids(kills, []), ['kill/2000/s/any/cluster of 3']);
  t.same(ids(kills, ['--which', 'any,scheduler', '--nodes', '2', '--distribution', 'zipf', '--rate', '100']), ['kill/100/s/zipf/any/cluster of 2', 'kill/100/s/zipf/scheduler/cluster of 2']);
  t.same(ids(handOffs, ['--shape', '8x4']), ['hand-off/8x4/cluster of 3']);
  t.same(ids(deployments, ['--rate', '1000,2000']), ['deploy/1000/s/embedded', 'deploy/1000/s/cluster of 3', 'deploy/2000/s/embedded', 'deploy/2000/s/cluster of 3']);
  t.match(planOf(kills, ['--every', '8', '--down', '3']).cases[0]!.parameters, { rate: 2000, clients: 4, direct: true, which: 'any', downSeconds: 3, everySeconds: 8, nodes: 3 });
});

t.test('it happens in the middle, or every so often', async (t) => {
  t.same(strikesOf({ every: '' }, 20_000), [10_000]);
  t.same(strikesOf({ every: '3' }, 10_000), [3_000, 6_000, 9_000]);
  t.throws(() => strikesOf({ every: '10' }, 10_000), { message: /^--every/ });
});

t.test('what makes no sense is refused, by the name of the option', async (t) => {
  for (const [workload, ...args] of [
    [kills, '--nodes', '1'], [kills, '--which', 'first'], [kills, '--which', 'none'], [kills, '--subjects', 'embedded'], [kills, '--target', 'ws://127.0.0.1:1'], [kills, '--down', '0'], [kills, '--baselines', 'echo'],
    [handOffs, '--probes', '0'], [handOffs, '--shape', '8'], [deployments, '--every', '100'], [deployments, '--rate', 'fast'],
  ] as const) t.throws(() => planOf(workload, args), { message: new RegExp('^--') }, args.join(' '));
  t.throws(() => planOf(deployments, ['--which', 'any']), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' });
});
