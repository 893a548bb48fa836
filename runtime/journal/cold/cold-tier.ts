/**
 * The cold tier: sealed, compressed, checksummed, indexed files, in a directory that nodes share or in the hot tier's store, each with one
 * bucket's records `[from, to)` and the newest snapshots of their actors. The hot tier moves ranges here and keeps the list of them, under the bucket's
 * epoch; this is everything below the list. It holds no state of its own but caches: whoever has the list can read.
 *
 * Not its job: who may write (a range that nobody lists is harmless), when to move what, and what is not in the list.
 *
 * C1  A range may be listed once `write` has answered it: its file is whole, synchronised and under its name (write-range.ts), or the store
 *     has it as safely as it has the log. A crash at any moment leaves a temporary file, or a whole one that nobody lists.
 * C2  A file never changes, and its name says what is in it; the same range and snapshots written again are the same file.
 * C3  A listed file that is missing, or holds something else, is JOURNAL_DAMAGED with the file, never "empty"; a damaged byte is
 *     JOURNAL_DAMAGED with file and offset, never a wrong value. Only snapshots, which are caches, are passed over with a warning.
 * C4  A list is of one bucket, begins at position 1 and has no gap, in positions and heads; anything else is JOURNAL_DAMAGED.
 * C5  Memory and descriptors are bounded (bounds.ts), whatever the number of files.
 * C6  The event loop never waits for the volume, and works for at most a few milliseconds at a time.
 */

import { createHash } from 'node:crypto';

import { TroupeError } from '../../codec/errors.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { ReadActorOptions, StoredRecord } from '../journal.ts';
import { checkSegment } from '../sealed/check-segment.ts';
import { damaged } from '../sealed/damaged.ts';
import { Reader } from '../sealed/reading.ts';
import type { ReadableFile, Reading } from '../sealed/reading.ts';
import { Recent } from '../sealed/recent.ts';
import { piecesUpTo } from '../sealed/segment-caches.ts';
import type { SegmentCaches } from '../sealed/segment-caches.ts';
import { BLOCK_BYTES } from '../sealed/segment-format.ts';
import { coldBounds } from './bounds.ts';
import { actorRecordsOf, ColdFiles, headAt, historyOf, recordsFrom } from './cold-history.ts';
import type { ColdHistory } from './cold-history.ts';
import { checkList, findRange } from './cold-range.ts';
import type { ColdRange } from './cold-range.ts';
import { farthestOf, missingFiles, rangesIn, removeTemporary } from './files-in.ts';
import type { ColdFound } from './files-in.ts';
import { packRange } from './packed-range.ts';
import type { ColdWrite, PackedRange } from './packed-range.ts';
import { Pieces } from './pieces.ts';
import { directoryPlace, OpenPlaces } from './place.ts';
import type { Place } from './place.ts';
import { WorkerRangeWriter } from './range-writer.ts';
import type { RangeWriter } from './range-writer.ts';
import { realVolume } from './volume.ts';
import type { Volume } from './volume.ts';
import { actorHashOf } from './write-range.ts';

export interface ColdTierOptions {
  /** Shared by all nodes. It must be there: a volume that is not mounted must not become a new, empty tier. */
  readonly directory: string;
  /** False: nothing is synchronised. For experiments that must be seen to lose data. */
  readonly sync?: boolean;
  /** A damaged snapshot was passed over. */
  readonly onWarning?: (message: string) => void;
}

/** What tests put in place of the machine. */
export interface ColdTierSeams {
  readonly volume: Volume;
  readonly writer: () => RangeWriter;
  readonly nowMs: () => number;
}

export interface ColdReadOptions {
  /** Only records and snapshots at positions in front of this one. */
  readonly below?: number;
}

/** Of what a list names. Bytes are those of the files; raw bytes those of the records before compression. */
export interface ColdStat {
  readonly files: number;
  readonly bytes: number;
  readonly records: number;
  readonly rawBytes: number;
}

/** One thing that is wrong with a file; `file` as in the range. */
export interface ColdFinding {
  readonly file: string;
  readonly offset: number;
  readonly why: string;
}

/**
 * `ranges` is always the list of one bucket, the oldest first (C4). All that reads rejects with TroupeError: JOURNAL_DAMAGED (C3),
 * JOURNAL_VERSION, JOURNAL_FAILED (retryable) when the volume does not answer. Buffers that come back are the caller's.
 */
export interface ColdTier {
  /**
   * Writes one range; ranges that are asked for at once are written one after the other.
   * @throws TroupeError JOURNAL_DAMAGED when the records have a gap or do not lead from head to head, JOURNAL_FULL and JOURNAL_FAILED
   * (both retryable) when the volume refuses; nothing has then come into being but perhaps a temporary file
   */
  write(range: ColdWrite): Promise<ColdRange>;

  /** The newest snapshot that agrees with the log (J8), and the actor's records behind it (J9). */
  readActor(ranges: readonly ColdRange[], actor: string, actorHash: Hash64, options?: ColdReadOptions): Promise<ColdHistory>;

  /** The actor's records in order of position; what stands in front of `from` costs nothing. */
  readActorRecords(ranges: readonly ColdRange[], actor: string, actorHash: Hash64, options?: ReadActorOptions): Promise<StoredRecord[]>;

  /** All records with position in `[from, to)` that the list reaches, in order. */
  readRange(ranges: readonly ColdRange[], from: number, to?: number): AsyncIterable<StoredRecord>;

  /** The head after `position`; null behind the end of the list. */
  headAt(ranges: readonly ColdRange[], position: number): Promise<Hash64 | null>;

  /**
   * The ranges of a namespace (`main` when left out), rebuilt from their names and footers, in order of bucket and position; their
   * records are not read. Not all of them were ever listed: `coversOf` (cover.ts) makes lists of them.
   */
  scan(namespace?: string): AsyncIterable<ColdFound>;

  /**
   * As `scan`, of every bucket and incarnation only the range that reaches farthest: what the hot tier's log must not be behind of. Of ranges in the
   * hot tier's store none, since they go back together with the log.
   */
  farthest(namespace?: string): AsyncIterable<ColdFound>;

  /** Reads the whole file: every checksum, positions and heads, digest, index. Empty: nothing is wrong. */
  verify(range: ColdRange): Promise<ColdFinding[]>;

  /** Of the listed files those that are not there, with one look at the directory; for a start. */
  missing(ranges: readonly ColdRange[]): Promise<string[]>;

  /** Removes what writers that died left behind, at least so long ago (an hour); answers the names. */
  removeLeftovers(namespace?: string, ageMs?: number): Promise<string[]>;

  stat(ranges: readonly ColdRange[]): ColdStat;

  /** Reads ranges of this place, too, from now on: a list may have been begun where nothing is written any more. */
  alsoReads(place: Place): void;

  /** Waits for writes, then closes all files. */
  close(): Promise<void>;
}

const realSeams: ColdTierSeams = { volume: realVolume, writer: () => new WorkerRangeWriter(), nowMs: Date.now };

export function createColdTier(options: ColdTierOptions, seams: Partial<ColdTierSeams> = {}): ColdTier {
  const { volume, nowMs, writer: newWriter } = { ...realSeams, ...seams };
  const { directory, sync = true, onWarning } = options;
  const writer = newWriter();
  return new PlacedTier({
    place: directoryPlace(directory, volume),
    writer: { write: (packed) => writer.write(packed, { directory, sync }), close: () => writer.close() },
    removeLeftovers: (namespace, ageMs) => removeTemporary(directory, namespace, volume, nowMs(), ageMs),
    ...(onWarning === undefined ? {} : { onWarning }),
  });
}

/** A tier whose ranges are written to a place that is no directory, and which leaves nothing behind there. */
export function createTierAt(place: Place, writer: PlaceWriter, onWarning: (message: string) => void): ColdTier {
  return new PlacedTier({ place, writer, onWarning, removeLeftovers: async () => [] });
}

/** As RangeWriter, of one place. */
export interface PlaceWriter {
  write(packed: PackedRange): Promise<ColdRange>;
  close(): Promise<void>;
}

interface TierParts {
  readonly place: Place;
  readonly writer: PlaceWriter;
  readonly removeLeftovers: (namespace: string, ageMs: number) => Promise<string[]>;
  readonly onWarning?: (message: string) => void;
}

class PlacedTier implements ColdTier {
  private readonly parts: TierParts;
  private readonly warn: (message: string) => void;
  private readonly reader = new Reader(coldBounds.readsAtOnceMax);
  private readonly places: OpenPlaces;
  private readonly files: ColdFiles;
  /** Settles when the last write that was asked for is over. */
  private writing: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(parts: TierParts) {
    this.parts = parts;
    this.warn = parts.onWarning ?? (() => undefined);
    this.places = new OpenPlaces(parts.place);
    this.files = new ColdFiles(this.places, boundedCaches());
  }

  alsoReads(place: Place): void {
    this.places.add(place);
  }

  write(range: ColdWrite): Promise<ColdRange> {
    if (this.closed) return Promise.reject(closedError());
    const written = this.writing.then(async () => this.parts.writer.write(await packRange(range)));
    this.writing = written.catch(() => undefined);
    return written;
  }

  async readActor(ranges: readonly ColdRange[], actor: string, actorHash: Hash64, options: ColdReadOptions = {}): Promise<ColdHistory> {
    checkList(ranges);
    return this.reader.read(historyOf(this.files, ranges, actor, actorHash, options.below ?? Infinity, this.warn));
  }

  async readActorRecords(ranges: readonly ColdRange[], actor: string, actorHash: Hash64, options: ReadActorOptions = {}): Promise<StoredRecord[]> {
    checkList(ranges);
    return this.reader.read(actorRecordsOf(this.files, ranges, actor, actorHash, options));
  }

  async *readRange(ranges: readonly ColdRange[], from: number, to = Infinity): AsyncIterable<StoredRecord> {
    checkList(ranges);
    const pieces = new Pieces();
    let position = Math.max(1, from);
    for (let i = findRange(ranges, position); i < ranges.length; i++) {
      const range = ranges[i]!;
      while (position < Math.min(to, range.to)) {
        const records = await this.reader.read(recordsFrom(this.files, range, position, to));
        if (records[0]?.position !== position) throw damaged(this.places.pathOf(range), 0, `it does not hold position ${position}`);
        position += records.length;
        yield* records;
        // Nobody waits for the volume where blocks come from the cache.
        if (pieces.isOver(BLOCK_BYTES, records.length)) await pieces.pause();
      }
    }
  }

  async headAt(ranges: readonly ColdRange[], position: number): Promise<Hash64 | null> {
    checkList(ranges);
    return this.reader.read(headAt(this.files, ranges, position));
  }

  async *scan(namespace = 'main'): AsyncIterable<ColdFound> {
    for (const open of this.places.all()) yield* rangesIn(open, namespace, this.reader, cachesOfOne);
  }

  async *farthest(namespace = 'main'): AsyncIterable<ColdFound> {
    for (const open of this.places.all()) if (open.place.isApart) yield* rangesIn(open, namespace, this.reader, cachesOfOne, farthestOf);
  }

  async verify(range: ColdRange): Promise<ColdFinding[]> {
    const { file, bucket, from: position, records, headBefore, headAfter } = range;
    const finding = (offset: number, why: string): ColdFinding => ({ file, offset, why });
    try {
      const segment = this.files.of(range, cachesOfOne());
      const run = { bucket, position, records, headBefore, headAfter };
      const found = await this.reader.read(checkSegment(segment, run, actorHashOf));
      const handle = this.places.fileOf(range);
      if ((await this.reader.read(digestOf(handle, range.bytes))) !== range.digest) found.push({ offset: 0, why: 'its digest is not the one in its name' });
      return found.map(({ offset, why }) => finding(offset, why));
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'JOURNAL_DAMAGED') throw error;
      return [finding(0, error.message)];
    }
  }

  missing(ranges: readonly ColdRange[]): Promise<string[]> {
    return missingFiles(this.places, ranges);
  }

  removeLeftovers(namespace = 'main', ageMs: number = coldBounds.leftoverAgeMinMs): Promise<string[]> {
    return this.parts.removeLeftovers(namespace, ageMs);
  }

  stat(ranges: readonly ColdRange[]): ColdStat {
    const sum = (pick: (range: ColdRange) => number): number => ranges.reduce((total, range) => total + pick(range), 0);
    return { files: ranges.length, bytes: sum(({ bytes }) => bytes), records: sum(({ records }) => records), rawBytes: sum(({ rawBytes }) => rawBytes) };
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
    await this.parts.writer.close();
    for (const { files } of this.places.all()) files.close();
  }
}

function boundedCaches(): SegmentCaches {
  const { bloomBytesMax, tableBytesMax, pieceBytesMax } = coldBounds;
  return {
    blooms: new Recent(bloomBytesMax, (bloom) => bloom.byteLength),
    tables: new Recent(tableBytesMax, ({ blocks, buckets, pages }) => blocks.byteLength + buckets.byteLength + pages.byteLength),
    pieces: piecesUpTo(pieceBytesMax),
  };
}

/** For one file, and only while it is looked at; blocks are not looked at twice. */
function cachesOfOne(): SegmentCaches {
  return { blooms: new Recent(1), tables: new Recent(1), pieces: piecesUpTo(0) };
}

/** Of the whole file, which should be `bytes` long; another digest when it is longer. */
function* digestOf(file: ReadableFile, bytes: number): Reading<string> {
  const hash = createHash('sha256');
  for (let position = 0; position <= bytes; position += coldBounds.digestPieceBytes) {
    hash.update(yield { file, position, bytes: coldBounds.digestPieceBytes });
  }
  return hash.digest('hex').slice(0, 32);
}

function closedError(): TroupeError {
  return new TroupeError('JOURNAL_FAILED', 'the cold tier is closed');
}
