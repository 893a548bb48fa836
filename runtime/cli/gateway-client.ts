/** One connection to a gateway for the length of one command. */

import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text as readAll } from 'node:stream/consumers';

import { connect, TroupeClientError, type Client } from '../client/client.ts';
import { TroupeError } from '../codec/errors.ts';
import { defaults } from '../config/defaults.ts';
import type { NodeOptions } from './node-options.ts';
import { fromWire } from './terminal.ts';

const LOOK_TIME_MAX_MS = 10_000;

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
    if (error.code === 'UNREACHABLE') throw await whyNot(node.url);
    const { code, reason, message, hint } = error;
    throw fromWire({ code, reason, message, hint });
  } finally {
    client.close();
  }
}

/** What stands where no WebSocket came about: the WebSocket itself never says, and a refusal would look like silence. */
async function whyNot(url: string): Promise<TroupeError> {
  const answer = await handshakeAnswer(url).catch(() => null);
  if (answer === null) return new TroupeError('UNREACHABLE', `nothing answers at ${url}`);
  const { status, error } = answer;
  switch (error.code) {
    case 'ORIGIN_REFUSED':
    case 'FORBIDDEN':
    case 'NOT_READY':
    case 'OVERLOADED': return fromWire(error);
    // What the admin port answers where it has nothing, without and with tokens.
    case 'BAD_REQUEST':
    case 'UNAUTHENTICATED':
      return new TroupeError('UNREACHABLE', `what answers at ${url} is the admin port of a node, not its gateway`, {
        hint: `--url is the gateway, ws://${defaults.host}:${defaults.port} unless the node was started with another; --admin is the admin port.`,
      });
    default:
      return new TroupeError('UNREACHABLE', `what answers at ${url} is no gateway of Troupe (HTTP ${status})`);
  }
}

/** The HTTP answer to a handshake that is refused; null when it is not, or nobody answers. */
function handshakeAnswer(url: string): Promise<{ status: number; error: { code?: unknown } } | null> {
  return new Promise((resolve, reject) => {
    const target = new URL(url.replace(/^ws/, 'http'));
    const headers = {
      connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    };
    const options = { headers, agent: false, signal: AbortSignal.timeout(LOOK_TIME_MAX_MS) };
    const asked = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, (response) => {
      readError(response).then((error) => resolve({ status: response.statusCode ?? 0, error }), reject);
    });
    asked.on('upgrade', (_response, socket) => {
      socket.destroy();
      resolve(null);
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function readError(response: IncomingMessage): Promise<{ code?: unknown }> {
  const text = await readAll(response);
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown } };
    return typeof error === 'object' && error !== null ? error : {};
  } catch {
    return {};
  }
}
