import t from 'tap';

import { Monitor } from './monitor.ts';
import type { BucketReading } from './monitor.ts';

function start() {
  const time = { ms: 5_000 };
  const engine = {
    readings: [] as BucketReading[],
    activations: 0,
    commandsAnswered: 0,
    actors: [0, 0, 0, 0],
    stat: () => engine,
    bucketStats: () => engine.readings,
    actorsByBucket: () => engine.actors,
  };
  const monitor = new Monitor(engine, { monotonic: () => time.ms });
  const second = (): void => {
    time.ms += 1_000;
    monitor.sample();
  };
  return { engine, monitor, second };
}

t.test('rates are over the last five seconds', async (t) => {
  const { engine, monitor, second } = start();
  engine.readings = [{ index: 1, epoch: 1, position: 100 }];
  second();
  t.match(monitor.node(), { records: 100, requestsPerSecond: null, recordsPerSecond: null }, 'one look is no rate');
  engine.readings = [{ index: 1, epoch: 1, position: 130 }];
  engine.commandsAnswered = 50;
  second();
  t.match(monitor.node(), { records: 130, requestsPerSecond: 50, recordsPerSecond: 30 });
  for (let i = 0; i < 4; i++) second();
  t.match(monitor.node(), { requestsPerSecond: 10, recordsPerSecond: 6 }, 'the burst is within the five seconds');
  second();
  t.match(monitor.node(), { requestsPerSecond: 0, recordsPerSecond: 0 }, 'and now behind them');
});

t.test('what a bucket did elsewhere is no rate here', async (t) => {
  const { engine, monitor, second } = start();
  engine.readings = [{ index: 1, epoch: 1, position: 100 }, { index: 2, epoch: 4, position: 10 }];
  second();
  engine.readings = [{ index: 1, epoch: 3, position: 9_000 }, { index: 2, epoch: 4, position: 12 }];
  second();
  t.match(monitor.buckets().map(({ recordsPerSecond }) => recordsPerSecond), [null, 2], 'it was away between two looks, and came back under another epoch');
  t.equal(monitor.node().recordsPerSecond, 2);
  engine.readings = [{ index: 2, epoch: 4, position: 14 }];
  second();
  engine.readings = [{ index: 1, epoch: 3, position: 9_500 }, { index: 2, epoch: 4, position: 16 }];
  second();
  t.equal(monitor.buckets()[0]!.recordsPerSecond, null, 'missing in one look, it begins anew');
});

t.test('sizes that the journal does not tell are null, not zero', async (t) => {
  const { engine, monitor } = start();
  t.match(monitor.node(), { hotBytes: 0, coldBytes: 0, snapshots: 0, records: 0, recordsPerSecond: 0 }, 'a node without buckets has nothing');
  engine.readings = [{ index: 0, epoch: 1, position: 3, hotBytes: 30 }, { index: 3, epoch: 2, position: 5, hotBytes: 50 }];
  engine.activations = 7;
  engine.actors = [3, 0, 0, 4];
  t.match(monitor.node(), { actors: 7, records: 8, hotBytes: 80, coldBytes: null, snapshots: null });
  t.strictSame(monitor.buckets(), [
    { index: 0, epoch: 1, actors: 3, records: 3, hotBytes: 30, coldBytes: null, snapshots: null, backlog: 0, parked: 0, failed: 0, refused: null, recordsPerSecond: null },
    { index: 3, epoch: 2, actors: 4, records: 5, hotBytes: 50, coldBytes: null, snapshots: null, backlog: 0, parked: 0, failed: 0, refused: null, recordsPerSecond: null },
  ]);
  engine.readings = [{ index: 0, epoch: 1, position: 3, hotBytes: 30 }, { index: 3, epoch: 2, position: 5 }];
  t.equal(monitor.node().hotBytes, null, 'a part is not the whole');
});
