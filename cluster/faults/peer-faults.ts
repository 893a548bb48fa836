/**
 * Faults of the network between nodes. All of them reach Redis, so nobody is taken for dead, and nobody's buckets go elsewhere. Every node has one
 * proxy that all others dial; it tells them apart by their processes.
 */

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

/** Those too that do not run: one that is started meanwhile is not reached either. */
function othersThan({ rig }: World, node: RigNode): RigNode[] {
  return rig.nodes.filter((other) => other !== node);
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

/** What it dials and what is dialled to it ends, and is refused from then on; all others reach one another. */
export const isolated: Fault = {
  name: 'a node reaches no other, and none reaches it',
  async strike(world) {
    const node = anyNode(world);
    await node.fromPeers.refuse();
    for (const other of othersThan(world, node)) await other.fromPeers.refuse(other.isDialledBy(node));
    return cutOff(world, world.rig.nodes);
  },
};

/** As `isolated`; connections stay, and bytes are under way for as long as it lasts. */
export const isolatedInSilence: Fault = {
  name: 'what a node says to others and what they say to it vanishes',
  async strike(world) {
    const node = anyNode(world);
    node.fromPeers.blackhole('both');
    for (const other of othersThan(world, node)) other.fromPeers.blackhole('both', other.isDialledBy(node));
    return cutOff(world, world.rig.nodes);
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
