/** Subjects by name. */

import { startCluster } from './cluster.ts';
import type { RedisFsync } from './cluster.ts';
import { startEmbedded } from './embedded.ts';
import { startEcho, startFloor } from './subject.ts';
import type { ProductSubject, Subject, SubjectName } from './subject.ts';
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

export const baselineNames: readonly SubjectName[] = ['echo', 'floor'];
export const subjectNames: readonly SubjectName[] = ['embedded', 'redis', 'cluster', 'target'];

export async function startSubject(name: SubjectName, directory: string, options: SubjectOptions): Promise<Subject> {
  switch (name) {
    case 'echo':
      return startEcho();
    case 'floor':
      return startFloor(directory);
    case 'embedded':
    case 'redis':
    case 'cluster':
      return startProduct(name, directory, options);
    case 'target':
      return targetAt(options.target);
  }
}

export type ProductName = 'embedded' | 'redis' | 'cluster';

export function startProduct(name: ProductName, directory: string, { nodeArgs, startArgs, redisFsync: fsync, nodes }: SubjectOptions): Promise<ProductSubject> {
  if (name === 'embedded') return startEmbedded(directory, { nodeArgs, startArgs });
  return startCluster(name, directory, { nodeArgs, startArgs, fsync, nodes: name === 'redis' ? 1 : nodes });
}
