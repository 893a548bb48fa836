/** Where a node listens, and where others are told to find it. */

import { createServer } from 'node:net';

import { defaults } from '../runtime/config/defaults.ts';
import type { Settings } from '../runtime/config/defaults.ts';
import { authority } from '../runtime/front.ts';
import type { ListenAddress } from '../runtime/front.ts';

/** A second node on the same machine takes free ports where the usual ones are taken; ports that were chosen stay as they are. */
export async function withFreePorts(settings: Settings): Promise<Settings> {
  const { port, adminPort, clusterPort } = defaults;
  return {
    ...settings,
    port: settings.port === port && !(await isFree(settings.host, port)) ? 0 : settings.port,
    adminPort: settings.adminPort === adminPort && !(await isFree(settings.adminHost, adminPort)) ? 0 : settings.adminPort,
    clusterPort: settings.clusterPort === clusterPort ? await freeFrom(settings.clusterHost, clusterPort) : settings.clusterPort,
  };
}

/** A node without a name is called after its port, which should be the same one after a restart. */
async function freeFrom(host: string, port: number): Promise<number> {
  for (let candidate = port; candidate < port + 100; candidate++) if (await isFree(host, candidate)) return candidate;
  return 0;
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** An address that stands for all of a machine's leads nowhere from another one; which of them would, only the operator knows. */
export function clientUrl(address: ListenAddress): string {
  return address.host === '0.0.0.0' || address.host === '::' ? '' : `ws://${authority(address)}`;
}

/** `advertised` is a host, a host with a port, or nothing: behind a forwarded port a node is dialled elsewhere than it listens. */
export function dialledAt(advertised: string, { host, port }: ListenAddress): string {
  return /^(\[.+\]|[^:]+):\d+$/.test(advertised) ? advertised : authority({ host: advertised || host, port });
}
