/** The floors with Redis under a short load of the real driver: every answer belongs to a request, and Redis has what was answered. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { jobOf, plainLoad } from '../harness/load-spec.ts';
import { RemoteDriver } from '../driver/remote.ts';
import { sampleProcess } from '../../runtime/faults/proc.ts';
import { startFloorRedis } from './baselines.ts';
import { FLOOR_STREAM } from './stream-encoder.ts';

t.setTimeout(1_200_000);

const LOAD = { ...plainLoad, connections: 4, loop: { kind: 'closed', inFlight: 8 }, actors: 50, direct: false } as const;

for (const [name, fsync] of [['floor-redis', 'everysec'], ['floor-redis-events', 'always']] as const) {
  t.test(`${name} with appendfsync ${fsync}`, async (t) => {
    const floor = await startFloorRedis(name, { fsync });
    t.teardown(() => floor.stop());
    t.equal(floor.durability, `redis-${fsync}`);
    t.same(floor.processes().map(({ role }) => role), ['server', 'redis']);
    const driver = new RemoteDriver();
    t.teardown(() => driver.stop());
    await driver.start(jobOf(LOAD, floor.endpoints, '', 5, 0, 1));
    await driver.begin();
    await sleep(300);
    await driver.end();
    const { counts, errors, unanswered, unknown } = await driver.drain();
    t.same({ errors, unanswered, unknown }, { errors: [], unanswered: 0, unknown: 0 });
    const answered = counts.reduce((a, b) => a + b, 0);
    t.ok(answered > 0);
    t.equal(name === 'floor-redis' ? framesIn(await entries(floor.redis)) : (await entries(floor.redis)).length, answered);
  });
}

t.test('nothing is left running', async (t) => {
  const floor = await startFloorRedis('floor-redis', { fsync: 'no' });
  t.equal(floor.durability, 'redis-no');
  const pids = floor.processes().map(({ pid }) => pid);
  await floor.stop();
  t.same(pids.map((pid) => sampleProcess(pid).cpuMs), [null, null]);
});

type Entry = [id: Buffer, fields: [name: Buffer, value: Buffer]];

async function entries(redis: Awaited<ReturnType<typeof startFloorRedis>>['redis']): Promise<Buffer[]> {
  return ((await redis.commandBytes('XRANGE', FLOOR_STREAM, '-', '+')) as unknown as Entry[]).map(([, [, value]]) => value);
}

function framesIn(blobs: readonly Buffer[]): number {
  let frames = 0;
  for (const blob of blobs) for (let at = 0; at < blob.length; at += 4 + blob.readUInt32LE(at)) frames++;
  return frames;
}
