/**
 * Looking at the journal in the data folder of a node that does not run: see ../inspection.ts. The folder's lock is held meanwhile.
 *
 * Opening a journal writes: recovery copies the tail of the log and cuts what was not acknowledged. So it is opened beside itself: the
 * sealed segments are linked into a folder of temporary files, the log files are copied there, and recovery does its work on the copies.
 */

import { copyFile, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import type { BucketId } from '../../codec/address.ts';
import { chain } from '../../codec/chain.ts';
import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import { totalOf } from '../inspection.ts';
import type { BucketReport, InspectionFinding, JournalInspection, Progress, StatReport, VerifyReport } from '../inspection.ts';
import type { BucketHead, Journal } from '../journal.ts';
import { lockDirectory } from './lock.ts';
import type { DirectoryLock } from './lock.ts';
import { formatFile, readListing } from './names.ts';
import { createSegmentJournal } from './segment-journal.ts';

/** @throws TroupeError JOURNAL_LOCKED while a node runs on it, CONFIG_INVALID when there is no journal */
export async function inspectFolder(directory: string, buckets: readonly BucketId[]): Promise<JournalInspection> {
  const files = await readdir(directory).catch((): string[] => []);
  if (!files.includes(formatFile)) throw new TroupeError('CONFIG_INVALID', `${directory} holds no journal`, { hint: 'Give the data folder of a node with --data.' });
  const lock = lockDirectory(directory);
  try {
    return new FolderInspection(directory, await copyOf(directory, files), files, buckets, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function copyOf(directory: string, files: readonly string[]): Promise<string> {
  const copy = await mkdtemp(path.join(tmpdir(), 'troupe-inspection-'));
  try {
    const { segments, logs } = readListing(files);
    for (const { file } of segments) await symlink(path.resolve(directory, file), path.join(copy, file));
    for (const file of [formatFile, ...logs.map((log) => log.file)]) await copyFile(path.join(directory, file), path.join(copy, file));
    return copy;
  } catch (error) {
    await rm(copy, { recursive: true });
    throw error;
  }
}

class FolderInspection implements JournalInspection {
  readonly compact = null;
  private readonly directory: string;
  private readonly copy: string;
  private readonly files: readonly string[];
  private readonly buckets: readonly BucketId[];
  private readonly lock: DirectoryLock;

  constructor(directory: string, copy: string, files: readonly string[], buckets: readonly BucketId[], lock: DirectoryLock) {
    this.directory = directory;
    this.copy = copy;
    this.files = files;
    this.buckets = buckets;
    this.lock = lock;
  }

  async stat(): Promise<StatReport> {
    const { segments, logs } = readListing(this.files);
    const [coldBytes, hotBytes] = await Promise.all([segments, logs].map((list) => this.bytesOf(list.map(({ file }) => file))));
    const heads = await this.opened((_journal, heads) => Promise.resolve(heads));
    const reports = heads.map(({ bucket, position }): BucketReport => ({ bucket, records: position, hotRecords: null, hotBytes: null, snapshots: null, coldFiles: null, coldBytes: null, note: null }));
    // Files are of all buckets together.
    return { ...totalOf(reports), hotBytes: hotBytes!, coldBytes: coldBytes!, coldFiles: segments.length };
  }

  async verify(progress?: Progress): Promise<VerifyReport> {
    const findings: InspectionFinding[] = [];
    let records = 0;
    try {
      await this.opened(async (journal, heads) => {
        for (const [i, head] of heads.entries()) {
          records += await check(journal, head, findings);
          progress?.(i + 1, heads.length);
        }
      });
    } catch (error) {
      findings.push(findingOf(error, null));
    }
    return { buckets: this.buckets.length, records, coldFiles: readListing(this.files).segments.length, findings: findings.map((finding) => this.named(finding)), unlisted: [] };
  }

  async close(): Promise<void> {
    this.lock.release();
    await rm(this.copy, { recursive: true, force: true });
  }

  private async opened<T>(work: (journal: Journal, heads: readonly BucketHead[]) => Promise<T>): Promise<T> {
    const journal = createSegmentJournal({ directory: this.copy, sync: false });
    await journal.open();
    try {
      return await work(journal, await journal.openBuckets(this.buckets));
    } finally {
      await journal.close();
    }
  }

  private async bytesOf(files: readonly string[]): Promise<number> {
    const sizes = await Promise.all(files.map(async (file) => (await stat(path.join(this.directory, file))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** What was found in the copy is so in the folder. */
  private named({ bucket, why, location }: InspectionFinding): InspectionFinding {
    return { bucket, why: why.replaceAll(this.copy, this.directory), location: location.replaceAll(this.copy, this.directory) };
  }
}

/** Answers the records that are as they should be. */
async function check(journal: Journal, { bucket, incarnation, position, head }: BucketHead, findings: InspectionFinding[]): Promise<number> {
  const at = { hi: incarnation.hi, lo: incarnation.lo };
  let records = 0;
  try {
    for await (const record of journal.readBucket(bucket, 1)) {
      chain(at, at, record.bytes);
      if (record.position !== records + 1 || !sameHash(record.head, at)) {
        findings.push({ bucket, why: 'a record does not follow the one before it', location: `position ${record.position}` });
        return records;
      }
      records++;
    }
    if (records !== position || !sameHash(at, head)) findings.push({ bucket, why: `${records} records are there, which do not lead to the head of the log at ${position}`, location: `position ${records}` });
  } catch (error) {
    findings.push(findingOf(error, bucket));
  }
  return records;
}

function findingOf(error: unknown, bucket: BucketId | null): InspectionFinding {
  if (error instanceof TroupeError && error.code === 'JOURNAL_DAMAGED') return { bucket, why: error.message, location: error.location ?? '' };
  throw error;
}
