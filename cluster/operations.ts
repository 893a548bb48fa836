/**
 * What the admin port of a node says about the whole cluster, and what an operator can have done. Every node answers alike: who is
 * there and who owns what is in the control plane, how they are doing is asked of each of them.
 *
 * P1  A node that does not answer is shown without its measures, and nobody waits for it longer than `ASK_MAX_MS`.
 * P2  A wish goes into the control plane, where it outlives this node and the scheduler; this node does nothing about it itself.
 * P3  A wish that could not come true is refused rather than kept: it would look as if something were going on.
 * P4  A wish is answered when the view of this node shows it, or does not for long. [Who asks for a drain and then looks sees a node that does
 *     not drain, and believes that somebody took the wish back.]
 */

import type { BucketLoad, BucketView, NodeState, NodeView, Operations, PlannedMove } from '../runtime/admin/operations.ts';
import type { Monitor } from '../runtime/admin/monitor.ts';
import type { Clock, Scheduler as Timers } from '../runtime/actor/seams.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import type { PlannedRound } from './allocation.ts';
import { NO_NODE } from './bucket-map.ts';
import type { BucketMap } from './bucket-map.ts';
import type { OperatorAnswer } from './control/control-store.ts';
import type { ClusterNode, ClusterState } from './control/membership.ts';
import { LOAD } from './methods.ts';
import type { LoadAnswer, LoadValue } from './methods.ts';
import { ask } from './transport/transport.ts';
import type { IncomingRequest, Peer } from './transport/transport.ts';

const ASK_MAX_MS = 2_000;
const SEEN_MAX_MS = 2_000;
const SEEN_STEP_MS = 20;

/** The control plane, as an operator needs it. */
export interface OperatedPlane {
  readonly state: ClusterState | null;
  plan(): PlannedRound[];
  drain(id: string, isWanted: boolean): Promise<OperatorAnswer>;
  move(index: number, id: string | null): Promise<OperatorAnswer>;
}

export interface ClusterOperationsParts {
  readonly plane: OperatedPlane;
  readonly monitor: Pick<Monitor, 'node' | 'buckets'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Another node; null when it is not known (any more). */
  peerOf(number: number): Peer | null;
  readonly timers: Pick<Timers, 'later'>;
}

export class ClusterOperations implements Operations {
  private readonly parts: ClusterOperationsParts;

  constructor(parts: ClusterOperationsParts) {
    this.parts = parts;
  }

  /** Answers another node that asks (`LOAD`). */
  serve(incoming: IncomingRequest): void {
    incoming.answer(this.own(incoming.value as LoadValue));
  }

  ageMs(): number {
    return this.parts.clock.monotonic() - this.state().nowMs;
  }

  async nodes(): Promise<NodeView[]> {
    const state = this.state();
    const { lead, map } = state;
    const loads = await this.loads(state, false);
    const owned = ownedByNode(map);
    return [...state.nodes].sort((a, b) => (a.id < b.id ? -1 : 1)).map((node) => ({
      id: node.id,
      number: node.number,
      state: stateOf(node),
      isScheduler: node.number === lead.node && node.alive,
      version: node.info.version,
      addresses: node.info.addresses,
      buckets: owned.get(node.number) ?? 0,
      load: loads.get(node.number)?.node ?? null,
    }));
  }

  async buckets(): Promise<BucketView[]> {
    const state = this.state();
    const { map, pins } = state;
    const loads = await this.loads(state, true);
    const byOwner = new Map<number, Map<number, BucketLoad>>();
    for (const [number, { buckets }] of loads) byOwner.set(number, new Map(buckets?.map((load) => [load.index, load])));
    const nameOf = namesIn(state.nodes);
    return Array.from({ length: map.size }, (_, index) => {
      const { owner, next, epoch } = map.entryOf(index);
      const load = byOwner.get(owner)?.get(index) ?? null;
      return {
        index, epoch, load,
        // The control plane knows who should serve it; that it cannot be served is known to the owner alone.
        state: (load?.refused ?? null) === null ? map.phaseOf(index) : 'refused',
        node: nameOf(owner),
        next: nameOf(next),
        pinned: nameOf(pins.get(index) ?? NO_NODE),
      };
    });
  }

  plan(): PlannedMove[] {
    const { map, nodes } = this.state();
    const nameOf = namesIn(nodes);
    const moves: PlannedMove[] = [];
    let before = map;
    for (const [i, { assignments, after }] of this.parts.plane.plan().entries()) {
      for (const { index } of assignments) {
        const to = nameOf(after.ownerOf(index));
        // What is only taken back moves nowhere.
        if (to !== null && after.ownerOf(index) !== before.ownerOf(index)) moves.push({ round: i + 1, bucket: index, from: nameOf(before.ownerOf(index)), to });
      }
      before = after;
    }
    return moves;
  }

  async drain(id: string, isWanted: boolean): Promise<void> {
    const { nodes } = this.state();
    find(nodes, id);
    // P3
    if (isWanted && !nodes.some((node) => node.id !== id && canTake(node))) {
      throw new TroupeError('NOT_READY', `no other node can take the buckets of ${id}`, { hint: 'Start another node with the same --redis, or end the draining of one with `troupe nodes drain <id> --off`.' });
    }
    check(await wish(this.parts.plane.drain(id, isWanted)), id);
    await this.until(({ nodes: seen }) => seen.find((node) => node.id === id)?.draining === isWanted);
  }

  async move(index: number, id: string | null): Promise<void> {
    const { nodes, map } = this.state();
    if (index >= map.size) throw new TroupeError('BAD_REQUEST', `there is no bucket ${index}: they are numbered from 0 to ${map.size - 1}`, { hint: '`troupe buckets list` shows them.' });
    // P3
    if (id !== null && !canTake(find(nodes, id))) {
      throw new TroupeError('NOT_READY', `${id} is ${stateOf(find(nodes, id))} and takes no buckets`, { hint: '`troupe nodes` shows the state of each.' });
    }
    check(await wish(this.parts.plane.move(index, id)), id ?? '');
    await this.until(({ nodes: seen, pins }) => namesIn(seen)(pins.get(index) ?? NO_NODE) === id);
  }

  private own(areBucketsWanted: boolean): LoadAnswer {
    const { monitor } = this.parts;
    return { node: monitor.node(), buckets: areBucketsWanted ? monitor.buckets() : null };
  }

  /** What each living node says, by its number; without those that do not (P1). */
  private async loads({ nodes, self }: ClusterState, areBucketsWanted: boolean): Promise<Map<number, LoadAnswer>> {
    const loads = new Map<number, LoadAnswer>();
    const asking = nodes.filter(({ alive, number }) => alive || number === self.number).map(async ({ number }) => {
      const load = number === self.number ? this.own(areBucketsWanted) : await this.ask(number, areBucketsWanted);
      if (load !== null) loads.set(number, load);
    });
    const timeIsUp = new Promise<void>((resolve) => this.parts.timers.later(ASK_MAX_MS, resolve));
    await Promise.race([Promise.all(asking), timeIsUp]);
    // A copy: what comes late is not mixed in.
    return new Map(loads);
  }

  private async ask(number: number, areBucketsWanted: LoadValue): Promise<LoadAnswer | null> {
    const peer = this.parts.peerOf(number);
    if (peer === null) return null;
    try {
      return (await ask(peer, LOAD, areBucketsWanted)).value as LoadAnswer;
    } catch {
      // Of another version, or it is gone: the list of nodes says so soon.
      return null;
    }
  }

  /** Until this node sees the wish itself, so that whoever looks next does too; not for long (P4). */
  private async until(holds: (state: ClusterState) => boolean): Promise<void> {
    const { clock, timers } = this.parts;
    const end = clock.monotonic() + SEEN_MAX_MS;
    while (!holds(this.state()) && clock.monotonic() < end) await new Promise<void>((resolve) => timers.later(SEEN_STEP_MS, resolve));
  }

  private state(): ClusterState {
    const { state } = this.parts.plane;
    if (state === null) throw new TroupeError('NOT_READY', 'this node has not joined the cluster yet');
    return state;
  }
}

function stateOf({ alive, draining }: ClusterNode): NodeState {
  if (!alive) return 'dead';
  return draining ? 'draining' : 'live';
}

function canTake({ alive, draining, info }: ClusterNode): boolean {
  return alive && !draining && info.weight > 0;
}

function find(nodes: readonly ClusterNode[], id: string): ClusterNode {
  const node = nodes.find((one) => one.id === id);
  if (node === undefined) throw unknownNode(id);
  return node;
}

function check(answer: OperatorAnswer, id: string): void {
  if (answer === 'unknownNode') throw unknownNode(id);
  if (answer === 'full') throw new TroupeError('OVERLOADED', 'the cluster keeps no more wishes about buckets', { hint: 'Take some back with `troupe buckets unpin <index>`.' });
}

/** What the store does not answer may have taken effect, and may be wished again (C7 of control-store.ts). */
async function wish(answer: Promise<OperatorAnswer>): Promise<OperatorAnswer> {
  return answer.catch((cause: unknown) => {
    throw new TroupeError('STORE_UNAVAILABLE', `the control plane did not answer: ${(cause as Error).message}`, { cause, hint: 'Ask again when the store is back; doing it twice does no harm.' });
  });
}

function unknownNode(id: string): TroupeError {
  return new TroupeError('BAD_REQUEST', `the cluster has no node ${JSON.stringify(id)}`, { hint: '`troupe nodes` lists them.' });
}

/** Ids by number; null for no node. A number that is not registered any more is shown as such. */
function namesIn(nodes: readonly ClusterNode[]): (number: number) => string | null {
  const names = new Map(nodes.map(({ number, id }) => [number, id]));
  return (number) => (number === NO_NODE ? null : names.get(number) ?? `#${number}`);
}

function ownedByNode(map: BucketMap): Map<number, number> {
  const owned = new Map<number, number>();
  for (let index = 0; index < map.size; index++) owned.set(map.ownerOf(index), (owned.get(map.ownerOf(index)) ?? 0) + 1);
  return owned;
}
