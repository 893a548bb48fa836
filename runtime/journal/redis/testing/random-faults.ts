/** Random faults, from a seed, under two owners that take their buckets from each other, each behind a proxy of its own. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { RedisServer } from '../../../testing/redis-server.ts';
import type { Directions, StalledRequest, TcpProxy } from '../../../testing/tcp-proxy.ts';
import { Dice } from '../../contract-model.ts';
import type { Owner } from './owner.ts';

export interface Side {
  readonly owner: Owner;
  readonly proxy: TcpProxy;
}

export interface FaultsOptions {
  readonly seed: number;
  readonly redis: RedisServer;
  readonly sides: readonly Side[];
  readonly buckets: number;
}

const STEP_MS_MAX = 60;
const BUSY_MS = 120;

export class RandomFaults {
  /** How often each fault struck. */
  readonly struck = new Map<string, number>();
  /** Appends on their way when a fault struck, summed up. */
  inFlight = 0;
  /** Stalled requests that arrived late. */
  late = 0;
  private readonly dice: Dice;
  private readonly options: FaultsOptions;
  private readonly stalled: StalledRequest[] = [];

  constructor(options: FaultsOptions) {
    this.options = options;
    this.dice = new Dice(options.seed);
  }

  async run(durationMs: number): Promise<void> {
    const end = performance.now() + durationMs;
    while (performance.now() < end) {
      await sleep(this.dice.below(STEP_MS_MAX));
      await this.step();
    }
    for (const { proxy } of this.options.sides) proxy.heal();
    await this.deliver(0);
  }

  private async step(): Promise<void> {
    const { dice } = this;
    const { redis, sides, buckets } = this.options;
    const side = dice.pick(sides);
    const { proxy } = side;
    const work = dice.below(100);
    if (work < 40) {
      for (const index of Array.from({ length: buckets }, (_, i) => i)) if (dice.below(2) === 0) side.owner.claim(index);
    } else if (work < 48) this.strike('cut', () => proxy.cut());
    else if (work < 56) this.strike('cut before the reply', () => void proxy.cutBeforeReply());
    else if (work < 62) this.strike('torn', () => void proxy.cutAfter(dice.below(300), dice.pick(['up', 'down'])));
    else if (work < 72) this.strike('stall', () => void proxy.stall().then((request) => this.stalled.push(request)));
    else if (work < 80) await this.deliver(dice.below(3));
    else if (work < 86) {
      this.strike('black hole', () => proxy.blackhole(dice.pick<Directions>(['up', 'down', 'both'])));
      await sleep(dice.below(500));
      proxy.heal();
    } else if (work < 90) this.strike('slow', () => proxy.delay(dice.below(60)));
    else if (work < 93) {
      this.strike('stopped', () => undefined);
      await redis.suspend();
      await sleep(dice.below(500));
      await redis.resume();
    } else if (work < 95) {
      this.strike('killed', () => undefined);
      await redis.kill();
      await redis.restart();
    } else if (work < 97) {
      this.strike('full', () => undefined);
      await redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
      await sleep(dice.below(100));
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    } else if (work < 99) {
      this.strike('busy', () => undefined);
      const script = `local t = redis.call('TIME') local e = t[1] * 1e6 + t[2] + ${BUSY_MS * 1_000} repeat t = redis.call('TIME') until t[1] * 1e6 + t[2] > e`;
      await redis.command('EVAL', script, 0);
    } else {
      this.strike('functions gone', () => undefined);
      await redis.command('FUNCTION', 'FLUSH');
    }
  }

  private strike(name: string, fault: () => void): void {
    this.struck.set(name, (this.struck.get(name) ?? 0) + 1);
    for (const { owner } of this.options.sides) this.inFlight += owner.inFlight;
    fault();
  }

  /** The stalled requests from number `keep` on arrive, if the server still knows their connection. */
  private async deliver(keep: number): Promise<void> {
    for (const request of this.stalled.splice(keep)) {
      const answer = await Promise.race([request.deliver().catch(() => null), sleep(1_000, null)]);
      if (answer !== null) this.late++;
    }
  }
}
