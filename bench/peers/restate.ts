/** Restate as a peer: a Virtual Object a counter, its state in Restate, its handler in a process of ours, reached over Restate's HTTP ingress. */

import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../../runtime/testing/ports.ts';
import { messageOf, stopChild } from '../subject/subject.ts';
import type { Installed } from './install.ts';
import type { Peer } from './peer.ts';
import { ServerProcess } from './server-process.ts';

export interface RestateSettings {
  readonly partitions: number;
  /** How long the journal of a finished invocation is kept. */
  readonly journalRetention: string;
  readonly bidirectional: boolean;
}

/**
 * A partition for each core: a partition's log is written and synchronised by itself, and few of them share more (bench/peers/README-section.md has what
 * was tried). The rest is as Restate has it by default: it made no difference. None of this weakens what it guarantees.
 */
export const RESTATE_SETTINGS: RestateSettings = { partitions: availableParallelism(), journalRetention: '1d', bidirectional: true };

/** `sdk` is the file that the SDK is loaded from. */
export async function startRestate(directory: string, { binary }: Installed, sdk: string, settings: RestateSettings = RESTATE_SETTINGS): Promise<Peer> {
  const ingress = await freePort();
  const admin = await freePort();
  const service = fork(join(import.meta.dirname, 'restate-service.ts'), [sdk, settings.bidirectional ? 'bidirectional' : 'request-response'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // The SDK writes a line at the begin and at the end of each invocation otherwise.
    env: { ...process.env, RESTATE_LOGGING: 'ERROR', NODE_ENV: 'production' },
  });
  const server = new ServerProcess({
    binary,
    directory,
    args: ['--no-logo', '--base-dir', join(directory, 'data')],
    env: {
      RESTATE_NODE_NAME: 'bench',
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_BIND_ADDRESS: `127.0.0.1:${await freePort()}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_LOG_FILTER: 'warn',
      RESTATE_DEFAULT_NUM_PARTITIONS: String(settings.partitions),
      RESTATE_DEFAULT_JOURNAL_RETENTION: settings.journalRetention,
    },
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await stopChild(service);
  };
  try {
    const { port } = await messageOf<{ port: number }>(service, 'the service of Restate');
    await server.until(async () => (await fetch(`http://127.0.0.1:${admin}/health`)).ok && (await fetch(`http://127.0.0.1:${ingress}/restate/health`)).ok);
    await server.until(() => deploy(admin, port));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name: 'restate',
    port: ingress,
    durability: 'disk (log of one node, fdatasync before the answer)',
    guarantee:
      "Restate records every event durably before acting on it, in the partition's log (Bifrost), the result of an invocation too (docs.restate.dev/references/architecture); " +
      'an append is acknowledged when as many log servers as the replication asks for have it (docs.restate.dev/server/clusters), here the one, which writes its log with fsync ' +
      '(docs.restate.dev/operate/data-backup; log-server.rocksdb-disable-wal-fsync = false by default). One machine: with its disk everything is lost.',
    actorsMax: Number.POSITIVE_INFINITY,
    settings: { ...settings, replication: 1, idempotencyKeys: false },
    processes: () => [
      { role: 'restate', pid: server.pid },
      { role: 'service', pid: service.pid! },
    ],
    stop,
  };
}

async function deploy(admin: number, service: number): Promise<boolean> {
  const body = JSON.stringify({ uri: `http://127.0.0.1:${service}` });
  const answer = await fetch(`http://127.0.0.1:${admin}/deployments`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  await answer.body?.cancel();
  return answer.ok;
}
