/** The wall clock of the store jumps under four nodes, which are ten times as hasty as usual: no lease ends early for it, and none lasts longer. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { startRedis } from '../../runtime/testing/redis-server.ts';
import { makeShiftedClock } from '../../runtime/testing/shifted-clock.ts';
import { HastyNode, timing, until } from './testing/hasty-node.ts';

const HOUR_S = 3_600;
/** Of each node; they take three leases. */
const BEATS = Math.ceil((3 * timing.leaseTtlMs) / timing.heartbeatMs);

const directory = mkdtempSync(join(tmpdir(), 'troupe-clock-'));
const clock = await makeShiftedClock(directory);
const redis = await startRedis({ env: clock.env });
const nodes: HastyNode[] = [];
t.teardown(async () => {
  for (const node of nodes) node.end();
  await redis.remove();
  rmSync(directory, { recursive: true, force: true });
});
for (const id of ['a', 'b', 'c', 'd']) nodes.push(await new HastyNode(redis.port, id).start());

const counts = (): string => nodes.map((node) => (node.plane.state === null ? '' : node.held())).sort().join();
const dead = (): string[] => nodes.flatMap((node) => node.dead);

/** Beats of each running node since it began. */
async function beats(): Promise<number[]> {
  const found = (await redis.command('HMGET', '{main}:beats', ...nodes.map(({ plane }) => plane.state!.self.number))) as string[];
  return found.map(Number);
}

await t.test('nobody is dead because the clock has jumped', async (t) => {
  await until(t, 'shared out', () => counts() === '8,8,8,8');
  await until(t, 'one map', () => new Set(nodes.map((node) => node.plane.state!.map.version)).size === 1);
  const { version } = nodes[0]!.plane.state!.map;
  const terms = nodes.map(({ term }) => term);
  for (const shiftS of [HOUR_S, -HOUR_S, 0]) {
    await clock.jump(shiftS, redis);
    const before = await beats();
    await until(t, `three leases, ${shiftS} s ahead`, async () => (await beats()).every((count, i) => count >= before[i]! + BEATS));
    t.same(dead(), []);
    t.equal(nodes[0]!.plane.state!.map.version, version, 'no bucket has moved');
    t.same(nodes.map(({ term }) => term), terms, 'nor has the office');
  }
});

await t.test('who ends while the clock jumps is dead after a lease, neither at once nor an hour later', async (t) => {
  for (const [shiftS, shares] of [[HOUR_S, '10,11,11'], [-HOUR_S, '16,16']] as const) {
    const ended = nodes.pop()!;
    const { id } = ended.plane.state!.self;
    ended.end();
    const sinceMs = performance.now();
    await clock.jump(shiftS, redis);
    await until(t, `${id} is dead to all others`, () => nodes.every((node) => node.dead.includes(id)));
    const tookMs = performance.now() - sinceMs;
    t.ok(tookMs > timing.leaseTtlMs / 2, `${tookMs.toFixed(0)} ms after its end`);
    await until(t, 'its buckets have other owners', () => counts() === shares);
    t.same([...new Set(nodes.flatMap((node) => node.dead.filter((other) => nodes.some(({ plane }) => plane.state!.self.id === other))))], [], 'nobody else is');
  }
});
