/**
 * Looking at a journal from outside of a node: how much of it is where, and whether all of it can be read and is what was written. A port;
 * `redis/inspection.ts` looks at a store with or without a cold tier, `segment/inspection.ts` at the data folder of a node that does not run.
 *
 * Nothing is changed, but for `compact` where there is one. While nodes work on the journal, every bucket is shown as it stood at one moment.
 */

import type { BucketId } from '../codec/address.ts';

/** One bucket. Bytes are those that are taken, of memory in a store, of disk in a folder; what is not kept apart by bucket is null. */
export interface BucketReport {
  readonly bucket: BucketId;
  /** All that were ever appended. */
  readonly records: number;
  /** Records that are hot, and bytes of all that is hot: records, snapshots, checkpoint. */
  readonly hotRecords: number | null;
  readonly hotBytes: number | null;
  readonly snapshots: number | null;
  readonly coldFiles: number | null;
  readonly coldBytes: number | null;
  /** Why nobody may open it (ROLLED_BACK); null when it may be opened. */
  readonly note: string | null;
}

export interface StatReport {
  readonly buckets: readonly BucketReport[];
  /** Over all of them. */
  readonly records: number;
  readonly hotBytes: number;
  readonly coldFiles: number;
  readonly coldBytes: number;
  readonly snapshots: number | null;
}

/** Something that is wrong. */
export interface InspectionFinding {
  /** null when it is not about one. */
  readonly bucket: BucketId | null;
  readonly why: string;
  /** File and offset, or key, where that is known. */
  readonly location: string;
}

export interface VerifyReport {
  readonly buckets: number;
  /** Read, and in the chain of heads. */
  readonly records: number;
  /** Read from end to end. */
  readonly coldFiles: number;
  readonly findings: readonly InspectionFinding[];
  /** Files of the cold tier that no bucket lists: left by writers that were fenced or died, or by accepted losses. No damage. */
  readonly unlisted: readonly string[];
}

export interface CompactReport {
  /** Buckets of which something was moved, ranges that were written, bytes of memory that were hot before and after. */
  readonly buckets: number;
  readonly ranges: number;
  readonly hotBytesBefore: number;
  readonly hotBytesAfter: number;
}

/** Buckets that are done. */
export type Progress = (done: number, buckets: number) => void;

/** All methods reject with TroupeError: STORE_UNAVAILABLE, JOURNAL_FAILED when what is looked at does not answer. */
export interface JournalInspection {
  stat(progress?: Progress): Promise<StatReport>;

  /** Reads everything. What is damaged is a finding, not an error. */
  verify(progress?: Progress): Promise<VerifyReport>;

  /** Demotes what is hot, now; null where there are no tiers. Nodes may be working meanwhile. @throws TroupeError those of the cold tier */
  readonly compact: ((progress?: Progress) => Promise<CompactReport>) | null;

  close(): Promise<void>;
}

export function totalOf(buckets: readonly BucketReport[]): StatReport {
  const sum = (pick: (bucket: BucketReport) => number | null): number => buckets.reduce((total, bucket) => total + (pick(bucket) ?? 0), 0);
  return {
    buckets,
    records: sum(({ records }) => records),
    hotBytes: sum(({ hotBytes }) => hotBytes),
    coldFiles: sum(({ coldFiles }) => coldFiles),
    coldBytes: sum(({ coldBytes }) => coldBytes),
    snapshots: buckets.every(({ snapshots }) => snapshots === null) ? null : sum(({ snapshots }) => snapshots),
  };
}
