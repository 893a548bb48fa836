/** Subjects by name. */

import { startFloorRedis } from './baselines.ts';
import { startCluster } from './cluster.ts';
import type { RedisFsync } from './cluster.ts';
import { startEmbedded } from './embedded.ts';
import { startEcho, startFloor } from './subject.ts';
import type { Subject, SubjectName } from './subject.ts';
import { targetAt } from './target.ts';

export interface SubjectOptions {
  readonly nodes: number;
  readonly redisFsync: RedisFsync;
  /** Arguments for the Node binary of a node, for example --cpu-prof. */
  readonly nodeArgs: readonly string[];
  /** Further arguments for `troupe start`. */
  readonly startArgs: readonly string[];
  readonly target: readonly string[];
}

export const baselineNames: readonly SubjectName[] = ['echo', 'floor', 'floor-redis', 'floor-redis-events'];
export const subjectNames: readonly SubjectName[] = ['embedded', 'redis', 'cluster', 'target'];

export async function startSubject(name: SubjectName, directory: string, options: SubjectOptions): Promise<Subject> {
  const { nodeArgs, startArgs, redisFsync: fsync } = options;
  switch (name) {
    case 'echo':
      return startEcho();
    case 'floor':
      return startFloor(directory);
    case 'floor-redis':
    case 'floor-redis-events':
      return startFloorRedis(name, { fsync });
    case 'embedded':
      return startEmbedded(directory, { nodeArgs, startArgs });
    case 'redis':
      return startCluster('redis', directory, { nodeArgs, startArgs, fsync, nodes: 1 });
    case 'cluster':
      return startCluster('cluster', directory, { nodeArgs, startArgs, fsync, nodes: options.nodes });
    case 'target':
      return targetAt(options.target);
  }
}
