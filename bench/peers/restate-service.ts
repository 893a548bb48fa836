/**
 * The counter as a service of Restate: a Virtual Object, run by the SDK that the person has installed. A process of its own, started with the path of
 * the SDK; tells its port.
 */

import { createServer } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';

/** What is used of the SDK. */
interface Context {
  get(name: string): Promise<number | null>;
  set(name: string, value: number): void;
}

interface Sdk {
  object(definition: { name: string; handlers: Record<string, unknown> }): unknown;
  readonly handlers: { readonly object: { shared(handler: (context: Context) => Promise<number>): unknown } };
  createEndpointHandler(options: { services: unknown[]; bidirectional?: boolean }): (request: Http2ServerRequest, response: Http2ServerResponse) => void;
}

const sdk = (await import(pathToFileURL(process.argv[2]!).href)) as Sdk;
const counter = sdk.object({
  name: 'Counter',
  handlers: {
    increment: async (context: Context, by: number): Promise<number> => {
      const value = ((await context.get('value')) ?? 0) + by;
      context.set('value', value);
      return value;
    },
    read: sdk.handlers.object.shared(async (context) => (await context.get('value')) ?? 0),
  },
});
const server = createServer(sdk.createEndpointHandler({ services: [counter], bidirectional: process.argv[3] === 'bidirectional' }));
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
