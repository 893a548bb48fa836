/** What people ask of the logs of this node's buckets: an actor's records, what a record came of, and where in the scripts what it did was asked for. */

import { hashText, parseAddress } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { RecordReader } from '../../codec/record.ts';
import { cursorOf } from '../../codec/record-messages.ts';
import type { Journal, StoredRecord } from '../../journal/journal.ts';
import type { Bucket } from '../bucket.ts';
import type { Bundles } from '../bundles.ts';
import type { Calls } from '../calls.ts';
import type { CauseLink, Causes, RecordRef, RecordView } from '../engine.ts';
import { selectFrom, viewRecord, viewRecords } from '../record-view.ts';
import type { Replay } from './replay.ts';

export interface HistoryParts {
  readonly journal: Journal;
  readonly buckets: readonly Bucket[];
  readonly bucketOf: (address: { readonly type: string; readonly id: string }) => Bucket;
  readonly bundles: Bundles;
  readonly calls: Calls;
  readonly replay: Replay;
}

export class History implements Causes {
  private readonly parts: HistoryParts;

  constructor(parts: HistoryParts) {
    this.parts = parts;
  }

  /** See Engine. */
  async records(actor: string, fromSeq: number, recordsMax: number, areChangesWanted: boolean): Promise<readonly RecordView[]> {
    const { journal, bucketOf, bundles, calls, replay } = this.parts;
    const bucket = bucketOf(parseAddress(actor));
    const stored = selectFrom(await journal.readActorRecords(bucket.id, actor, hashText(actor)), fromSeq, recordsMax);
    const views = await viewRecords(stored, bundles, calls);
    if (!areChangesWanted) return views;
    const changes = await replay.changes(bucket, stored);
    return views.map((view) => ({ ...view, events: view.events.map((event, i) => ({ ...event, changes: changes.get(view.position)?.[i] ?? [] })) }));
  }

  async explain(ref: RecordRef): Promise<CauseLink> {
    const { bundles, calls, replay } = this.parts;
    const { bucket, stored } = 'actor' in ref ? await this.ofActor(ref.actor, ref.seq) : await this.at(ref.bucket, ref.position);
    const record = await viewRecord(stored.bytes, bundles, calls, await this.broadcaster(bucket, stored.bytes));
    return { record, trace: await replay.trace(bucket, stored), cause: causeOf(record) };
  }

  /** The bundle of the broadcast that a record is a chunk of; '' for any other record. */
  private async broadcaster(bucket: Bucket, bytes: Buffer): Promise<string> {
    const chunk = cursorOf(new RecordReader().over(bytes));
    if (chunk === null) return '';
    const { stored } = await this.at(bucket.id.index, chunk.position);
    return new RecordReader().over(stored.bytes).bundleHex();
  }

  private async ofActor(actor: string, seq: number): Promise<{ bucket: Bucket; stored: StoredRecord }> {
    const bucket = this.owned(this.parts.bucketOf(parseAddress(actor)).id.index);
    const all = await this.parts.journal.readActorRecords(bucket.id, actor, hashText(actor));
    const stored = seq === 0 ? all.at(-1) : all.find(({ bytes }) => holds(bytes, seq));
    if (stored === undefined) throw noSuchRecord(seq === 0 ? `${actor} has no records` : `${actor} has no event ${seq}`, '`troupe events <actor>` lists the events of an actor.');
    return { bucket, stored };
  }

  private async at(index: number, position: number): Promise<{ bucket: Bucket; stored: StoredRecord }> {
    if (index >= this.parts.buckets.length) throw noSuchRecord(`there is no bucket ${index}`, PLACES);
    const bucket = this.owned(index);
    for await (const stored of this.parts.journal.readBucket(bucket.id, position, position + 1)) return { bucket, stored };
    throw noSuchRecord(`bucket ${index} has no record ${position}`, PLACES);
  }

  private owned(index: number): Bucket {
    const bucket = this.parts.buckets[index]!;
    if (bucket.owned) return bucket;
    throw new TroupeError('NOT_READY', `bucket ${index} does not serve on this node at the moment`);
  }
}

const PLACES = 'A place is <bucket>/<position>, as `troupe why` and `troupe deadletters` show it.';

function noSuchRecord(message: string, hint: string): TroupeError {
  return new TroupeError('BAD_REQUEST', message, { hint });
}

function holds(bytes: Buffer, seq: number): boolean {
  const { firstSeq, events } = new RecordReader().over(bytes);
  return firstSeq <= seq && seq < firstSeq + events;
}

/** Positions lead back only, within a log and from log to log, so that nothing comes of itself. */
function causeOf({ bucket, cause, cursor, firing, kind, linkTaken, resumes }: RecordView): CauseLink['cause'] {
  const here = (what: CauseLink['cause']['kind'], position: number, entry: number): CauseLink['cause'] => ({ kind: what, place: { bucket, position }, entry, incarnation: '' });
  if (resumes > 0) return here('again', resumes, 0);
  if (firing !== null) return here('timer', firing.timer.position, firing.timer.index);
  if (kind === 'cursor' && cursor !== null) return here('broadcast', cursor.position, cursor.index);
  if (cause === null) return { kind: 'none', place: null, entry: 0, incarnation: '' };
  if (cause.position === 0) return { kind: 'client', place: null, entry: 0, incarnation: '' };
  const { entry, incarnation } = cause;
  return { kind: linkTaken === null ? 'message' : 'link', place: { bucket: cause.bucket, position: cause.position }, entry, incarnation };
}
