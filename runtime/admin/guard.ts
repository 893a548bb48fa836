/**
 * Who may use the admin port. Without tokens: programs of this machine, and no page of its browser. A page can send a
 * plain request anywhere, but not without saying so in Origin, and not under a Host that is not its own.
 */

import { TroupeError } from '../codec/errors.ts';
import { ADMIN_SCOPE } from '../gateway/auth.ts';
import type { Authenticator } from '../gateway/auth.ts';
import { bearerOf } from '../gateway/handshake.ts';
import { isLoopbackHost, isLoopbackHostHeader, LOOPBACK_HINT } from '../gateway/loopback.ts';

export interface GuardedHeaders {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
  readonly authorization?: string | undefined;
}

/** Probes ask these without a token; they tell nothing but whether the node is up. */
const openPaths = new Set(['/live', '/ready']);

/** @throws TroupeError CONFIG_INVALID when the port would be open to the network */
export function checkExposure(host: string, auth: Authenticator): void {
  if (auth.kind === 'none' && !isLoopbackHost(host)) {
    throw new TroupeError('CONFIG_INVALID', `without tokens (--auth none) the admin port listens on loopback only, not on ${host}`);
  }
}

/** @throws TroupeError ORIGIN_REFUSED, FORBIDDEN, UNAUTHENTICATED */
export async function admit(path: string, headers: GuardedHeaders, auth: Authenticator): Promise<void> {
  if (headers.origin !== undefined) {
    throw new TroupeError('ORIGIN_REFUSED', 'the admin port does not answer to web pages', {
      hint: 'The request has an Origin header, and --origin concerns the gateway alone: ask the admin port from a program that sends none.',
    });
  }
  if (auth.kind === 'none') {
    if (!isLoopbackHostHeader(headers.host)) throw new TroupeError('FORBIDDEN', 'the Host header is not a loopback name of this machine', { hint: LOOPBACK_HINT });
    return;
  }
  if (openPaths.has(path)) return;
  const { scopes } = await auth.identify(bearerOf(headers.authorization));
  if (!scopes.includes(ADMIN_SCOPE)) throw new TroupeError('FORBIDDEN', `the token lacks the scope ${ADMIN_SCOPE}`);
}
