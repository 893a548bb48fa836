/**
 * The contract of the control plane's store as a suite: every adapter's test runs it. One test per promise of control-store.ts, each
 * with what must not happen beside what must, and then random work, compared with the model in memory.
 */

import type { Test } from 'tap';

import { Random } from '../../../runtime/actor/testing/random-actor.ts';
import { BucketMap, NO_NODE } from '../../bucket-map.ts';
import { checkFounded, CONTROL_FORMAT, controlLimits } from '../control-store.ts';
import type { Beat, ClusterView, ControlStore, Lead, NodeInfo, NodeRecord, NodeRef } from '../control-store.ts';
import { MemoryControl, MemoryControlStore } from '../memory-store.ts';

/** One empty place where a cluster can be founded. */
export interface ControlPlace {
  /** Another node's access to it. */
  store(): ControlStore;
}

export interface ContractSettings {
  readonly place: () => Promise<ControlPlace>;
  readonly seeds: readonly number[];
  readonly stepsPerSeed: number;
}

const BITS = 4;
const config = { id: 'c-1', bucketBits: BITS };

export function infoOf(id: string, changes: Partial<NodeInfo> = {}): NodeInfo {
  return { addresses: { transport: `${id}:7072` }, version: '1.0.0', draining: false, weight: 1, load: 0, ...changes };
}

function beatOf(id: string, changes: Partial<Beat> = {}): Beat {
  return { id, incarnation: `${id}-1`, number: NO_NODE, info: infoOf(id), knownMapVersion: 0, ...changes };
}

/** @throws Error when the node was replaced, or the cluster is full */
async function view(store: ControlStore, beat: Beat): Promise<ClusterView> {
  const answer = await store.beat(beat);
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  return answer;
}

async function join(store: ControlStore, id: string): Promise<NodeRef> {
  return { id, number: (await view(store, beatOf(id))).number };
}

/** The first term, of a node that joins for it. */
async function elect(store: ControlStore, id = 'lead'): Promise<Lead> {
  const node = await join(store, id);
  const { term } = await store.campaign(node, 0);
  return { term, node: node.number };
}

/** What any node would be shown. */
async function look(store: ControlStore): Promise<ClusterView & { readonly map: BucketMap }> {
  const answer = await view(store, beatOf('looker'));
  return { ...answer, map: answer.map! };
}

export async function controlContract(t: Test, settings: ContractSettings): Promise<void> {
  const promise = async (name: string, work: (t: Test, store: ControlStore, place: ControlPlace) => Promise<void>): Promise<void> => {
    await t.test(name, async (t) => {
      const place = await settings.place();
      const store = place.store();
      await store.found(config);
      await work(t, store, place);
    });
  };

  await promise('found keeps what the first one asked for', async (t, _, place) => {
    const store = place.store();
    const found = await store.found({ id: 'c-2', bucketBits: BITS + 1 });
    t.same(found, { ...config, format: CONTROL_FORMAT });
    t.throws(() => checkFounded({ id: 'c-2', bucketBits: BITS + 1 }, found), { code: 'CONFIG_INVALID' });
    t.throws(() => checkFounded(config, { ...found, format: CONTROL_FORMAT + 1 }), { code: 'JOURNAL_VERSION' });
    checkFounded({ id: 'c-2', bucketBits: BITS }, found);
    const { lead, map, mapVersion, nodes } = await look(store);
    t.same({ lead, mapVersion, size: map.size, changed: map.diff(null), nodes: nodes.length }, { lead: { term: 0, node: NO_NODE }, mapVersion: 1, size: 2 ** BITS, changed: [], nodes: 1 });
  });

  await promise('nothing but found works before found', async (t, _, place) => {
    const store = place.store();
    await t.rejects(store.beat(beatOf('a')), /another cluster, or none/);
    await t.rejects(store.pin(0, null), /another cluster, or none/);
  });

  await promise('C1 a beat counts, and shows every node with counter and info', async (t, store) => {
    const first = await view(store, beatOf('a'));
    t.match(first, { number: 1, counter: 1 });
    const info = infoOf('a', { draining: true, weight: 2.5, load: 0.25, addresses: { gateway: '[::1]:7070' }, version: 'ü' });
    t.match(await view(store, beatOf('a', { number: 1, info })), { number: 1, counter: 2 });
    const expected: NodeRecord[] = [
      { id: 'a', number: 1, incarnation: 'a-1', counter: 2, info, drainWanted: false },
      { id: 'b', number: 2, incarnation: 'b-1', counter: 1, info: infoOf('b'), drainWanted: false },
    ];
    t.same((await view(store, beatOf('b'))).nodes, expected);
  });

  await promise('a beat brings the map when the known version differs, in either direction', async (t, store) => {
    const lead = await elect(store);
    t.match(await store.publish(lead, 1, [{ index: 3, owner: lead.node, next: NO_NODE }]), { kind: 'published', mapVersion: 2 });
    t.equal((await view(store, beatOf('a', { knownMapVersion: 2 }))).map, null);
    for (const knownMapVersion of [0, 1, 3]) {
      const { map, mapVersion } = await view(store, beatOf('a', { knownMapVersion }));
      t.equal(mapVersion, 2);
      t.equal(map!.version, 2);
      t.same(map!.diff(null), [3]);
    }
  });

  await promise('C3 a new incarnation is a new node, and the older one is told so', async (t, store) => {
    const old = await join(store, 'a');
    t.equal((await join(store, 'a')).number, old.number, 'the same incarnation asks again: its answer was lost');
    const lead = await elect(store);
    await store.publish(lead, 1, [{ index: 0, owner: old.number, next: NO_NODE }, { index: 1, owner: lead.node, next: old.number }]);
    await store.drain('a', true);
    const second = await view(store, beatOf('a', { incarnation: 'a-2' }));
    t.ok(second.number > lead.node);
    t.match(second, { counter: 1 });
    t.equal(second.nodes.find(({ id }) => id === 'a')!.drainWanted, false, 'the wish was about the other one');
    t.same(await store.beat(beatOf('a', { number: old.number })), { kind: 'replaced' });
    t.same(await store.accept(old, [{ index: 0, epoch: 1 }, { index: 1, epoch: 1 }]), ['unnamed', 'unnamed']);
    t.same(await store.release(old, [0, 1]), ['unnamed', 'unnamed']);
    t.match(await store.campaign(old, 1), { won: false });
    await store.leave(old);
    t.equal((await view(store, beatOf('a', { incarnation: 'a-2', number: second.number }))).counter, 2);
  });

  await promise('C3 numbers are never used again', async (t, store) => {
    const a = await join(store, 'a');
    await store.leave(a);
    t.same((await look(store)).nodes.map(({ id }) => id), ['looker']);
    const again = await join(store, 'a');
    t.ok(again.number > a.number);
    t.equal((await view(store, beatOf('a', { number: a.number }))).number, again.number, 'same incarnation, newer number');
  });

  await promise('a node whose record is gone joins again', async (t, store) => {
    const lead = await elect(store);
    const a = await join(store, 'a');
    t.equal(await store.forget(lead, a), true);
    t.match(await view(store, beatOf('a', { number: a.number })), { number: a.number + 1, counter: 1 });
  });

  await promise('C6 a node that the store has forgotten in favour of an older incarnation joins again', async (t, store) => {
    await join(store, 'a');
    // As after a restore: the store has a-1 with number 1, and a-2 remembers that it was 9.
    const { number, nodes } = await view(store, beatOf('a', { incarnation: 'a-2', number: 9 }));
    t.equal(number, 2);
    t.same(nodes.map(({ incarnation }) => incarnation), ['a-2']);
  });

  await promise('C4 one scheduler a term', async (t, store) => {
    const [a, b] = [await join(store, 'a'), await join(store, 'b')];
    t.same(await store.campaign(a, 0), { won: true, term: 1, node: a.number });
    t.same(await store.campaign(b, 0), { won: false, term: 1, node: a.number });
    t.same((await look(store)).lead, { term: 1, node: a.number });
    t.same(await store.campaign(b, 1), { won: true, term: 2, node: b.number });
    const change = [{ index: 0, owner: a.number, next: NO_NODE }];
    t.match(await store.publish({ term: 1, node: a.number }, 1, change), { kind: 'deposed' });
    t.match(await store.publish({ term: 2, node: a.number }, 1, change), { kind: 'deposed' }, 'the term of another');
    t.match(await store.publish({ term: 1, node: b.number }, 1, change), { kind: 'deposed' });
    t.equal(await store.forget({ term: 1, node: a.number }, b), false);
    t.equal((await look(store)).mapVersion, 1);
    await store.leave(b);
    t.same((await look(store)).lead, { term: 2, node: NO_NODE }, 'the term stays');
    t.same(await store.campaign({ id: 'nobody', number: 77 }, 2), { won: false, term: 2, node: NO_NODE });
  });

  await promise('C5 what was planned on an older map is refused', async (t, store) => {
    const lead = await elect(store);
    const change = (index: number) => [{ index, owner: lead.node, next: NO_NODE }];
    t.same(await store.publish(lead, 1, change(0)), { kind: 'published', mapVersion: 2 });
    t.same(await store.publish(lead, 1, change(1)), { kind: 'moved', mapVersion: 2 });
    t.same(await store.publish(lead, 3, change(1)), { kind: 'moved', mapVersion: 2 });
    t.same(await store.publish(lead, 2, []), { kind: 'published', mapVersion: 2 }, 'no change, no new version');
    t.same((await look(store)).map.diff(null), [0]);
  });

  await promise('C5 the owner by assignment says that it has opened the bucket', async (t, store) => {
    const lead = await elect(store);
    const [a, b] = [await join(store, 'a'), await join(store, 'b')];
    await store.publish(lead, 1, [{ index: 5, owner: a.number, next: NO_NODE }, { index: 6, owner: b.number, next: NO_NODE }]);
    t.same(await store.accept(a, [{ index: 5, epoch: 4 }, { index: 6, epoch: 9 }, { index: 7, epoch: 9 }]), ['accepted', 'unnamed', 'unnamed']);
    let { map } = await look(store);
    t.equal(map.version, 3);
    t.same([5, 6, 7].map((index) => map.phaseOf(index)), ['held', 'given', 'vacant']);
    t.same(await store.accept(a, [{ index: 5, epoch: 4 }]), ['known']);
    t.same(await store.accept(a, [{ index: 5, epoch: 3 }]), ['stale']);
    t.equal((await look(store)).mapVersion, 3, 'no change, no new version');
    t.same(await store.accept(a, [{ index: 5, epoch: 6 }]), ['accepted']);
    ({ map } = await look(store));
    t.same(map.entryOf(5), { owner: a.number, next: NO_NODE, epoch: 6 });
    await store.publish(lead, map.version, [{ index: 5, owner: b.number, next: NO_NODE }]);
    t.same((await look(store)).map.entryOf(5), { owner: b.number, next: NO_NODE, epoch: 0 });
    t.same(await store.accept(a, [{ index: 5, epoch: 7 }]), ['unnamed']);
    t.same(await store.accept(b, [{ index: 5, epoch: 2 }]), ['accepted'], 'given anew, it takes any epoch: the journal may have been restored');
  });

  await promise('C5 a hand-off ends when who takes over has opened the bucket', async (t, store) => {
    const lead = await elect(store);
    const [a, b, c] = [await join(store, 'a'), await join(store, 'b'), await join(store, 'c')];
    await store.publish(lead, 1, [{ index: 5, owner: a.number, next: NO_NODE }]);
    await store.accept(a, [{ index: 5, epoch: 4 }]);
    await store.publish(lead, 3, [{ index: 5, owner: a.number, next: b.number }]);
    let { map } = await look(store);
    t.same(map.entryOf(5), { owner: a.number, next: b.number, epoch: 4 });
    t.equal(map.phaseOf(5), 'moving');
    t.same(await store.accept(a, [{ index: 5, epoch: 5 }]), ['accepted'], 'the owner opened it again meanwhile');
    t.same(await store.accept(b, [{ index: 5, epoch: 5 }]), ['stale']);
    t.same(await store.accept(c, [{ index: 5, epoch: 6 }]), ['unnamed']);
    t.same(await store.accept(b, [{ index: 5, epoch: 6 }]), ['accepted']);
    ({ map } = await look(store));
    t.same(map.entryOf(5), { owner: b.number, next: NO_NODE, epoch: 6 });
    t.same(await store.accept(a, [{ index: 5, epoch: 7 }]), ['unnamed']);
  });

  await promise('C5 release gives up or declines', async (t, store) => {
    const lead = await elect(store);
    const [a, b] = [await join(store, 'a'), await join(store, 'b')];
    const set = async (owner: number, next: number): Promise<void> => {
      for (const entry of [{ index: 2, owner, next: NO_NODE }, { index: 2, owner, next }]) await store.publish(lead, (await look(store)).mapVersion, [entry]);
    };
    await set(a.number, NO_NODE);
    await store.accept(a, [{ index: 2, epoch: 8 }]);
    t.same(await store.release(b, [2, 3]), ['unnamed', 'unnamed']);
    t.same(await store.release(a, [2]), ['vacated']);
    t.same((await look(store)).map.entryOf(2), { owner: NO_NODE, next: NO_NODE, epoch: 0 });
    await set(a.number, b.number);
    await store.accept(a, [{ index: 2, epoch: 9 }]);
    t.same(await store.release(b, [2]), ['declined']);
    t.same((await look(store)).map.entryOf(2), { owner: a.number, next: NO_NODE, epoch: 9 });
    await set(a.number, b.number);
    t.same(await store.release(a, [2]), ['vacated']);
    t.same((await look(store)).map.entryOf(2), { owner: b.number, next: NO_NODE, epoch: 0 }, 'whoever was to take over is given it');
  });

  await promise('C2 a call with a bucket that does not exist changes nothing', async (t, store) => {
    const lead = await elect(store);
    const good = { index: 0, owner: lead.node, next: NO_NODE };
    const none = /there is no bucket/;
    await t.rejects(store.publish(lead, 1, [good, { ...good, index: 2 ** BITS }]), none);
    await store.publish(lead, 1, [good]);
    const node = { id: 'lead', number: lead.node };
    await t.rejects(store.accept(node, [{ index: 0, epoch: 1 }, { index: 2 ** BITS, epoch: 1 }]), none);
    await t.rejects(store.release(node, [0, 2 ** BITS]), none);
    await t.rejects(store.pin(2 ** BITS, 'lead'), none);
    await t.rejects(store.pin(-1, 'lead'), none);
    const { map } = await look(store);
    t.equal(map.version, 2);
    t.same(map.entryOf(0), { owner: lead.node, next: NO_NODE, epoch: 0 });
    const many = controlLimits.bucketsPerCallMax + 1;
    await t.rejects(store.release(node, Array.from({ length: many }, () => 0)), RangeError);
  });

  await promise('operators drain and pin, until the node is gone', async (t, store) => {
    const lead = await elect(store);
    const a = await join(store, 'a');
    t.equal(await store.drain('nobody', true), 'unknownNode');
    t.equal(await store.pin(3, 'nobody'), 'unknownNode');
    t.equal(await store.drain('a', true), 'done');
    for (const index of [3, 4, 5]) t.equal(await store.pin(index, index === 4 ? 'lead' : 'a'), 'done');
    const drained = async (): Promise<string[]> => (await look(store)).nodes.filter(({ drainWanted }) => drainWanted).map(({ id }) => id);
    t.same(await drained(), ['a']);
    t.same([...(await look(store)).pins].sort(), [[3, a.number], [4, lead.node], [5, a.number]]);
    t.equal(await store.drain('a', false), 'done');
    t.same(await drained(), []);
    t.equal(await store.pin(5, null), 'done');
    await store.leave(a);
    t.equal((await look(store)).pins.get(3), a.number, 'a pin may outlive its node until the scheduler tidies up');
    await store.forget(lead, a);
    t.same([...(await look(store)).pins], [[4, lead.node]]);
  });

  await t.test('random work gives what the model gives', async (t) => {
    for (const seed of settings.seeds) {
      const place = await settings.place();
      const difference = await compareWithModel(place.store(), new MemoryControlStore(new MemoryControl()), seed, settings.stepsPerSeed);
      t.equal(difference, null, `seed ${seed}`);
    }
  });
}

/** The first step at which the two answer differently; null when they never do. */
async function compareWithModel(store: ControlStore, model: ControlStore, seed: number, steps: number): Promise<string | null> {
  const random = new Random(seed);
  await Promise.all([store.found(config), model.found(config)]);
  for (let step = 0; step < steps; step++) {
    const call = randomCall(random);
    const [given, expected] = await Promise.all([store, model].map(async (one) => plain(await call.run(one))));
    if (given !== expected) return `step ${step}, ${call.name}: ${given}, and the model ${expected}`;
  }
  return null;
}

interface Call {
  readonly name: string;
  readonly run: (store: ControlStore) => Promise<unknown>;
}

/** Few nodes, few terms, few versions: most calls are nearly right. */
function randomCall(random: Random): Call {
  const ids = ['a', 'b', 'c'];
  const id = random.pick(ids);
  const node: NodeRef = { id, number: random.below(8) };
  const index = (): number => random.below(2 ** BITS);
  const numbers = [random.below(6), random.below(6)];
  const some = <T>(make: () => T): T[] => Array.from({ length: random.below(4) }, make);
  // Each draws what it needs before it runs: both stores are asked the same.
  switch (random.below(10)) {
    case 0:
    case 1: {
      const beat = beatOf(id, { incarnation: `${id}-${random.below(3)}`, number: random.below(3) === 0 ? NO_NODE : node.number, info: infoOf(id, { load: random.below(9) }) });
      return { name: `beat ${plain(beat)}`, run: (store) => store.beat(beat) };
    }
    case 2:
      return random.below(4) > 0 ? randomCall(random) : { name: `leave ${plain(node)}`, run: (store) => store.leave(node) };
    case 3:
      return { name: `campaign ${plain(node)}`, run: async (store) => store.campaign(await known(store, id), (await look(store)).lead.term - (numbers[0] === 0 ? 1 : 0)) };
    case 4:
    case 5: {
      const changes = [...new Set(some(index))].map((at) => ({ index: at, owner: random.below(8), next: random.pick([NO_NODE, NO_NODE, random.below(8)]) }));
      const run = async (store: ControlStore): Promise<unknown> => {
        const { lead, mapVersion } = await look(store);
        return store.publish(numbers[0] === 0 ? { ...lead, term: lead.term - 1 } : lead, mapVersion - (numbers[1] === 0 ? 1 : 0), changes);
      };
      return { name: `publish ${plain(changes)}`, run };
    }
    case 6:
    case 7: {
      const opened = some(() => ({ index: index(), epoch: 1 + random.below(5) }));
      return { name: `accept ${plain(opened)}`, run: async (store) => store.accept(numbers[0] === 0 ? node : await known(store, id), opened) };
    }
    case 8: {
      const indexes = some(index);
      return { name: `release ${plain(indexes)}`, run: async (store) => store.release(await known(store, id), indexes) };
    }
    default:
      return randomWish(random, id, node, index());
  }
}

function randomWish(random: Random, id: string, node: NodeRef, index: number): Call {
  const wanted = random.below(2) === 0;
  if (random.below(3) === 0) return { name: `forget ${plain(node)}`, run: async (store) => store.forget((await look(store)).lead, node) };
  if (random.below(2) === 0) return { name: `drain ${id}`, run: (store) => store.drain(id, wanted) };
  return { name: `pin ${index}`, run: (store) => store.pin(index, wanted ? id : null) };
}

/** The node as it is registered, or a number that nobody has. */
async function known(store: ControlStore, id: string): Promise<NodeRef> {
  const { nodes } = await look(store);
  return { id, number: nodes.find((node) => node.id === id)?.number ?? 1_000 };
}

/** As text that is equal for equal answers. */
function plain(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (part instanceof BucketMap) return [part.version, part.toBytes().toString('hex')];
    return part instanceof Map ? [...part].sort(([a], [b]) => a - b) : part;
  }) ?? 'nothing';
}
