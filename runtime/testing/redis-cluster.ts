/**
 * A real Redis Cluster for a test: masters with equal shares of the slots, and replicas on request, each a server of
 * redis-server.ts to be killed, suspended and started again alone.
 *
 * It is ready when every server that runs counts all slots as served and, with replicas, every replica has what its master
 * has and every server knows it as that. [A master killed before is not followed by anybody: the test that waits for a
 * failover waits for ever.]
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { startRedis } from './redis-server.ts';
import type { RedisOptions, RedisServer } from './redis-server.ts';
import type { Reply } from './resp.ts';

export interface RedisClusterOptions {
  /** Default 3, with which a majority can vote; at least 3. */
  readonly masters?: number;
  /** Of each master, default 0. */
  readonly replicas?: number;
  /** After which a silent server counts as failed. Default 1500. */
  readonly nodeTimeoutMs?: number;
  /** For every server. */
  readonly server?: RedisOptions;
}

const SLOTS = 16_384;
const READY_MAX_MS = 30_000;
const POLL_MS = 25;

/** Resolves when the cluster is ready. @throws Error when it does not become so, or a server does not start */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 0 } = options;
  if (masters < 3) throw new Error(`a cluster needs three masters, not ${masters}`);
  const started = await Promise.allSettled(Array.from({ length: masters * (1 + replicas) }, () => startRedis(serverOptions(options))));
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const cluster = new RedisCluster(servers.slice(0, masters), servers.slice(masters));
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    await cluster.form();
    return cluster;
  } catch (error) {
    await cluster.remove();
    throw error;
  }
}

export class RedisCluster {
  /** In the order of their slots; what they were at the start: after a failover, `ownerOf` tells. */
  readonly masters: readonly RedisServer[];
  /** The replica number `i` of all follows master `i % masters.length`. */
  readonly replicas: readonly RedisServer[];
  readonly servers: readonly RedisServer[];

  /** Of servers that run and know nothing of each other; use `startRedisCluster`. */
  constructor(masters: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.masters = masters;
    this.replicas = replicas;
    this.servers = [...masters, ...replicas];
  }

  async form(): Promise<void> {
    const [first] = this.masters;
    for (const [i, server] of this.masters.entries()) {
      const from = Math.floor((i * SLOTS) / this.masters.length);
      const to = Math.floor(((i + 1) * SLOTS) / this.masters.length);
      // Of two masters with the same epoch one would have to step back first.
      await server.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      await server.command('CLUSTER', 'ADDSLOTSRANGE', from, to - 1);
    }
    for (const server of this.servers) if (server !== first) await server.command('CLUSTER', 'MEET', '127.0.0.1', first!.port);
    await this.until(async (server) => (await infoOf(server, 'CLUSTER')).get('cluster_known_nodes') === String(this.servers.length));
    for (const [i, replica] of this.replicas.entries()) {
      const master = this.masters[i % this.masters.length]!;
      await replica.command('CLUSTER', 'REPLICATE', String(await master.command('CLUSTER', 'MYID')));
    }
    await this.ready();
  }

  /**
   * Resolves when every slot has an owner that runs, in the eyes of every server that runs; a majority of the masters must.
   *
   * @throws Error when that takes too long
   */
  async ready(): Promise<void> {
    const running = new Set(this.servers.flatMap(({ isRunning, port }) => (isRunning ? [port] : [])));
    await this.until(async (server) => {
      const info = await infoOf(server, 'CLUSTER');
      if (info.get('cluster_state') !== 'ok' || info.get('cluster_slots_ok') !== String(SLOTS)) return false;
      const replication = await infoOf(server, 'INFO');
      if (replication.get('role') === 'slave' && replication.get('master_link_status') !== 'up') return false;
      const ranges = rangesIn(await server.command('CLUSTER', 'SLOTS'));
      const known = new Set(ranges.flatMap(({ ports }) => ports));
      return ranges.every(({ ports }) => running.has(ports[0]!)) && running.isSubsetOf(known);
    });
  }

  /** The server that owns the key's slot, in the eyes of the first one that runs. @throws Error when that is none of these */
  async ownerOf(key: string): Promise<RedisServer> {
    const asked = this.servers.find(({ isRunning }) => isRunning);
    if (asked === undefined) throw new Error('no server of the cluster runs');
    const slot = Number(await asked.command('CLUSTER', 'KEYSLOT', key));
    const range = rangesIn(await asked.command('CLUSTER', 'SLOTS')).find(({ from, to }) => from <= slot && slot < to);
    const owner = this.servers.find(({ port }) => port === range?.ports[0]);
    if (owner === undefined) throw new Error(`slot ${slot} has no owner among the servers of the cluster`);
    return owner;
  }

  async remove(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.remove()));
  }

  /** Until it holds for every server that runs. */
  private async until(holds: (server: RedisServer) => Promise<boolean>): Promise<void> {
    const end = performance.now() + READY_MAX_MS;
    for (const server of this.servers) {
      while (server.isRunning && !(await holds(server))) {
        if (performance.now() > end) {
          const view = await server.command('CLUSTER', 'NODES');
          throw new Error(`the cluster was not ready within ${READY_MAX_MS} ms; as ${server.port} sees it:\n${String(view)}`);
        }
        await sleep(POLL_MS);
      }
    }
  }
}

function serverOptions(options: RedisClusterOptions): RedisOptions {
  return {
    ...options.server,
    clusterEnabled: true,
    config: {
      'cluster-node-timeout': String(options.nodeTimeoutMs ?? 1_500),
      // A master waits for this before it sends its data to the first replica.
      'repl-diskless-sync-delay': '0',
      // Until the first one, ten seconds as a rule, the others take an empty replica for one that has nothing yet.
      'repl-ping-replica-period': '1',
      ...options.server?.config,
    },
  };
}

async function infoOf(server: RedisServer, kind: 'CLUSTER' | 'INFO'): Promise<Map<string, string>> {
  const text = kind === 'CLUSTER' ? await server.command('CLUSTER', 'INFO') : await server.command('INFO', 'replication');
  return new Map(Array.from(String(text).matchAll(/^(\w+):(.*)\r$/gm), ([, name, value]) => [name!, value!]));
}

interface SlotRange {
  /** Slots, half-open. */
  readonly from: number;
  readonly to: number;
  /** The owner first, then its replicas. */
  readonly ports: readonly number[];
}

function rangesIn(reply: Reply): SlotRange[] {
  return (reply as [number, number, ...[string, number][]][]).map(([first, last, ...servers]) => ({
    from: first, to: last + 1, ports: servers.map(([, port]) => port),
  }));
}
