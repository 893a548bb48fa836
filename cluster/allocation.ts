/**
 * Which node should own which bucket: a pure function from the map as it is and the nodes that live to the changes that are due now.
 * Called again with its own result it changes nothing more, so a scheduler may call it as often as it likes, and a new scheduler
 * goes on where the last one stopped.
 *
 * A1  No bucket stays with a node that is dead, and none goes to one that is dead or draining. What has no owner is given out at
 *     once, outside all bounds: nobody serves it. It stays vacant only while there is no node that may take it.
 * A2  What is held moves by hand-off, least moves: a bucket moves only from a draining node, to where it is pinned, or when this brings
 *     the busiest and the idlest node closer together.
 * A3  At rest no single move would help. With equal weights and no costs: the numbers of buckets differ by at most one.
 * A4  At most `movesPerNodeMax` hand-offs are on their way from and to any one node, at most `movesInFlightMax` in all, and at most `movesPerRoundMax`
 *     moves begin in a round: pins first, then draining nodes, then balance. What is on its way is counted where it goes to, and is not moved
 *     again, except to save it from a node that died or drains. [A node that takes dozens of buckets at once reads all their logs, and brings their
 *     actors into memory, before it answers for the first of them.] A bound that is reached ends the balancing of a round: what goes
 *     elsewhere instead would move twice.
 * A5  Equal arguments, equal result: ties go to the lower node number and the lower bucket.
 *
 * Source of the idea: the allocation strategies of Akka and Pekko cluster sharding (bounded rebalance, least shard), with hand-offs on
 * their way counted, so that a round need not wait for the one before it.
 */

import { NO_NODE } from './bucket-map.ts';
import type { Assignment, BucketEntry, BucketMap } from './bucket-map.ts';

export interface AllocationNode {
  readonly number: number;
  /** Its share relative to the others'; at 0 it is emptied, as if it were draining. */
  readonly weight: number;
  readonly draining: boolean;
}

export interface AllocationInput {
  readonly map: BucketMap;
  /** Those that live, in any order. */
  readonly nodes: readonly AllocationNode[];
  /** Where an operator wants a bucket: bucket -> node number. One that names no node able to take it is passed over. */
  readonly pins?: ReadonlyMap<number, number>;
  /** What each bucket costs, in any unit, by index. Without it every bucket costs the same. */
  readonly costs?: ArrayLike<number>;
  readonly movesPerRoundMax: number;
  readonly movesPerNodeMax: number;
  readonly movesInFlightMax: number;
}

/** An idle bucket still costs something: this share of an average one. */
const IDLE_COST_RATIO = 0.1;
/** Measured costs waver: nodes that are no further apart than this share of the mean load are left alone. */
const COST_TOLERANCE_RATIO = 0.1;
/** Sums of floating point numbers differ with the order of their parts; what is closer than this is equal. */
const EPSILON = 1e-9;

/** The changes that are due now, by ascending bucket; none at rest. */
export function allocate(input: AllocationInput): Assignment[] {
  const round = new Round(input);
  round.repair();
  round.giveOut();
  round.movePinned();
  round.emptyDraining();
  round.balance();
  return round.changes();
}

class Round {
  private readonly map: BucketMap;
  private readonly owner: Uint32Array;
  private readonly next: Uint32Array;
  private readonly costs: ArrayLike<number> | null;
  private readonly pins: ReadonlyMap<number, number>;
  private readonly living = new Set<number>();
  /** Nodes that may take buckets, by ascending number. */
  private readonly takers: Taker[];
  private readonly takerOf = new Map<number, Taker>();
  private readonly orphans: number[] = [];
  /** Owned by nodes that should have none. */
  private stranded = 0;
  private movesLeft: number;
  private handOffsLeft: number;
  private readonly handOffsPerNodeMax: number;
  /** On their way from and to each node. */
  private readonly handOffsOf = new Map<number, number>();

  constructor(input: AllocationInput) {
    const { map, nodes } = input;
    this.map = map;
    this.owner = new Uint32Array(map.size);
    this.next = new Uint32Array(map.size);
    map.copyTo(this.owner, this.next);
    this.costs = input.costs === undefined ? null : withIdleCost(input.costs, map.size);
    for (const { number } of nodes) this.living.add(number);
    this.takers = nodes.filter((node) => node.weight > 0 && !node.draining)
      .map((node) => ({ number: node.number, weight: node.weight, load: 0 }))
      .sort((a, b) => a.number - b.number);
    for (const taker of this.takers) this.takerOf.set(taker.number, taker);
    this.pins = new Map([...(input.pins ?? [])].filter(([index, number]) => index < map.size && this.takerOf.has(number)).sort(([a], [b]) => a - b));
    this.movesLeft = input.movesPerRoundMax;
    this.handOffsLeft = input.movesInFlightMax;
    this.handOffsPerNodeMax = input.movesPerNodeMax;
  }

  /** Takes out what is dead or will not do (A1), and counts what is there (A4). */
  repair(): void {
    const { owner, next } = this;
    for (let index = 0; index < owner.length; index++) {
      if (next[index] !== NO_NODE && (next[index] === owner[index] || !this.takerOf.has(next[index]!))) next[index] = NO_NODE;
      if (!this.living.has(owner[index]!)) {
        owner[index] = next[index]!;
        next[index] = NO_NODE;
      }
      if (owner[index] === NO_NODE) this.orphans.push(index);
      else if (!this.addLoad(this.goalOf(index), this.costOf(index))) this.stranded++;
      if (next[index] !== NO_NODE) this.countHandOff(index, 1);
    }
  }

  giveOut(): void {
    // The costliest first: the cheap ones then fill what is uneven.
    if (this.costs !== null) this.orphans.sort((a, b) => this.costOf(b) - this.costOf(a) || a - b);
    // With equal costs the order of takers changes at one place a step.
    const queue = this.costs === null && this.orphans.length > 0 ? new IdlestFirst(this.takers) : null;
    for (const index of this.orphans) {
      const pinned = this.takerOf.get(this.pins.get(index) ?? NO_NODE) ?? null;
      const to = pinned ?? (queue === null ? this.idlest(this.costOf(index)) : queue.first());
      if (to === null) return;
      this.owner[index] = to.number;
      to.load += this.costOf(index);
      queue?.grew(to);
    }
  }

  movePinned(): void {
    for (const [index, number] of this.pins) {
      if (this.goalOf(index) !== number) this.move(index, this.takerOf.get(number)!);
    }
  }

  emptyDraining(): void {
    if (this.stranded === 0) return;
    for (let index = 0; index < this.owner.length && this.movesLeft > 0; index++) {
      if (this.owner[index] === NO_NODE || this.takerOf.has(this.goalOf(index))) continue;
      const to = this.idlest(this.costOf(index));
      if (to === null) return;
      this.move(index, to);
    }
  }

  balance(): void {
    if (this.takers.length < 2 || this.movesLeft <= 0 || this.isEven()) return;
    const movable = this.movable();
    const tolerance = this.costs === null ? 0 : (COST_TOLERANCE_RATIO * sum(this.takers, 'load')) / sum(this.takers, 'weight');
    while (this.movesLeft > 0) {
      const step = this.bestStep(movable, tolerance);
      if (step === null || !this.move(step.index, step.to)) return;
      movable.set(step.from, movable.get(step.from)!.filter((index) => index !== step.index));
    }
  }

  /** Seen from the loads alone, no move of a bucket would help: the usual case, and found without looking at buckets. */
  private isEven(): boolean {
    if (this.costs !== null) return false;
    const to = this.idlest(1)!;
    return !this.takers.some((from) => from !== to && from.load > 0 && Math.max((from.load - 1) / from.weight, (to.load + 1) / to.weight) < (from.load / from.weight) * (1 - EPSILON));
  }

  changes(): Assignment[] {
    const changes: Assignment[] = [];
    const before = { owner: new Uint32Array(this.map.size), next: new Uint32Array(this.map.size) };
    this.map.copyTo(before.owner, before.next);
    for (let index = 0; index < this.owner.length; index++) {
      const owner = this.owner[index]!;
      const next = this.next[index]!;
      if (owner !== before.owner[index] || next !== before.next[index]) changes.push({ index, owner, next });
    }
    return changes;
  }

  /** Whether the bounds (A4) allowed it. */
  private move(index: number, to: Taker): boolean {
    const isMoving = this.next[index] !== NO_NODE;
    const isServed = this.owner[index] === this.map.ownerOf(index) && this.map.epochOf(index) !== 0;
    const needsHandOff = isServed && to.number !== this.owner[index];
    if (this.movesLeft <= 0 || (needsHandOff && !this.hasRoom(index, to, isMoving))) return false;
    this.movesLeft--;
    if (isMoving) this.countHandOff(index, -1);
    this.addLoad(this.goalOf(index), -this.costOf(index));
    to.load += this.costOf(index);
    this.next[index] = needsHandOff ? to.number : NO_NODE;
    if (needsHandOff) this.countHandOff(index, 1);
    else this.owner[index] = to.number;
    return true;
  }

  /** Whether the bounds let one more hand-off be on its way; one that is on its way already is counted everywhere but where it shall go instead. */
  private hasRoom(index: number, to: Taker, isMoving: boolean): boolean {
    const isFree = (number: number): boolean => (this.handOffsOf.get(number) ?? 0) < this.handOffsPerNodeMax;
    return isFree(to.number) && (isMoving || (this.handOffsLeft > 0 && isFree(this.owner[index]!)));
  }

  private countHandOff(index: number, by: 1 | -1): void {
    this.handOffsLeft -= by;
    for (const number of [this.owner[index]!, this.next[index]!]) this.handOffsOf.set(number, (this.handOffsOf.get(number) ?? 0) + by);
  }

  /** From the busiest node that has something to give; null when nothing would help (A3). */
  private bestStep(movable: ReadonlyMap<Taker, readonly number[]>, tolerance: number): { from: Taker; to: Taker; index: number } | null {
    const byLoad = [...this.takers].sort((a, b) => b.load / b.weight - a.load / a.weight || a.number - b.number);
    for (const from of byLoad) {
      const buckets = movable.get(from)!;
      if (buckets.length === 0) continue;
      const to = this.idlest(buckets.reduce((least, index) => Math.min(least, this.costOf(index)), Infinity))!;
      if (to === from || from.load / from.weight - to.load / to.weight <= tolerance) continue;
      const index = this.bestBucket(buckets, from, to);
      if (index >= 0) return { from, to, index };
    }
    return null;
  }

  /** The bucket whose move leaves the busier of the two least busy; -1 when none makes it less busy than `from` is. */
  private bestBucket(buckets: readonly number[], from: Taker, to: Taker): number {
    let best = -1;
    let bestLoad = (from.load / from.weight) * (1 - EPSILON);
    for (const index of buckets) {
      const cost = this.costOf(index);
      const load = Math.max((from.load - cost) / from.weight, (to.load + cost) / to.weight);
      if (load >= bestLoad) continue;
      best = index;
      bestLoad = load;
    }
    return best;
  }

  /** What balance may move: it is at rest, and where it is not pinned. */
  private movable(): Map<Taker, number[]> {
    const movable = new Map<Taker, number[]>(this.takers.map((taker) => [taker, []]));
    for (let index = 0; index < this.owner.length; index++) {
      const owner = this.takerOf.get(this.owner[index]!);
      if (owner !== undefined && this.next[index] === NO_NODE && !this.pins.has(index)) movable.get(owner)!.push(index);
    }
    return movable;
  }

  /** Who would be least busy with so much more. */
  private idlest(cost: number): Taker | null {
    let idlest: Taker | null = null;
    for (const taker of this.takers) {
      if (idlest === null || (taker.load + cost) / taker.weight < (idlest.load + cost) / idlest.weight) idlest = taker;
    }
    return idlest;
  }

  private goalOf(index: number): number {
    return this.next[index] === NO_NODE ? this.owner[index]! : this.next[index]!;
  }

  private costOf(index: number): number {
    return this.costs === null ? 1 : this.costs[index]!;
  }

  /** Whether it is a taker. */
  private addLoad(number: number, cost: number): boolean {
    const taker = this.takerOf.get(number);
    if (taker !== undefined) taker.load += cost;
    return taker !== undefined;
  }
}

/** Takers by who would be least busy with one bucket more, then by number: a heap. [65,536 buckets for a thousand nodes, each looked for among all.] */
class IdlestFirst {
  private readonly heap: Taker[];
  private readonly places = new Map<Taker, number>();

  constructor(takers: readonly Taker[]) {
    this.heap = [...takers].sort((a, b) => (isIdler(a, b) ? -1 : 1));
    for (const [at, taker] of this.heap.entries()) this.places.set(taker, at);
  }

  first(): Taker | null {
    return this.heap[0] ?? null;
  }

  /** It has more to do than before. */
  grew(taker: Taker): void {
    let at = this.places.get(taker)!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.heap.length) break;
      if (child + 1 < this.heap.length && isIdler(this.heap[child + 1]!, this.heap[child]!)) child++;
      if (!isIdler(this.heap[child]!, taker)) break;
      this.put(this.heap[child]!, at);
      at = child;
    }
    this.put(taker, at);
  }

  private put(taker: Taker, at: number): void {
    this.heap[at] = taker;
    this.places.set(taker, at);
  }
}

function isIdler(a: Taker, b: Taker): boolean {
  const left = (a.load + 1) / a.weight;
  const right = (b.load + 1) / b.weight;
  return left < right || (left === right && a.number < b.number);
}

interface Taker {
  readonly number: number;
  readonly weight: number;
  /** Cost of all buckets that it has or will have. */
  load: number;
}

function sum(takers: readonly Taker[], what: 'load' | 'weight'): number {
  return takers.reduce((total, taker) => total + taker[what], 0);
}

/** What is no cost (not finite, negative, missing) counts as idle. */
function withIdleCost(measured: ArrayLike<number>, size: number): Float64Array {
  const costs = Float64Array.from({ length: size }, (_, index) => {
    const cost = measured[index] ?? 0;
    return Number.isFinite(cost) && cost > 0 ? cost : 0;
  });
  const total = costs.reduce((a, b) => a + b, 0);
  const idle = total === 0 ? 1 : (IDLE_COST_RATIO * total) / size;
  return costs.map((cost) => cost + idle);
}

export interface PlannedRound {
  readonly assignments: readonly Assignment[];
  /** The map when all that was assigned has been taken over. */
  readonly after: BucketMap;
}

/** What would happen, round for round, if nothing else did: every node takes what it is given before the next round begins. */
export function plan(input: AllocationInput): PlannedRound[] {
  const rounds: PlannedRound[] = [];
  for (let map = input.map; ; ) {
    const assignments = allocate({ ...input, map });
    const after = taken(map.assigned(map.version + 1, assignments));
    // Hand-offs that fill all bounds leave nothing to assign, until they are done.
    if (assignments.length === 0 && after.diff(map).length === 0) return rounds;
    if (assignments.length > 0) rounds.push({ assignments, after });
    map = after;
  }
}

/** Every node has taken what the map gives it. */
function taken(map: BucketMap): BucketMap {
  const entries = new Map<number, BucketEntry>();
  for (let index = 0; index < map.size; index++) {
    const { owner, next, epoch } = map.entryOf(index);
    if (next !== NO_NODE) entries.set(index, { owner: next, next: NO_NODE, epoch: epoch + 1 });
    else if (owner !== NO_NODE && epoch === 0) entries.set(index, { owner, next, epoch: 1 });
  }
  return map.replaced(map.version, entries);
}
