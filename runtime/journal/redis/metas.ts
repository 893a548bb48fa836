/** What the store has of buckets as a whole (`meta` in journal.lua), read without taking anything. */

import type { BucketId } from '../../codec/address.ts';
import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { hashOfBytes } from './entry.ts';
import { bucketKeys, GROUPS } from './keys.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';

export interface FoundMeta {
  readonly epoch: number;
  /** null when the bucket is missing, or nothing but a note is left of it. */
  readonly incarnation: Hash64 | null;
  /** The head before position 1. */
  readonly origin: Hash64;
  readonly position: number | null;
  readonly head: Hash64;
  /** Up to where the log was demoted, and the head there. */
  readonly trimmed: number;
  readonly trimmedHead: Hash64;
  /** Up to where some of that lies in a folder; 0 when all of it is sealed in the store. */
  readonly inFolder: number;
  /** Incarnations given up by accepted losses, eight bytes each. */
  readonly given: Buffer;
  /** Why the bucket may not be opened. */
  readonly note: string | null;
  /** The highest that the nodes knew which noted the loss. */
  readonly positionNoted: number;
}

const NOTHING: Hash64 = { hi: 0, lo: 0 };

/** An answer of `look`. */
export function metaOf(fields: readonly (Buffer | null)[]): FoundMeta {
  const [epoch, incarnation, origin, position, head, trimmed, trimmedHead, given, note, , , positionNoted, inFolder] = fields;
  const hash = (bytes: Buffer | null | undefined): Hash64 | null => (bytes ? hashOfBytes(bytes) : null);
  return {
    epoch: Number(epoch ?? 0),
    incarnation: hash(incarnation),
    origin: hash(origin) ?? NOTHING,
    position: position ? Number(position) : null,
    head: hash(head) ?? NOTHING,
    trimmed: Number(trimmed ?? 0),
    trimmedHead: hash(trimmedHead) ?? NOTHING,
    inFolder: Number(inFolder ?? trimmed ?? 0),
    given: given ?? Buffer.alloc(0),
    note: note?.toString() ?? null,
    positionNoted: Number(positionNoted ?? 0),
  };
}

/** Whether the incarnation was given up by an accepted loss. */
export function isGiven(given: Buffer, incarnation: Hash64): boolean {
  for (let at = 0; at < given.length; at += 8) if (sameHash(hashOfBytes(given, at), incarnation)) return true;
  return false;
}

/** Of every bucket, in the order of their indices. @throws StoreError */
export async function lookAtAll(links: StoreLinks, library: LuaLibrary, namespace: string, bits: number): Promise<{ readonly bucket: BucketId; readonly meta: FoundMeta }[]> {
  const groups = Array.from({ length: Math.min(GROUPS, 2 ** bits) }, async (_, group) => {
    const ids: BucketId[] = [];
    for (let index = group; index < 2 ** bits; index += GROUPS) ids.push({ bits, index });
    const keys = ids.map((id) => bucketKeys(namespace, id).meta);
    const answers = (await links.callFunction('bulk', library, 'look', keys, [], true)) as (Buffer | null)[][];
    return ids.map((bucket, i) => ({ bucket, meta: metaOf(answers[i]!) }));
  });
  return (await Promise.all(groups)).flat().sort((a, b) => a.bucket.index - b.bucket.index);
}
