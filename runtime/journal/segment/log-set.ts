/**
 * The log files that are not sealed yet, oldest first; the last one is active.
 *
 * L1  A file gets its final name only when its header and table are durable, and a frame only when its name is. So a file
 *     that has a name has a whole table.
 * L2  A file is wholly durable before the next one is begun, and the next one's header says where it ends. Only the last
 *     file can have a torn tail.
 */

import * as path from 'node:path';

import type { Hash64 } from '../../codec/hash64.ts';
import type { Blocks, Disk } from '../sealed/disk.ts';
import type { BucketTable } from './bucket-table.ts';
import { FrameBuilder } from './frame-builder.ts';
import { checksumSeed, KIND_TABLE } from './frame.ts';
import { LOG_HEADER_BYTES, LogFile, logHeader, noLink } from './log-file.ts';
import { logName } from './names.ts';
import { later, Spare } from './spare.ts';

/** For the heads of a few hundred buckets. */
const TABLE_BYTES = 16 * 1024;

export interface LogSetSettings {
  readonly directory: string;
  readonly fileBytes: number;
  readonly sync: boolean;
  readonly random64: () => Hash64;
}

export class LogSet {
  readonly logs: LogFile[] = [];
  blocks: Blocks = { bytes: 512, direct: false };
  /** Called with a file that has just got its successor. */
  onRolled: (full: LogFile) => void = () => undefined;
  private readonly disk: Disk;
  private readonly buckets: BucketTable;
  private readonly settings: LogSetSettings;
  private readonly spare: Spare;

  constructor(disk: Disk, buckets: BucketTable, settings: LogSetSettings) {
    this.disk = disk;
    this.buckets = buckets;
    this.settings = settings;
    this.spare = new Spare(disk, settings.directory, settings.fileBytes, settings.sync, () => this.used, () => this.blocks);
  }

  get active(): LogFile {
    return this.logs.at(-1)!;
  }

  /** How much of the active file is in use, from 0 to 1; 1 when there is none and the first is waited for. */
  private get used(): number {
    return this.logs.length === 0 ? 1 : this.active.end / this.settings.fileBytes;
  }

  /** Makes the very first file. */
  async begin(): Promise<void> {
    await this.next(1, noLink);
  }

  /** What was recovered; the last one is written to from now on. */
  resume(logs: readonly LogFile[]): void {
    this.logs.push(...logs);
    this.active.openForFrames(this.disk, this.blocks.direct);
    this.spare.prepare();
  }

  async roll(): Promise<void> {
    const full = this.active;
    // L2. A failure here is one of the file that holds acknowledged records, and final.
    if (this.settings.sync && full.synced < full.end) await later((done) => full.file.syncLater(done));
    full.synced = full.end;
    await this.next(full.name.number + 1, full.toLink());
    full.closeForFrames();
    this.onRolled(full);
  }

  /** Takes a sealed file out of the set and off the disk. */
  drop(log: LogFile): void {
    this.logs.splice(this.logs.indexOf(log), 1);
    log.close();
    this.disk.remove(log.path);
  }

  async close(): Promise<void> {
    await this.spare.stop();
    for (const log of this.logs) log.close();
  }

  private async next(number: number, link: LogFile['link']): Promise<void> {
    const spare = await this.spare.take();
    const name = logName(number, 0, this.settings.random64());
    const table = tableOf(this.buckets);
    const seed = checksumSeed(name.incarnation);
    const checksum = table.finish(KIND_TABLE, {
      seed,
      previous: 0,
      offset: LOG_HEADER_BYTES,
      syncedTo: LOG_HEADER_BYTES,
      blockBytes: this.blocks.bytes,
    });
    const file = this.disk.open(spare, 'write');
    try {
      await later((done) => file.writeLater(logHeader(name, link), 0, done));
      await later((done) => file.writeLater(table.view(), LOG_HEADER_BYTES, done));
      if (this.settings.sync) await later((done) => file.syncLater(done));
    } finally {
      file.close();
    }
    this.disk.rename(spare, path.join(this.settings.directory, name.file));
    if (this.settings.sync) this.disk.syncDirectory(this.settings.directory);
    const log = new LogFile(this.disk, this.settings.directory, name, link);
    log.index.add(table.words, 0, LOG_HEADER_BYTES, (bits, index) => this.buckets.get(bits, index)!.slot);
    log.end = log.synced = LOG_HEADER_BYTES + table.length;
    log.checksum = checksum;
    log.openForFrames(this.disk, this.blocks.direct);
    this.logs.push(log);
    this.spare.prepare();
  }
}

/** Every bucket's durable head, and its newest checkpoint. */
function tableOf(buckets: BucketTable): FrameBuilder {
  const table = new FrameBuilder(TABLE_BYTES, (bytes) => Buffer.allocUnsafeSlow(bytes));
  for (const bucket of buckets.all) {
    table.head(bucket.id, bucket.epoch, bucket.incarnation, bucket.durablePosition, bucket.durableHead);
    const { checkpoint } = bucket;
    if (checkpoint !== null) table.checkpoint({ bucket: bucket.id, ...checkpoint });
  }
  return table;
}

