/** A cluster as a subject: nodes on one Redis, all on this machine, with the behaviours of behaviors/bench deployed. */

import { join } from 'node:path';

import { local } from '../driver/endpoint.ts';
import { BENCH_BEHAVIORS, NodeProcess, freePort } from '../../runtime/faults/node-process.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { ProductOptions } from './embedded.ts';
import { rolesOf } from './embedded.ts';
import type { RunningProcess, Subject } from './subject.ts';

export type RedisFsync = 'everysec' | 'always' | 'no';

export interface ClusterOptions extends ProductOptions {
  readonly nodes: number;
  readonly fsync: RedisFsync;
}

export async function startCluster(name: 'redis' | 'cluster', directory: string, options: ClusterOptions): Promise<Subject> {
  const redis = await startRedis({ appendonly: true, appendfsync: options.fsync });
  const nodes: NodeProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const node of nodes.toReversed()) await node.stop();
    await redis.remove();
  };
  try {
    for (let i = 1; i <= options.nodes; i++) {
      const node = new NodeProcess({
        data: join(directory, `data-${i}`),
        port: await freePort(),
        adminPort: await freePort(),
        nodeArgs: options.nodeArgs,
        startArgs: ['--redis', redis.url, '--node', `n${i}`, '--cluster-port', String(await freePort()), ...options.startArgs],
        log: join(directory, `node-${i}.log`),
      });
      nodes.push(node);
      await node.ready();
    }
    await nodes[0]!.deploy(BENCH_BEHAVIORS);
    return {
      name,
      endpoints: nodes.map(({ port }) => local(port)),
      durability: await nodes[0]!.durability(),
      keepsState: true,
      processes: () => [{ role: 'redis', pid: redis.pid }, ...nodes.flatMap((node, i) => numbered(rolesOf(node.pid), nodes.length > 1 ? ` ${i + 1}` : ''))],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function numbered(processes: readonly RunningProcess[], suffix: string): RunningProcess[] {
  return processes.map(({ role, pid }) => ({ role: `${role}${suffix}`, pid }));
}
