/** The faults of a campaign, by the names of the command line, and how some are drawn at random. */

import type { Fault, World } from './fault.ts';
import { drain, handOff, join, killAll, killAllAndStore, killNode, killSandboxes, killScheduler, leave, leaveWithoutStore, restartNode, stopAll, suspendBriefly, suspendNode } from './node-faults.ts';
import { isolated, isolatedInSilence, noPeers, peersOneWay, silentToPeers, unreachableByPeers } from './peer-faults.ts';
import { busyStore, clockJumps, cutFromStore, cutOneWay, cutRequests, killSlowStore, killStore, refusedByStore, slowStore, suspendStore } from './store-faults.ts';

export const faultsByName = {
  'kill': killNode,
  'kill-scheduler': killScheduler,
  'restart': restartNode,
  'kill-sandboxes': killSandboxes,
  'kill-all': killAll,
  'kill-all-and-store': killAllAndStore,
  'suspend': suspendNode,
  'suspend-briefly': suspendBriefly,
  'leave': leave,
  'leave-without-store': leaveWithoutStore,
  'stop-all': stopAll,
  'join': join,
  'hand-off': handOff,
  'drain': drain,
  'store-killed': killStore,
  'store-killed-slow': killSlowStore,
  'store-suspended': suspendStore,
  'store-slow': slowStore,
  'store-busy': busyStore,
  'store-cut-requests': cutRequests,
  'store-cut': cutFromStore,
  'store-refused': refusedByStore,
  'store-one-way': cutOneWay,
  'store-clock': clockJumps,
  'peer-unreachable': unreachableByPeers,
  'peer-silent': silentToPeers,
  'peer-one-way': peersOneWay,
  'peer-isolated': isolated,
  'peer-isolated-in-silence': isolatedInSilence,
  'no-peers': noPeers,
} as const satisfies Record<string, Fault>;

/** What can happen together: neither needs a cluster at rest, and both leave somebody to answer. */
const together: readonly Fault[] = [
  killNode, killScheduler, restartNode, killSandboxes, suspendNode, suspendBriefly, killStore, suspendStore, slowStore, cutRequests, cutFromStore, refusedByStore, cutOneWay,
  clockJumps, unreachableByPeers, silentToPeers, peersOneWay, isolated, isolatedInSilence, noPeers,
];

/** Two at once: the second strikes while the first one lasts, and both are healed together. */
export function both(first: Fault, second: Fault): Fault {
  return {
    name: `${first.name}, and ${second.name}`,
    setsClock: first.setsClock === true || second.setsClock === true,
    slowsDisk: first.slowsDisk === true || second.slowsDisk === true,
    async strike(world: World) {
      const strikes = [await first.strike(world)];
      try {
        strikes.push(await second.strike(world));
      } catch (error) {
        await strikes[0]!.heal();
        throw error;
      }
      return {
        lasts: (answered) => Promise.all(strikes.map((strike) => strike.lasts(answered))),
        heal: () => Promise.all(strikes.map((strike) => strike.heal())),
      };
    },
  };
}

/** Every fault once before any comes again, in random order; one of four is two at once. Where Redis `mayLose`, by its class, none that makes it. */
export function randomFaults(count: number, random: () => number, mayLose: boolean): Fault[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const faults: Fault[] = [];
  const all: readonly Fault[] = Object.values(faultsByName);
  let left: Fault[] = [];
  while (faults.length < count) {
    if (faults.length % 4 === 3) {
      const first = pick(together);
      faults.push(both(first, pick(together.filter((fault) => fault !== first))));
      continue;
    }
    if (left.length === 0) left = all.filter(({ slowsDisk }) => !mayLose || slowsDisk !== true);
    faults.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return faults;
}
