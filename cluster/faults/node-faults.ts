/** Faults of processes: nodes that are killed, suspended, ended, emptied and added, and buckets that change hands under load. */

import { setTimeout as sleep } from 'node:timers/promises';

import { descendantsOf, isAlive } from '../../runtime/faults/proc.ts';
import type { RigNode } from './cluster-rig.ts';
import { anyNode, atMost, between, unbroken } from './fault.ts';
import type { Fault, Strike, World } from './fault.ts';

/** Longer than any fail-over takes; what is not answered by then is waited for after the heal. */
const FAILOVER_MAX_MS = 15_000;
const HAND_OFF_BUCKETS = 32;
const HAND_OFF_MAX_MS = 20_000;
/** Between two commands to an actor whose pauses are measured. */
const PACE_MS = 2;

function killed(nodes: readonly RigNode[]): Strike {
  return {
    lasts: (answered) => atMost(FAILOVER_MAX_MS, answered),
    heal: async () => nodes.forEach((node) => node.start()),
  };
}

export const killNode: Fault = {
  name: 'kill -9 of a node',
  async strike(world) {
    const node = anyNode(world, world.rig.running.length > 1 ? await world.rig.scheduler() : null);
    await node.kill();
    return killed([node]);
  },
};

export const killScheduler: Fault = {
  name: 'kill -9 of the scheduler',
  async strike(world) {
    const node = (await world.rig.scheduler()) ?? anyNode(world);
    await node.kill();
    return killed([node]);
  },
};

/** Killed and back before anybody has taken it for dead. */
export const restartNode: Fault = {
  name: 'kill -9 of a node, started again at once',
  async strike(world) {
    const node = anyNode(world);
    await node.kill();
    node.start();
    return { lasts: async () => undefined, heal: async () => undefined };
  },
};

/** The node lives on, and brings its actors back in another process. */
export const killSandboxes: Fault = {
  name: 'kill -9 of the sandboxes of a node',
  async strike(world) {
    const node = anyNode(world);
    for (const pid of descendantsOf(node.process!.pid)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    return { lasts: async () => undefined, heal: async () => undefined };
  },
};

export const killAll: Fault = {
  name: 'kill -9 of all nodes',
  async strike({ rig }) {
    const nodes = rig.running;
    await Promise.all(nodes.map((node) => node.kill()));
    return { ...killed(nodes), lasts: async () => undefined };
  },
};

export const killAllAndStore: Fault = {
  name: 'kill -9 of all nodes and of Redis',
  async strike({ rig }) {
    const nodes = rig.running;
    await Promise.all([rig.redis.kill(), ...nodes.map((node) => node.kill())]);
    return {
      lasts: async () => undefined,
      heal: async () => {
        // Nodes refuse to start without a store.
        await rig.redis.restart();
        for (const node of nodes) node.start();
      },
    };
  },
};

export const suspendNode: Fault = {
  name: 'a node stands still for longer than its lease',
  async strike(world) {
    const node = anyNode(world);
    node.suspend();
    return {
      lasts: () => unbroken(between(world, 1.5 * world.leaseTtlMs, 3 * world.leaseTtlMs)),
      heal: async () => node.resume(),
    };
  },
};

export const suspendBriefly: Fault = {
  name: 'a node stands still for less than its lease',
  async strike(world) {
    const node = anyNode(world);
    node.suspend();
    return { lasts: () => sleep(between(world, 100, 0.7 * world.leaseTtlMs)), heal: async () => node.resume() };
  },
};

/** SIGTERM: the node hands its buckets over and ends. */
export const leave: Fault = {
  name: 'a node leaves, in order',
  async strike(world) {
    const node = anyNode(world);
    const buckets = await world.rig.bucketsOf(node);
    const before = await world.rig.owners();
    let ended: Promise<void> = Promise.resolve();
    const measured = pausesOf(world, 'leave', buckets, async () => {
      ended = node.stop();
      await ended;
    });
    return {
      lasts: async () => {
        await measured;
        await ended;
        await noteMoved(world, 'leave', before);
      },
      heal: async () => node.start(),
    };
  },
};

/** The whole cluster is shut down, in order. */
export const stopAll: Fault = {
  name: 'all nodes leave at once, in order',
  async strike({ rig }) {
    const nodes = rig.running;
    await Promise.all(nodes.map((node) => node.stop()));
    return { ...killed(nodes), lasts: async () => undefined };
  },
};

/** SIGTERM while there is no Redis: nothing can be handed over, and the node ends all the same. */
export const leaveWithoutStore: Fault = {
  name: 'a node leaves while Redis is away',
  async strike(world) {
    const node = anyNode(world);
    await world.rig.redis.kill();
    const ended = node.stop();
    return {
      lasts: () => ended,
      heal: async () => {
        await world.rig.redis.restart();
        node.start();
      },
    };
  },
};

/** One more node takes its share, and leaves again. */
export const join: Fault = {
  name: 'a node joins',
  async strike(world) {
    const { rig } = world;
    const before = await rig.owners();
    const spare = rig.nodes.find(({ isRunning }) => !isRunning) ?? (await rig.add());
    spare.start();
    return {
      lasts: async () => {
        await rig.whole();
        await noteMoved(world, 'join', before);
      },
      heal: () => spare.stop(),
    };
  },
};

/** An operator wants buckets elsewhere. */
export const handOff: Fault = {
  name: 'buckets are handed over',
  async strike(world) {
    const { rig } = world;
    const node = anyNode(world);
    const moved = (await rig.bucketsOf(node)).sort(() => world.random() - 0.5).slice(0, HAND_OFF_BUCKETS);
    const to = rig.running.length > 1 ? anyNode(world, node) : node;
    const isMoved = async (): Promise<boolean> => {
      const there = new Set(await rig.bucketsOf(to));
      return moved.every((index) => there.has(index));
    };
    const measured = pausesOf(world, 'hand-off', moved, async () => {
      await rig.operate((store) => Promise.all(moved.map((index) => store.pin(index, to.name))));
      await until(HAND_OFF_MAX_MS, isMoved);
    });
    return {
      lasts: () => measured,
      heal: () => rig.operate((store) => Promise.all(moved.map((index) => store.pin(index, null)))),
    };
  },
};

/** An operator wants a node emptied, and thinks better of it afterwards. */
export const drain: Fault = {
  name: 'a node is emptied',
  async strike(world) {
    const { rig } = world;
    const node = anyNode(world);
    const measured = pausesOf(world, 'drain', await rig.bucketsOf(node), async () => {
      await rig.operate((store) => store.drain(node.name, true));
      await until(HAND_OFF_MAX_MS, async () => (await rig.bucketsOf(node)).length === 0);
    });
    return { lasts: () => measured, heal: () => rig.operate((store) => store.drain(node.name, false)) };
  },
};

/** Notes how many buckets have another owner than `before`. */
async function noteMoved({ rig, movedShares }: World, what: string, before: readonly number[]): Promise<void> {
  const owners = await rig.owners();
  const share = owners.filter((owner, index) => owner !== before[index]).length / owners.length;
  movedShares.set(what, [...(movedShares.get(what) ?? []), share]);
}

/**
 * Sends to one actor in each bucket, the next command when the last one is answered, while `work` lasts, and keeps the longest time
 * between two answers of each: what a client sees of a bucket that changes hands.
 */
async function pausesOf({ load, actors, pauses }: World, what: string, buckets: readonly number[], work: () => Promise<unknown>): Promise<void> {
  let isEnded = false;
  const longest = buckets.map(async (index) => {
    let longestMs = 0;
    while (!isEnded) {
      longestMs = Math.max(longestMs, await load.ask(actors.probes[index]!));
      await sleep(PACE_MS);
    }
    return longestMs;
  });
  try {
    await work();
  } finally {
    isEnded = true;
    const list = pauses.get(what) ?? [];
    pauses.set(what, list.concat(await Promise.all(longest)));
  }
}

/** @throws Error when it does not hold in time */
async function until(timeMaxMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + timeMaxMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${timeMaxMs} ms: what an operator asked for`);
    await sleep(25);
  }
}
