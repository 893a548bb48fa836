/** The bucket map in the form that clients get: names and gateways in place of numbers. Made anew only when map or nodes have changed. */

import type { Routes } from '../runtime/actor/engine.ts';
import type { BucketMap } from './bucket-map.ts';
import type { ClusterNode } from './control/membership.ts';

/** What a node tells about itself under this name: where clients reach its gateway. */
export const CLIENT_URL = 'client';

export class ClusterRoutes {
  private readonly now: () => { readonly map: BucketMap; readonly nodes: readonly ClusterNode[] };
  private madeFrom: { readonly map: BucketMap; readonly nodes: readonly ClusterNode[] } | null = null;
  private made: Routes | null = null;

  constructor(now: () => { readonly map: BucketMap; readonly nodes: readonly ClusterNode[] }) {
    this.now = now;
  }

  /** null before the first map. */
  get(): Routes | null {
    const { map, nodes } = this.now();
    if (this.madeFrom?.map !== map || this.madeFrom.nodes !== nodes) {
      this.madeFrom = { map, nodes };
      this.made = map.version === 0 ? null : routesOf(map, nodes);
    }
    return this.made;
  }
}

/**
 * A bucket whose owner is not among `nodes` has none. An owner that is silent stays one until the map says otherwise, so that equal versions
 * are equal maps; who goes to it in vain goes elsewhere.
 */
export function routesOf(map: BucketMap, nodes: readonly ClusterNode[]): Routes {
  const byNumber = new Map(nodes.map((node) => [node.number, node]));
  const indexes = new Map<number, number>();
  const owning: { id: string; url: string }[] = [];
  const owners = new Int16Array(map.size);
  for (let bucket = 0; bucket < map.size; bucket++) {
    const number = map.ownerOf(bucket);
    const node = byNumber.get(number);
    let index = node === undefined ? -1 : indexes.get(number);
    if (index === undefined) {
      index = owning.push({ id: node!.id, url: node!.info.addresses[CLIENT_URL] ?? '' }) - 1;
      indexes.set(number, index);
    }
    owners[bucket] = index;
  }
  return { version: map.version, bits: map.bits, nodes: owning, owners };
}
