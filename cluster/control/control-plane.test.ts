import t from 'tap';

import { BucketMap, NO_NODE } from '../bucket-map.ts';
import { ControlPlane } from './control-plane.ts';
import type { ControlPlaneOptions } from './control-plane.ts';
import type { ControlStore, NodeRef } from './control-store.ts';
import { MemoryControl, MemoryControlStore } from './memory-store.ts';
import type { ClusterNode } from './membership.ts';
import { infoOf } from './testing/contract.ts';
import { ProcessTime, VirtualTime } from './testing/virtual-time.ts';
import { controlDefaults } from './timing.ts';

const { heartbeatMs, leaseTtlMs, settleMs, forgetAfterMs } = controlDefaults;
const SIZE = 16;

/** A store that can be away. */
function reachable(near: ControlStore, rig: Rig): ControlStore {
  return new Proxy(near, {
    get: (_, name: keyof ControlStore) => async (...args: readonly unknown[]) => {
      if (name === 'beat') await rig.hold;
      if (rig.isDown || (name === 'beat' && rig.areBeatsRefused)) throw new Error('connection refused');
      return (near[name] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    },
  });
}

class Rig {
  readonly time = new VirtualTime();
  readonly control = new MemoryControl();
  isDown = false;
  /** Beats are refused; other calls are not. */
  areBeatsRefused = false;
  /** Beats wait for it. */
  hold: Promise<void> | null = null;
  readonly epochs: number[] = [];

  async start(id: string, changes: Partial<ControlPlaneOptions> & { readonly passive?: boolean; readonly weight?: number } = {}): Promise<TestNode> {
    const node = new TestNode(this, id, changes);
    await node.plane.start();
    return node;
  }

  async startMany(count: number): Promise<TestNode[]> {
    const nodes = await Promise.all(Array.from({ length: count }, (_, i) => this.start(`n${i}`)));
    await this.time.pass(settleMs + 4 * heartbeatMs);
    return nodes;
  }

  get map(): BucketMap {
    return this.control.cluster!.map;
  }

  /** How many buckets each of these nodes holds. */
  held(nodes: readonly TestNode[]): number[] {
    const owners = Array.from({ length: SIZE }, (_, index) => (this.map.phaseOf(index) === 'held' ? this.map.ownerOf(index) : NO_NODE));
    return nodes.map((node) => owners.filter((owner) => owner === node.number).length);
  }

  /** Passes time until this is so; answers how much, Infinity when it takes too long. */
  async until(isSo: () => boolean, maxMs = 60_000): Promise<number> {
    const fromMs = this.time.nowMs;
    while (!isSo()) {
      if (this.time.nowMs - fromMs > maxMs) return Infinity;
      await this.time.pass(10);
    }
    return this.time.nowMs - fromMs;
  }
}

/** A node that opens at once what the map names it for, unless it is passive. */
class TestNode {
  readonly plane: ControlPlane;
  readonly time: ProcessTime;
  readonly maps: BucketMap[] = [];
  readonly leads: (number | null)[] = [];
  readonly lines: string[] = [];
  nodes: readonly ClusterNode[] = [];
  replaced = 0;
  self: NodeRef | null = null;

  constructor(rig: Rig, id: string, { passive = false, weight = 1, ...changes }: Partial<ControlPlaneOptions> & { readonly passive?: boolean; readonly weight?: number }) {
    this.time = new ProcessTime(rig.time);
    const line = (level: string) => (_: object, message: string) => void this.lines.push(`${level} ${message}`);
    this.plane = new ControlPlane({
      store: reachable(new MemoryControlStore(rig.control), rig),
      config: { id: 'c-1', bucketBits: Math.log2(SIZE) },
      id,
      incarnation: `${id}-1`,
      info: () => infoOf(id, { weight }),
      clock: this.time,
      timers: this.time,
      timing: controlDefaults,
      log: { info: line('info'), warn: line('warn'), error: line('error') },
      events: {
        onMap: (map, self) => {
          this.maps.push(map);
          this.self = self;
          if (!passive) void this.openNamed(map, rig);
        },
        onNodes: (nodes) => void (this.nodes = nodes),
        onLead: (term) => void this.leads.push(term),
        onForeign: () => undefined,
        onReplaced: () => void this.replaced++,
      },
      ...changes,
    });
  }

  get number(): number {
    return this.self?.number ?? NO_NODE;
  }

  get isLead(): boolean {
    return (this.leads.at(-1) ?? null) !== null;
  }

  seesAlive(id: string): boolean {
    return this.nodes.some((node) => node.id === id && node.alive);
  }

  private async openNamed(map: BucketMap, rig: Rig): Promise<void> {
    const named = Array.from({ length: SIZE }, (_, index) => index).filter((index) => (map.ownerOf(index) === this.number && map.epochOf(index) === 0) || map.nextOf(index) === this.number);
    if (named.length === 0) return;
    const opened = named.map((index) => ({ index, epoch: (rig.epochs[index] = (rig.epochs[index] ?? 0) + 1) }));
    // A store that is away is asked again when the next map comes.
    await this.plane.accept(opened).catch(() => undefined);
  }
}

t.test('a node alone founds the cluster, schedules it and gets everything', async (t) => {
  const rig = new Rig();
  const node = await rig.start('a');
  t.equal(node.plane.state, null);
  t.same(node.plane.plan(), []);
  await rig.time.pass(100);
  t.same(node.leads, [1]);
  t.same(rig.map.diff(null), [], 'not yet settled (E4)');
  t.equal(node.plane.plan().length, 1, 'the plan says what will be');
  await rig.time.pass(settleMs + heartbeatMs);
  t.same(rig.held([node]), [SIZE]);
  t.equal(node.maps.at(-1)!.version, rig.map.version);
  t.same(node.plane.plan(), []);
});

t.test('nodes that start together share everything out once, without hand-offs (E4)', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(5);
  t.same(rig.held(nodes).sort(), [3, 3, 3, 3, 4]);
  t.notOk(nodes.some(({ maps }) => maps.some((map) => Array.from({ length: SIZE }, (_, index) => map.nextOf(index)).some((next) => next !== NO_NODE))));
  t.equal(nodes.filter(({ isLead }) => isLead).length, 1);
  t.ok(rig.epochs.every((epoch) => epoch === 1));
});

t.test('a node that joins gets its share by hand-offs, and no more', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  nodes.push(await rig.start('late'));
  t.ok((await rig.until(() => rig.held(nodes).every((count) => count === 4))) < 3_000);
  t.equal(rig.epochs.reduce((a, b) => a + b, 0), SIZE + 4, 'four buckets moved, each once');
});

t.test('buckets of a node that dies are given to others after a lease, and none before', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const dead = nodes.find(({ isLead }) => !isLead)!;
  const living = nodes.filter((node) => node !== dead);
  dead.time.end();
  const tookMs = await rig.until(() => living.every((node) => !node.seesAlive(dead.self!.id)));
  t.ok(tookMs > leaseTtlMs - heartbeatMs && tookMs <= leaseTtlMs + 2 * heartbeatMs + 50, `${tookMs} ms`);
  t.ok((await rig.until(() => rig.held(living).every((count) => count === SIZE / 2))) <= 2 * heartbeatMs);
});

t.test('the scheduler that dies has a successor, in a higher term (E1)', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const dead = nodes.find(({ isLead }) => isLead)!;
  const living = nodes.filter((node) => node !== dead);
  dead.time.suspend();
  const tookMs = await rig.until(() => living.some(({ isLead }) => isLead));
  t.ok(tookMs > leaseTtlMs - heartbeatMs && tookMs <= leaseTtlMs + 2 * heartbeatMs + 50, `${tookMs} ms`);
  t.same(living.flatMap(({ leads }) => leads), [2]);
  await rig.time.pass(2_000);
  t.same(rig.held(living), [SIZE / 2, SIZE / 2]);
  dead.time.resume();
  await rig.time.pass(2_000);
  t.same(dead.leads, [1, null], 'it learns from its next beat (E2)');
  t.equal(rig.held(nodes).reduce((a, b) => Math.max(a, b)), 6, 'it lives, and takes part again');
});

t.test('a node that starts anew under its id is a new one: what it had is given out at once', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(2);
  const [old] = nodes;
  old!.time.end();
  const anew = await rig.start('n0', { incarnation: 'n0-2' });
  t.ok((await rig.until(() => rig.held([anew, nodes[1]!]).every((count) => count === SIZE / 2))) <= 3 * heartbeatMs, 'no lease had to end');
  t.ok(anew.number > old!.number);
});

t.test('a node that is told of a change before it starts does not join by that (B6)', async (t) => {
  const rig = new Rig();
  const first = await rig.start('a');
  await rig.time.pass(settleMs + heartbeatMs);
  const second = new TestNode(rig, 'b', {});
  second.plane.lookSoon();
  await rig.time.pass(3 * heartbeatMs);
  t.same([...rig.control.cluster!.nodes.keys()], ['a']);
  t.equal(second.plane.state, null);
  await second.plane.start();
  await rig.time.pass(3 * heartbeatMs);
  t.same([...rig.control.cluster!.nodes.keys()], ['a', 'b']);
  t.ok(first.seesAlive('b'));
});

t.test('while the store is away nothing changes, however long (B1)', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const before = rig.map;
  const shown = nodes.map((node) => node.nodes);
  rig.isDown = true;
  await rig.time.pass(600_000);
  rig.isDown = false;
  await rig.time.pass(10_000);
  t.equal(rig.map, before);
  t.same(nodes.map((node) => node.nodes), shown);
  t.same(nodes[0]!.lines.slice(-2), ['warn the control plane does not answer; going on with what is known', 'info the control plane answers again'], 'told once');
});

t.test('a failed beat between two that succeed makes nobody older (B1, L2)', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(2);
  const [observer, silent] = nodes as [TestNode, TestNode];
  silent.time.end();
  for (let i = 0; i < 10; i++) {
    rig.areBeatsRefused = true;
    await observer.plane.move(0, null);
    await rig.time.pass(2 * controlDefaults.beatGapMinMs);
    rig.areBeatsRefused = false;
    await rig.time.pass(heartbeatMs);
  }
  t.ok(observer.seesAlive('n1'));
  await rig.time.pass(leaseTtlMs + heartbeatMs);
  t.notOk(observer.seesAlive('n1'));
});

t.test('an operator empties a node, and takes it back', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(4);
  t.equal(await nodes[2]!.plane.drain('nobody', true), 'unknownNode');
  t.equal(await nodes[2]!.plane.drain('n1', true), 'done');
  t.ok((await rig.until(() => rig.held(nodes)[1] === 0)) < 3_000);
  await rig.time.pass(1_000);
  t.same(rig.held(nodes).sort(), [0, 5, 5, 6]);
  t.ok(nodes[0]!.nodes.find(({ id }) => id === 'n1')!.draining);
  t.equal(await nodes[1]!.plane.drain('n1', false), 'done');
  t.ok((await rig.until(() => rig.held(nodes).every((count) => count === 4))) < 3_000);
});

t.test('an operator moves a bucket, where it stays until the node is gone', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(4);
  const [a, b] = nodes as [TestNode, TestNode];
  const ofA = (): number[] => Array.from({ length: SIZE }, (_, index) => index).filter((index) => rig.map.ownerOf(index) === a.number);
  const [bucket] = ofA();
  t.equal(await a.plane.move(bucket!, 'n1'), 'done');
  t.ok((await rig.until(() => rig.map.ownerOf(bucket!) === b.number)) < 2_000);
  await rig.time.pass(5_000);
  t.equal(rig.map.ownerOf(bucket!), b.number);
  t.same(rig.held(nodes), [4, 4, 4, 4], 'another one made room');
  await b.plane.stop();
  b.time.end();
  await rig.time.pass(5_000);
  t.notOk(rig.control.cluster!.pins.has(bucket!), 'struck out with its node');
  t.equal(rig.held(nodes.filter((node) => node !== b)).reduce((x, y) => x + y), SIZE);
});

t.test('any node can tell the plan, and it comes to pass', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const late = await rig.start('late', { passive: true });
  await rig.until(() => late.plane.state !== null);
  const plans = [...nodes, late].map(({ plane }) => plane.plan());
  await rig.time.pass(2_000);
  t.same(Array.from({ length: SIZE }, (_, index) => rig.map.nextOf(index)).filter((next) => next === late.number).length, 4);
  const [planned] = plans.filter((rounds) => rounds.length > 0);
  t.same(planned!.flatMap(({ assignments }) => assignments), rig.map.diff(planned![0]!.after).map((index) => ({ index, owner: rig.map.ownerOf(index), next: late.number })));
});

t.test('what a node declines stays where it is, and is offered again', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const late = await rig.start('late', { passive: true });
  const offered = (): number[] => Array.from({ length: SIZE }, (_, index) => index).filter((index) => rig.map.nextOf(index) === late.number);
  await rig.until(() => offered().length === 4);
  const owners = offered().map((index) => rig.map.ownerOf(index));
  t.same(await late.plane.release(offered()), ['declined', 'declined', 'declined', 'declined']);
  await rig.time.pass(2_000);
  t.same(offered().map((index) => rig.map.ownerOf(index)), owners);
  t.ok(nodes.some(({ isLead }) => isLead));
});

t.test('a node of weight 0 takes nothing', async (t) => {
  const rig = new Rig();
  const nodes = [await rig.start('a'), await rig.start('b', { weight: 0 })];
  await rig.time.pass(5_000);
  t.same(rig.held(nodes), [SIZE, 0]);
});

t.test('a store that went back, to the same version with another map, is noticed (B3)', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const [observer] = nodes as [TestNode];
  const saved = rig.control.save();
  await rig.time.pass(5_000);
  rig.control.cluster!.map = rig.control.cluster!.map.assigned(rig.map.version + 1, [{ index: 0, owner: 77, next: NO_NODE }]);
  await rig.until(() => observer.maps.at(-1)!.version === rig.map.version && observer.maps.at(-1)!.ownerOf(0) !== 77);
  const seen = observer.maps.at(-1)!;
  rig.control.cluster = saved;
  // Between two beats it comes to the version that everybody knows, by another way.
  let map = rig.map;
  while (map.version < seen.version) map = map.assigned(map.version + 1, [{ index: 1, owner: 78, next: NO_NODE }]);
  rig.control.cluster!.map = map;
  t.equal(map.version, seen.version);
  await rig.time.pass(2_000);
  t.ok(observer.lines.some((line) => line.includes('asking for everything anew')));
  t.same(rig.held(nodes).sort(), [5, 5, 6], 'what nobody owns was seen, and given out');
  t.same(nodes.map(({ maps }) => maps.at(-1)!.diff(rig.map)), [[], [], []]);
});

t.test('two processes under one id: the newer one goes on, the older one is told', async (t) => {
  const rig = new Rig();
  const [older] = (await rig.startMany(1)) as [TestNode];
  const newer = await rig.start('n0', { incarnation: 'n0-2' });
  await rig.time.pass(10_000);
  t.equal(older.replaced, 1);
  t.equal(newer.replaced, 0);
  t.same(rig.held([older, newer]), [0, SIZE]);
  t.same(newer.leads.length, 1);
  await older.plane.stop();
  t.ok(rig.control.cluster!.nodes.has('n0'), 'who leaves takes itself out alone');
});

t.test('a node that stops is out at once, and so is its office', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  const lead = nodes.find(({ isLead }) => isLead)!;
  const others = nodes.filter((node) => node !== lead);
  await lead.plane.stop();
  t.ok((await rig.until(() => rig.held(others).every((count) => count === SIZE / 2))) <= 4 * heartbeatMs);
  t.equal(rig.control.cluster!.nodes.size, 2);
  const { counter } = [...rig.control.cluster!.nodes.values()][0]!;
  await rig.time.pass(5_000);
  t.equal(rig.control.cluster!.nodes.size, 2, 'it does not come back');
  t.ok([...rig.control.cluster!.nodes.values()][0]!.counter > counter);
});

t.test('a store that is away does not keep a node from stopping', async (t) => {
  const rig = new Rig();
  const [node] = (await rig.startMany(1)) as [TestNode];
  rig.isDown = true;
  await node.plane.stop();
  t.match(node.lines.at(-1), /was not told/);
});

t.test('a node that has been dead for long is struck out', async (t) => {
  const rig = new Rig();
  const nodes = await rig.startMany(3);
  nodes[1]!.time.end();
  await rig.time.pass(forgetAfterMs - 10_000);
  t.equal(rig.control.cluster!.nodes.size, 3);
  await rig.time.pass(10_000 + 5 * heartbeatMs);
  t.equal(rig.control.cluster!.nodes.size, 2);
  t.same(nodes[0]!.nodes.map(({ id }) => id), ['n0', 'n2']);
});

t.test('beats come at their pace, and sooner when something happened', async (t) => {
  const rig = new Rig();
  const [node] = (await rig.startMany(1)) as [TestNode];
  const counter = (): number => rig.control.cluster!.nodes.get('n0')!.counter;
  const before = counter();
  await rig.time.pass(10 * heartbeatMs);
  t.equal(counter() - before, 10);
  for (let i = 0; i < 50; i++) await node.plane.move(0, null);
  await rig.time.pass(controlDefaults.beatGapMinMs);
  t.equal(counter() - before, 11, 'fifty wishes, one beat');
  await rig.time.pass(2 * heartbeatMs);
  t.equal(counter() - before, 13);
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.hold = promise;
  await rig.time.pass(heartbeatMs);
  await node.plane.move(0, null);
  rig.hold = null;
  resolve();
  await rig.time.pass(2 * controlDefaults.beatGapMinMs);
  t.equal(counter() - before, 15, 'a wish during a beat is followed by another one');
});

t.test('what does not fit is refused', async (t) => {
  const rig = new Rig();
  await rig.start('a');
  await t.rejects(rig.start('b', { config: { id: 'c-2', bucketBits: 5 } }), { code: 'CONFIG_INVALID' });
  for (const id of ['', 'a b', 'a:b', 'x'.repeat(65)]) t.throws(() => new TestNode(rig, id, {}), { code: 'CONFIG_INVALID' });
  t.throws(() => new TestNode(rig, 'a', { timing: { ...controlDefaults, leaseTtlMs: 1_900 } }));
  await t.rejects(new TestNode(rig, 'c', {}).plane.accept([{ index: 0, epoch: 1 }]), { code: 'NOT_READY' });
});
