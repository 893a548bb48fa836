/**
 * The logs of a node as they stood in one moment, for the checks: from a copy of its data directory, which was made while the node stood still
 * or after it was killed. They are read on from where they were read last time.
 */

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { createSegmentJournal } from '../../journal/segment/segment-journal.ts';
import type { MessagesCheck } from './messages-check.ts';

const BUCKET_BITS = 8;

export class NodeLogs {
  private readonly data: string;
  private readonly copyAt: string;

  /** `directory`: where the copy lies while it is read. */
  constructor(data: string, directory: string) {
    this.data = data;
    this.copyAt = join(directory, 'copy');
  }

  /** Of a node that is not there. */
  async read(check: MessagesCheck): Promise<void> {
    this.copy();
    await this.readCopy(check);
  }

  /** Of a node that runs: it stands still for as long as its data directory is copied. `strike` is called in the same moment. */
  async readSuspended(pid: number, check: MessagesCheck, strike: () => void = () => undefined): Promise<void> {
    process.kill(pid, 'SIGSTOP');
    try {
      this.copy();
      strike();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await this.readCopy(check);
  }

  private copy(): void {
    rmSync(this.copyAt, { recursive: true, force: true });
    cpSync(join(this.data, 'journal'), this.copyAt, { recursive: true });
  }

  private async readCopy(check: MessagesCheck): Promise<void> {
    const journal = createSegmentJournal({ directory: this.copyAt });
    await journal.open();
    try {
      const buckets = Array.from({ length: 2 ** BUCKET_BITS }, (_, index) => ({ bits: BUCKET_BITS, index }));
      for (const { bucket, incarnation } of await journal.openBuckets(buckets)) {
        await check.bucket(bucket, incarnation, journal.readBucket(bucket, check.positionOf(bucket.index) + 1));
      }
    } finally {
      await journal.close();
      rmSync(this.copyAt, { recursive: true });
    }
    check.match();
  }
}
