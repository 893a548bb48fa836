/**
 * A file system of a few MiB for a test: one that is really full when it is full. Linux, with util-linux.
 *
 * M1  It does not outlive the test, however that ends, and nobody else on the machine ever sees it: a small shell mounts it in a mount namespace of
 *     its own and reads from a pipe that only the test's process holds open. At the end of the pipe the shell ends, and with it the namespace and the
 *     mount. The test reaches in through the shell's /proc/<pid>/root.
 * M2  What was written into it is as good as its memory: synchronising never fails, and says nothing.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface VolumeOptions {
  readonly bytes: number;
  /** Files and folders there may be, the root among them. */
  readonly filesMax: number;
}

const HOLD = 'mount -t tmpfs -o "size=$1,nr_inodes=$2,mode=700" tmpfs "$3" || exit 1; echo mounted; cat >/dev/null; umount -l "$3"; rmdir "$3"';
const BALLAST = 'ballast';

/** Resolves with the volume, or with the reason for which there is none: it takes root, or the right to become root in a namespace of one's own. */
export async function mountSmallVolume({ bytes, filesMax }: VolumeOptions): Promise<SmallVolume | string> {
  const mountPoint = fs.mkdtempSync(join(tmpdir(), 'troupe-volume-'));
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const holder = spawn('unshare', [...asRoot, '--mount', 'sh', '-c', HOLD, 'sh', String(bytes), String(filesMax), mountPoint], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const said = text(holder.stderr);
  const begun = await Promise.race([once(holder.stdout, 'data').then(() => null), once(holder, 'close').catch((error: Error) => [error.message])]);
  if (begun !== null) {
    fs.rmdirSync(mountPoint);
    return `no volume can be mounted: ${(await said).trim() || String(begun[0])}`;
  }
  // A test that forgets it ends all the same.
  holder.unref();
  for (const stream of holder.stdio) (stream as Socket | null)?.unref();
  return new SmallVolume(holder, mountPoint);
}

export class SmallVolume {
  /** The volume's root, as this process reaches it. */
  readonly directory: string;
  /** Of the process that holds it. */
  readonly pid: number;
  private readonly holder: ChildProcess;

  /** Mounts nothing; use `mountSmallVolume`. */
  constructor(holder: ChildProcess, mountPoint: string) {
    this.holder = holder;
    this.pid = holder.pid!;
    this.directory = join(`/proc/${this.pid}/root`, mountPoint);
  }

  get freeBytes(): number {
    const { bsize, bavail } = fs.statfsSync(this.directory);
    return bsize * bavail;
  }

  /** Files and folders that there is room for. */
  get freeFiles(): number {
    return fs.statfsSync(this.directory).ffree;
  }

  /** Takes all room but so many bytes, rounded down to whole pages. Until `free`. */
  takeBytes(allBut: number): void {
    const { bsize, bavail } = fs.statfsSync(this.directory);
    const page = Buffer.alloc(bsize, 1);
    const file = fs.openSync(join(this.directory, BALLAST), 'a');
    try {
      for (let pages = bavail - Math.floor(allBut / bsize); pages > 0; pages--) fs.writeSync(file, page);
    } finally {
      fs.closeSync(file);
    }
  }

  /** Takes all names: no file and no folder can be made. Until `free`. */
  takeFiles(): void {
    for (let count = this.freeFiles, i = 0; i < count; i++) fs.writeFileSync(join(this.directory, `${BALLAST}-${i}`), '');
  }

  /** Gives back what was taken. */
  free(): void {
    for (const name of fs.readdirSync(this.directory)) if (name.startsWith(BALLAST)) fs.unlinkSync(join(this.directory, name));
  }

  async unmount(): Promise<void> {
    if (this.holder.exitCode !== null || this.holder.signalCode !== null) return;
    const end = once(this.holder, 'exit');
    this.holder.ref();
    this.holder.stdin!.end();
    await end;
  }
}
