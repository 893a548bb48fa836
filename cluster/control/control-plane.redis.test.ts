/** Three nodes on a real server and in real time, ten times as hasty as usual. */

import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { systemClock } from '../../runtime/actor/seams-node.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import { ControlPlane } from './control-plane.ts';
import type { ClusterNode } from './membership.ts';
import { RedisControlStore } from './redis-store.ts';
import { infoOf } from './testing/contract.ts';
import { IoredisCalls } from './testing/ioredis-calls.ts';
import { controlDefaults } from './timing.ts';
import type { ControlTiming } from './timing.ts';

const timing: ControlTiming = { ...controlDefaults, heartbeatMs: 60, leaseTtlMs: 400, callTimeMaxMs: 200, settleMs: 150 };
const BITS = 5;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

class TestNode {
  readonly plane: ControlPlane;
  /** Ids of nodes that this one declared dead, in order. */
  readonly dead: string[] = [];
  term: number | null = null;
  private isEnded = false;
  private readonly calls: IoredisCalls;

  constructor(port: number, id: string) {
    this.calls = new IoredisCalls(port, timing.callTimeMaxMs);
    let nodes: readonly ClusterNode[] = [];
    this.plane = new ControlPlane({
      store: new RedisControlStore(this.calls, 'main'),
      config: { id: `by-${id}`, bucketBits: BITS },
      id, incarnation: `${id}-1`, timing, log: silent,
      info: () => infoOf(id),
      clock: systemClock,
      timers: { later: (delayMs, task) => void setTimeout(() => this.isEnded || task(), delayMs) },
      events: {
        onMap: (map, { number }) => {
          const named = Array.from({ length: map.size }, (_, index) => index).filter((index) => (map.ownerOf(index) === number && map.epochOf(index) === 0) || map.nextOf(index) === number);
          if (named.length > 0) this.plane.accept(named.map((index) => ({ index, epoch: map.epochOf(index) + 1 }))).catch(() => undefined);
        },
        onNodes: (now) => {
          for (const node of now) if (!node.alive && nodes.some((before) => before.number === node.number && before.alive)) this.dead.push(node.id);
          nodes = now;
        },
        onLead: (term) => void (this.term = term),
        onForeign: () => undefined,
        onReplaced: () => undefined,
      },
    });
  }

  async start(): Promise<this> {
    await this.calls.open();
    await this.plane.start();
    return this;
  }

  /** As if its process were killed. */
  end(): void {
    this.isEnded = true;
    this.calls.close();
  }

  held(): number {
    const { map, self } = this.plane.state!;
    return Array.from({ length: map.size }, (_, index) => index).filter((index) => map.ownerOf(index) === self.number && map.phaseOf(index) === 'held').length;
  }
}

async function until(t: Test, what: string, isSo: () => boolean): Promise<void> {
  const untilMs = performance.now() + 20_000;
  while (!isSo() && performance.now() < untilMs) await sleep(10);
  t.ok(isSo(), what);
}

t.test('found, share, survive an outage, replace the scheduler, leave', async (t) => {
  const redis = await startRedis();
  const nodes: TestNode[] = [];
  t.teardown(async () => {
    for (const node of nodes) node.end();
    await redis.remove();
  });
  for (const id of ['a', 'b', 'c']) nodes.push(await new TestNode(redis.port, id).start());
  const counts = (of: readonly TestNode[]): string => of.map((node) => (node.plane.state === null ? '' : node.held())).sort().join();
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
