/**
 * Whose a connection is on this machine: what a proxy asks that is to be broken for one client and whole for the others. Linux tells which
 * inode stands behind a port, and which process has it open.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Of a line of /proc/<pid>/net/tcp, which is aligned by spaces. */
const LOCAL = 1;
const REMOTE = 2;
const INODE = 9;
/** What the kernel says of an end whose process has closed it, or has ended. */
const NO_INODE = '0';
/** The kernel gives the table out in pieces; a line may be missed while others come and go. */
const LOOKS = 3;

/**
 * Whether the process has the near end of the connection from `port` to `peerPort`; `peerPort` tells it from connections of the same port to
 * other servers.
 *
 * Of an end that nobody has any more it cannot be told whose it was: it counts as anybody's. [A client connects, says something, and closes, all
 * before anybody looks: it must not slip through because it was quick.]
 *
 * @throws Error where there is no /proc
 */
export function isPortOf(pid: number, port: number, peerPort: number): boolean {
  const inode = inodeOf(port, peerPort);
  return inode === NO_INODE || socketsOf(pid).has(inode);
}

function inodeOf(port: number, peerPort: number): string {
  for (let i = 0; i < LOOKS; i++) {
    const inode = lookFor(port, peerPort);
    if (inode !== null) return inode;
  }
  return NO_INODE;
}

function lookFor(port: number, peerPort: number): string | null {
  for (const table of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
    for (const line of readFileSync(table, 'latin1').split('\n').slice(1)) {
      const fields = line.trim().split(/ +/);
      if (fields.length > INODE && portIn(fields[LOCAL]!) === port && portIn(fields[REMOTE]!) === peerPort) return fields[INODE]!;
    }
  }
  return null;
}

/** "0100007F:1F90" */
function portIn(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16);
}

/** Inodes; none of a process that has ended. */
function socketsOf(pid: number): Set<string> {
  const inodes = new Set<string>();
  for (const name of namesIn(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(targetOf(`/proc/${pid}/fd/${name}`))?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  return inodes;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** '' when it was closed in this moment. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
