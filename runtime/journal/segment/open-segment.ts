/**
 * A segment of the journal's own directory: it stays open as long as the journal, and its bloom filter in memory, so that an actor
 * that is not in it costs no disk read.
 */

import * as path from 'node:path';

import { limits } from '../../limits.ts';
import type { Disk, DiskFile } from '../sealed/disk.ts';
import { Recent } from '../sealed/recent.ts';
import { piecesUpTo } from '../sealed/segment-caches.ts';
import type { SegmentCaches } from '../sealed/segment-caches.ts';
import { SegmentFile } from '../sealed/segment-file.ts';
import type { SegmentName } from './names.ts';

/** Kept over all segments of a journal: tables of the last ones used, and the pieces that were read last. */
export function newSegmentCaches(): SegmentCaches {
  return { blooms: new Recent(Infinity), tables: new Recent(128), pieces: piecesUpTo(limits.segmentPieceBytesMax) };
}

export class OpenSegment extends SegmentFile {
  private readonly opened: DiskFile;

  constructor(disk: Disk, directory: string, name: SegmentName, caches: SegmentCaches) {
    const file = disk.open(path.join(directory, name.file), 'read');
    super(file, file.size(), name, caches);
    this.opened = file;
  }

  close(): void {
    this.opened.close();
  }
}
