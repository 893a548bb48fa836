/** Who the other nodes are, and that nobody asks a closed transport for them. */

import t from 'tap';

import type { ClusterNode } from './control/membership.ts';
import { Peers } from './peers.ts';
import type { Peer, Transport } from './transport/transport.ts';

class PaperTransport {
  isClosed = false;
  readonly dialled: string[] = [];
  readonly closed: string[] = [];

  peer(node: string): Peer {
    if (this.isClosed) throw new Error('the transport is closed');
    return { node, incarnation: node === 'n3' ? 'older' : null, dialNow: () => void this.dialled.push(node), close: () => void this.closed.push(node) } as unknown as Peer;
  }
}

function node(number: number, alive = true): ClusterNode {
  const addresses = number === 4 ? { transport: 'nonsense' } : { transport: `127.0.0.1:${7_000 + number}` };
  return { id: `n${number}`, number, incarnation: 'newer', info: { addresses, version: '1', draining: false, weight: 1, load: 0 }, draining: false, alive };
}

t.test('others are known by number, but for this node, one without an address, and one whose process has ended', async (t) => {
  const transport = new PaperTransport();
  const peers = new Peers(transport as unknown as Transport, 'n1');
  peers.update([node(1), node(2), node(3), node(4), node(5, false)]);
  t.same([1, 2, 3, 4, 5, 6].map((number) => peers.peerOf(number)?.node ?? null), [null, 'n2', null, null, 'n5', null]);
  t.same(peers.others().map(({ peer }) => peer.node), ['n2']);
  t.same(transport.dialled, ['n2', 'n3', 'n5'], 'each is dialled when it is first heard of');
  t.same([peers.nameOf(2), peers.nameOf(6), peers.numberOf('n5'), peers.numberOf('n6')], ['n2', '', 5, 0]);
});

t.test('a node that has left is not dialled again; one that was started anew under its name is', async (t) => {
  const transport = new PaperTransport();
  const peers = new Peers(transport as unknown as Transport, 'n1');
  peers.update([node(1), node(2), node(5)]);
  peers.update([node(1), { ...node(2), number: 6 }]);
  t.same(transport.closed, ['n5']);
  t.same(transport.dialled, ['n2', 'n5', 'n2']);
});

t.test('a node that ends finds no way to others any more, and does not fall over looking', async (t) => {
  const transport = new PaperTransport();
  const peers = new Peers(transport as unknown as Transport, 'n1');
  peers.update([node(1), node(2)]);
  peers.close();
  transport.isClosed = true;
  t.equal(peers.peerOf(2), null);
  t.same(peers.others(), []);
  peers.update([node(1), node(2)]);
  t.equal(peers.peerOf(2), null, 'what is heard later changes nothing');
});
