/**
 * Associations of one bucket: who is linked to each of its actors, and which broadcasts run. A fold of the bucket's log.
 *
 * B1  A broadcast that was decided at position p goes to whoever was linked before p and was not unlinked before p.
 * B2  It runs from its decision until a cursor record says that nobody is left; with nobody linked it does not begin.
 * B3  Broadcasts of one actor run one behind the other, so that whoever is linked is told in the order in which they were decided. Those of
 *     different actors take turns, chunk by chunk.
 */

import { KIND_CURSOR, KIND_DECISION, KIND_LINKED } from '../../codec/record.ts';
import type { RecordReader } from '../../codec/record.ts';
import { broadcastsOf, causeOf, cursorOf, linkTakenOf } from '../../codec/record-messages.ts';
import type { WireWriter } from '../../codec/wire.ts';
import { WireReader } from '../../codec/wire.ts';
import type { Channels } from '../messages/channels.ts';
import { keyOfLink, LinkTable } from './link-table.ts';

export interface RunningBroadcast {
  readonly actor: string;
  /** The record that decided it, and its index among that record's broadcasts. */
  readonly position: number;
  readonly index: number;
  /** Position of the last link that has been sent to. */
  through: number;
}

export class Linked {
  private readonly tables = new Map<string, LinkTable>();
  /** By actor, the oldest first; the actor whose turn it is comes first (B3). */
  readonly running = new Map<string, RunningBroadcast[]>();

  /** Broadcasts that have begun since the bucket was made here. */
  begun = 0;

  clear(): void {
    this.tables.clear();
    this.running.clear();
  }

  /** How many are linked to an actor. */
  count(actor: string): number {
    return this.tables.get(actor)?.standing ?? 0;
  }

  /** Positions of the records that linked somebody to the actor, who still is; at most `max` from `from` on. */
  positionsOf(actor: string, from: number, max: number): number[] {
    return this.tables.get(actor)?.standingAt(Infinity, from - 1, max) ?? [];
  }

  /** Positions of the links that a broadcast goes to next (B1). */
  recipients(broadcast: RunningBroadcast, after: number, max: number): number[] {
    return this.tables.get(broadcast.actor)?.standingAt(broadcast.position, after, max) ?? [];
  }

  /** How many links it has still to go through; those that have ended may count. */
  left({ actor, position, through }: RunningBroadcast): number {
    return this.tables.get(actor)?.madeBetween(through, position) ?? 0;
  }

  /** Whether the broadcast has been sent as far as `through` and no further. */
  isAt({ actor, position, index }: RunningBroadcast, through: number): boolean {
    const first = this.running.get(actor)?.[0];
    return first !== undefined && first.position === position && first.index === index && first.through === through;
  }

  /** Takes a record in; `channels` has taken it in already. */
  fold(record: RecordReader, channels: Channels): void {
    if (record.spansLength === 0) return;
    if (record.kind === KIND_DECISION) this.begin(record);
    else if (record.kind === KIND_LINKED) this.link(record, channels);
    else if (record.kind === KIND_CURSOR) this.advance(record);
  }

  private begin(record: RecordReader): void {
    const count = broadcastsOf(record).length;
    const { actor, position } = record;
    if (count === 0 || this.count(actor) === 0) return;
    let list = this.running.get(actor);
    if (list === undefined) this.running.set(actor, (list = []));
    for (let index = 0; index < count; index++) list.push({ actor, position, index, through: 0 });
    this.begun += count;
  }

  private link(record: RecordReader, channels: Channels): void {
    const taken = linkTakenOf(record);
    const cause = causeOf(record);
    if (taken === null || cause === null) return;
    const { target, unlink } = taken;
    const actor = channels.hasEnded(cause.index) ? taken.actor : '';
    let table = this.tables.get(target);
    if (!unlink) {
      if (table === undefined) this.tables.set(target, (table = new LinkTable()));
      table.add(record.position, keyOfLink(cause.number, cause.index), actor);
      return;
    }
    if (table === undefined) return;
    table.end(keyOfLink(taken.linkedNumber, cause.index), actor, record.position, this.neededBy(target));
    if (table.isEmpty) this.tables.delete(target);
  }

  private advance(record: RecordReader): void {
    const cursor = cursorOf(record);
    if (cursor === null) return;
    const list = this.running.get(cursor.actor);
    const first = list?.[0];
    if (list === undefined || first === undefined || first.position !== cursor.position || first.index !== cursor.index) return;
    // The others' turn.
    this.running.delete(cursor.actor);
    first.through = cursor.through;
    if (cursor.done) list.shift();
    if (list.length > 0) this.running.set(cursor.actor, list);
    const table = this.tables.get(cursor.actor);
    if (!cursor.done || table === undefined || table.kept === 0) return;
    table.sweep(this.neededBy(cursor.actor));
    if (table.isEmpty) this.tables.delete(cursor.actor);
  }

  /** Whether a broadcast of the actor has still to reach a link that stood for these positions. */
  private neededBy(actor: string): (linkedAt: number, unlinkedAt: number) => boolean {
    const list = this.running.get(actor) ?? [];
    return (linkedAt, unlinkedAt) => list.some(({ position, through }) => linkedAt < position && position < unlinkedAt && linkedAt > through);
  }

  // Fields 15 and 16 of troupe.v1.BucketCheckpoint.

  encode(wire: WireWriter): void {
    for (const [actor, table] of this.tables) encodeTable(wire, actor, table);
    for (const list of this.running.values()) {
      for (const { actor, position, index, through } of list) {
        const start = wire.begin(16);
        wire.uint(1, position);
        wire.uint(2, index);
        wire.uint(3, through);
        wire.string(4, actor);
        wire.end(start);
      }
    }
  }

  restore(field: number, buffer: Buffer, from: number, to: number): void {
    if (field === 16) this.restoreRunning(buffer, from, to);
    else {
      const { actor, table } = decodeTable(buffer, from, to);
      this.tables.set(actor, table);
    }
  }

  private restoreRunning(buffer: Buffer, from: number, to: number): void {
    const wire = new WireReader().over(buffer, from, to);
    const broadcast = { actor: '', position: 0, index: 0, through: 0 };
    while (wire.next()) {
      switch (wire.field) {
        case 1: broadcast.position = wire.varint(); break;
        case 2: broadcast.index = wire.varint(); break;
        case 3: broadcast.through = wire.varint(); break;
        case 4: broadcast.actor = wire.string(); break;
        default: wire.skip();
      }
    }
    const list = this.running.get(broadcast.actor);
    if (list === undefined) this.running.set(broadcast.actor, [broadcast]);
    else list.push(broadcast);
  }
}

function encodeTable(wire: WireWriter, actor: string, table: LinkTable): void {
  const start = wire.begin(15);
  wire.string(1, actor);
  let before = 0;
  const steps = wire.begin(2);
  table.each((position) => {
    wire.varint(position - before);
    before = position;
  });
  wire.end(steps);
  const keys = wire.begin(3);
  table.each((_position, key) => wire.varint(key));
  wire.end(keys);
  if (table.kept > 0) {
    const ends = wire.begin(4);
    table.each((_position, _key, end) => wire.varint(end));
    wire.end(ends);
  }
  for (const [position, name] of table.named) {
    const entry = wire.begin(5);
    wire.uint(1, position);
    wire.string(2, name);
    wire.end(entry);
  }
  wire.end(start);
}

function decodeTable(buffer: Buffer, from: number, to: number): { actor: string; table: LinkTable } {
  const wire = new WireReader().over(buffer, from, to);
  let actor = '';
  const columns = [2, 3, 4].map(() => new WireReader().over(buffer, 0, 0));
  const names = new Map<number, string>();
  while (wire.next()) {
    if (wire.field === 1) actor = wire.string();
    else if (wire.field >= 2 && wire.field <= 4) {
      wire.span();
      columns[wire.field - 2]!.over(buffer, wire.from, wire.to);
    } else if (wire.field === 5) {
      wire.span();
      readName(buffer, wire.from, wire.to, names);
    } else wire.skip();
  }
  const [steps, keys, ends] = columns as [WireReader, WireReader, WireReader];
  const table = new LinkTable();
  let position = 0;
  while (steps.at < steps.end) {
    position += steps.varint();
    table.restore(position, keys.varint(), ends.at < ends.end ? ends.varint() : 0, names.get(position) ?? '');
  }
  return { actor, table };
}

function readName(buffer: Buffer, from: number, to: number, into: Map<number, string>): void {
  const wire = new WireReader().over(buffer, from, to);
  let position = 0;
  let actor = '';
  while (wire.next()) {
    if (wire.field === 1) position = wire.varint();
    else if (wire.field === 2) actor = wire.string();
    else wire.skip();
  }
  into.set(position, actor);
}
