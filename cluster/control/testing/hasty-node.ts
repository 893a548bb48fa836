/** The control plane of one node among several in one process, on a real server and in real time, ten times as hasty as usual. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Test } from 'tap';

import { systemClock } from '../../../runtime/actor/seams-node.ts';
import { ControlPlane } from '../control-plane.ts';
import type { ClusterNode } from '../membership.ts';
import { RedisControlStore } from '../redis-store.ts';
import { controlDefaults } from '../timing.ts';
import type { ControlTiming } from '../timing.ts';
import { infoOf } from './contract.ts';
import { IoredisCalls } from './ioredis-calls.ts';

export const timing: ControlTiming = { ...controlDefaults, heartbeatMs: 60, leaseTtlMs: 400, callTimeMaxMs: 200, settleMs: 150 };
const BITS = 5;
const STARTS_MAX = 20;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class HastyNode {
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
    // A call ends soon here, and the first one may have a lot to load.
    for (let tries = 1; ; tries++) {
      try {
        await this.plane.start();
        return this;
      } catch (error) {
        if (tries === STARTS_MAX) throw error;
      }
    }
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

/** It holds within 20 s, or the test fails. */
export async function until(t: Test, what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 20_000;
  while (!(await isSo()) && performance.now() < untilMs) await sleep(10);
  t.ok(await isSo(), what);
}
