/**
 * Links and broadcasts.
 *
 *  C6  A link or its end is sent when something changes, and only then; the other side ends the link that it is told. A broadcast is sent to
 *      those who were linked at its position and have its command, to each once, in the order of their links, whoever is linked or not when it
 *      comes to that; its cursor says how far it has come, and at rest it has come to the end. An actor's broadcasts run one behind the other.
 */

import { CURSOR, LINKED, placeOf, subjectOf, typeOf } from './log-record.ts';
import type { Complain, LogRecord } from './log-record.ts';

/** A link on the side of the actor that was linked to. */
interface Linked {
  readonly actor: string;
  readonly at: number;
  until: number;
}

interface Broadcast {
  readonly from: string;
  readonly name: string;
  readonly data: Buffer;
  readonly place: string;
  readonly position: number;
  readonly index: number;
  through: number;
  isDone: boolean;
}

export class LinksCheck {
  linked = 0;
  broadcasts = 0;
  broadcastSends = 0;
  /** By actor that holds links: the number of its link to another. */
  private readonly held = new Map<string, Map<string, number>>();
  /** By actor that is linked to, in order of position. */
  private readonly byTarget = new Map<string, Linked[]>();
  /** By channel and number of the link. */
  private readonly byNumber = new Map<string, Linked>();
  private readonly running = new Map<string, Broadcast>();
  private readonly complain: Complain;
  private readonly hasCommand: (actorType: string, name: string) => boolean;

  constructor(complain: Complain, hasCommand: (actorType: string, name: string) => boolean) {
    this.complain = complain;
    this.hasCommand = hasCommand;
  }

  record(record: LogRecord): void {
    if (record.links.length > 0) this.holds(record);
    if (record.kind === LINKED && record.linkTaken !== null) this.takes(record, record.linkTaken);
    for (const [index, { name, data }] of record.broadcasts.entries()) {
      this.broadcasts++;
      const { position } = record;
      this.running.set(keyOf(record.bucketIndex, position, index), { from: record.actor, name, data, place: `${placeOf(record)}.${index}`, position, index, through: 0, isDone: false });
    }
    if (record.kind === CURSOR && record.cursor !== null) this.goesOn(record, record.cursor);
  }

  /** C6, at rest. */
  settle(): void {
    for (const broadcast of this.running.values()) {
      const left = this.recipients(broadcast).length;
      if (left > 0) this.complain('C6', `broadcast ${broadcast.place} of ${broadcast.from} was not sent to ${left} of those who were linked`);
      else if (!broadcast.isDone && broadcast.through > 0) this.complain('C6', `broadcast ${broadcast.place} of ${broadcast.from} was sent to all, and its cursor does not say so`);
    }
  }

  private holds(record: LogRecord): void {
    let held = this.held.get(record.actor);
    if (held === undefined) this.held.set(record.actor, (held = new Map()));
    for (const [entry, { actor, unlink }] of record.links.entries()) {
      const note = record.linkNotes[entry];
      if (note === undefined) continue;
      const before = held.get(actor) ?? 0;
      const isChange = unlink === before > 0;
      if (isChange !== note.number > 0) this.wrong(record, `${isChange ? 'does not tell' : 'tells'} ${actor} of a link that ${isChange ? 'changes' : 'does not change'}`);
      if (note.linkedNumber !== (unlink ? before : 0)) this.wrong(record, `names link ${note.linkedNumber} to ${actor} instead of ${before}`);
      if (note.number === 0) continue;
      if (unlink) held.delete(actor);
      else held.set(actor, note.number);
    }
  }

  private takes(record: LogRecord, { target, actor, unlink, linkedNumber }: NonNullable<LogRecord['linkTaken']>): void {
    const { cause } = record;
    if (cause === null) {
      this.wrong(record, 'takes in a link that nobody sent');
      return;
    }
    const channel = `${cause.bucketIndex} ${cause.incarnation} ${record.bucketIndex}`;
    if (unlink) {
      const linked = this.byNumber.get(`${channel} ${linkedNumber}`);
      if (linked === undefined || linked.actor !== actor || linked.until < Infinity) this.wrong(record, `ends link ${linkedNumber} of ${actor}, which there is not`);
      else linked.until = record.position;
      return;
    }
    this.linked++;
    const linked = { actor, at: record.position, until: Infinity };
    this.byNumber.set(`${channel} ${cause.number}`, linked);
    const list = this.byTarget.get(target);
    if (list === undefined) this.byTarget.set(target, [linked]);
    else list.push(linked);
  }

  private goesOn(record: LogRecord, { position, index, through, done, actor }: NonNullable<LogRecord['cursor']>): void {
    const broadcast = this.running.get(keyOf(record.bucketIndex, position, index));
    if (broadcast === undefined || broadcast.from !== actor) {
      this.wrong(record, `is the cursor of broadcast ${index} of ${position}, which there is not`);
      return;
    }
    for (const older of this.running.values()) {
      if (older.from !== actor || older.position > position || (older.position === position && older.index >= index)) continue;
      if (this.recipients(older).length > 0) this.wrong(record, `goes on with broadcast ${broadcast.place} before ${older.place} is done`);
    }
    if (broadcast.isDone) this.wrong(record, `goes on with broadcast ${broadcast.place}, which is done`);
    const left = this.recipients(broadcast);
    const chunk = left.filter(({ at }) => at <= through);
    const wanted = chunk.map((linked) => linked.actor).filter((to) => this.hasCommand(typeOf(to), broadcast.name)).join();
    const sent = record.sends.map(({ to }) => to).join();
    if (sent !== wanted) this.wrong(record, `sends broadcast ${broadcast.place} through ${through} to [${sent}] instead of [${wanted}]`);
    for (const { name, data, onReply } of record.sends) {
      if (name !== broadcast.name || !data.equals(broadcast.data) || onReply !== '') this.wrong(record, `sends something else than broadcast ${broadcast.place}`);
    }
    if (done && chunk.length < left.length) this.wrong(record, `says that broadcast ${broadcast.place} is done, with ${left.length - chunk.length} left`);
    this.broadcastSends += record.sends.length;
    broadcast.through = Math.max(broadcast.through, through);
    broadcast.isDone ||= done;
  }

  /** Those whom it has yet to be sent to. */
  private recipients({ from, position, through }: Broadcast): Linked[] {
    return (this.byTarget.get(from) ?? []).filter(({ at, until }) => at < position && until > position && at > through);
  }

  private wrong(record: LogRecord, text: string): void {
    this.complain('C6', `${placeOf(record)} of ${subjectOf(record) || (record.linkTaken?.target ?? record.cursor?.actor ?? '')} ${text}`);
  }
}

function keyOf(bucket: number, position: number, index: number): string {
  return `${bucket} ${position} ${index}`;
}
