/** A chain of causes across the nodes of a cluster. */

import t from 'tap';

import { chainOf } from '../runtime/actor/causes/chain.ts';
import type { CauseLink, Causes, RecordRef } from '../runtime/actor/engine.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { BucketMap } from './bucket-map.ts';
import { ClusterCauses } from './cluster-causes.ts';
import { EXPLAIN } from './methods.ts';
import type { IncomingRequest, Peer, Pending, Transport } from './transport/transport.ts';

const NO_BYTES = Buffer.alloc(0);

/** Bucket 2i and 2i + 1 are node i's; record n of a bucket came of record n - 1 of the next bucket, down to 1. */
class Node implements Causes {
  readonly asked: RecordRef[] = [];

  async explain(ref: RecordRef): Promise<CauseLink> {
    this.asked.push(ref);
    const { bucket, position } = 'actor' in ref ? { bucket: 0, position: ref.seq } : ref;
    if (position === 13) throw new TroupeError('BAD_REQUEST', 'no such record');
    const cause = position === 1 ? { kind: 'client', place: null, entry: 0, incarnation: '' } as const : { kind: 'message', place: { bucket: (bucket + 1) % 6, position: position - 1 }, entry: 0, incarnation: 'x' } as const;
    return { record: { bucket, position, incarnation: position === 21 ? 'y' : 'x' } as CauseLink['record'], trace: null, cause };
  }
}

const nodes = [new Node(), new Node(), new Node()];
/** Each with the way of a request through its own handler. */
const peers = nodes.map((node) => {
  let handler: (incoming: IncomingRequest) => void = () => {};
  clusterOf(0, node).serve({ handle: (method: number, handle: typeof handler) => (method === EXPLAIN ? (handler = handle) : undefined) } as unknown as Transport);
  return {
    request: (pending: Pending, method: number, value: unknown) => {
      if (method !== EXPLAIN) throw new Error('another method');
      handler({ value, answer: (answer: unknown) => pending.answered(answer, NO_BYTES, 0, 0), fail: (error: { code: 'BAD_REQUEST'; message: string }) => pending.failed({ outcome: 'answered', ...error }) } as unknown as IncomingRequest);
    },
  } as unknown as Peer;
});

function clusterOf(self: number, local: Causes = nodes[self]!): ClusterCauses {
  return new ClusterCauses({
    local,
    owners: { self: self + 1, map: BucketMap.empty(3), ownerOf: (index) => (index < 6 ? Math.floor(index / 2) + 1 : 0) },
    router: { indexOf: () => 0 },
    peers: { peerOf: (number) => peers[number - 1] ?? null },
  });
}

t.test('each record is explained by its owner, whichever node is asked', async (t) => {
  for (const self of [0, 1, 2]) {
    for (const node of nodes) node.asked.length = 0;
    const { links, broken } = await chainOf(clusterOf(self), { actor: 'a.B:1', seq: 8 }, 100);
    t.equal(broken, '');
    t.same(links.map(({ record }) => record.bucket), [0, 1, 2, 3, 4, 5, 0, 1]);
    t.same(nodes.map(({ asked }) => asked.length), [4, 2, 2]);
  }
});

t.test('where it cannot go on, it says why', async (t) => {
  t.match(await chainOf(clusterOf(0), { bucket: 0, position: 8 }, 3), { links: { length: 3 }, broken: /goes on at 3\/5/ });
  t.match(await chainOf(clusterOf(0), { bucket: 0, position: 15 }, 100), { links: { length: 2 }, broken: /2\/13 cannot be read: BAD_REQUEST/ });
  t.match(await chainOf(clusterOf(0), { bucket: 0, position: 22 }, 100), { links: { length: 1 }, broken: /1\/21 is lost/ }, 'a log that was cut off there');
  await t.rejects(clusterOf(0).explain({ bucket: 7, position: 1 }), { code: 'NOT_READY' });
  await t.rejects(clusterOf(0).explain({ bucket: 8, position: 1 }), { code: 'BAD_REQUEST' });
});
