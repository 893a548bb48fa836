/**
 * A node's part in the cluster: it beats, learns from the answers who is there and which node owns which bucket, and lets the
 * scheduler have its turn on what it learned. One loop; nothing in it overlaps.
 *
 * B1  Beats that fail change nothing but the log: the node goes on with what it has, for it cannot do harm (the epochs see to that), and it
 *     declares nobody dead meanwhile (L2).
 * B2  What is shown is what the last answered beat said: map, nodes and lead belong together.
 * B3  A counter of its own that did not grow says that the store went back. Everything is then asked for anew, or a version of the map that
 *     was given twice, with different contents, would go unnoticed (C6).
 * B4  A node that was replaced by a newer incarnation beats no more.
 * B5  A store that was emptied is given the cluster again, under its own id: who is there and who should own what is found out anew, and the
 *     journal's epochs and incarnations see to it that nobody takes an emptied log for a sound one.
 * B6  The first beat joins the cluster, so nothing beats before `start`, whoever says that something changed. [A node that was killed starts
 *     again at the address where others know it. One of them tells it of a new map while it still looks whether somebody else has its name:
 *     it finds itself.]
 */

import type { Clock, Log, Scheduler as Timers } from '../../runtime/actor/seams.ts';
import { BucketMap, NO_NODE } from '../bucket-map.ts';
import type { ClusterView, ControlStore, Lead, NodeInfo, NodeRecord, NodeRef } from './control-store.ts';
import { Liveness } from './liveness.ts';
import type { ControlTiming } from './timing.ts';

/** A node as this node sees it. */
export interface ClusterNode {
  readonly id: string;
  readonly number: number;
  readonly incarnation: string;
  readonly info: NodeInfo;
  /** By its own will, or an operator's. */
  readonly draining: boolean;
  readonly alive: boolean;
}

/** All that the last answered beat said (B2). */
export interface ClusterState {
  readonly self: NodeRef;
  readonly lead: Lead;
  readonly map: BucketMap;
  /** All that are registered, by ascending number. */
  readonly nodes: readonly ClusterNode[];
  readonly pins: ReadonlyMap<number, number>;
  /** When the answer came, by the monotonic clock. */
  readonly nowMs: number;
}

export interface MembershipEvents {
  /** A map was fetched. `self` is this node in it: a node that had to join again has another number, and owns nothing. */
  onMap(map: BucketMap, self: NodeRef): void;
  /** Nodes came, went, died, came back to life, or changed what they tell about themselves, load aside. */
  onNodes(nodes: readonly ClusterNode[]): void;
  /** A newer incarnation runs under this id; this process should end. */
  onReplaced(): void;
  /** The store holds another cluster by now; this process should end. */
  onForeign(): void;
}

export interface MembershipOptions {
  readonly store: ControlStore;
  readonly id: string;
  readonly incarnation: string;
  /** Asked before every beat. */
  readonly info: () => NodeInfo;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly timers: Pick<Timers, 'later'>;
  readonly timing: ControlTiming;
  readonly log: Log;
  readonly events: MembershipEvents;
  /** What is to be done after each answered beat, before the next; answers whether to beat again at once. */
  /** The store has lost the cluster: founds it again under its own id. Answers false when the store holds another one. */
  readonly foundAgain: () => Promise<boolean>;
  readonly turn: (state: ClusterState, liveness: Liveness) => Promise<boolean>;
  readonly liveness?: Liveness;
}

export class Membership {
  private readonly options: MembershipOptions;
  private readonly liveness: Liveness;
  private number = NO_NODE;
  private counter = 0;
  private map: BucketMap | null = null;
  private current: ClusterState | null = null;
  /** As of the last answer. */
  private livenessChanges = 0;
  private isFailing = false;
  private isStarted = false;
  private isEnded = false;
  /** The round that runs, if any. */
  private round: Promise<void> | null = null;
  private isWantedAgain = false;
  /** Of the timer that counts; those set before it do nothing. */
  private timer = 0;
  private timerAtMs = Infinity;

  constructor(options: MembershipOptions) {
    this.options = options;
    this.liveness = options.liveness ?? new Liveness(options.timing.leaseTtlMs);
  }

  /** Null before the first answered beat. */
  get state(): ClusterState | null {
    return this.current;
  }

  start(): void {
    this.isStarted = true;
    this.beatAfter(0);
  }

  /** Something changed that others should learn, or this node: beats before its time. */
  beatSoon(): void {
    if (this.round === null) this.beatAfter(this.options.timing.beatGapMinMs);
    else this.isWantedAgain = true;
  }

  /** Takes the node out of the cluster; in vain, but without harm, when the store does not answer. */
  async stop(): Promise<void> {
    this.isEnded = true;
    await this.round;
    if (this.number === NO_NODE) return;
    const { store, id, log } = this.options;
    await store.leave({ id, number: this.number }).catch((error: unknown) => log.warn({ error }, 'the store was not told that this node leaves; it will be taken for dead'));
  }

  private beatAfter(delayMs: number): void {
    const { clock, timers } = this.options;
    const atMs = clock.monotonic() + delayMs;
    if (!this.isStarted || this.isEnded || atMs >= this.timerAtMs) return;
    this.timerAtMs = atMs;
    const timer = ++this.timer;
    timers.later(delayMs, () => {
      if (timer === this.timer && !this.isEnded) this.round = this.runRound();
    });
  }

  private async runRound(): Promise<void> {
    this.timerAtMs = Infinity;
    this.isWantedAgain = false;
    try {
      const state = await this.beat();
      if (state !== null && (await this.options.turn(state, this.liveness))) this.isWantedAgain = true;
    } catch (error) {
      this.failed(error);
      if (isClusterLost(error)) await this.foundAgain();
    }
    this.round = null;
    const { beatGapMinMs, heartbeatMs } = this.options.timing;
    this.beatAfter(this.isWantedAgain ? beatGapMinMs : heartbeatMs);
  }

  /** B5 */
  private async foundAgain(): Promise<void> {
    try {
      if (await this.options.foundAgain()) return;
      this.isEnded = true;
      this.options.events.onForeign();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Null when the answer leaves nothing to do. */
  private async beat(): Promise<ClusterState | null> {
    const { store, id, incarnation, info, clock, log, events } = this.options;
    let answer;
    try {
      answer = await store.beat({ id, incarnation, number: this.number, info: info(), knownMapVersion: this.map?.version ?? 0 });
      if (answer.kind === 'full') throw new Error('the cluster has all the nodes it may have');
    } catch (error) {
      this.liveness.missed();
      throw error;
    }
    if (this.isFailing) log.info({}, 'the control plane answers again');
    this.isFailing = false;
    if (answer.kind === 'ok') return this.learn(answer, clock.monotonic());
    this.isEnded = true;
    log.error({ id }, 'a newer process runs under the id of this node');
    events.onReplaced();
    return null;
  }

  private learn(view: ClusterView, nowMs: number): ClusterState | null {
    const { id, events } = this.options;
    if (view.number === this.number ? view.counter <= this.counter : this.number !== NO_NODE) this.startAnew();
    this.number = view.number;
    this.counter = view.counter;
    this.liveness.observe(nowMs, view.nodes);
    const map = view.map ?? this.map;
    if (map === null) {
      this.isWantedAgain = true;
      return null;
    }
    this.map = map;
    const self = { id, number: view.number };
    const before = this.current?.nodes ?? [];
    const nodes = this.nodesOf(view.nodes, before);
    this.current = { self, lead: view.lead, map, nodes, pins: view.pins, nowMs };
    if (view.map !== null) events.onMap(map, self);
    if (nodes !== before && !areShownAlike(nodes, before)) events.onNodes(nodes);
    return this.current;
  }

  /** The store is not where it was (B3). What it says now is taken, what it said before is not. */
  private startAnew(): void {
    this.options.log.warn({}, 'the control plane has lost this node or a part of its past; asking for everything anew');
    this.map = null;
    this.liveness.missed();
  }

  /** What is as before is the same object as before, the list too: there are many, most of the time nothing changes, and every beat asks. */
  private nodesOf(records: readonly NodeRecord[], before: readonly ClusterNode[]): readonly ClusterNode[] {
    const { changes } = this.liveness;
    if (changes === this.livenessChanges && records.length === before.length && records.every((record, i) => isSame(record, before[i]!))) return before;
    this.livenessChanges = changes;
    let at = 0;
    return records.map((record) => {
      // Both are in the order of numbers.
      while (at < before.length && before[at]!.number < record.number) at++;
      const old = before[at];
      const alive = this.liveness.isAlive(record.number);
      if (old !== undefined && old.alive === alive && isSame(record, old)) return old;
      const { id, number, incarnation, info, drainWanted } = record;
      return { id, number, incarnation, info, draining: info.draining || drainWanted, alive };
    });
  }

  private failed(error: unknown): void {
    if (!this.isFailing) this.options.log.warn({ error }, 'the control plane does not answer; going on with what is known');
    this.isFailing = true;
  }
}

/** Whether the store says of this node what it said before. A number belongs to one incarnation of one id (C3). */
function isSame({ number, info, drainWanted }: NodeRecord, node: ClusterNode): boolean {
  return node.number === number && node.info === info && node.draining === (info.draining || drainWanted);
}

/** Load aside. */
function areShownAlike(nodes: readonly ClusterNode[], before: readonly ClusterNode[]): boolean {
  const shown = ({ info, ...node }: ClusterNode): string => JSON.stringify([node, { ...info, load: 0 }]);
  return nodes.length === before.length && nodes.every((node, i) => node === before[i] || shown(node) === shown(before[i]!));
}

/** What `beat` is rejected with by a store that was emptied, or is another one's (control-store.ts). */
function isClusterLost(error: unknown): boolean {
  return error instanceof Error && error.message.includes('the store holds another cluster, or none');
}
