/**
 * Bytes that the block device under a directory was given, by everybody on the machine. A process' own counter (write_bytes in
 * /proc/<pid>/io) counts dirtied pages in the size of the page cache's folios: with folios of 2 MiB, a write of 300 bytes counts
 * as two million. So the device is asked, and the report says that it is everybody's.
 */

import { readFileSync, statSync } from 'node:fs';

const SECTOR_BYTES = 512;

/** null where the kernel does not tell. */
export function deviceBytesWritten(directory: string): number | null {
  try {
    const device = statSync(directory).dev;
    // As Linux packs them: glibc's makedev.
    const major = ((device >>> 8) & 0xfff) | 0;
    const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
    for (const line of readFileSync('/proc/diskstats', 'utf8').split('\n')) {
      const fields = line.trim().split(/\s+/);
      if (Number(fields[0]) === major && Number(fields[1]) === minor) return Number(fields[9]) * SECTOR_BYTES;
    }
    return null;
  } catch {
    return null;
  }
}
