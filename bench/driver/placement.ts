/** Which node owns which actor, as a node of the cluster tells it (docs/GATEWAY.md), so that a driver can send straight to the owners. */

import { once } from 'node:events';

import { WebSocket } from 'ws';

import { actorHash, BucketMap } from '../../runtime/client/bucket-map.ts';
import type { Endpoint } from './endpoint.ts';

const ANSWER_MAX_MS = 10_000;

/** By actor, the index of its owner. @throws Error when there is no map, or a node in it that is none of these */
export async function placementOf(endpoints: readonly Endpoint[], addresses: readonly string[]): Promise<Int32Array> {
  const map = await askForMap(endpoints[0]!);
  const indexOf = map.nodes.map(({ id, url }) => {
    // Nodes on one machine differ by their ports, whatever they call the machine; nodes on several by their hosts.
    const { hostname, port } = new URL(url);
    const index = endpoints.findIndex((one) => one.port === Number(port) && (one.host === hostname || endpoints.every(({ host }) => host === one.host)));
    if (index < 0) throw new Error(`${id} of the map is at ${url}, which is none of ${endpoints.map(({ host, port }) => `${host}:${port}`).join(', ')}`);
    return index;
  });
  return Int32Array.from(addresses, (address) => {
    const owner = map.ownerOf(actorHash(address));
    if (owner < 0) throw new Error(`nobody owns ${address}`);
    return indexOf[owner]!;
  });
}

async function askForMap({ host, port }: Endpoint): Promise<BucketMap> {
  const socket = new WebSocket(`ws://${host}:${port}`, 'troupe.v1.json');
  try {
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    await once(socket, 'open', { signal });
    socket.send('{"id":"map","map":0}');
    const [data] = (await once(socket, 'message', { signal })) as [Buffer];
    const map = BucketMap.read((JSON.parse(data.toString()) as { map?: unknown }).map);
    if (map === null) throw new Error(`the node at ${host}:${port} gave no map of owners: ${data.toString().slice(0, 200)}`);
    return map;
  } finally {
    socket.terminate();
  }
}
