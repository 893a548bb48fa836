/** Three nodes on a real server and in real time, ten times as hasty as usual. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';

import { startRedis } from '../../runtime/testing/redis-server.ts';
import { HastyNode, timing, until } from './testing/hasty-node.ts';

t.test('found, share, survive an outage, replace the scheduler, leave', async (t) => {
  const redis = await startRedis();
  const nodes: HastyNode[] = [];
  t.teardown(async () => {
    for (const node of nodes) node.end();
    await redis.remove();
  });
  for (const id of ['a', 'b', 'c']) nodes.push(await new HastyNode(redis.port, id).start());
  const counts = (of: readonly HastyNode[]): string => of.map((node) => (node.plane.state === null ? '' : node.held())).sort().join();
  await until(t, 'shared out', () => counts(nodes) === '10,11,11');
  await until(t, 'one map', () => new Set(nodes.map((node) => node.plane.state!.map.version)).size === 1);
  t.equal(nodes.filter(({ term }) => term === 1).length, 1);

  const { version } = nodes[0]!.plane.state!.map;
  await redis.suspend();
  await sleep(3 * timing.leaseTtlMs);
  await redis.resume();
  await sleep(2 * timing.leaseTtlMs);
  await redis.kill();
  await sleep(timing.leaseTtlMs);
  await redis.restart();
  await sleep(2 * timing.leaseTtlMs);
  t.same(nodes.flatMap(({ dead }) => dead), [], 'nobody is declared dead for what happens to the store');
  t.equal(nodes[0]!.plane.state!.map.version, version);

  const lead = nodes.find(({ term }) => term !== null)!;
  const others = nodes.filter((node) => node !== lead);
  lead.end();
  await until(t, 'another scheduler', () => others.some(({ term }) => term !== null));
  await until(t, 'shared out among two', () => counts(others) === '16,16');
  t.ok(others.some(({ term }) => term !== null && term >= 2));
  t.same([...new Set(others.flatMap(({ dead }) => dead))], [lead.plane.state!.self.id]);

  await others[0]!.plane.stop();
  others[0]!.end();
  await until(t, 'all with the last one', () => counts([others[1]!]) === '32');
});
