/** Histories as they were in front of a position: what an actor was then is folded from them as it is today. */

import { TroupeError } from '../../codec/errors.ts';
import type { ActorHistory, StoredRecord } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import type { Histories } from '../loader.ts';
import { decodeSnapshot } from '../snapshots.ts';

/** @throws by its methods, TroupeError OVERLOADED when the history is too long to be folded for a look */
export function pastOf(histories: Histories, position: number): Histories {
  const readActorRecords: Histories['readActorRecords'] = async (bucket, actor, actorHash, options = {}) =>
    bounded(actor, await histories.readActorRecords(bucket, actor, actorHash, { ...options, to: Math.min(position, options.to ?? position) }));
  return {
    readActorRecords,
    async readActor(bucket, actor, actorHash): Promise<ActorHistory> {
      const { snapshot, records } = await histories.readActor(bucket, actor, actorHash);
      const isUsable = snapshot !== null && (decodeSnapshot(snapshot, actor)?.position ?? position) < position;
      if (!isUsable) return { snapshot: null, records: await readActorRecords(bucket, actor, actorHash) };
      return { snapshot, records: bounded(actor, records.filter((record) => record.position < position)) };
    },
  };
}

function bounded(actor: string, records: StoredRecord[]): StoredRecord[] {
  const bytes = records.reduce((total, record) => total + record.bytes.length, 0);
  if (bytes <= limits.pastBytesMax) return records;
  throw new TroupeError('OVERLOADED', `what ${actor} was then would have to be folded from ${bytes} bytes of records`);
}
