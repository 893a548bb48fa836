import t from 'tap';

import { BucketMap } from './bucket-map.ts';
import { CLIENT_URL, ClusterRoutes, routesOf } from './cluster-routes.ts';
import type { ClusterNode } from './control/membership.ts';

function node(number: number, alive = true): ClusterNode {
  const info = { addresses: { [CLIENT_URL]: `ws://n${number}` }, version: '1', draining: false, weight: 1, load: 0 };
  return { id: `n${number}`, number, incarnation: 'i', info, draining: false, alive };
}

const map = BucketMap.empty(2).assigned(5, [
  { index: 0, owner: 7, next: 0 }, { index: 1, owner: 3, next: 7 }, { index: 3, owner: 7, next: 0 },
]);

t.test('names in place of numbers; only nodes that own a bucket', async (t) => {
  const { version, bits, nodes, owners } = routesOf(map, [node(3), node(4), node(7)]);
  t.same({ version, bits, nodes, owners: [...owners] }, {
    version: 5, bits: 2, nodes: [{ id: 'n7', url: 'ws://n7' }, { id: 'n3', url: 'ws://n3' }], owners: [0, 1, -1, 0],
  });
});

t.test('nobody is sent to a node that is unknown; one that is silent is shown as the map has it', async (t) => {
  t.same(routesOf(map, [node(3), node(7, false)]), routesOf(map, [node(3), node(7)]));
  t.same([...routesOf(map, [node(7)]).owners], [0, -1, -1, 0]);
});

t.test('made anew when the map or the nodes change, and only then', async (t) => {
  let now = { map: BucketMap.empty(2), nodes: [node(3), node(7)] };
  const routes = new ClusterRoutes(() => now);
  t.equal(routes.get(), null, 'nothing is known yet');
  now = { ...now, map };
  const first = routes.get();
  t.equal(first?.version, 5);
  t.equal(routes.get(), first);
  now = { ...now, nodes: [node(7)] };
  t.not(routes.get(), first);
  t.equal(routes.get()!.nodes.length, 1);
});
