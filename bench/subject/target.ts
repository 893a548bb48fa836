/** A cluster that runs already, as a subject: somebody else's, so that it is neither started nor stopped here, and its processes are not seen. */

import type { Endpoint } from '../driver/endpoint.ts';
import type { Subject } from './subject.ts';

/** `urls`: the gateways of its nodes, `ws://host:port`. @throws Error for an address that the driver cannot use */
export function targetAt(urls: readonly string[]): Subject {
  return {
    name: 'target',
    endpoints: urls.map(endpointOf),
    durability: 'as the cluster is set up',
    keepsState: true,
    processes: () => [],
    stop: async () => undefined,
  };
}

function endpointOf(text: string): Endpoint {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw new Error(`--target ${text}: wanted is the address of a gateway, for example ws://127.0.0.1:7070`);
  if (url.protocol !== 'ws:') throw new Error(`--target ${text}: the driver speaks plain ws:// only`);
  return { host: url.hostname, port: Number(url.port || '80') };
}
