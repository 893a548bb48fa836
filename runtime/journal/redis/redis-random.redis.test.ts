/**
 * Random faults under two owners that take their buckets from each other; at the end the oracle looks at everything. Ten seconds, unless
 * TROUPE_FAULTS_SECONDS says otherwise; TROUPE_FAULTS_SEED repeats the choices of a run, though not its timing.
 */

import t from 'tap';

import { startProxy } from '../../testing/tcp-proxy.ts';
import { RandomFaults } from './testing/random-faults.ts';
import type { Side } from './testing/random-faults.ts';
import { ids, quickStore, rigFor, until } from './testing/rig.ts';

const seconds = Number(process.env.TROUPE_FAULTS_SECONDS ?? 10);
const seeds = process.env.TROUPE_FAULTS_SEED === undefined ? [1, 2] : [Number(process.env.TROUPE_FAULTS_SEED)];

/** An append that is not answered costs its owner the answer time, and the faults leave many. */
const SERVED_MAX_MS = 60_000;

t.setTimeout((seconds + 240) * 1_000);

for (const seed of seeds) {
  await t.test(`random faults, seed ${seed}`, { timeout: (seconds + 120) * 1_000 }, async (t) => {
    const { redis, history, complaints, owner } = await rigFor(t, { appendfsync: 'always', config: { 'busy-reply-threshold': '30' } });
    const sides: Side[] = [];
    for (const name of ['one', 'two']) {
      const proxy = await startProxy(redis.port);
      t.teardown(() => proxy.close());
      sides.push({ proxy, owner: await owner(name, { manners: 'yield' }, quickStore(proxy.port, 1_000)) });
    }
    const owners = sides.map((side) => side.owner);
    for (const one of owners) one.start();
    const faults = new RandomFaults({ seed, redis, sides, buckets: ids.length });
    await faults.run((seconds * 1_000) / seeds.length);

    // Whatever happened: when it is over, every bucket is served again.
    const healed = history.attempts.length;
    const isServed = (index: number): boolean => history.attempts.slice(healed).some(({ bucket, outcome }) => bucket === index && outcome?.kind === 'appended');
    await until(() => {
      for (const i of ids.keys()) owners[0]!.claim(i);
      return ids.every(({ index }) => isServed(index));
    }, 'every bucket is served again', SERVED_MAX_MS).catch((error: Error) => {
      t.fail(`${error.message}; ${history.inFlight} appends in flight; ${owners.map((one) => one.describe()).join('; ')}`);
    });
    for (const one of owners) await one.stop();

    t.comment(`${[...faults.struck].map(([name, count]) => `${name} ${count}`).join(', ')}; ${faults.inFlight} appends were in flight, ${faults.late} stalled requests arrived late`);
    t.comment(`appended ${history.count('appended')}, unknown ${history.count('unknown')}, fenced ${history.count('fenced')}, refused ${history.count('refused')}, conflicts ${history.count('conflict')}, epochs taken ${history.taken.length}`);
    for (const kind of ['appended', 'unknown', 'fenced'] as const) t.ok(history.count(kind) > 0, kind);
    t.ok(faults.inFlight > 0);
    t.same(owners.flatMap(({ errors }) => errors), []);
    t.same(await complaints(), []);
  });
}
