/**
 * The scheduler of buckets: every node has one, and one of them is in office. It has its turn after each answered beat.
 *
 * E1  Who sees the scheduler dead, or none, campaigns for the next term with the term it saw; the store lets one win (C4).
 * E2  A node learns from beats alone whether it is in office. What it still publishes after it was deposed is refused.
 * E3  A scheduler keeps nothing between turns that another would need: map, nodes and wishes are in the store. Publishing what `allocate`
 *     says is all it does, and at rest that is nothing.
 * E4  While no living node owns anything, a start of the whole cluster is likely: buckets are given out once the nodes are settled. [The first
 *     of ten nodes gets every bucket, and gives nine tenths of them away.]
 */

import type { Log } from '../../runtime/actor/seams.ts';
import { allocate } from '../allocation.ts';
import type { AllocationInput } from '../allocation.ts';
import type { Assignment, BucketMap } from '../bucket-map.ts';
import { controlLimits } from './control-store.ts';
import type { ControlStore } from './control-store.ts';
import type { Liveness } from './liveness.ts';
import type { ClusterNode, ClusterState } from './membership.ts';
import type { ControlTiming } from './timing.ts';

export interface SchedulerOptions {
  readonly store: ControlStore;
  readonly timing: ControlTiming;
  readonly log: Log;
  /** What each bucket costs, by index, once it is measured. */
  readonly costs?: () => ArrayLike<number> | null;
  /** The term, when this node comes into office; null when it is no longer. */
  readonly onLead: (term: number | null) => void;
  readonly onPublished: (version: number, changes: readonly Assignment[], before: BucketMap) => void;
}

/** What `allocate` and `plan` need of a cluster. */
export function allocationOf(state: ClusterState, timing: ControlTiming, costs: ArrayLike<number> | null): AllocationInput {
  return {
    map: state.map,
    nodes: state.nodes.filter((node) => node.alive).map(({ number, draining, info }) => ({ number, draining, weight: info.weight })),
    pins: state.pins,
    ...(costs === null ? {} : { costs }),
    movesPerRoundMax: timing.movesPerRoundMax,
    movesPerNodeMax: timing.movesPerNodeMax,
    movesInFlightMax: timing.movesInFlightMax,
  };
}

export class Scheduler {
  private readonly options: SchedulerOptions;
  private term: number | null = null;
  private living: readonly number[] = [];
  /** Of which `living` was made. */
  private nodes: readonly ClusterNode[] = [];
  private livingSinceMs = 0;

  constructor(options: SchedulerOptions) {
    this.options = options;
  }

  /** Answers whether there is something to see that the last beat did not show. @throws Error of the store */
  async turn(state: ClusterState, liveness: Liveness): Promise<boolean> {
    const { lead, self, nodes } = state;
    this.watchLiving(state);
    this.setTerm(lead.node === self.number ? lead.term : null);
    if (this.term !== null) return this.rule(state, liveness);
    if (nodes.some(({ number, alive }) => number === lead.node && alive)) return false;
    await this.options.store.campaign(self, lead.term);
    return true;
  }

  private async rule(state: ClusterState, liveness: Liveness): Promise<boolean> {
    const { store, timing, costs } = this.options;
    await this.tidyUp(state, liveness);
    if (this.isStarting(state)) return false;
    const changes = allocate(allocationOf(state, timing, costs?.() ?? null));
    if (changes.length === 0) return false;
    // Refused or not, the next beat shows how things stand (E2).
    const some = changes.slice(0, controlLimits.bucketsPerCallMax);
    const { kind, mapVersion } = await store.publish(state.lead, state.map.version, some);
    if (kind === 'published') this.options.onPublished(mapVersion, some, state.map);
    return true;
  }

  /** Strikes out nodes that have been dead for long, and pins to numbers that are no more. */
  private async tidyUp({ lead, nodes, pins }: ClusterState, liveness: Liveness): Promise<void> {
    const gone = nodes.filter(({ number, alive }) => !alive && liveness.silentMs(number) >= this.options.timing.forgetAfterMs).map(({ id, number }) => ({ id, number }));
    const known = new Set(nodes.map(({ number }) => number));
    for (const number of new Set(pins.values())) if (!known.has(number)) gone.push({ id: '', number });
    for (const node of gone) {
      if (node.id !== '') this.options.log.info({ node: node.id }, 'striking out a node that has been dead for long');
      await this.options.store.forget(lead, node);
    }
  }

  private watchLiving({ nodes, nowMs }: ClusterState): void {
    if (nodes === this.nodes) return;
    this.nodes = nodes;
    const living = nodes.filter(({ alive }) => alive).map(({ number }) => number);
    if (living.length === this.living.length && living.every((number, i) => number === this.living[i])) return;
    this.living = living;
    this.livingSinceMs = nowMs;
  }

  /** E4 */
  private isStarting({ map, nodes, nowMs }: ClusterState): boolean {
    if (nowMs - this.livingSinceMs >= this.options.timing.settleMs) return false;
    const living = new Set(nodes.filter(({ alive }) => alive).map(({ number }) => number));
    for (let index = 0; index < map.size; index++) if (living.has(map.ownerOf(index))) return false;
    return true;
  }

  private setTerm(term: number | null): void {
    if (term === this.term) return;
    this.term = term;
    this.options.onLead(term);
  }
}
