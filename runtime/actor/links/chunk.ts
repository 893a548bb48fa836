/**
 * Chunks of a broadcast: which linked actors come next, read from the log, and the record that sends to them.
 *
 * A broadcast is a command of the bundle that decided it: it goes to linked actors of the types which have that command there. Others may be
 * linked for another broadcast; they are passed over.
 */

import { splitAddress } from '../../codec/address.ts';
import { RecordReader } from '../../codec/record.ts';
import { broadcastsOf, linkTakenOf, writeCursor, writeSend } from '../../codec/record-messages.ts';
import type { WireWriter } from '../../codec/wire.ts';
import type { Journal } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import type { Bucket } from '../bucket.ts';
import type { Bundles } from '../bundles.ts';
import { bucketOf } from '../messages/message.ts';
import { writeNumbers } from '../messages/message-records.ts';
import type { RunningBroadcast } from './linked.ts';

/** Positions that lie closer together than this are read in one go, with what is between them. */
const READ_GAP_MAX = 16;
const READS_AT_ONCE_MAX = 16;

/** What a broadcast says, and to whom. */
export interface BroadcastText {
  readonly position: number;
  readonly index: number;
  readonly name: string;
  readonly body: Buffer;
  isFor(type: string): boolean;
}

export interface Chunk {
  readonly broadcast: RunningBroadcast;
  /** How far the broadcast had come in front of it, and how far it has behind it. */
  readonly after: number;
  readonly through: number;
  readonly done: boolean;
  readonly text: BroadcastText;
  /** Links whose records were read, and those of their actors whom it is for. */
  readonly read: number;
  readonly to: readonly string[];
}

/** Reads what was broadcast from the record that decided it. @throws TroupeError when the log or the bundle cannot be read */
export async function readText(journal: Journal, bundles: Bundles, bucket: Bucket, { position, index }: RunningBroadcast): Promise<BroadcastText> {
  for await (const stored of journal.readBucket(bucket.id, position, position + 1)) {
    const record = new RecordReader().over(stored.bytes);
    const { name, from, until } = broadcastsOf(record)[index]!;
    const { types } = await bundles.load(record.bundleHex());
    const isFor = (type: string): boolean => types.get(type)?.commandIndexes.has(name) === true;
    return { position, index, name, body: Buffer.from(record.buffer.subarray(from, until)), isFor };
  }
  throw new Error(`bucket ${bucket.name} has no record at ${position}`);
}

/** The next chunk, for at most `max` actors. @throws TroupeError when the log cannot be read */
export async function readChunk(journal: Journal, bucket: Bucket, broadcast: RunningBroadcast, text: BroadcastText, max: number): Promise<Chunk> {
  const after = broadcast.through;
  const wanted = Math.max(1, Math.min(max, Math.floor(limits.broadcastChunkBytesMax / (text.body.length + limits.actorIdBytesMax))));
  const positions = bucket.linked.recipients(broadcast, after, wanted + 1);
  const done = positions.length <= wanted;
  if (!done) positions.pop();
  const actors = await readLinked(journal, bucket, positions);
  const to = actors.filter((actor) => text.isFor(splitAddress(actor).type));
  return { broadcast, after, through: positions.at(-1) ?? after, done, text, read: positions.length, to };
}

/** Who was linked by the records at these positions, which grow. @throws TroupeError when the log cannot be read */
export async function readLinked(journal: Journal, bucket: Bucket, positions: readonly number[]): Promise<string[]> {
  const reads: (readonly number[])[] = [];
  for (let from = 0; from < positions.length; ) {
    let to = from + 1;
    while (to < positions.length && positions[to]! - positions[to - 1]! <= READ_GAP_MAX) to++;
    reads.push(positions.slice(from, to));
    from = to;
  }
  const actors: string[] = [];
  for (let i = 0; i < reads.length; i += READS_AT_ONCE_MAX) {
    const lists = await Promise.all(reads.slice(i, i + READS_AT_ONCE_MAX).map((range) => readRange(journal, bucket, range)));
    for (const list of lists) actors.push(...list);
  }
  return actors;
}

async function readRange(journal: Journal, bucket: Bucket, positions: readonly number[]): Promise<string[]> {
  const record = new RecordReader();
  const actors: string[] = [];
  for await (const stored of journal.readBucket(bucket.id, positions[0]!, positions.at(-1)! + 1)) {
    if (stored.position === positions[actors.length]) actors.push(linkTakenOf(record.over(stored.bytes))!.actor);
  }
  if (actors.length < positions.length) throw new Error(`bucket ${bucket.name} has no record at ${positions[actors.length]}`);
  return actors;
}

/** The fields of the chunk's record. */
export function writeChunk(wire: WireWriter, bucket: Bucket, { broadcast, through, done, text, to }: Chunk): void {
  writeNumbers(wire, to.map((actor) => bucket.channels.next(bucketOf(actor, bucket.id.bits))));
  for (const actor of to) writeSend(wire, actor, text.name, '', (out) => out.raw(text.body));
  const { position, index, actor } = broadcast;
  writeCursor(wire, { position, index, through, done, actor });
}
