/** The machine a figure was measured on; a figure without it means nothing. */

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type as osType } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  readonly loadBefore: number;
  /** Source and type of the file system that holds the data, as the kernel names them. */
  readonly fileSystem: string | null;
}

export function describeMachine(dataDirectory: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: `${osType()} ${release()}`,
    node: process.version,
    v8: process.versions.v8,
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    fileSystem: fileSystemOf(dataDirectory),
  };
}

/** The mount with the longest path that is a prefix of the directory. */
function fileSystemOf(directory: string): string | null {
  try {
    const mounts = readFileSync('/proc/mounts', 'utf8').trim().split('\n').map((line) => line.split(' '));
    const holding = mounts.filter(([, path]) => path === '/' || `${directory}/`.startsWith(`${path}/`));
    holding.sort((a, b) => b[1]!.length - a[1]!.length);
    const mount = holding[0];
    return mount === undefined ? null : `${mount[0]} ${mount[2]}`;
  } catch {
    return null;
  }
}
