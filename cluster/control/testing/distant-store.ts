/**
 * The store in memory, as a node at the far end of a network has it: calls take time, some are lost on the way there or back, and during
 * an outage all are. Whoever is told of a call that took effect sees the store before and after it.
 */

import type { Random } from '../../../runtime/actor/testing/random-actor.ts';
import type { ControlStore } from '../control-store.ts';
import type { ProcessTime, VirtualTime } from './virtual-time.ts';

export interface Network {
  readonly time: VirtualTime;
  readonly random: Random;
  isDown: boolean;
  /** One call in so many is lost on its way there, and one on its way back. */
  readonly lossOneIn: number;
  readonly callTimeMaxMs: number;
  /** A call takes effect now. `work` must be called once, and its answer answered. */
  observe(name: keyof ControlStore, args: readonly unknown[], work: () => Promise<unknown>): Promise<unknown>;
}

/** `near` as the process with this time reaches it; `onLost` is told of calls that were lost outside of an outage. */
export function distantStore(near: ControlStore, network: Network, process: ProcessTime, onLost: () => void): ControlStore {
  const { time, random } = network;
  const call = async (name: keyof ControlStore, args: readonly unknown[]): Promise<unknown> => {
    const sentMs = time.nowMs;
    const isLost = (): boolean => {
      const lost = random.below(network.lossOneIn) === 0;
      if (lost) onLost();
      return lost;
    };
    const fail = async (): Promise<never> => {
      await process.sleep(Math.max(0, sentMs + network.callTimeMaxMs - time.nowMs));
      throw new Error('no answer in time');
    };
    if (isLost()) return fail();
    // On the wire, whatever becomes of the process that sent it.
    await new Promise<void>((resolve) => time.later(random.below(5), resolve));
    // Half of the calls of an outage are refused at once, as by a server that is gone; half get no answer.
    if (network.isDown && random.below(2) === 0) {
      await process.sleep(1);
      throw new Error('connection refused');
    }
    if (network.isDown) return fail();
    const answer = await network.observe(name, args, () => (near[name] as (...args: readonly unknown[]) => Promise<unknown>)(...args));
    if (isLost()) return fail();
    await process.sleep(random.below(5));
    return answer;
  };
  return new Proxy(near, { get: (_, name: keyof ControlStore) => (...args: readonly unknown[]) => call(name, args) });
}
