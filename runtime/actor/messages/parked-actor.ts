/**
 * The parked messages of one actor, taken up again: read from the log some at a time, and entered in their order.
 *
 * A1  They run in the order in which they were parked (P1): one that comes back without a record holds up those behind it, and nothing enters again
 *     before all of them have come back.
 * A2  Who still cannot be taken stays parked, and so do those behind it, until something has changed.
 */

import type { Bucket } from '../bucket.ts';
import { JOB_COMMAND } from '../job.ts';
import { limits } from '../../limits.ts';
import type { CommitGroup } from '../output-gate.ts';
import type { Letter } from './letter.ts';
import { Resumed } from './resumed.ts';
import type { Resuming } from './resumed.ts';

/** Why an actor cannot take what is parked for it. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

export interface ParkedActorParts {
  readonly bucket: Bucket;
  readonly actor: string;
  /** Positions that somebody else is busy with. */
  readonly claimed: Set<number>;
  readonly read: (positions: readonly number[]) => AsyncIterable<Letter>;
  readonly enter: (resumed: Resumed) => boolean;
  readonly soon: (task: () => void) => void;
  /** A reading has failed: `task` is to run later. */
  readonly later: (error: unknown, task: () => void) => void;
  /** One has its record, which is durable when the group is released. */
  readonly recorded: (from: number, position: number, group: CommitGroup) => void;
  /** Nothing is left that can be done now. */
  readonly ended: (refusal: Refusal | null) => void;
}

export class ParkedActor implements Resuming {
  private readonly parts: ParkedActorParts;
  /** Read from the log, in order; the first `entered` of them are on their way, the first `admitted` in a batch. */
  private queue: Resumed[] = [];
  /** Came back without a record. */
  private back: Resumed[] = [];
  private entered = 0;
  private admitted = 0;
  private isBroken = false;
  private isReading = false;
  private isEntering = false;
  private isOver = false;
  private refusal: Refusal | null = null;

  constructor(parts: ParkedActorParts) {
    this.parts = parts;
  }

  /** Goes on, if it can. */
  pump(): void {
    if (this.isOver || this.isReading || this.isEntering || this.isBroken) return;
    if (this.queue.length === 0) {
      void this.read();
      return;
    }
    this.isEntering = true;
    while (!this.isBroken && this.entered < this.queue.length) {
      this.entered++;
      if (this.parts.enter(this.queue[this.entered - 1]!)) continue;
      this.entered--;
      break;
    }
    this.isEntering = false;
    this.settle();
  }

  /** Something has changed: what cannot be taken is looked at once more. */
  changed(): void {
    this.refusal = null;
    this.pump();
  }

  /** What was on its way is gone. */
  interrupt(): void {
    this.queue = this.queue.map((resumed, i) => (i < this.entered ? resumed.again() : resumed));
    this.takeBack();
    this.entered = this.admitted = 0;
    this.isBroken = false;
    this.refusal = null;
  }

  /** As above, for good. */
  drop(): void {
    this.isOver = true;
    for (const resumed of this.queue) resumed.forget();
  }

  /** By the log: those that are claimed stand at the head of the list, and nobody else takes one out of it. [One proves itself, and the next goes ahead.] */
  isNext(resumed: Resumed): boolean {
    const { bucket, actor } = this.parts;
    if (this.isBroken || bucket.letters.parked.get(actor)?.[this.admitted] !== resumed.letter.position) return false;
    this.admitted++;
    return true;
  }

  recorded(resumed: Resumed, position: number, group: CommitGroup): void {
    const { claimed, recorded } = this.parts;
    // The others come back behind it, with a record or without (A1).
    this.queue.splice(this.queue.indexOf(resumed), 1);
    this.entered--;
    this.admitted--;
    claimed.delete(resumed.letter.position);
    recorded(resumed.letter.position, position, group);
    this.settle();
  }

  lost(resumed: Resumed): void {
    this.isBroken = true;
    this.queue.splice(this.queue.indexOf(resumed), 1);
    this.entered--;
    this.back.push(resumed.again());
    this.settle();
  }

  refused(resumed: Resumed, code: string, message: string): void {
    this.refusal ??= { code, message };
    this.lost(resumed);
  }

  private takeBack(): void {
    this.queue = [...this.back, ...this.queue].sort((a, b) => a.letter.position - b.letter.position);
    this.back = [];
  }

  private settle(): void {
    if (this.isEntering || this.isOver) return;
    if (this.isBroken) {
      if (this.entered > 0) return;
      this.isBroken = false;
      this.admitted = 0;
      this.takeBack();
      if (this.refusal !== null) this.end();
      else this.parts.soon(() => this.pump());
    } else if (this.queue.length === 0) this.pump();
  }

  private end(): void {
    this.isOver = true;
    for (const { letter } of this.queue) this.parts.claimed.delete(letter.position);
    for (const resumed of this.queue) resumed.forget();
    this.parts.ended(this.refusal);
  }

  private async read(): Promise<void> {
    const positions = this.claim();
    if (positions.length === 0) {
      this.end();
      return;
    }
    const { bucket, claimed, read, later } = this.parts;
    this.isReading = true;
    let bytes = 0;
    try {
      for await (const letter of read(positions)) {
        if (this.isOver) return;
        this.queue.push(new Resumed(JOB_COMMAND, bucket, letter, true, this));
        bytes += letter.body.length;
        if (bytes >= limits.messageBytesResumedAtOnceMax) break;
      }
    } catch (error) {
      if (this.isOver) return;
      this.queue = [];
      later(error, () => this.pump());
    }
    for (const position of positions.slice(this.queue.length)) claimed.delete(position);
    this.isReading = false;
    if (this.queue.length > 0) this.pump();
  }

  /** The oldest ones that are durable, up to the first that somebody else has. */
  private claim(): number[] {
    const { bucket, actor, claimed } = this.parts;
    const positions: number[] = [];
    for (const position of bucket.letters.parked.get(actor) ?? []) {
      if (positions.length >= limits.messagesResumedAtOnceMax || position > bucket.durablePosition || claimed.has(position)) break;
      positions.push(position);
      claimed.add(position);
    }
    return positions;
  }
}
