/**
 * What protects a node that asks nobody for a token: it listens on loopback only, and pages in this machine's browser,
 * which reach loopback too, are told from programs by the headers that a page cannot set.
 */

import { isIP } from 'node:net';

/** For whoever came with another name: the hint of FORBIDDEN speaks of tokens, and here there are none. */
export const LOOPBACK_HINT = 'Without tokens a node answers to loopback names only, such as 127.0.0.1 and localhost: use one of them, or start the node with --auth jwt.';

/** Whether nobody outside of this machine reaches what listens on `host`. */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/**
 * Whether a request's Host header names this machine by a loopback name. A page of a foreign name that was pointed at
 * 127.0.0.1 (DNS rebinding) sends its own name here.
 */
export function isLoopbackHostHeader(header: string | undefined): boolean {
  if (header === undefined) return false;
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::\d{1,5})?$/.exec(header);
  if (match === null) return false;
  const name = match[1]!.toLowerCase();
  return isLoopbackHost(name.startsWith('[') ? name.slice(1, -1) : name);
}
