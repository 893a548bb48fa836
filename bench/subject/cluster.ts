/** A cluster as a subject: nodes on one Redis, all on this machine, with the behaviours of behaviors/bench deployed. */

import { join } from 'node:path';

import { BENCH_BEHAVIORS } from '../../runtime/faults/node-process.ts';
import { freePort } from '../../runtime/testing/ports.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { ProductOptions } from './embedded.ts';
import { rolesOf } from './embedded.ts';
import { SubjectNode } from './node.ts';
import type { ProductSubject, RunningProcess } from './subject.ts';

export type RedisFsync = 'everysec' | 'always' | 'no';

export interface ClusterOptions extends ProductOptions {
  readonly nodes: number;
  readonly fsync: RedisFsync;
}

export async function startCluster(name: 'redis' | 'cluster', directory: string, options: ClusterOptions): Promise<ProductSubject> {
  const redis = await startRedis({ appendonly: true, appendfsync: options.fsync });
  const nodes: SubjectNode[] = [];
  const stop = async (): Promise<void> => {
    for (const node of nodes.toReversed()) await node.stop();
    await redis.remove();
  };
  try {
    for (let i = 1; i <= options.nodes; i++) {
      const node = await SubjectNode.start({
        name: `n${i}`,
        data: join(directory, `data-${i}`),
        nodeArgs: options.nodeArgs,
        startArgs: ['--redis', redis.url, '--node', `n${i}`, '--cluster-port', String(await freePort()), ...options.startArgs],
        log: join(directory, `node-${i}.log`),
      });
      nodes.push(node);
      await node.process.ready();
    }
    await nodes[0]!.process.deploy(BENCH_BEHAVIORS);
    return {
      name,
      nodes,
      endpoints: nodes.map(({ endpoint }) => endpoint),
      durability: await nodes[0]!.process.durability(),
      keepsState: true,
      processes: () => [
        { role: 'redis', pid: redis.pid },
        ...nodes.flatMap((node, i) => (node.isRunning ? numbered(rolesOf(node.process.pid), nodes.length > 1 ? ` ${i + 1}` : '') : [])),
      ],
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
