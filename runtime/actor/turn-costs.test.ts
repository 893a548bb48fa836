/** C1–C3 of turn-costs.ts: batches of turns whose real costs the test knows. */

import t from 'tap';

import { limits } from '../limits.ts';
import type { Activation } from './activation.ts';
import type { Bucket } from './bucket.ts';
import { JOB_COMMAND, Job } from './job.ts';
import { TurnCosts } from './turn-costs.ts';

const BUDGET_US = limits.batchCostMaxMs * 1_000;

interface Actor {
  readonly activation: Activation;
  readonly costUs: number;
}

function actor(bucket: number, costUs: number, stateBytes = 100, type = 'test.v1.One'): Actor {
  const place = { id: { bits: 8, index: bucket } } as Bucket;
  return { activation: { bucket: place, type, stateBytes, turnUs: 0, recordsSinceSnapshot: 0 } as unknown as Activation, costUs };
}

/** Fills a batch from what is ready, in the order of buckets, as the turn loop does; what is left stays in `ready`. */
function batch(costs: TurnCosts, ready: Actor[]): Actor[] {
  const taken: Actor[] = [];
  const left: Actor[] = [];
  ready.sort((a, b) => a.activation.bucket.id.index - b.activation.bucket.id.index);
  costs.begin();
  const jobs: Job[] = [];
  for (const one of ready) {
    const job = new Job(JOB_COMMAND, one.activation);
    const { bucket } = one.activation;
    if (left.at(-1)?.activation.bucket === bucket || !costs.hasRoomFor(job, bucket.id.index)) left.push(one);
    else {
      costs.add(job);
      jobs.push(job);
      taken.push(one);
    }
  }
  costs.end(left.map((one) => new Job(JOB_COMMAND, one.activation)));
  ready.splice(0, ready.length, ...left);
  if (jobs.length > 0) costs.took(jobs, taken.reduce((sum, one) => sum + one.costUs, 0), costs.batchUs);
  return taken;
}

function costOf(actors: readonly Actor[]): number {
  return actors.reduce((sum, one) => sum + one.costUs, 0);
}

t.test('after the first batch the others are over in time, whatever turns cost', async (t) => {
  for (const costUs of [100, 1_000, 10_000, 200_000]) {
    const costs = new TurnCosts();
    const one = actor(1, costUs);
    const ready = Array.from({ length: 1_000 }, () => one);
    t.equal(batch(costs, ready).length, 1_000, 'nothing is known of it');
    ready.push(...Array.from({ length: 1_000 }, () => one));
    let batches = 0;
    while (ready.length > 0 && batches < 2_000) {
      const cost = costOf(batch(costs, ready));
      t.ok(cost <= Math.max(BUDGET_US * 1.1, costUs), `${cost} µs with turns of ${costUs}`);
      batches++;
    }
    t.ok(batches <= Math.ceil(1_000 / Math.max(1, Math.floor(BUDGET_US / costUs))) * 1.2 + 1, `${batches} batches`);
  }
});

t.test('a large state is known to cost something before its first turn (C2)', async (t) => {
  const costs = new TurnCosts();
  const large = actor(1, 15_000, 170_000);
  const ready = Array.from({ length: 300 }, () => large);
  t.ok(costOf(batch(costs, ready)) <= BUDGET_US * 1.1);
});

t.test('cheap neighbours of a costly actor go on, and do not pay for it (C1, C3)', async (t) => {
  const costs = new TurnCosts();
  const large = actor(1, 15_000, 170_000);
  const ready = Array.from({ length: 100 }, () => large);
  for (let round = 0; round < 10; round++) {
    const cheap = Array.from({ length: 500 }, (_, i) => actor(2 + i, 3, 100, 'test.v1.Cheap'));
    ready.push(...cheap);
    const taken = new Set(batch(costs, ready));
    t.ok(cheap.every((one) => taken.has(one)), 'all of them are in the batch');
    t.ok(taken.has(large), 'and so is the costly one');
  }
});

t.test('costly actors of several buckets have their turns one after the other', async (t) => {
  const costs = new TurnCosts();
  const three = [actor(1, 40_000, 500_000), actor(2, 40_000, 500_000), actor(3, 40_000, 500_000)];
  const seen = new Map<Actor, number>(three.map((one) => [one, 0]));
  const ready: Actor[] = [];
  for (let round = 0; round < 30; round++) {
    for (const one of three) while (ready.filter((other) => other === one).length < 20) ready.push(one);
    for (const one of batch(costs, ready)) seen.set(one, seen.get(one)! + 1);
  }
  t.ok([...seen.values()].every((turns) => turns >= 9), `turns: ${[...seen.values()].join()}`);
});

t.test('one turn that costs more than a batch should is in one all the same (C3)', async (t) => {
  const costs = new TurnCosts();
  const huge = actor(2, 200_000, 4 * 1024 * 1024);
  const ready = [...Array.from({ length: 50 }, () => actor(1, 3)), huge, huge];
  t.equal(batch(costs, ready).filter((one) => one === huge).length, 1);
  t.same(batch(costs, ready), [huge]);
});

t.test('what a lost batch has taught outlives its actors, and is forgotten (C2)', async (t) => {
  const costs = new TurnCosts();
  const strangers = (): Actor[] => Array.from({ length: 2_000 }, (_, i) => actor(i, 3, 100, `test.v1.Type${i}`));
  t.equal(batch(costs, strangers()).length, 2_000);
  costs.tookTooLong(100);
  const after = strangers();
  t.ok(batch(costs, after).length <= 3, 'each is expected to take what those did');
  for (let round = 0; round < 60; round++) batch(costs, strangers());
  t.equal(batch(costs, strangers()).length, 2_000);
});
