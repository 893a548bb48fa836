/** What the settings of a node mean for the parts of which it is made. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { TroupeError } from '../runtime/codec/errors.ts';
import { makeDataFolder } from '../runtime/config/data-folder.ts';
import type { Settings } from '../runtime/config/defaults.ts';
import { controlDefaults } from './control/timing.ts';
import type { ControlTiming } from './control/timing.ts';

/** What this node remembers of the store over its own end; one folder a node, so that several can share the data folder of one machine. */
export function witnessFolder({ data, namespace }: Settings, id: string): string {
  const folder = join(data, 'cluster', namespace, id);
  makeDataFolder(folder);
  return folder;
}

export function timingOf({ leaseTtlMs }: Settings): ControlTiming {
  const heartbeatMs = Math.min(controlDefaults.heartbeatMs, Math.floor(leaseTtlMs / 4));
  const callTimeMaxMs = Math.min(controlDefaults.callTimeMaxMs, Math.floor(leaseTtlMs / 2));
  return { ...controlDefaults, leaseTtlMs, heartbeatMs, callTimeMaxMs };
}

export async function tlsOf({ clusterTlsCertFile, clusterTlsKeyFile, clusterTlsCaFile }: Settings): Promise<{ tls?: { ca: Buffer; cert: Buffer; key: Buffer } }> {
  const files = [clusterTlsCaFile, clusterTlsCertFile, clusterTlsKeyFile];
  if (files.every((file) => file === '')) return {};
  if (files.some((file) => file === '')) throw new TroupeError('CONFIG_INVALID', 'TLS between nodes needs --cluster-tls-ca-file, --cluster-tls-cert-file and --cluster-tls-key-file');
  const [ca, cert, key] = (await Promise.all(files.map((file) => readFile(file)))) as [Buffer, Buffer, Buffer];
  return { tls: { ca, cert, key } };
}
