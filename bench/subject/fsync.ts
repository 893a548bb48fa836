/** The append+fdatasync loop, run in a process of its own: what the disk costs whoever waits for it, without any server. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import type { LoopReport } from '../report/report.ts';
import type { FsyncMedians, FsyncWay } from './fsync-loop.ts';
import { messageOf } from './subject.ts';

const MS_PER_WAY = 1_000;
export const FSYNC_LOOP = 'append+fdatasync';

export const fsyncWays: Readonly<Record<FsyncWay, string>> = {
  blockingPreallocated: 'blocking call, preallocated file',
  blockingGrowing: 'blocking call, growing file',
  asyncPreallocated: 'asynchronous call, preallocated file',
  asyncGrowing: 'asynchronous call, growing file',
};

export async function fsyncLoop(root: string): Promise<LoopReport[]> {
  const child = fork(join(import.meta.dirname, 'fsync-loop.ts'), [join(root, 'fsync.log'), String(MS_PER_WAY)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exit = once(child, 'exit');
  const message = await messageOf<{ medians: FsyncMedians }>(child, FSYNC_LOOP);
  await exit;
  const ways = Object.keys(fsyncWays) as FsyncWay[];
  return [{
    name: FSYNC_LOOP,
    text: '300 bytes are appended and synchronised, one after the other: median time of one',
    runs: ways.map((way) => ({ name: fsyncWays[way], value: message.medians[way].p50, unit: 'ms', isLessBetter: true })),
  }];
}
