/** A cluster that runs already, as a subject: somebody else's, so that it is neither started nor stopped here, and its processes are not seen. */

import { connect, TroupeClientError } from '../../runtime/client/client.ts';
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

const ASK_MS = 3_000;

/** Asks every one of them for a counter. @throws Error when it does not answer, or does not know what a counter is */
export async function checkTargets(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    endpointOf(url);
    const client = connect([url]);
    try {
      await client.get('bench.v1.Counter:c-0', { deadlineMs: ASK_MS });
    } catch (error) {
      if (!(error instanceof TroupeClientError)) throw error;
      if (error.code === 'UNKNOWN_ACTOR_TYPE') throw new Error(`--target ${url}: it does not serve bench.v1.Counter; deploy what is benchmarked: node bin/troupe.cjs deploy behaviors/bench --admin <its admin port>`);
      throw new Error(`--target ${url}: ${error.code === 'DEADLINE_EXCEEDED' ? `no answer within ${ASK_MS / 1_000} s` : `${error.code}: ${error.message}`}`);
    } finally {
      client.close();
    }
  }
}

function endpointOf(text: string): Endpoint {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw new Error(`--target ${text}: wanted is the address of a gateway, for example ws://127.0.0.1:7070`);
  if (url.protocol !== 'ws:') throw new Error(`--target ${text}: the driver speaks plain ws:// only`);
  return { host: url.hostname, port: Number(url.port || '80') };
}
