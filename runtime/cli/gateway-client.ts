/** One connection to a gateway for the length of one command. */

import { TroupeError } from '../codec/errors.ts';
import { connect, type Client } from '../client/client.ts';
import type { NodeOptions } from './node-options.ts';

/**
 * Connects, does one thing, disconnects.
 * @throws TroupeError UNREACHABLE when no node answers
 */
export async function withClient<T>(node: Pick<NodeOptions, 'url' | 'token'>, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(node.url, node.token === undefined ? {} : { token: node.token });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
