/** A cluster as an operator sees it, from what the control plane and the nodes say; time is the test's. */

import assert from 'node:assert/strict';

import t from 'tap';

import type { BucketLoad, NodeLoad } from '../runtime/admin/operations.ts';
import { plan } from './allocation.ts';
import { BucketMap } from './bucket-map.ts';
import type { BucketEntry } from './bucket-map.ts';
import { controlDefaults } from './control/timing.ts';
import type { OperatorAnswer } from './control/control-store.ts';
import type { ClusterNode, ClusterState } from './control/membership.ts';
import { allocationOf } from './control/scheduler.ts';
import { VirtualTime } from './control/testing/virtual-time.ts';
import { LOAD } from './methods.ts';
import type { LoadAnswer } from './methods.ts';
import { ClusterOperations } from './operations.ts';
import type { IncomingRequest, Peer, Pending } from './transport/transport.ts';

const BITS = 2;
const NO_BYTES = Buffer.alloc(0);

function nodeOf(id: string, number: number, more: Partial<ClusterNode> = {}): ClusterNode {
  const info = { addresses: { admin: `${id}:7071` }, version: '0.1.0', draining: false, weight: 1, load: 0 };
  return { id, number, incarnation: `of ${id}`, info, draining: false, alive: true, ...more };
}

function loadOf(records: number): NodeLoad {
  return { actors: 1, records, hotBytes: 10, coldBytes: null, snapshots: null, backlog: 0, parked: 0, failed: 0, refused: 0, requestsPerSecond: 0, recordsPerSecond: 0 };
}

function bucketLoadOf(index: number, records: number): BucketLoad {
  return { index, epoch: 1, actors: 1, records, hotBytes: 10, coldBytes: null, snapshots: null, backlog: 0, parked: 0, failed: 0, refused: null, recordsPerSecond: 0 };
}

/** A peer that answers `LOAD` by this, or never. */
function peerOf(answer: (areBucketsWanted: boolean) => LoadAnswer | 'never' | 'lost'): Peer {
  return {
    request: (pending: Pending, method: number, value: unknown) => {
      assert.equal(method, LOAD);
      const answered = answer(value as boolean);
      if (answered === 'lost') pending.failed({ outcome: 'lost', code: 'UNKNOWN_OUTCOME', message: 'gone' });
      else if (answered !== 'never') pending.answered(answered, NO_BYTES, 0, 0);
    },
  } as unknown as Peer;
}

class Cluster {
  readonly time = new VirtualTime();
  readonly wishes: unknown[] = [];
  readonly peers = new Map<number, Peer>();
  answer: () => Promise<OperatorAnswer> = async () => 'done';
  /** How long it takes until this node sees a wish. */
  seenAfterMs = 30;
  state: ClusterState | null;
  readonly operations: ClusterOperations;

  constructor(nodes: readonly ClusterNode[], entries: readonly BucketEntry[]) {
    const map = BucketMap.empty(BITS).replaced(7, new Map(entries.entries()));
    this.state = { self: { id: 'n1', number: 1 }, lead: { term: 3, node: 2 }, map, nodes, pins: new Map([[2, 2]]), nowMs: 0 };
    const cluster = this;
    this.operations = new ClusterOperations({
      plane: {
        get state() {
          return cluster.state;
        },
        plan: () => plan(allocationOf(cluster.state!, controlDefaults, null)),
        drain: (id, isWanted) => this.wish(['drain', id, isWanted], (state) => ({ ...state, nodes: state.nodes.map((node) => (node.id === id ? { ...node, draining: isWanted } : node)) })),
        move: (index, id) => this.wish(['move', index, id], (state) => {
          const pins = new Map(state.pins);
          const number = state.nodes.find((node) => node.id === id)?.number;
          if (number === undefined) pins.delete(index);
          else pins.set(index, number);
          return { ...state, pins };
        }),
      },
      monitor: { node: () => loadOf(100), buckets: () => [bucketLoadOf(0, 100), bucketLoadOf(2, 9_999)] },
      peerOf: (number) => this.peers.get(number) ?? null,
      clock: this.time,
      timers: this.time,
    });
  }

  /** What `work` comes to, with as much time as it needs, and how much that was. */
  async ask<T>(work: Promise<T>): Promise<{ value: T | Error; ms: number }> {
    const began = this.time.nowMs;
    let ended = -1;
    const value = work.catch((error: unknown) => error as Error).finally(() => (ended = this.time.nowMs));
    while (ended < 0) await this.time.pass(10);
    return { value: await value, ms: ended - began };
  }

  private async wish(wish: unknown[], change: (state: ClusterState) => ClusterState): Promise<OperatorAnswer> {
    this.wishes.push(wish);
    const answer = await this.answer();
    this.time.later(this.seenAfterMs, () => (this.state = change(this.state!)));
    return answer;
  }
}

const held = (owner: number, epoch = 1): BucketEntry => ({ owner, next: 0, epoch });
const two = [nodeOf('n1', 1), nodeOf('n2', 2)];
const shared = [held(1), held(1), held(2), held(2)];

t.test('nodes: what the control plane says, with what each says of itself', async (t) => {
  const cluster = new Cluster([...two, nodeOf('n3', 5, { alive: false }), nodeOf('n4', 6, { draining: true })], [held(1), held(2), held(2), held(5)]);
  cluster.peers.set(2, peerOf(() => ({ node: loadOf(200), buckets: null })));
  cluster.peers.set(5, peerOf(() => t.fail('the dead are not asked') as never));
  cluster.peers.set(6, peerOf(() => 'lost'));
  const { value, ms } = await cluster.ask(cluster.operations.nodes());
  t.match(value, [
    { id: 'n1', number: 1, state: 'live', isScheduler: false, buckets: 1, version: '0.1.0', addresses: { admin: 'n1:7071' }, load: { records: 100 } },
    { id: 'n2', number: 2, state: 'live', isScheduler: true, buckets: 2, load: { records: 200 } },
    { id: 'n3', number: 5, state: 'dead', isScheduler: false, buckets: 1, load: null },
    { id: 'n4', number: 6, state: 'draining', isScheduler: false, buckets: 0, load: null },
  ]);
  t.equal(ms, 0, 'whoever fails keeps nobody waiting');
});

t.test('a node that never answers is waited for two seconds, and shown without measures', async (t) => {
  const cluster = new Cluster([...two, nodeOf('n3', 3)], shared);
  cluster.peers.set(2, peerOf(() => 'never'));
  cluster.peers.set(3, peerOf(() => ({ node: loadOf(300), buckets: null })));
  const { value, ms } = await cluster.ask(cluster.operations.nodes());
  t.match(value, [{ load: { records: 100 } }, { load: null }, { load: { records: 300 } }]);
  t.equal(ms, 2_000);
});

t.test('buckets: measures are the owner\'s, not of who had one before', async (t) => {
  const cluster = new Cluster(two, [held(1), { owner: 1, next: 2, epoch: 4 }, held(2), { owner: 0, next: 0, epoch: 0 }]);
  cluster.peers.set(2, peerOf((areBucketsWanted) => {
    t.ok(areBucketsWanted);
    return { node: loadOf(200), buckets: [bucketLoadOf(0, 7_777), bucketLoadOf(2, 200)] };
  }));
  const { value } = await cluster.ask(cluster.operations.buckets());
  t.match(value, [
    { index: 0, state: 'held', node: 'n1', next: null, epoch: 1, pinned: null, load: { records: 100 } },
    { index: 1, state: 'moving', node: 'n1', next: 'n2', epoch: 4, pinned: null, load: null },
    { index: 2, state: 'held', node: 'n2', pinned: 'n2', load: { records: 200 } },
    { index: 3, state: 'vacant', node: null, epoch: 0, load: null },
  ]);
});

t.test('a bucket that its owner refuses is shown so, whatever the map says', async (t) => {
  const cluster = new Cluster(two, [held(1), { owner: 2, next: 0, epoch: 0 }, held(2), { owner: 2, next: 1, epoch: 3 }]);
  const refused = (index: number, code: string): BucketLoad => ({ ...bucketLoadOf(index, 5), refused: code });
  const { refused: _, ...old } = bucketLoadOf(2, 5);
  cluster.peers.set(2, peerOf(() => ({ node: { ...loadOf(5), refused: 2 }, buckets: [refused(1, 'ROLLED_BACK'), old as BucketLoad, refused(3, 'STORE_UNAVAILABLE'), refused(0, 'ROLLED_BACK')] })));
  const { value } = await cluster.ask(cluster.operations.buckets());
  t.match(value, [
    { index: 0, state: 'held', node: 'n1', load: { refused: null } },
    { index: 1, state: 'refused', node: 'n2', next: null, epoch: 0, load: { refused: 'ROLLED_BACK' } },
    { index: 2, state: 'held', node: 'n2', load: { records: 5 } },
    { index: 3, state: 'refused', node: 'n2', next: 'n1', load: { refused: 'STORE_UNAVAILABLE' } },
  ], 'what somebody says of a bucket that is not its own counts nothing, and an older version says nothing about it');
  t.match((await cluster.ask(cluster.operations.nodes())).value, [{ load: { refused: 0 } }, { load: { refused: 2 } }]);
});

t.test('what others are told of this node', async (t) => {
  const { operations } = new Cluster(two, shared);
  const answers: unknown[] = [];
  for (const value of [false, true]) operations.serve({ value, answer: (answer: unknown) => answers.push(answer) } as unknown as IncomingRequest);
  t.match(answers, [{ node: { records: 100 }, buckets: null }, { node: { records: 100 }, buckets: [{ index: 0 }, { index: 2 }] }]);
});

t.test('a plan names nodes, and only what moves', async (t) => {
  const cluster = new Cluster([nodeOf('n1', 1), nodeOf('n2', 2, { draining: true })], shared);
  t.strictSame(cluster.operations.plan(), [{ round: 1, bucket: 2, from: 'n2', to: 'n1' }, { round: 1, bucket: 3, from: 'n2', to: 'n1' }]);
  const vacant = new Cluster(two, [held(1), held(1), held(2), { owner: 9, next: 0, epoch: 3 }]);
  t.strictSame(vacant.operations.plan(), [{ round: 1, bucket: 3, from: '#9', to: 'n2' }], 'its node is not even registered any more');
  t.strictSame(new Cluster(two, shared).operations.plan(), []);
});

t.test('a wish is answered when this node sees it, or two seconds later', async (t) => {
  const cluster = new Cluster(two, shared);
  const drained = await cluster.ask(cluster.operations.drain('n2', true));
  t.ok(drained.value === undefined && drained.ms >= 30 && drained.ms < 100, `seen after ${drained.ms} ms`);
  t.equal(cluster.state!.nodes[1]!.draining, true);
  await cluster.ask(cluster.operations.drain('n2', false));
  await cluster.ask(cluster.operations.move(0, 'n2'));
  t.equal(cluster.state!.pins.get(0), 2);
  await cluster.ask(cluster.operations.move(0, null));
  t.notOk(cluster.state!.pins.has(0));
  t.strictSame(cluster.wishes, [['drain', 'n2', true], ['drain', 'n2', false], ['move', 0, 'n2'], ['move', 0, null]]);
  cluster.seenAfterMs = 60_000;
  const unseen = await cluster.ask(cluster.operations.drain('n2', true));
  t.ok(unseen.value === undefined && unseen.ms >= 2_000 && unseen.ms < 2_100, `answered after ${unseen.ms} ms`);
});

t.test('wishes that cannot come true are refused, and none reaches the control plane', async (t) => {
  const nodes = [nodeOf('n1', 1), nodeOf('n2', 2, { draining: true }), nodeOf('n3', 3, { alive: false })];
  const cluster = new Cluster(nodes, shared);
  const { operations } = cluster;
  const refused: [() => Promise<void>, { code: string; message?: RegExp }][] = [
    [() => operations.drain('n1', true), { code: 'NOT_READY', message: /no other node can take/ }],
    [() => operations.drain('nobody', true), { code: 'BAD_REQUEST', message: /no node "nobody"/ }],
    [() => operations.drain('nobody', false), { code: 'BAD_REQUEST' }],
    [() => operations.move(0, 'n2'), { code: 'NOT_READY', message: /n2 is draining/ }],
    [() => operations.move(0, 'n3'), { code: 'NOT_READY', message: /n3 is dead/ }],
    [() => operations.move(0, 'nobody'), { code: 'BAD_REQUEST' }],
    [() => operations.move(4, 'n1'), { code: 'BAD_REQUEST', message: /from 0 to 3/ }],
    [() => operations.move(4, null), { code: 'BAD_REQUEST' }],
  ];
  for (const [asked, error] of refused) await t.rejects(asked, error);
  t.strictSame(cluster.wishes, []);
  t.match((await cluster.ask(operations.drain('n2', false))).value, undefined, 'taking a wish back needs nobody');
});

t.test('a store that does not answer, and a node that has not joined', async (t) => {
  const cluster = new Cluster(two, shared);
  cluster.answer = () => Promise.reject(new Error('no connection'));
  t.match((await cluster.ask(cluster.operations.drain('n2', true))).value, { code: 'STORE_UNAVAILABLE', message: /no connection/ });
  cluster.answer = async () => 'unknownNode';
  t.match((await cluster.ask(cluster.operations.move(0, 'n2'))).value, { code: 'BAD_REQUEST' }, 'it went a moment ago');
  cluster.answer = async () => 'full';
  t.match((await cluster.ask(cluster.operations.move(0, 'n2'))).value, { code: 'OVERLOADED' });
  cluster.time.nowMs = 9_000;
  t.equal(cluster.operations.ageMs(), 9_000);
  cluster.state = null;
  const { operations } = cluster;
  const asked: Promise<unknown>[] = [operations.nodes(), operations.buckets(), operations.drain('n1', true), operations.move(0, null)];
  for (const answer of asked) t.match(await answer.catch((error: unknown) => error), { code: 'NOT_READY' });
});
