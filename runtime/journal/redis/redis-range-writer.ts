/**
 * Seals ranges in Redis. The bytes are made on a thread of their own; one call stores them and notes the range as the one that may be
 * listed next, and removes the one that was noted before it and never listed (L6 of journal.lua).
 */

import { TroupeError } from '../../codec/errors.ts';
import { decodeColdRange, encodeColdRange } from '../cold/cold-range.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { PlaceWriter } from '../cold/cold-tier.ts';
import type { PackedRange } from '../cold/packed-range.ts';
import { WorkerRangeWriter } from '../cold/range-writer.ts';
import type { BuiltRange } from '../cold/write-range.ts';
import { bucketKeys, sealedKey } from './keys.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';
import { rolledBack } from './note.ts';
import { sealedName } from './redis-volume.ts';
import { asTroupeError } from './store-error.ts';

const SEALED = 0;
const CONFLICT = 2;
/** Whoever else seals ranges of the bucket does not do it without a pause. */
const ATTEMPTS_MAX = 4;
const NONE = Buffer.alloc(0);

export class RedisRangeWriter implements PlaceWriter {
  private readonly links: StoreLinks;
  private readonly library: LuaLibrary;
  private readonly thread = new WorkerRangeWriter();

  constructor(links: StoreLinks, library: LuaLibrary) {
    this.links = links;
    this.library = library;
  }

  /** @throws TroupeError JOURNAL_DAMAGED (W3 of write-range.ts), ROLLED_BACK, STORE_UNAVAILABLE, JOURNAL_FAILED */
  async write(packed: PackedRange): Promise<ColdRange> {
    const built = await this.thread.build(packed);
    try {
      await this.seal(built);
    } catch (error) {
      throw asTroupeError(error);
    }
    return built.range;
  }

  async close(): Promise<void> {
    await this.thread.close();
  }

  /** Nearly always nothing is noted: what is, is found out by being refused. */
  private async seal({ range, content }: BuiltRange): Promise<void> {
    const { namespace, bucket } = range;
    const { meta, cold } = bucketKeys(namespace, bucket);
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
    let noted: Buffer | null = null;
    for (let i = 0; i < ATTEMPTS_MAX; i++) {
      const before = noted === null ? null : decodeColdRange(noted);
      const keys = [meta, cold, keyOf(range), ...(before === null ? [] : [keyOf(before)])];
      const args = [encodeColdRange(range), bytes, noted ?? NONE, before === null ? '' : String(before.from)];
      const [outcome, what] = (await this.links.callFunction('bulk', this.library, 'seal', keys, args)) as [number, Buffer | null];
      if (outcome === SEALED) return;
      if (outcome !== CONFLICT) throw rolledBack(bucket, String(what));
      noted = what;
    }
    throw new TroupeError('JOURNAL_FAILED', `somebody else seals ranges of bucket ${bucket.index}/${2 ** bucket.bits}; ${range.file} is not kept`);
  }
}

function keyOf(range: ColdRange): string {
  return sealedKey(range.namespace, range.bucket, sealedName(range));
}
