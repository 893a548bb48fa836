/** Checkpoints of many timers are taken some at a time. */

import t from 'tap';

import { limits } from '../limits.ts';
import { newBuckets } from './bucket-fold.ts';
import { Checkpoints } from './checkpoints.ts';
import type { OutputGate } from './output-gate.ts';

t.test('every bucket that serves has its own, and no turn writes many more timers than it may', async (t) => {
  const buckets = newBuckets(4);
  for (const bucket of buckets) {
    if (bucket.id.index !== 3) bucket.serve();
    bucket.position = 5;
    for (let i = 0; i < limits.checkpointTimersPerTurnMax / 4; i++) bucket.timers.arm(128 + i, 1 + i);
  }
  const groups: number[][] = [];
  const gate = {
    take: () => ({ checkpoints: [] as { bucket: { index: number } }[] }),
    commit: (group: { checkpoints: { bucket: { index: number } }[] }) => groups.push(group.checkpoints.map(({ bucket }) => bucket.index)),
  } as unknown as OutputGate;
  const later: (() => void)[] = [];
  const checkpoints = new Checkpoints(buckets, gate, { soon: (task) => void later.push(task) });
  checkpoints.take();
  t.same(groups, [[0, 1, 2, 4]], 'one that has stopped has none');
  later.shift()!();
  // Asked for again in the middle of it: from the start, once.
  checkpoints.take();
  while (later.length > 0) later.shift()!();
  t.same(groups, [[0, 1, 2, 4], [5, 6, 7, 8], [0, 1, 2, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15]]);
  checkpoints.take();
  t.equal(groups.length, 7);
});

t.test('a bucket that was opened by a checkpoint has another one when something was recorded since', async (t) => {
  const buckets = newBuckets(2);
  for (const bucket of buckets) bucket.serve();
  for (const [index, position, openedCheckpoint] of [[0, 7, 7], [1, 8, 7], [2, 0, 0], [3, 1, 0]] as const) Object.assign(buckets[index]!, { position, openedCheckpoint });
  let taken: number[] = [];
  const gate = {
    take: () => ({ checkpoints: [] as { bucket: { index: number } }[] }),
    commit: (group: { checkpoints: { bucket: { index: number } }[] }) => void (taken = group.checkpoints.map(({ bucket }) => bucket.index)),
  } as unknown as OutputGate;
  const checkpoints = new Checkpoints(buckets, gate, { soon: () => t.fail('nothing is left for later') });
  checkpoints.take();
  t.same(taken, [1, 3]);
  buckets[0]!.position = 8;
  checkpoints.take();
  t.same(taken, [0, 1, 3]);
});
