/** The map of owners as a node gives it (docs/GATEWAY.md), and which of the addresses in it a client may follow. */

import { shardKey, splitAddress } from '../codec/shard-key.ts';
import { hashTextLow32 } from '../codec/xxh64.ts';

export interface OwnerNode {
  readonly id: string;
  /** Of its gateway; '' when it is known to be nowhere. */
  readonly url: string;
}

const BITS_MAX = 16;

export class BucketMap {
  readonly version: number;
  readonly nodes: readonly OwnerNode[];
  private readonly mask: number;
  private readonly owners: Uint8Array | Uint16Array;

  private constructor(version: number, nodes: readonly OwnerNode[], owners: Uint8Array | Uint16Array) {
    this.version = version;
    this.nodes = nodes;
    this.mask = owners.length - 1;
    this.owners = owners;
  }

  /** null for what is not a map: a client can do without one. */
  static read(value: unknown): BucketMap | null {
    const { version, bits, nodes, owners } = (value ?? {}) as { version?: unknown; bits?: unknown; nodes?: unknown; owners?: unknown };
    if (typeof version !== 'number' || typeof bits !== 'number' || !(bits >= 0 && bits <= BITS_MAX)) return null;
    if (!Array.isArray(nodes) || !nodes.every(isNode) || typeof owners !== 'string') return null;
    const indexes = readOwners(owners, nodes.length > 255);
    return indexes === null || indexes.length !== 2 ** bits ? null : new BucketMap(version, nodes, indexes);
  }

  /** Index in `nodes` of the owner, by the hash of an actor (see `actorHash`); -1 for none. */
  ownerOf(hash: number): number {
    const index = this.owners[hash & this.mask]!;
    return index < this.nodes.length ? index : -1;
  }
}

/** The part of an address's hash that decides its bucket. What is no address has one too: the node refuses it, whichever gets it. */
export function actorHash(address: string): number {
  return hashTextLow32(shardKey(splitAddress(address)));
}

/**
 * Whether a client that reached a node at `from` may go to `url` because that node says so. Not from an encrypted address to a plain one,
 * which would show the token to the network; and not to loopback from anywhere else: what is loopback there is another machine's here.
 */
export function mayFollow(url: string, from: string): boolean {
  const target = parse(url);
  const origin = parse(from);
  if (target === null || origin === null) return false;
  if (target.protocol !== 'wss:' && (target.protocol !== 'ws:' || origin.protocol === 'wss:')) return false;
  return !isLoopback(target.hostname) || isLoopback(origin.hostname);
}

function parse(url: string): URL | null {
  try {
    return new URL(url);
  } catch {
    return null;
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isNode(value: unknown): value is OwnerNode {
  const { id, url } = (value ?? {}) as { id?: unknown; url?: unknown };
  return typeof id === 'string' && typeof url === 'string';
}

function readOwners(base64: string, isWide: boolean): Uint8Array | Uint16Array | null {
  let text: string;
  try {
    text = atob(base64);
  } catch {
    return null;
  }
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  return isWide ? Uint16Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8)) : bytes;
}
