/**
 * Messages of one bucket that have had no effect yet although they were taken in: parked, because their actor could not take them, or failed, until
 * an operator decides. A fold of the bucket's log, by position; the messages themselves stay in the log.
 *
 * P1  While a message of an actor is parked, later ones are parked behind it, so that they keep their order.
 * P2  A record that takes a message up again, or drops it, names its position; from then on it is neither parked nor failed.
 */

import { KIND_FAILED, KIND_PARKED } from '../../codec/record.ts';
import type { RecordReader } from '../../codec/record.ts';
import { causeOf } from '../../codec/record-messages.ts';
import { firingOf } from '../../codec/record-timers.ts';
import type { WireWriter } from '../../codec/wire.ts';
import { WireReader } from '../../codec/wire.ts';

export class Letters {
  /** Positions of parked messages by actor, the oldest first. */
  readonly parked = new Map<string, number[]>();
  /** Positions of failed messages, the oldest first. A million of them take 21 MB of memory, and one to two MB of every checkpoint. */
  readonly failed = new Set<number>();
  parkedCount = 0;

  get isEmpty(): boolean {
    return this.parked.size === 0 && this.failed.size === 0;
  }

  clear(): void {
    this.parked.clear();
    this.failed.clear();
    this.parkedCount = 0;
  }

  isParked(actor: string): boolean {
    return this.parked.size > 0 && this.parked.has(actor);
  }

  fold(record: RecordReader): void {
    if (record.resumes > 0) this.remove(record.resumes, record.actor || record.addressee);
    if (record.kind === KIND_PARKED) this.park(record.addressee, record.position);
    else if (record.kind === KIND_FAILED && isMessage(record)) this.failed.add(record.position);
  }

  private park(actor: string, position: number): void {
    const list = this.parked.get(actor);
    if (list === undefined) this.parked.set(actor, [position]);
    else list.push(position);
    this.parkedCount++;
  }

  /** P2 */
  private remove(position: number, actor: string): void {
    if (this.failed.delete(position)) return;
    const list = this.parked.get(actor);
    if (list === undefined) return;
    const at = list.indexOf(position);
    if (at < 0) return;
    list.splice(at, 1);
    this.parkedCount--;
    if (list.length === 0) this.parked.delete(actor);
  }

  // Fields 13 and 14 of troupe.v1.BucketCheckpoint.

  encode(wire: WireWriter): void {
    for (const [actor, positions] of this.parked) {
      const start = wire.begin(13);
      wire.string(1, actor);
      writeSteps(wire, 2, positions);
      wire.end(start);
    }
    if (this.failed.size > 0) writeSteps(wire, 14, this.failed);
  }

  restore(field: number, buffer: Buffer, from: number, to: number): void {
    if (field === 14) {
      for (const position of readSteps(buffer, from, to)) this.failed.add(position);
      return;
    }
    const wire = new WireReader().over(buffer, from, to);
    let actor = '';
    let positions: number[] = [];
    while (wire.next()) {
      if (wire.field === 1) actor = wire.string();
      else if (wire.field === 2) {
        wire.span();
        positions = readSteps(buffer, wire.from, wire.to);
      } else wire.skip();
    }
    this.parked.set(actor, positions);
    this.parkedCount += positions.length;
  }
}

/** Whether what failed was a message, and no client's command: nobody was answered, somebody has to decide. */
function isMessage(record: RecordReader): boolean {
  return record.resumes > 0 || (causeOf(record)?.number ?? 0) > 0 || firingOf(record) !== null;
}

/** Growing numbers, as steps. */
export function writeSteps(wire: WireWriter, field: number, numbers: Iterable<number>): void {
  const start = wire.begin(field);
  let before = 0;
  for (const number of numbers) {
    wire.varint(number - before);
    before = number;
  }
  wire.end(start);
}

export function readSteps(buffer: Buffer, from: number, to: number): number[] {
  const wire = new WireReader().over(buffer, from, to);
  const numbers: number[] = [];
  let number = 0;
  while (wire.at < wire.end) {
    number += wire.varint();
    numbers.push(number);
  }
  return numbers;
}
