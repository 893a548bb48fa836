/** One connection to a gateway for the length of one command. */

import { connect, TroupeClientError, type Client } from '../client/client.ts';
import type { NodeOptions } from './node-options.ts';
import { fromWire } from './terminal.ts';

/**
 * Connects, does one thing, disconnects.
 * @throws TroupeError UNREACHABLE when no node answers, and whatever the node answers
 */
export async function withClient<T>(node: Pick<NodeOptions, 'url' | 'token'>, use: (client: Client) => Promise<T>): Promise<T> {
  const client = connect(node.url, node.token === undefined ? {} : { token: node.token });
  try {
    await client.ready();
    return await use(client);
  } catch (error) {
    if (!(error instanceof TroupeClientError)) throw error;
    const { code, reason, message } = error;
    throw fromWire({ code, reason, message: code === 'UNREACHABLE' ? `nothing answers at ${node.url}` : message });
  } finally {
    client.close();
  }
}
