/** Faults of the network between nodes. All of them reach Redis, so nobody is taken for dead, and nobody's buckets go elsewhere. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { RigNode } from './cluster-rig.ts';
import { anyNode, between } from './fault.ts';
import type { Fault, Strike, World } from './fault.ts';

function cutOff(world: World, nodes: readonly RigNode[]): Strike {
  return {
    lasts: () => sleep(between(world, world.leaseTtlMs, 3 * world.leaseTtlMs)),
    heal: async () => {
      for (const { fromPeers } of nodes) fromPeers.heal();
      await Promise.all(nodes.map(({ fromPeers }) => fromPeers.accept()));
    },
  };
}

export const unreachableByPeers: Fault = {
  name: 'a node is not reached by others',
  async strike(world) {
    const node = anyNode(world);
    await node.fromPeers.refuse();
    return cutOff(world, [node]);
  },
};

export const silentToPeers: Fault = {
  name: 'what others ask of a node vanishes',
  async strike(world) {
    const node = anyNode(world);
    node.fromPeers.blackhole('both');
    return cutOff(world, [node]);
  },
};

export const peersOneWay: Fault = {
  name: 'what others ask of a node, or its answers, vanish',
  async strike(world) {
    const node = anyNode(world);
    node.fromPeers.blackhole(world.random() < 0.5 ? 'up' : 'down');
    return cutOff(world, [node]);
  },
};

export const noPeers: Fault = {
  name: 'no node reaches another',
  async strike(world) {
    const { nodes } = world.rig;
    await Promise.all(nodes.map(({ fromPeers }) => fromPeers.refuse()));
    return cutOff(world, nodes);
  },
};
