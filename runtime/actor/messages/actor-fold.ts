/** The part of an actor's fold that is about others and about time: its armed timers and its links, by name. */

import type { RecordReader } from '../../codec/record.ts';
import { linkNotesOf, linksOf } from '../../codec/record-messages.ts';
import { firingOf, timerNotesOf, timersOf } from '../../codec/record-timers.ts';
import type { TimerRef } from '../../codec/record-timers.ts';
import type { Activation } from '../activation.ts';

export type ActorFold = Pick<Activation, 'armed' | 'linked' | 'timerChanges'>;

/** Takes in what a record of the actor says, as it is encoded and again when its history is read. */
export function foldActor(activation: ActorFold, record: RecordReader): void {
  if (record.spansLength === 0) return;
  const firing = firingOf(record);
  if (firing !== null && firing.nextDueMs === 0 && isTimer(activation.armed?.get(firing.name), firing.timer)) activation.armed!.delete(firing.name);
  if (timerNotesOf(record).length > 0) {
    const armed = (activation.armed ??= new Map());
    for (const [index, change] of timersOf(record).entries()) {
      if (change.armed === null) armed.delete(change.name);
      else armed.set(change.name, { position: record.position, index });
    }
    activation.timerChanges++;
  }
  if (linkNotesOf(record).length > 0) foldLinks((activation.linked ??= new Map()), record);
}

/** Takes in which links of its actor a record changes: the other's address, and the number of the link. */
export function foldLinks(linked: Map<string, number>, record: RecordReader): void {
  if (record.spansLength === 0) return;
  const notes = linkNotesOf(record);
  if (notes.length === 0) return;
  for (const [i, { actor, unlink }] of linksOf(record).entries()) {
    const { number } = notes[i]!;
    if (number === 0) continue;
    if (unlink) linked.delete(actor);
    else linked.set(actor, number);
  }
}

export function isTimer(a: TimerRef | undefined, b: TimerRef): boolean {
  return a !== undefined && a.position === b.position && a.index === b.index;
}
