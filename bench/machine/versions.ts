/** Which programs a figure was measured with. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

export function versionsNow(): Record<string, string> {
  const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string; dependencies: Record<string, string> };
  const commit = firstLine('git', ['-C', ROOT, 'describe', '--always', '--dirty']);
  const redis = /v=([\d.]+)/.exec(firstLine('redis-server', ['--version']))?.[1];
  return {
    troupe: commit === '' ? version : `${version} (${commit})`,
    node: process.versions.node,
    ws: dependencies['ws']!,
    ...(redis === undefined ? {} : { redis }),
  };
}

/** Empty when the program is not there, or does not want to. */
function firstLine(program: string, args: readonly string[]): string {
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0]! : '';
}
