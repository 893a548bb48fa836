/** Faults of Redis, and of the connections to it. */

import { setTimeout as sleep } from 'node:timers/promises';

import { anyNode, atMost, between, unbroken } from './fault.ts';
import type { Fault, Strike, World } from './fault.ts';
import type { RigNode } from './cluster-rig.ts';

const SLOW_MS = 500;
/** A synchronisation begins once a second. */
const SLOW_DISK_MIN_MS = 1_200;
const SLOW_DISK_MAX_MS = 4_000;
const BUSY_MS = 6_000;
const BUSY_REPLY_MS = 300;
const HOUR_S = 3_600;
const TIME_MAX_MS = 3_000;

export const killStore: Fault = {
  name: 'Redis is killed and started again',
  async strike(world) {
    await world.rig.redis.kill();
    return { lasts: () => sleep(between(world, 300, 2 * world.leaseTtlMs)), heal: () => world.rig.redis.restart() };
  },
};

/** As long as a synchronisation lasts, `always` answers nobody, and `everysec` answers everybody before it writes. */
export const killSlowStore: Fault = {
  name: 'Redis is killed while its disk is slow',
  slowsDisk: true,
  async strike(world) {
    const { rig, disk } = world;
    if (disk === null) throw new Error('this Redis was started with a disk that cannot be slowed');
    disk.hold();
    await sleep(between(world, SLOW_DISK_MIN_MS, SLOW_DISK_MAX_MS));
    await rig.redis.kill();
    disk.release();
    return { lasts: () => sleep(between(world, 300, 2 * world.leaseTtlMs)), heal: () => rig.redis.restart() };
  },
};

export const suspendStore: Fault = {
  name: 'Redis stands still',
  async strike(world) {
    await world.rig.redis.suspend();
    return { lasts: () => sleep(between(world, 500, 2 * world.leaseTtlMs)), heal: () => world.rig.redis.resume() };
  },
};

export const slowStore: Fault = {
  name: `Redis answers after ${SLOW_MS} ms`,
  async strike({ rig }) {
    for (const { toStore } of rig.nodes) toStore.delay(SLOW_MS / 2);
    return { lasts: () => sleep(4_000), heal: async () => rig.nodes.forEach(({ toStore }) => toStore.heal()) };
  },
};

/** A script runs for long: Redis answers BUSY to everybody, and does nothing. */
export const busyStore: Fault = {
  name: `Redis is busy with a script for ${BUSY_MS} ms`,
  async strike({ rig }) {
    await rig.redis.command('CONFIG', 'SET', 'busy-reply-threshold', BUSY_REPLY_MS);
    // A script has no clock: it ends when it is killed, which it may be as long as it has written nothing.
    const script = rig.redis.command('EVAL', 'while true do end', 0).catch((error: unknown) => error);
    await sleep(BUSY_REPLY_MS / 2);
    return {
      lasts: () => sleep(BUSY_MS),
      heal: async () => {
        await rig.redis.command('SCRIPT', 'KILL');
        await script;
      },
    };
  },
};

/** Appends are executed, and their answers never come. */
export const cutRequests: Fault = {
  name: 'connections to Redis are cut with appends under way',
  async strike(world) {
    const { rig, load } = world;
    const cuts = rig.running.map(({ toStore }) => toStore.cutBeforeReply((bytes) => bytes.includes('append_')));
    load.burst(100);
    await Promise.race([Promise.all(cuts), sleep(3_000)]);
    return { lasts: async () => undefined, heal: async () => undefined };
  },
};

function cutOff(world: World, node: RigNode): Strike {
  return {
    lasts: () => unbroken(between(world, 1.5 * world.leaseTtlMs, 3 * world.leaseTtlMs)),
    heal: async () => {
      node.toStore.heal();
      await node.toStore.accept();
    },
  };
}

export const cutFromStore: Fault = {
  name: 'a node is cut off from Redis: it hears nothing',
  async strike(world) {
    const node = anyNode(world);
    node.toStore.blackhole('both');
    return cutOff(world, node);
  },
};

export const refusedByStore: Fault = {
  name: 'a node is cut off from Redis: its connections are refused',
  async strike(world) {
    const node = anyNode(world);
    await node.toStore.refuse();
    return cutOff(world, node);
  },
};

/** What the node asks arrives, all of it when the fault is over; or is done, and not answered. */
export const cutOneWay: Fault = {
  name: 'a node is cut off from Redis in one direction',
  async strike(world) {
    const node = anyNode(world);
    node.toStore.blackhole(world.random() < 0.5 ? 'up' : 'down');
    return cutOff(world, node);
  },
};

/** Forward or back; healed, it jumps the other way. Nothing may rest on it, so nothing is to be seen. */
export const clockJumps: Fault = {
  name: 'the wall clock of Redis jumps by an hour',
  setsClock: true,
  async strike(world) {
    const { rig, clock } = world;
    if (clock === null) throw new Error('this Redis was started with a clock that cannot be set');
    const jump = clock.jump(world.random() < 0.5 ? HOUR_S : -HOUR_S, rig.redis);
    // Another fault may keep Redis from telling the time; its clock has jumped all the same.
    await atMost(TIME_MAX_MS, rig.redis.isRunning ? jump : jump.catch(() => undefined));
    return { lasts: () => sleep(between(world, world.leaseTtlMs, 3 * world.leaseTtlMs)), heal: async () => clock.set(0) };
  },
};
