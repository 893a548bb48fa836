/**
 * Keeps the snapshots hot that were found cold: an actor that is used again will be used once more. Bounded by number and by bytes; the
 * ones promoted longest ago go first. Caches (J8): what does not arrive costs time.
 */

import { encodeValue } from './entry.ts';
import type { StoredValue } from './entry.ts';
import type { BucketTable, HotBucket } from './hot-bucket.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';

export interface PromotionsParts {
  readonly links: Pick<StoreLinks, 'callFunction'>;
  readonly library: LuaLibrary;
  readonly buckets: BucketTable;
  readonly promotedMax?: number;
  readonly bytesMax?: number;
}

const PROMOTED_MAX = 10_000;
const BYTES_MAX = 32 * 1024 * 1024;

interface Promoted {
  readonly bucket: HotBucket;
  readonly position: number;
  readonly bytes: number;
}

export class Promotions {
  private readonly parts: PromotionsParts;
  /** By actor, the oldest first. */
  private readonly promoted = new Map<string, Promoted>();
  private bytes = 0;

  constructor(parts: PromotionsParts) {
    this.parts = parts;
  }

  promote(bucket: HotBucket, actor: string, snapshot: StoredValue): void {
    const { links, library, buckets, promotedMax = PROMOTED_MAX, bytesMax = BYTES_MAX } = this.parts;
    // Only the owner knows when to let it go again.
    if (buckets.get(bucket.id) !== bucket || snapshot.bytes.length > bytesMax) return;
    const { meta, snapshots } = bucket.keys;
    const args = [String(bucket.epoch), '1', actor, encodeValue(snapshot)];
    links.callFunction('bulk', library, 'put_snapshots', [meta, snapshots], args).catch(() => undefined);
    this.take(actor);
    this.promoted.set(actor, { bucket, position: snapshot.position, bytes: snapshot.bytes.length });
    this.bytes += snapshot.bytes.length;
    while (this.promoted.size > promotedMax || this.bytes > bytesMax) this.letGo();
  }

  /** One that was replaced by a newer one, or is another owner's by now, stays. */
  private letGo(): void {
    const { links, library } = this.parts;
    const [actor] = this.promoted.keys();
    const { bucket, position } = this.take(actor!)!;
    const { meta, snapshots } = bucket.keys;
    links.callFunction('bulk', library, 'drop_snapshots', [meta, snapshots], [String(bucket.epoch), actor!, String(position)]).catch(() => undefined);
  }

  private take(actor: string): Promoted | undefined {
    const promoted = this.promoted.get(actor);
    this.bytes -= promoted?.bytes ?? 0;
    this.promoted.delete(actor);
    return promoted;
  }
}
