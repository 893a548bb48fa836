/**
 * Looking at the journal in a store, and at its cold tier: see ../inspection.ts. Nothing is founded, no epoch is taken.
 *
 * `compact` demotes under the epoch that it finds, as the bucket's owner would. That needs no agreement with the owner: the store lets the
 * first one list and trim, and whoever comes second finds out and takes over what was done (D5 of demotion.ts, `Opening.catchUp`).
 */

import { TroupeError } from '../../codec/errors.ts';
import { sameHash } from '../../codec/hash64.ts';
import { decodeColdRange } from '../cold/cold-range.ts';
import type { ColdRange } from '../cold/cold-range.ts';
import type { ColdTier } from '../cold/cold-tier.ts';
import { totalOf } from '../inspection.ts';
import type { BucketReport, CompactReport, InspectionFinding, JournalInspection, Progress, StatReport, VerifyReport } from '../inspection.ts';
import { Demotion } from './demotion.ts';
import { findJournal } from './founding.ts';
import { BucketTable } from './hot-bucket.ts';
import type { HotBucket } from './hot-bucket.ts';
import { HotReader } from './hot-reader.ts';
import { bucketKeys } from './keys.ts';
import { gatherKnowledge } from './knowledge.ts';
import type { FoundBucket } from './knowledge.ts';
import { journalSource, luaLibrary } from './library.ts';
import { StoreLinks } from './links.ts';
import type { StoreOptions } from './links.ts';
import { lookAtAll } from './metas.ts';
import { rolledBack } from './note.ts';
import { Opening } from './opening.ts';
import { tierOf } from './redis-tier.ts';
import { asTroupeError } from './store-error.ts';
import { TieredHistory } from './tiered-history.ts';

export interface StoreInspectionOptions {
  readonly store: StoreOptions;
  readonly namespace: string;
  /** The cold tier with a folder, if there is one. Closed by `close`. */
  readonly tier: ColdTier | null;
  readonly onWarning: (message: string) => void;
}

/** What fewer bytes are hot is not worth a file. */
const COMPACTED_BYTES_MIN = 64 * 1024;

/** @throws TroupeError STORE_UNAVAILABLE, CONFIG_INVALID when the store has no journal, or its cold tier is missing */
export async function inspectStore(options: StoreInspectionOptions): Promise<JournalInspection> {
  const inspection = new StoreInspection(options);
  try {
    await inspection.connect();
  } catch (error) {
    await inspection.close();
    throw asTroupeError(error);
  }
  return inspection;
}

class StoreInspection implements JournalInspection {
  readonly compact: JournalInspection['compact'];
  private readonly options: StoreInspectionOptions;
  private readonly links: StoreLinks;
  private readonly library = luaLibrary(journalSource(), 'journal');
  private readonly hot: HotReader;
  private readonly opening: Opening;
  /** Reads what is sealed in the store, too, and writes there when there is no folder. */
  private readonly tier: ColdTier;
  private bits = 0;

  constructor(options: StoreInspectionOptions) {
    this.options = options;
    const { store, tier: folder, namespace, onWarning } = options;
    this.links = new StoreLinks(store);
    const { links, library } = this;
    this.hot = new HotReader(links, library);
    this.tier = tierOf(links, library, folder, onWarning);
    const { tier } = this;
    const history = new TieredHistory({ hot: this.hot, tier });
    this.opening = new Opening({ links, library, history, hasFolder: folder !== null, namespace, node: 'operator', owner: 'operator' });
    this.compact = (progress) => inWords(() => this.demoteAll(tier, progress));
  }

  async connect(): Promise<void> {
    const { namespace, tier } = this.options;
    await this.links.connect();
    const found = await findJournal(this.links, namespace);
    if (found === null) {
      throw new TroupeError('CONFIG_INVALID', `the store has no journal of namespace ${namespace}`, {
        hint: 'Check --redis and --namespace. A store that has lost its journal is shown by `troupe journal accept-loss`.',
      });
    }
    this.bits = found.bits;
    await gatherKnowledge(await this.metas(), [], tier, namespace);
  }

  stat(progress?: Progress): Promise<StatReport> {
    return inWords(async () => totalOf(await this.each(await this.metas(), (found) => this.reportOf(found), progress)));
  }

  verify(progress?: Progress): Promise<VerifyReport> {
    return inWords(async () => {
      const findings: InspectionFinding[] = [];
      const listed = new Map<string, ColdRange>();
      const records = await this.each(await this.metas(), (found) => this.check(found, findings, listed), progress);
      const unlisted = await this.notIn(listed, findings);
      return { buckets: records.length, records: records.reduce((a, b) => a + b, 0), coldFiles: listed.size, findings, unlisted };
    });
  }

  async close(): Promise<void> {
    this.links.close();
    await this.tier.close();
  }

  private metas(): Promise<FoundBucket[]> {
    return lookAtAll(this.links, this.library, this.options.namespace, this.bits);
  }

  private async each<T>(metas: readonly FoundBucket[], work: (found: FoundBucket) => Promise<T>, progress?: Progress): Promise<T[]> {
    const results: T[] = [];
    for (const found of metas) {
      results.push(await work(found));
      progress?.(results.length, metas.length);
    }
    return results;
  }

  private async reportOf({ bucket, meta }: FoundBucket): Promise<BucketReport> {
    const keys = bucketKeys(this.options.namespace, bucket);
    const ask = (command: string, ...args: string[]): Promise<unknown> => this.links.call('bulk', keys.meta, command, args);
    const usage = [keys.meta, keys.log, keys.snapshots, keys.checkpoint, keys.cold].map((key) => ask('MEMORY', 'USAGE', key));
    const [snapshots, listed, ...bytes] = (await Promise.all([ask('HLEN', keys.snapshots), ask('HVALS', keys.cold), ...usage])) as [number, Buffer[], ...(number | null)[]];
    const ranges = listed.map(decodeColdRange);
    return {
      bucket, snapshots,
      records: meta.position ?? 0,
      hotRecords: (meta.position ?? 0) - meta.trimmed,
      hotBytes: bytes.reduce<number>((sum, one) => sum + (one ?? 0), 0),
      coldFiles: ranges.length,
      coldBytes: ranges.reduce((sum, range) => sum + range.bytes, 0),
      note: meta.incarnation === null && meta.note === null ? 'the store has lost it' : meta.note,
    };
  }

  /** Answers the records that are as they should be. */
  private async check({ bucket: id, meta }: FoundBucket, findings: InspectionFinding[], listed: Map<string, ColdRange>): Promise<number> {
    const { tier } = this;
    const { namespace } = this.options;
    const { cold } = bucketKeys(namespace, id);
    const say = (why: string, location: string): void => void findings.push({ bucket: id, why, location });
    let bucket: HotBucket | null = null;
    try {
      if (meta.note !== null) throw rolledBack(id, meta.note);
      bucket = await this.opening.look(id);
    } catch (error) {
      if (!isFinding(error)) throw error;
      say(error.message, error.location ?? '');
    }
    let records = bucket?.log.records ?? 0;
    const ranges = bucket?.cold ?? readable((await this.links.call('bulk', cold, 'HVALS', [cold])) as Buffer[]);
    if (bucket !== null && ranges.length > 0 && !sameHash(ranges[0]!.headBefore, bucket.origin)) say('the first file of the cold tier does not begin where the log began', ranges[0]!.file);
    for (const range of ranges) {
      listed.set(range.file, range);
      const wrong = await tier.verify(range);
      for (const { file, offset, why } of wrong) say(why, `${file}, offset ${offset}`);
      if (wrong.length === 0) records += range.records;
    }
    return records;
  }

  /** Files that were listed in the meantime are looked for again. */
  private async notIn(listed: ReadonlyMap<string, ColdRange>, findings: InspectionFinding[]): Promise<string[]> {
    const { namespace } = this.options;
    const others: string[] = [];
    for await (const found of this.tier.scan(namespace)) {
      const file = found.kind === 'range' ? found.range.file : found.file;
      if (listed.has(file)) continue;
      others.push(file);
      // It may be needed one day, when the store is lost.
      if (found.kind === 'unreadable') findings.push({ bucket: null, why: `nobody lists it, and ${found.error.message}`, location: file });
    }
    if (others.length === 0) return others;
    const now = new Set<string>();
    for (const { bucket } of await this.metas()) {
      const { cold } = bucketKeys(namespace, bucket);
      for (const { file } of readable((await this.links.call('bulk', cold, 'HVALS', [cold])) as Buffer[])) now.add(file);
    }
    return others.filter((file) => !now.has(file));
  }

  private async demoteAll(tier: ColdTier, progress?: Progress): Promise<CompactReport> {
    const { links, library, opening, hot } = this;
    const { namespace, onWarning: warn } = this.options;
    const demotion = new Demotion({ links, library, opening, hot, tier, buckets: new BucketTable(), namespace, hotBytesPerBucketMax: 0, warn });
    const before = (await this.stat()).hotBytes;
    let buckets = 0;
    await this.each(await this.metas(), async ({ bucket: id, meta }) => {
      if (meta.note !== null || meta.incarnation === null) return;
      const bucket = await opening.look(id);
      const { demotions } = demotion;
      if (bucket.log.bytes >= COMPACTED_BYTES_MIN) await demotion.compact(bucket);
      if (demotion.demotions > demotions) buckets++;
    }, progress);
    return { buckets, ranges: demotion.demotions, hotBytesBefore: before, hotBytesAfter: (await this.stat()).hotBytes };
  }
}

function isFinding(error: unknown): error is TroupeError {
  return error instanceof TroupeError && (error.code === 'JOURNAL_DAMAGED' || error.code === 'ROLLED_BACK' || error.code === 'JOURNAL_VERSION');
}

/** Of a list that is damaged itself. */
function readable(listed: readonly Buffer[]): ColdRange[] {
  return listed.flatMap((bytes) => {
    try {
      return [decodeColdRange(bytes)];
    } catch {
      return [];
    }
  });
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asTroupeError(error);
  }
}
