/** A small cluster through all scenarios: does it come to rest with few moves, the same way each time, and is what goes wrong told? */

import t from 'tap';

import { BucketMap, NO_NODE } from '../../cluster/bucket-map.ts';
import type { Assignment } from '../../cluster/bucket-map.ts';
import type { Lead, PublishAnswer } from '../../cluster/control/control-store.ts';
import { MemoryControlStore } from '../../cluster/control/memory-store.ts';
import { simulate } from './control-plane.ts';
import { leastMoves, leastMovesOfRestart } from './lower-bound.ts';
import { parseControlPlaneOptions } from './options.ts';
import { reportOf } from './report.ts';
import type { ScenarioResult } from './scenarios.ts';
import { ServiceRecord } from './service-record.ts';
import { ChangeWeights } from './store-meter.ts';

const small = ['--nodes', '50', '--buckets', '1024', '--at-once', '5'];
const tellNobody = (): undefined => undefined;

function withoutCpu(results: readonly ScenarioResult[]): object[] {
  return results.map((result) => ({ ...result, cpuSeconds: 0 }));
}

await t.test('every scenario ends at rest, with little more moves than are needed', async (t) => {
  const options = parseControlPlaneOptions(small);
  const results = await simulate(options, tellNobody);
  t.same(results.map(({ name }) => name), [
    'found', 'join-1', 'join-10', 'lose-1', 'lose-1 back', 'lose-rack', 'lose-rack back', 'lose-scheduler', 'lose-scheduler back', 'rolling-restart', 'store-away',
  ]);
  for (const { name, moves, leastMoves: least, complaints, absence, movingPeak } of results) {
    t.same(complaints, [], name);
    t.ok(moves >= least, `${name}: ${moves} moves of at least ${least}`);
    t.ok(moves <= (name === 'rolling-restart' ? 2 * least : 1.05 * least), `${name}: ${moves} moves of at least ${least}`);
    t.ok(absence.buckets <= moves, `${name}: a bucket that does not move has its owner`);
    t.ok(movingPeak <= options.cluster.timing.movesInFlightMax, name);
  }
  const report = reportOf(small, options, new Date(0), '1.0.0', results);
  t.equal(report.cases.length, results.length);
  t.ok(report.cases.every(({ runs }) => runs[0]!.check.passed && runs[0]!.figures.length > 10));
});

await t.test('the same seed gives the same run, another one another', async (t) => {
  const run = (seed: string): Promise<ScenarioResult[]> => simulate(parseControlPlaneOptions([...small, '--scenarios', 'join-10,lose-rack', '--seed', seed]), tellNobody);
  const first = await run('7');
  t.same(withoutCpu(await run('7')), withoutCpu(first));
  t.not((await run('8')).at(-1)!.digest, first.at(-1)!.digest);
});

class PublishesForAnyVersion extends MemoryControlStore {
  override publish(lead: Lead, _: number, changes: readonly Assignment[]): Promise<PublishAnswer> {
    return super.publish(lead, this.control.cluster!.map.version, changes);
  }
}

await t.test('a store that lets maps be published for older ones fails the run, and has no figures', async (t) => {
  const options = parseControlPlaneOptions([...small, '--scenarios', 'join-10']);
  const results = await simulate({ ...options, cluster: { ...options.cluster, store: (control) => new PublishesForAnyVersion(control) } }, tellNobody);
  const joined = results.at(-1)!;
  t.match(joined.complaints[0], /O2 published for an older map/);
  t.same(reportOf(small, options, new Date(0), '1.0.0', [joined]).cases[0]!.runs[0]!.figures, []);
});

await t.test('a scheduler that moves more than it must goes beyond the bound', async (t) => {
  /** Gives whatever has no owner to the lowest number: balance then moves it once more. */
  class GivesAllToOne extends MemoryControlStore {
    override publish(lead: Lead, base: number, changes: readonly Assignment[]): Promise<PublishAnswer> {
      return super.publish(lead, base, changes.map((change) => (change.next === NO_NODE ? { ...change, owner: lead.node } : change)));
    }
  }
  const options = parseControlPlaneOptions([...small, '--scenarios', 'lose-rack']);
  const results = await simulate({ ...options, cluster: { ...options.cluster, store: (control) => new GivesAllToOne(control) } }, tellNobody);
  const lost = results.find(({ name }) => name === 'lose-rack')!;
  t.ok(lost.moves > 1.05 * lost.leastMoves, `${lost.moves} moves of at least ${lost.leastMoves}`);
});

await t.test('the least that must move', async (t) => {
  const map = BucketMap.empty(3).assigned(1, [1, 1, 1, 2, 2, 2, 3, 3].map((owner, index) => ({ index, owner, next: NO_NODE })));
  t.equal(leastMoves(map, [1, 2, 3]), 0);
  t.equal(leastMoves(map, [1, 2]), 2, 'of 3');
  t.equal(leastMoves(map, [1, 2, 3, 4]), 2);
  t.equal(leastMoves(map, [1, 2, 3, 4, 5]), 2, 'three of five may have two');
  t.equal(leastMovesOfRestart(100, 10, 10, 3), 110, 'one is left for the last turn');
});

await t.test('a bucket is without owner from when nobody could append until somebody serves', async (t) => {
  let now = 0;
  const record = new ServiceRecord(2, () => now);
  record.serves(0, 5, record.takeEpoch(0));
  record.serves(1, 5, record.takeEpoch(1));
  record.begin();
  now = 100;
  const epoch = record.takeEpoch(0);
  record.stopped(0, 5);
  now = 130;
  record.serves(0, 5, epoch - 1);
  t.equal(record.unserved, 1, 'who was deposed serves nobody');
  now = 150;
  record.serves(0, 6, epoch);
  t.same(record.absence(), { buckets: 1, p50Ms: 50, p99Ms: 50, maxMs: 50 });
});

await t.test('changes are weighed as the store in Redis sends them', async (t) => {
  const weights = new ChangeWeights();
  const map = BucketMap.empty(4, 5);
  for (const [version, buckets] of [[2, 1], [3, 2], [4, 1], [5, 1]] as const) weights.note(version, buckets);
  t.equal(weights.bytesSince(3, map), 32);
  t.equal(weights.bytesSince(0, map), null, 'who has none gets all');
  weights.note(6, 16);
  t.equal(weights.bytesSince(5, BucketMap.empty(4, 6)), null, 'no less than the map');
});
