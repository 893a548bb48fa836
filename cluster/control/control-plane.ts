/**
 * The control plane of one node, as the rest of the node sees it: start and stop, what is known of the cluster, and what a node or an
 * operator can say about buckets.
 */

import type { Clock, Log, Scheduler as Timers } from '../../runtime/actor/seams.ts';
import { TroupeError } from '../../runtime/codec/errors.ts';
import { plan } from '../allocation.ts';
import type { PlannedRound } from '../allocation.ts';
import type { Assignment, BucketMap } from '../bucket-map.ts';
import { checkFounded, controlLimits } from './control-store.ts';
import type { AcceptOutcome, ClusterConfig, ClusterRecord, ControlStore, NodeInfo, NodeRef, Opened, OperatorAnswer, ReleaseOutcome } from './control-store.ts';
import type { Liveness } from './liveness.ts';
import { Membership } from './membership.ts';
import type { ClusterState, MembershipEvents } from './membership.ts';
import { allocationOf, Scheduler } from './scheduler.ts';
import { checkTiming } from './timing.ts';
import type { ControlTiming } from './timing.ts';

export interface ControlEvents extends MembershipEvents {
  /** The term, when this node comes into office as scheduler; null when it is no longer. */
  onLead(term: number | null): void;
  /** This node, as scheduler, has changed the map that was `before`. */
  onPublished?(version: number, changes: readonly Assignment[], before: BucketMap): void;
}

export interface ControlPlaneOptions {
  readonly store: ControlStore;
  /** Of the cluster, if this node is the first one. */
  readonly config: ClusterConfig;
  /** Stays the same when the process is started anew. One to 64 letters, digits, dots, hyphens and underscores. */
  readonly id: string;
  /** Drawn at random when the process starts. */
  readonly incarnation: string;
  /** Asked before every beat. */
  readonly info: () => NodeInfo;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly timers: Pick<Timers, 'later'>;
  readonly timing: ControlTiming;
  readonly log: Log;
  readonly events: ControlEvents;
  /** What each bucket costs, by index, once it is measured. */
  readonly costs?: () => ArrayLike<number> | null;
  readonly liveness?: Liveness;
}

export class ControlPlane {
  private readonly options: ControlPlaneOptions;
  private readonly membership: Membership;

  /** @throws TroupeError CONFIG_INVALID for an id that will not do */
  constructor(options: ControlPlaneOptions) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(options.id)) {
      throw new TroupeError('CONFIG_INVALID', `${JSON.stringify(options.id)} is no id of a node: 1 to 64 letters, digits, dots, hyphens and underscores`);
    }
    checkTiming(options.timing);
    const scheduler = new Scheduler({ ...options, onLead: (term) => options.events.onLead(term), onPublished: (...published) => options.events.onPublished?.(...published) });
    this.options = options;
    this.membership = new Membership({ ...options, foundAgain: () => this.foundAgain(), turn: (state, liveness) => scheduler.turn(state, liveness) });
  }

  /**
   * Finds or founds the cluster, and begins to beat. The first map comes by `onMap`.
   * @throws TroupeError CONFIG_INVALID, JOURNAL_VERSION (checkFounded); Error when the store does not answer
   */
  async start(): Promise<ClusterRecord> {
    const { store, config } = this.options;
    const found = await store.found(config);
    checkFounded(config, found);
    this.membership.start();
    return found;
  }

  /** Leaves the cluster. What this node still owns is then given to others at once: drain it first. */
  async stop(): Promise<void> {
    await this.membership.stop();
  }

  /** What the last answered beat said; null before the first. */
  get state(): ClusterState | null {
    return this.membership.state;
  }

  /** This node has opened these buckets. One outcome each, in order. @throws Error of the store: then say it again */
  async accept(opened: readonly Opened[]): Promise<AcceptOutcome[]> {
    return this.inCalls(opened, (some) => this.options.store.accept(this.self(), some));
  }

  /** This node gives these buckets up, or does not take them over. One outcome each, in order. @throws Error of the store */
  async release(indexes: readonly number[]): Promise<ReleaseOutcome[]> {
    return this.inCalls(indexes, (some) => this.options.store.release(this.self(), some));
  }

  /** An operator wants a node emptied, or no longer. @throws Error of the store */
  async drain(id: string, wanted: boolean): Promise<OperatorAnswer> {
    return this.told(await this.options.store.drain(id, wanted));
  }

  /** An operator wants a bucket on this node; with null, wherever it fits. @throws Error of the store */
  async move(index: number, id: string | null): Promise<OperatorAnswer> {
    return this.told(await this.options.store.pin(index, id));
  }

  /** What the scheduler would do, round for round, if nothing else happened; empty at rest and before the first beat. */
  plan(): PlannedRound[] {
    const { timing, costs } = this.options;
    return this.state === null ? [] : plan(allocationOf(this.state, timing, costs?.() ?? null));
  }

  /** Something changed elsewhere: beats before its time. */
  lookSoon(): void {
    this.membership.beatSoon();
  }

  /** Resolves when a beat that began after this call was answered. @throws TroupeError STORE_UNAVAILABLE when none is for a while */
  async refreshed(): Promise<void> {
    const { clock, timers, timing } = this.options;
    const since = clock.monotonic();
    const until = since + 2 * timing.heartbeatMs + timing.callTimeMaxMs;
    // The first one may have been on its way already.
    for (let shown = this.state, answered = 0; clock.monotonic() < until; ) {
      this.lookSoon();
      await new Promise<void>((resolve) => timers.later(timing.beatGapMinMs, resolve));
      if (this.state === shown) continue;
      shown = this.state;
      if (++answered === 2) return;
    }
    throw new TroupeError('STORE_UNAVAILABLE', 'the control plane does not answer');
  }

  private async foundAgain(): Promise<boolean> {
    const { store, config } = this.options;
    return (await store.found(config)).id === config.id;
  }

  private self(): NodeRef {
    if (this.state === null) throw new TroupeError('NOT_READY', 'this node has not joined the cluster yet');
    return this.state.self;
  }

  private async inCalls<I, O>(items: readonly I[], call: (some: readonly I[]) => Promise<O[]>): Promise<O[]> {
    const outcomes: O[] = [];
    for (let from = 0; from < items.length; from += controlLimits.bucketsPerCallMax) {
      outcomes.push(...(await call(items.slice(from, from + controlLimits.bucketsPerCallMax))));
    }
    return this.told(outcomes);
  }

  private told<T>(answer: T): T {
    this.membership.beatSoon();
    return answer;
  }
}
