/** The other nodes of the cluster: by number, with the connection to each. */

import type { ClusterNode } from './control/membership.ts';
import type { NodeAddress, Peer, Transport } from './transport/transport.ts';

export class Peers {
  private readonly transport: Transport;
  private readonly self: string;
  private nodes: readonly ClusterNode[] = [];
  private readonly byNumber = new Map<number, ClusterNode>();
  private isClosed = false;

  constructor(transport: Transport, self: string) {
    this.transport = transport;
    this.self = self;
  }

  update(nodes: readonly ClusterNode[]): void {
    if (this.isClosed) return;
    const fresh = nodes.filter(({ number }) => !this.byNumber.has(number));
    const ids = new Set(nodes.map(({ id }) => id));
    for (const node of this.nodes) if (!ids.has(node.id)) this.forget(node);
    this.nodes = nodes;
    this.byNumber.clear();
    for (const node of nodes) this.byNumber.set(node.number, node);
    // A node that was started anew is there again before anybody would look.
    for (const node of fresh) this.dialNow(node);
  }

  /** From now on no other node is known: the transport is about to close, and whoever still looks for a way finds none. */
  close(): void {
    this.isClosed = true;
    this.nodes = [];
    this.byNumber.clear();
  }

  get all(): readonly ClusterNode[] {
    return this.nodes;
  }

  /** Those that live, without this one. */
  others(): { readonly node: ClusterNode; readonly peer: Peer }[] {
    const found: { node: ClusterNode; peer: Peer }[] = [];
    for (const node of this.nodes) {
      const peer = node.alive ? this.peerOf(node.number) : null;
      if (peer !== null) found.push({ node, peer });
    }
    return found;
  }

  /** It has left: nobody need dial it again. */
  private forget(node: ClusterNode): void {
    const address = addressOf(node.info.addresses['transport'] ?? '');
    if (node.id !== this.self && address !== null) this.transport.peer(node.id, address).close();
  }

  private dialNow(node: ClusterNode): void {
    const address = addressOf(node.info.addresses['transport'] ?? '');
    if (node.id !== this.self && address !== null) this.transport.peer(node.id, address).dialNow();
  }

  /** null for this node itself, for one that is not known, and for one whose process has ended: another one has its name now. */
  peerOf(number: number): Peer | null {
    const node = this.byNumber.get(number);
    if (node === undefined || node.id === this.self) return null;
    const address = addressOf(node.info.addresses['transport'] ?? '');
    if (address === null) return null;
    const peer = this.transport.peer(node.id, address);
    return peer.incarnation === null || peer.incarnation === node.incarnation ? peer : null;
  }

  nameOf(number: number): string {
    return this.byNumber.get(number)?.id ?? '';
  }

  numberOf(name: string): number {
    let number = 0;
    for (const node of this.nodes) if (node.id === name) number = node.number;
    return number;
  }
}

/** "host:port", with brackets around an IPv6 address. */
function addressOf(text: string): NodeAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  return match === null ? null : { host: match[1] ?? match[2]!, port: Number(match[3]) };
}
