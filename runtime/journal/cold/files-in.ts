/** What lies in a place, whatever is listed: ranges rebuilt from their files, and what writers left behind. */

import * as path from 'node:path';

import { TroupeError } from '../../codec/errors.ts';
import { hashToHex } from '../../codec/hash64.ts';
import { damaged } from '../sealed/damaged.ts';
import { SegmentFile } from '../sealed/segment-file.ts';
import type { SegmentCaches } from '../sealed/segment-caches.ts';
import { BLOCK_WORDS, BUCKET_WORDS } from '../sealed/segment-format.ts';
import type { Reader, Reading } from '../sealed/reading.ts';
import { hashAt, wide } from '../sealed/words.ts';
import { readColdName } from './cold-range.ts';
import type { ColdName, ColdRange } from './cold-range.ts';
import { readFailure } from './open-files.ts';
import type { OpenPlace, OpenPlaces } from './place.ts';
import type { ReadableVolume, Volume } from './volume.ts';

export type ColdFound =
  | { readonly kind: 'range'; readonly range: ColdRange }
  /** JOURNAL_DAMAGED, JOURNAL_VERSION; `file` is relative to the directory of the tier. */
  | { readonly kind: 'unreadable'; readonly file: string; readonly error: TroupeError };

/** @throws TroupeError JOURNAL_FAILED when the volume does not answer */
export async function* rangesIn(
  { place, files }: OpenPlace,
  namespace: string,
  reader: Reader,
  caches: () => SegmentCaches,
  choose: (names: readonly ColdName[]) => readonly ColdName[] = (names) => names,
): AsyncGenerator<ColdFound> {
  const entries = await namesIn(place.volume, place.folderOf(namespace));
  const names = entries.map((entry) => readColdName(namespace, entry)).filter((name) => name !== null);
  for (const name of choose(names)) {
    const file = place.fileOf(name);
    const full = place.pathOf({ ...name, file });
    try {
      const { bytes } = await place.volume.stat(full);
      const segment = new SegmentFile(files.at(full), bytes, { file, number: 0, incarnation: name.incarnation }, caches());
      yield { kind: 'range', range: await reader.read(rangeOf(segment, name, file)) };
    } catch (error) {
      const failure = readFailure(full, error);
      if (failure.code !== 'JOURNAL_DAMAGED' && failure.code !== 'JOURNAL_VERSION') throw failure;
      yield { kind: 'unreadable', file, error: failure };
    }
  }
}

/** Of every bucket and incarnation the one that reaches farthest. */
export function farthestOf(names: readonly ColdName[]): ColdName[] {
  const farthest = new Map<string, ColdName>();
  for (const name of names) {
    const key = `${name.bucket.bits}/${name.bucket.index}/${hashToHex(name.incarnation)}`;
    const known = farthest.get(key);
    if (known === undefined || name.to > known.to) farthest.set(key, name);
  }
  return [...farthest.values()];
}

/** What the tables at the file's end say, held against the name. */
function* rangeOf(segment: SegmentFile, name: ColdName, file: string): Reading<ColdRange> {
  const { buckets, blocks, recordBlocks } = yield* segment.tables();
  const { bucket, incarnation, from, to } = name;
  const fits =
    buckets.length === BUCKET_WORDS && buckets[0] === bucket.bits && buckets[1] === bucket.index && wide(buckets, 4) === from && buckets[6] === to - from;
  if (!fits) throw damaged(segment.path, 0, 'it holds another range than its name says');
  const [headBefore, headAfter] = [hashAt(buckets, 8), hashAt(buckets, 10)];
  let rawBytes = 0;
  for (let b = 0; b < recordBlocks * BLOCK_WORDS; b += BLOCK_WORDS) rawBytes += blocks[b + 2]! - 4 * (1 + 3 * blocks[b + 5]!);
  return { ...name, incarnation, headBefore, headAfter, file, bytes: segment.bytes, records: to - from, rawBytes };
}

/**
 * Removes what was given a temporary name at least `ageMs` ago; answers the names. The age is by the clocks of this machine and of the
 * volume: where they differ by more than `ageMs`, a writer may lose the file it writes, fails, and tries again.
 */
export async function removeTemporary(directory: string, namespace: string, volume: Volume, nowMs: number, ageMs: number): Promise<string[]> {
  const folder = path.join(directory, namespace);
  const removed: string[] = [];
  for (const entry of await namesIn(volume, folder)) {
    if (!entry.endsWith('.tmp')) continue;
    const full = path.join(folder, entry);
    try {
      if (nowMs - (await volume.stat(full)).modifiedMs < ageMs) continue;
      await volume.remove(full);
      removed.push(`${namespace}/${entry}`);
    } catch (error) {
      // Finished, or removed by another node, in this moment.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw readFailure(full, error);
    }
  }
  return removed;
}

/** Of those listed, the files that are not there. */
export async function missingFiles(places: OpenPlaces, ranges: readonly ColdRange[]): Promise<string[]> {
  const there = new Map<string, Set<string>>();
  const missing: string[] = [];
  for (const range of ranges) {
    const { place } = places.of(range);
    const folder = place.folderOf(range.namespace);
    let names = there.get(folder);
    if (names === undefined) there.set(folder, (names = new Set(await namesIn(place.volume, folder))));
    if (!names.has(path.basename(range.file))) missing.push(range.file);
  }
  return missing;
}

/** In order of bucket and position. A folder that was never made holds nothing. */
async function namesIn(volume: ReadableVolume, folder: string): Promise<string[]> {
  try {
    return (await volume.list(folder)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw readFailure(folder, error);
  }
}

