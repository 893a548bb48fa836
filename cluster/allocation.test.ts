import fc from 'fast-check';
import t from 'tap';

import { allocate, plan } from './allocation.ts';
import type { AllocationInput, AllocationNode, PlannedRound } from './allocation.ts';
import { BucketMap, NO_NODE } from './bucket-map.ts';
import type { BucketEntry } from './bucket-map.ts';

const unbounded = { movesPerRoundMax: Infinity, movesPerNodeMax: Infinity, movesInFlightMax: Infinity };

function node(number: number, changes: Partial<AllocationNode> = {}): AllocationNode {
  return { number, weight: 1, draining: false, ...changes };
}

function nodes(...numbers: readonly number[]): AllocationNode[] {
  return numbers.map((number) => node(number));
}

/** Buckets held by these owners, in order. */
function held(owners: readonly number[], bits = Math.log2(owners.length)): BucketMap {
  return BucketMap.empty(bits, 1).replaced(1, new Map(owners.map((owner, index): [number, BucketEntry] => [index, { owner, next: NO_NODE, epoch: owner === NO_NODE ? 0 : 1 }])));
}

function ownersOf(map: BucketMap): number[] {
  return Array.from({ length: map.size }, (_, index) => map.ownerOf(index));
}

function countsOf(map: BucketMap, among: readonly AllocationNode[]): number[] {
  const owners = ownersOf(map);
  return among.map(({ number }) => owners.filter((owner) => owner === number).length);
}

function end(input: AllocationInput, rounds: readonly PlannedRound[] = plan(input)): BucketMap {
  return rounds.at(-1)?.after ?? input.map;
}

t.test('an empty map is given out evenly at once, without hand-offs', async (t) => {
  const input = { map: BucketMap.empty(4), nodes: nodes(3, 1, 2), movesPerRoundMax: 0, movesPerNodeMax: Infinity, movesInFlightMax: 0 };
  const map = input.map.assigned(1, allocate(input));
  t.same(countsOf(map, nodes(1, 2, 3)), [6, 5, 5]);
  t.ok(Array.from({ length: 16 }, (_, index) => map.phaseOf(index)).every((phase) => phase === 'given'));
});

t.test('without a node, what was owned becomes vacant', async (t) => {
  const map = held([1, 2, 1, 2]);
  t.same(allocate({ map, nodes: [], ...unbounded }), [0, 1, 2, 3].map((index) => ({ index, owner: NO_NODE, next: NO_NODE })));
  t.same(allocate({ map, nodes: [node(1, { draining: true })], ...unbounded }).map(({ index }) => index), [1, 3], 'who drains keeps what it has, and takes nothing');
});

t.test('a bucket goes to whom it was moving to when its owner dies (A1)', async (t) => {
  const map = held([1, 1, 2, 2]).assigned(2, [{ index: 1, owner: 1, next: 2 }]);
  t.same(allocate({ map, nodes: nodes(2, 3), movesPerRoundMax: 0, movesPerNodeMax: Infinity, movesInFlightMax: 0 }).filter(({ index }) => index < 2), [
    { index: 0, owner: 3, next: NO_NODE },
    { index: 1, owner: 2, next: NO_NODE },
  ]);
});

t.test('a hand-off to a node that died or drains is taken back, or goes elsewhere (A4)', async (t) => {
  const moving = held([1, 1, 1, 2]).assigned(2, [{ index: 0, owner: 1, next: 9 }]);
  t.same(allocate({ map: moving, nodes: nodes(1, 2), ...unbounded }), [{ index: 0, owner: 1, next: 2 }]);
  t.same(allocate({ map: moving, nodes: nodes(1, 2), movesPerRoundMax: 0, movesPerNodeMax: Infinity, movesInFlightMax: 0 }), [{ index: 0, owner: 1, next: NO_NODE }]);
  const balanced = held([1, 1, 2, 2]).assigned(2, [{ index: 0, owner: 1, next: 9 }]);
  t.same(allocate({ map: balanced, nodes: [...nodes(1, 2), node(9, { draining: true })], ...unbounded }), [{ index: 0, owner: 1, next: NO_NODE }]);
});

t.test('hand-offs on their way are counted where they go to, and within the bound (A4)', async (t) => {
  const map = held([1, 1, 1, 1, 1, 1, 1, 1]);
  const input = { map, nodes: nodes(1, 2), movesPerRoundMax: 3, movesPerNodeMax: Infinity, movesInFlightMax: 4 };
  const first = allocate(input);
  t.equal(first.length, 3);
  const underWay = map.assigned(2, first);
  const second = allocate({ ...input, map: underWay });
  t.equal(second.length, 1, 'four in flight, and four are enough');
  t.same(allocate({ ...input, map: underWay.assigned(3, second) }), []);
  t.same(allocate({ ...input, map: underWay, movesInFlightMax: 3 }), []);
  t.same(allocate({ ...input, map: underWay.assigned(3, second), ...unbounded }), [], 'eight are even when they have arrived');
});

t.test('a node has few hand-offs at once, the cluster many (A4)', async (t) => {
  const bounds = { movesPerRoundMax: 64, movesPerNodeMax: 2, movesInFlightMax: 64 };
  const map = held(Array.from({ length: 32 }, (_, index) => 1 + (index % 4)));
  const joined = allocate({ map, nodes: nodes(1, 2, 3, 4, 5, 6), ...bounds });
  t.same(joined.map(({ next }) => next).sort(), [5, 5, 6, 6]);
  t.equal(new Set(joined.map(({ owner }) => owner)).size, 4, 'each of those that have too many gives one');
  t.same(allocate({ map: map.assigned(2, joined), nodes: nodes(1, 2, 3, 4, 5, 6), ...bounds }), [], 'and waits until they are there');
  const drained = allocate({ map, nodes: [node(1, { draining: true }), node(2, { draining: true }), ...nodes(3, 4)], ...bounds });
  t.same(drained.map(({ owner, next }) => [owner, next]), [[1, 3], [2, 4], [1, 3], [2, 4]]);
});

t.test('what was given and not yet opened needs no hand-off to go elsewhere', async (t) => {
  const map = BucketMap.empty(2).assigned(1, [0, 1, 2, 3].map((index) => ({ index, owner: 1, next: NO_NODE })));
  const changes = allocate({ map, nodes: nodes(1, 2), movesPerRoundMax: 10, movesPerNodeMax: Infinity, movesInFlightMax: 0 });
  t.same(changes.map(({ owner, next }) => [owner, next]), [[2, NO_NODE], [2, NO_NODE]]);
});

t.test('pins come first, stay, and balance goes round them', async (t) => {
  const map = held([1, 1, 2, 2, 3, 3, 3, 3]);
  const input = { map, nodes: nodes(1, 2, 3), pins: new Map([[0, 2], [1, 2], [2, 2], [3, 2], [7, 99]]), ...unbounded };
  const after = end(input);
  t.same(ownersOf(after).slice(0, 4), [2, 2, 2, 2]);
  t.same(countsOf(after, nodes(1, 2, 3)), [2, 4, 2]);
  const elsewhere = map.assigned(2, [{ index: 0, owner: 1, next: 3 }]);
  t.same(allocate({ ...input, map: elsewhere, pins: new Map([[0, 2]]), movesPerRoundMax: 1, movesPerNodeMax: Infinity, movesInFlightMax: 1 }), [{ index: 0, owner: 1, next: 2 }]);
  t.same(allocate({ ...input, map: elsewhere, pins: new Map([[0, 1]]), movesPerRoundMax: 1, movesPerNodeMax: Infinity, movesInFlightMax: 1 }), [{ index: 0, owner: 1, next: NO_NODE }]);
});

t.test('weights are shares', async (t) => {
  const among = [node(1, { weight: 3 }), node(2), node(3, { weight: 0 })];
  t.same(countsOf(end({ map: held(Array.from({ length: 16 }, () => 3)), nodes: among, ...unbounded }), among), [12, 4, 0]);
});

t.test('measured costs are balanced, and small differences left alone', async (t) => {
  const costs = [8, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, Number.NaN];
  const input = { map: BucketMap.empty(4), nodes: nodes(1, 2), costs, ...unbounded };
  const after = end(input);
  const load = (number: number): number => ownersOf(after).reduce((total, owner, index) => total + (owner === number ? costs[index] || 0 : 0), 0);
  t.same([load(1), load(2)], [8, 8]);
  t.ok(Math.min(...countsOf(after, input.nodes)) >= 4, 'idle buckets are shared out too');
});

t.test('measured costs waver: a small difference moves nothing, a large one does', async (t) => {
  const map = held([...Array.from({ length: 8 }, () => 1), ...Array.from({ length: 8 }, () => 2)]);
  const changesAt = (cost: number): number => {
    const costs = [100, ...Array.from({ length: 7 }, () => cost), 100, ...Array.from({ length: 7 }, () => 1)];
    return allocate({ map, nodes: nodes(1, 2), costs, ...unbounded }).length;
  };
  t.equal(changesAt(2), 0, 'seven, where a node has 120');
  t.equal(changesAt(10), 3);
});

t.test('of what has no owner, the costliest is given out first', async (t) => {
  const costs = [1, 1, 1, 1, 4, 0, 0, 0];
  const map = BucketMap.empty(3).assigned(1, allocate({ map: BucketMap.empty(3), nodes: nodes(1, 2), costs, movesPerRoundMax: 0, movesPerNodeMax: Infinity, movesInFlightMax: 0 }));
  const load = (number: number): number => costs.reduce((total, cost, index) => total + (map.ownerOf(index) === number ? cost : 0), 0);
  t.same([load(1), load(2)], [4, 4]);
});

t.test('sums that differ by rounding alone move nothing to and fro', async (t) => {
  // Found by search: without a tolerance for rounding, buckets of these costs wander between the nodes for ever.
  const input = { map: held([2, 1, 1, 2, 1, 1, 3, 3]), nodes: nodes(1, 2, 3), costs: [0.7, 0.8, 0.3, 0.3, 0.7, 0.2, 0.4, 0.4] };
  let { map } = input;
  let rounds = 0;
  for (let changes = allocate({ ...input, movesPerRoundMax: 1, movesPerNodeMax: Infinity, movesInFlightMax: 1 }); changes.length > 0 && rounds < 50; rounds++) {
    map = map.replaced(1, new Map(changes.map(({ index, next }) => [index, { owner: next, next: NO_NODE, epoch: 1 }])));
    changes = allocate({ ...input, map, movesPerRoundMax: 1, movesPerNodeMax: Infinity, movesInFlightMax: 1 });
  }
  t.ok(rounds < 8, `${rounds} rounds`);
});

// Random clusters: any map at all, whatever lives.
const anyEntry = fc.record({ owner: fc.integer({ min: 0, max: 6 }), next: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 6 })), epoch: fc.integer({ min: 0, max: 2 }) });
const anyMap = fc.array(anyEntry, { minLength: 32, maxLength: 32 }).map((list) => BucketMap.empty(5).replaced(1, new Map(list.entries())));
const anyNodes = fc.uniqueArray(fc.record({ number: fc.integer({ min: 1, max: 6 }), weight: fc.constantFrom(0, 1, 1, 2, 5), draining: fc.boolean() }), { selector: (one) => one.number, maxLength: 6 });
const anyPins = fc.dictionary(fc.integer({ min: 0, max: 40 }).map(String), fc.integer({ min: 1, max: 7 })).map((pins) => new Map(Object.entries(pins).map(([index, number]) => [Number(index), number])));
const anyCosts = fc.option(fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 32, maxLength: 32 }), { nil: undefined });
const anyInput = fc.record({ map: anyMap, nodes: anyNodes, pins: anyPins, costs: anyCosts, movesPerRoundMax: fc.integer({ min: 1, max: 8 }), movesPerNodeMax: fc.integer({ min: 1, max: 4 }), movesInFlightMax: fc.integer({ min: 1, max: 8 }) })
  .map(({ costs, ...rest }): AllocationInput => (costs === undefined ? rest : { ...rest, costs }));

t.test('from any map: nothing of the dead remains, no bucket that can be served is not, and bounds hold (A1, A4)', async () => {
  fc.assert(fc.property(anyInput, (input) => {
    const living = new Set(input.nodes.map(({ number }) => number));
    const takers = new Set(input.nodes.filter(({ draining, weight }) => !draining && weight > 0).map(({ number }) => number));
    const changes = allocate(input);
    const map = input.map.assigned(2, changes);
    let moving = 0;
    let begun = 0;
    for (let index = 0; index < map.size; index++) {
      const { owner, next, epoch } = map.entryOf(index);
      if (owner === NO_NODE ? takers.size > 0 || next !== NO_NODE : !living.has(owner)) return false;
      if (next !== NO_NODE && (!takers.has(next) || next === owner)) return false;
      if (next !== NO_NODE && epoch > 0) moving++;
      const before = input.map.entryOf(index);
      // Who holds a bucket and lives keeps it until it is handed over.
      if (before.epoch > 0 && living.has(before.owner) && owner !== before.owner) return false;
      if (next !== NO_NODE && next !== before.next) begun++;
    }
    const movingBefore = Array.from({ length: input.map.size }, (_, index) => input.map.entryOf(index))
      .filter(({ owner, next, epoch }) => living.has(owner) && takers.has(next) && next !== owner && epoch > 0).length;
    if (moving > Math.max(input.movesInFlightMax, movingBefore) || begun > input.movesPerRoundMax) return false;
    const before = handOffsByNode(input.map);
    return [...handOffsByNode(map)].every(([number, count]) => count <= Math.max(input.movesPerNodeMax, before.get(number) ?? 0));
  }), { numRuns: 3_000 });
});

/** From and to each. */
function handOffsByNode(map: BucketMap): Map<number, number> {
  const counts = new Map<number, number>();
  for (let index = 0; index < map.size; index++) {
    const { owner, next, epoch } = map.entryOf(index);
    if (next !== NO_NODE && next !== owner && epoch > 0) for (const number of [owner, next]) counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  return counts;
}

t.test('from any map: it comes to rest, and there repeats nothing, in whatever order nodes are named (A3, A5)', async () => {
  fc.assert(fc.property(anyInput, (input) => {
    const rounds = plan(input);
    const map = end(input, rounds);
    const backwards = plan({ ...input, nodes: [...input.nodes].reverse() });
    return allocate({ ...input, map }).length === 0 && rounds.length <= 200 && JSON.stringify(rounds) === JSON.stringify(backwards);
  }), { numRuns: 1_000 });
});

t.test('from any map: at rest all buckets are with nodes that may have them, as even as weights allow', async () => {
  fc.assert(fc.property(anyInput, ({ map, nodes: among, movesPerRoundMax, movesPerNodeMax, movesInFlightMax }) => {
    const takers = among.filter(({ draining, weight }) => !draining && weight > 0);
    fc.pre(takers.length > 0);
    const after = end({ map, nodes: among, movesPerRoundMax, movesPerNodeMax, movesInFlightMax });
    const counts = countsOf(after, takers);
    if (counts.reduce((a, b) => a + b, 0) !== after.size) return false;
    return takers.every((from, i) => takers.every((to, k) => i === k || counts[i]! / from.weight <= ((counts[k]! + 1) / to.weight) * (1 + 1e-6)));
  }), { numRuns: 1_000 });
});

/** No plan can do with fewer: what has no owner, what drains, and what lies above the share that its owner may keep. */
function leastMoves(map: BucketMap, takers: readonly AllocationNode[], draining: number): number {
  const counts = countsOf(map, takers).sort((a, b) => b - a);
  const share = Math.floor(map.size / takers.length);
  const larger = map.size % takers.length;
  return draining + counts.reduce((total, count, i) => total + Math.max(0, count - share - (i < larger ? 1 : 0)), 0);
}

t.test('nodes that come, go and drain: least moves, bounded rounds, nothing moves twice (A2)', async () => {
  const step = fc.record({ kind: fc.constantFrom('join', 'leave', 'drain'), at: fc.nat() });
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 20 }), fc.option(fc.integer({ min: 1, max: 4 })), (steps, movesMax, perNodeMax) => {
    let among = nodes(1);
    let number = 1;
    let map = end({ map: BucketMap.empty(6), nodes: among, ...unbounded });
    for (const { kind, at } of steps) {
      const i = at % among.length;
      const alone = among.filter((one) => !one.draining).length < 2;
      if (kind === 'join' || alone) among = [...among, node(++number)];
      else if (kind === 'leave') among = among.filter((_, k) => k !== i);
      else among = among.map((one, k) => (k === i ? { ...one, draining: true } : one));
      const takers = among.filter((one) => !one.draining);
      const draining = ownersOf(map).filter((owner) => among.some((one) => one.number === owner && one.draining)).length;
      const orphans = ownersOf(map).filter((owner) => !among.some((one) => one.number === owner)).length;
      const least = leastMoves(map, takers, draining);
      const rounds = plan({ map, nodes: among, movesPerRoundMax: movesMax, movesPerNodeMax: perNodeMax ?? Infinity, movesInFlightMax: 2 * movesMax });
      const assigned = rounds.flatMap(({ assignments }) => assignments.map(({ index }) => index));
      if (assigned.length !== orphans + least || new Set(assigned).size !== assigned.length) return false;
      if (perNodeMax === null && rounds.length > Math.ceil(least / movesMax) + (orphans > 0 ? 1 : 0)) return false;
      map = end({ map, nodes: among, ...unbounded }, rounds);
    }
    return true;
  }), { numRuns: 500 });
});

t.test('65,536 buckets and 50 nodes', async (t) => {
  const among = nodes(...Array.from({ length: 50 }, (_, i) => i + 1));
  const first = plan({ map: BucketMap.empty(16), nodes: among, movesPerRoundMax: 16, movesPerNodeMax: Infinity, movesInFlightMax: 64 });
  t.equal(first.length, 1);
  const from = performance.now();
  t.equal(allocate({ map: end({ map: BucketMap.empty(16), nodes: among, ...unbounded }, first), nodes: [...among, node(51)], movesPerRoundMax: 16, movesPerNodeMax: Infinity, movesInFlightMax: 64 }).length, 16);
  t.comment(`a round took ${(performance.now() - from).toFixed(0)} ms`);
});
