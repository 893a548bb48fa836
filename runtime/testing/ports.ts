/**
 * Ports for servers that a test kills and starts again at the same address.
 *
 * They lie below the range from which the kernel takes the near ends of outgoing connections (32768 and up on Linux). [A
 * client that tries again and again to reach a dead server above that line is one day given the server's own port as its
 * near end: it then talks to itself, and the server finds its port taken when it comes back.]
 *
 * A port is free here only when the port 10000 above is free too: a Redis node of a cluster listens on both.
 */

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const PORT_FROM = 11_000;
const PORT_TO = 22_000;
const TRIES_MAX = 200;
export const BUS_OFFSET = 10_000;

/** Free a moment ago on 127.0.0.1; drawn at random, so that tests in other processes hardly draw the same one. */
export async function freePort(): Promise<number> {
  for (let i = 0; i < TRIES_MAX; i++) {
    const port = randomInt(PORT_FROM, PORT_TO);
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) return port;
  }
  throw new Error(`no free port in [${PORT_FROM}, ${PORT_TO}) after ${TRIES_MAX} tries`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}
