import t from 'tap';

import { namesAmong, namesOf, sweepsOf } from './cases.ts';
import { sampleReport, type SampleCase } from './testing/sample.ts';

const base: SampleCase = { subject: 'cluster', load: '64x16', speed: 100 };

t.test('cases are named by what sets them apart, and by nothing else', async (t) => {
  const name = (...cases: SampleCase[]): string[] => namesAmong(sampleReport({ cases }).cases);
  t.same(name(base, { ...base, subject: 'echo' }), ['cluster', 'echo']);
  t.same(name({ ...base, parameters: { nodes: 1, actors: 5 } }, { ...base, parameters: { nodes: 2, actors: 5 } }, { ...base, subject: 'echo' }), ['cluster nodes 1', 'cluster nodes 2', 'echo']);
  t.same(name(base, { ...base, durability: 'redis-always' }), ['cluster disk', 'cluster redis-always']);
  t.same(name(base, base), ['counter/64x16/cluster', 'counter/64x16/cluster'], 'at last by id');
});

t.test('names are given within a load', async (t) => {
  const report = sampleReport({ cases: [base, { ...base, load: '1x1' }] });
  t.same([...namesOf(report).values()], ['cluster', 'cluster']);
});

t.test('a sweep is of cases that differ in one parameter alone', async (t) => {
  const nodes = (count: number, more: SampleCase['parameters'] = {}): SampleCase => ({ ...base, parameters: { nodes: count, ...more } });
  const sweeps = (...cases: SampleCase[]) => sweepsOf(sampleReport({ cases }), 'nodes');
  t.match(sweeps(nodes(3), nodes(1), nodes(2)), [{ values: [1, 2, 3], families: [{ name: 'cluster' }] }], 'sorted by number');
  t.same(sweeps(nodes(3), nodes(1), nodes(2))[0]!.families[0]!.cases.map((one) => one!.parameters.nodes), [1, 2, 3]);
  t.same(sweeps(nodes(1), nodes(2, { actors: 5 })), [], 'another parameter differs too');
  t.same(sweeps(nodes(1), { ...nodes(2), durability: 'redis-no' }), [], 'the durability differs too');
  t.same(sweeps(nodes(1), { ...nodes(2), load: '1x1' }), [], 'the load differs too');
  t.same(sweeps(nodes(1), base), [], 'one alone is no curve');
  const [sweep] = sweeps(nodes(1), nodes(2), { ...nodes(1), subject: 'peer' }, { ...nodes(4), subject: 'peer' });
  t.same(sweep!.values, [1, 2, 4]);
  t.same(sweep!.families.map(({ name, cases }) => [name, cases.map((one) => one?.parameters.nodes ?? null)]), [['cluster', [1, 2, null]], ['peer', [1, null, 4]]]);
});

t.test('each rate is a load of its own, and they are one curve all the same', async (t) => {
  const rate = (perSecond: number): SampleCase => ({ ...base, load: `${perSecond}/s`, parameters: { rate: perSecond } });
  t.match(sweepsOf(sampleReport({ cases: [rate(2_000), rate(1_000)] }), 'rate'), [{ load: '', values: [1_000, 2_000] }]);
});

t.test('what is no number stays in the order of the report', async (t) => {
  const distribution = (name: string): SampleCase => ({ ...base, parameters: { distribution: name } });
  t.same(sweepsOf(sampleReport({ cases: ['uniform', 'zipf 0.99', 'hot'].map(distribution) }), 'distribution')[0]!.values, ['uniform', 'zipf 0.99', 'hot']);
});
