/**
 * Messages that were taken in and had no effect yet.
 *
 *  C4  A parked or failed message is taken up again or dropped at most once, as what it is; while messages of an actor are parked, whatever
 *      else comes for it is parked behind them, and they are taken up in order.
 */

import { DECISION, DROPPED, FAILED, PARKED, REJECTION, placeOf, subjectOf, typeOf } from './log-record.ts';
import type { Complain, LogRecord } from './log-record.ts';
import type { RepliesCheck } from './replies-check.ts';
import type { SamePayload } from './channels-check.ts';

interface Letters {
  /** By actor, the oldest first. */
  readonly parked: Map<string, LogRecord[]>;
  readonly failed: Map<number, LogRecord>;
}

export class LettersCheck {
  parked = 0;
  failed = 0;
  resumed = 0;
  dropped = 0;
  private readonly byBucket = new Map<number, Letters>();
  private readonly complain: Complain;
  private readonly replies: RepliesCheck;
  private readonly samePayload: SamePayload;

  constructor(complain: Complain, replies: RepliesCheck, samePayload: SamePayload) {
    this.complain = complain;
    this.replies = replies;
    this.samePayload = samePayload;
  }

  record(record: LogRecord): void {
    const { kind, resumes } = record;
    if (resumes === 0 && kind !== PARKED && kind !== FAILED && this.byBucket.get(record.bucketIndex) === undefined) return;
    const letters = this.of(record.bucketIndex);
    const isMessage = (record.cause?.number ?? 0) > 0;
    if (resumes > 0) this.resumes(record, letters);
    else if (isMessage && kind !== PARKED && letters.parked.has(subjectOf(record))) {
      this.wrong(record, `overtakes the message parked at ${letters.parked.get(subjectOf(record))![0]!.position}`);
    }
    if (kind === PARKED) {
      this.parked++;
      const list = letters.parked.get(subjectOf(record));
      if (list === undefined) letters.parked.set(subjectOf(record), [record]);
      else list.push(record);
    } else if (kind === FAILED && (isMessage || resumes > 0 || record.firing !== null)) {
      this.failed++;
      letters.failed.set(record.position, record);
    }
  }

  /** How many nobody has taken up again or dropped. */
  get open(): number {
    let count = 0;
    for (const { parked, failed } of this.byBucket.values()) {
      count += failed.size;
      for (const list of parked.values()) count += list.length;
    }
    return count;
  }

  private resumes(record: LogRecord, letters: Letters): void {
    const letter = this.takeOut(record, letters);
    if (letter === null) {
      this.wrong(record, `takes up the message at ${record.resumes}, which is neither parked nor failed`);
      return;
    }
    if (record.kind === DROPPED) this.dropped++;
    else this.resumed++;
    if (subjectOf(record) !== subjectOf(letter)) this.wrong(record, `takes up a message for ${subjectOf(letter)}`);
    else if (record.kind !== DROPPED) this.compare(record, letter);
    this.replies.answers(record, letter.principal, letter.onReply);
  }

  private takeOut(record: LogRecord, { parked, failed }: Letters): LogRecord | null {
    const dead = failed.get(record.resumes);
    if (dead !== undefined) {
      failed.delete(record.resumes);
      return dead;
    }
    for (const [actor, list] of parked) {
      const at = list.findIndex(({ position }) => position === record.resumes);
      if (at < 0) continue;
      if (at > 0 && record.kind !== DROPPED) this.wrong(record, `takes up the message at ${record.resumes} before the one at ${list[0]!.position}`);
      const [letter] = list.splice(at, 1);
      if (list.length === 0) parked.delete(actor);
      return letter!;
    }
    return null;
  }

  private compare(record: LogRecord, letter: LogRecord): void {
    const { kind } = record;
    if (kind !== DECISION && kind !== REJECTION && kind !== FAILED && kind !== PARKED) {
      this.wrong(record, 'takes up a message, and is of no kind that could');
      return;
    }
    const isSame = record.name === letter.name && record.principal === letter.principal
      && this.samePayload(typeOf(subjectOf(letter)), letter.name, letter.payload?.data ?? NO_BYTES, record.payload?.data ?? NO_BYTES);
    if (!isSame) this.wrong(record, `takes up the message at ${letter.position} as another one`);
    if ((kind === FAILED || kind === PARKED) && record.onReply !== letter.onReply) this.wrong(record, 'forgets who wants the reply');
  }

  private of(bucket: number): Letters {
    let letters = this.byBucket.get(bucket);
    if (letters === undefined) this.byBucket.set(bucket, (letters = { parked: new Map(), failed: new Map() }));
    return letters;
  }

  private wrong(record: LogRecord, text: string): void {
    this.complain('C4', `${placeOf(record)} of ${subjectOf(record)} ${text}`);
  }
}

const NO_BYTES = Buffer.alloc(0);
