/**
 * Names of the keys. The hash tag is the namespace and the low four bits of the bucket's index: sixteen groups, so that a tick
 * costs sixteen calls and not one a bucket, and a bucket that is split in two stays in its slot.
 */

import type { BucketId } from '../../codec/address.ts';
import { packed } from './call-writer.ts';

export const GROUPS = 16;

export function groupOf(bucket: BucketId): number {
  return bucket.index & (GROUPS - 1);
}

export interface BucketKeys {
  readonly group: number;
  readonly meta: string;
  readonly log: string;
  readonly snapshots: string;
  readonly checkpoint: string;
  readonly cold: string;
  /** meta and log as arguments of a call. */
  readonly forAppend: Buffer;
}

export function bucketKeys(namespace: string, bucket: BucketId): BucketKeys {
  const group = groupOf(bucket);
  const prefix = `{${namespace}:${group}}:${bucket.bits}.${bucket.index}`;
  return {
    group,
    forAppend: packed(`${prefix}:meta`, `${prefix}:log`),
    meta: `${prefix}:meta`,
    log: `${prefix}:log`,
    snapshots: `${prefix}:snapshots`,
    checkpoint: `${prefix}:checkpoint`,
    cold: `${prefix}:cold`,
  };
}

/** What sealed ranges are kept under; `name` as their file would have. */
export function sealedKey(namespace: string, bucket: BucketId, name: string): string {
  return `{${namespace}:${groupOf(bucket)}}:${bucket.bits}.${bucket.index}:sealed:${name}`;
}

/** Of all of a namespace, as SCAN takes it: no character of a namespace stands for others there. */
export function sealedPattern(namespace: string): string {
  return `{${namespace}:*}:*:sealed:*`;
}

/** Any key of a group, to find its slot by. */
export function groupKey(namespace: string, group: number): string {
  return `{${namespace}:${group}}`;
}

/** What the journal of a namespace is: number of buckets, version of the layout. Written once. */
export function journalKey(namespace: string): string {
  return `{${namespace}}:journal`;
}
