/**
 * The cold tier of a journal on Redis. Without a folder, what is demoted is sealed in Redis itself: the same files, as strings in the slot of
 * their bucket. They take less than half the memory of the entries that they replace, and an owner opens a bucket by the list of them: what it
 * reads and verifies is bounded by the hot log, however long the history.
 *
 * S1  Sealed ranges are as durable as the log they come from, and go back with it: a range that is listed and the call that trimmed the log are
 *     in one history of one slot. So nothing can be learned from them about a log that went back (`isApart` of their place).
 * S2  What is listed is there (L6 of journal.lua). A listed range that is missing or was changed is JOURNAL_DAMAGED with its key, never empty.
 * S3  A crash between sealing and listing leaves one string a bucket that nobody lists. `scan` finds it, as everything that lies in the store; the
 *     next range of the bucket that is sealed removes it.
 * S4  A range says where it lies. A journal with a folder reads what is sealed in Redis, and goes on in its folder. One without a folder reads
 *     no range that lies in one, and says so when it is opened (knowledge.ts, opening.ts): CONFIG_INVALID.
 */

import { createTierAt } from '../cold/cold-tier.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';
import { RedisRangeWriter } from './redis-range-writer.ts';
import { redisPlace } from './redis-volume.ts';

/** `folder`: the tier with the folder of the cold tier, or null. It is not closed by `links`, nor the other way round. */
export function tierOf(links: StoreLinks, library: LuaLibrary, folder: ColdTier | null, onWarning: (message: string) => void): ColdTier {
  const place = redisPlace(links);
  if (folder === null) return createTierAt(place, new RedisRangeWriter(links, library), onWarning);
  folder.alsoReads(place);
  return folder;
}
