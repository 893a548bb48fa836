/** What is decided before a connection stands, from the headers of its upgrade request alone. */

import type { IncomingMessage } from 'node:http';

import type { Codec } from './codec.ts';
import { jsonCodec } from './json.ts';
import { isLoopbackHostHeader, LOOPBACK_HINT } from './loopback.ts';
import { protoCodec } from './proto.ts';

const TOKEN_PREFIX = 'troupe.bearer.';

const codecs = new Map<string, Codec>([jsonCodec, protoCodec].map((codec) => [codec.subprotocol, codec]));

export interface Offer {
  /** null: subprotocols were offered, and none of them is ours. */
  readonly codec: Codec | null;
  /** The subprotocol to confirm; null when none was offered, or none fits. */
  readonly subprotocol: string | null;
  readonly token: string | null;
}

export interface Refusal {
  readonly status: number;
  readonly code: 'ORIGIN_REFUSED' | 'FORBIDDEN' | 'NOT_READY' | 'OVERLOADED';
  readonly message: string;
  /** Where that of the code does not fit. */
  readonly hint?: string;
}

/** Subprotocol and token of a request. The token is never confirmed as a subprotocol, or it would come back in a header. */
export function readOffer(request: IncomingMessage): Offer {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '');
  let token = bearerOf(request.headers.authorization);
  let codec: Codec | null = null;
  let named = 0;
  for (const name of offered) {
    if (name.startsWith(TOKEN_PREFIX)) {
      token ??= name.slice(TOKEN_PREFIX.length);
      continue;
    }
    named++;
    codec ??= codecs.get(name) ?? null;
  }
  // A client that names no subprotocol gets JSON, so that any WebSocket client works by just connecting.
  if (named === 0) return { codec: jsonCodec, subprotocol: null, token };
  return { codec, subprotocol: codec === null ? null : codec.subprotocol, token };
}

export function bearerOf(authorization: string | undefined): string | null {
  const match = /^Bearer +([^ ]+) *$/i.exec(authorization ?? '');
  return match === null ? null : match[1]!;
}

/**
 * Refuses what a browser page sends that may not: without tokens any page open on this machine could drive the node,
 * because a WebSocket from a page may go anywhere and the browser only adds the page's origin.
 */
export function refuseForeign(request: IncomingMessage, origins: ReadonlySet<string>, tokens: boolean): Refusal | null {
  const { origin, host } = request.headers;
  if (origin !== undefined && !origins.has(origin) && !(tokens && origins.has('*'))) {
    return { status: 403, code: 'ORIGIN_REFUSED', message: `pages of ${shown(origin)} may not connect` };
  }
  if (!tokens && !isLoopbackHostHeader(host)) {
    return { status: 403, code: 'FORBIDDEN', message: `the host ${shown(host ?? '')} is not a loopback name of this machine`, hint: LOOPBACK_HINT };
  }
  return null;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
