/** What a fault is to a campaign: it strikes, lasts, and is healed; what it needs of the world is here. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Book } from '../../runtime/faults/book.ts';
import type { ShiftedClock } from '../../runtime/testing/shifted-clock.ts';
import type { SlowDisk } from '../../runtime/testing/slow-disk.ts';
import type { ClusterActors } from './cluster-actors.ts';
import type { ClusterLoad } from './cluster-load.ts';
import type { ClusterRig, RigNode } from './cluster-rig.ts';

const STEP_MS = 50;
const BREAK_MS = 500;

export interface World {
  readonly rig: ClusterRig;
  readonly load: ClusterLoad;
  readonly book: Book;
  readonly actors: ClusterActors;
  /** In `[0, 1)`. */
  readonly random: () => number;
  readonly leaseTtlMs: number;
  /** Of Redis; null when none of the campaign's faults sets it. */
  readonly clock: ShiftedClock | null;
  /** Of Redis; null when none of the campaign's faults slows it. */
  readonly disk: SlowDisk | null;
  /** Pauses that were measured, by what was measured. */
  readonly pauses: Map<string, number[]>;
  /** Shares of all buckets that had another owner afterwards, by what happened. */
  readonly movedShares: Map<string, number[]>;
}

/** A fault that has struck. */
export interface Strike {
  /** Resolves when it has lasted long enough. `answered` resolves when a command that was sent behind the strike was answered in every bucket. */
  lasts(answered: Promise<unknown>): Promise<unknown>;
  /** Resolves when what was broken works again, or begins to. */
  heal(): Promise<unknown>;
}

export interface Fault {
  readonly name: string;
  /** It sets the clock of Redis, which then must be one that can be set. */
  readonly setsClock?: boolean;
  /** It slows the disk of Redis, which then must be one that can be slowed. With everysec, Redis then loses what it acknowledged: its class allows it. */
  readonly slowsDisk?: boolean;
  /** Resolves when it has struck. */
  strike(world: World): Promise<Strike>;
}

/** A node that runs, at random, but for `not`. */
export function anyNode({ rig, random }: World, not: RigNode | null = null): RigNode {
  const nodes = rig.running.filter((node) => node !== not);
  const node = nodes[Math.floor(random() * nodes.length)];
  if (node === undefined) throw new Error('no node runs');
  return node;
}

export function between({ random }: Pick<World, 'random'>, fromMs: number, toMs: number): number {
  return Math.round(fromMs + random() * (toMs - fromMs));
}

/** The time is up that others have seen go by: a machine that has stood still for a moment starts their leases anew (L2 of liveness.ts). */
export async function unbroken(ms: number): Promise<void> {
  for (let since = performance.now(), before = since; before - since < ms; ) {
    await sleep(STEP_MS);
    const now = performance.now();
    if (now - before > BREAK_MS) since = now;
    before = now;
  }
}

/** Resolves with the work, or after the time. */
export async function atMost(timeMaxMs: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeMaxMs);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
