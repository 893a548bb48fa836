/**
 * Takes parked messages up again when what kept their actors from taking them may have changed: a bundle was put in service, the bucket was
 * opened, an operator asks.
 *
 * U1  Each has its effect once: the record of what comes of it names the position of the parked or failed one, which with that is neither any more
 *     (P2). Nobody takes up what somebody else is busy with.
 * U2  Nothing has to happen for a message to be taken up whose actor can take it: what was parked while a bundle was put in service is
 *     looked at once more when its record is durable.
 * U3  Actors are many. So many at a time are taken up, bucket by bucket, and one that cannot be takes nobody's turn.
 */

import { splitAddress } from '../../codec/address.ts';
import type { Bucket } from '../bucket.ts';
import type { Bundles } from '../bundles.ts';
import type { Journal } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import { Outage } from '../outage.ts';
import type { CommitGroup } from '../output-gate.ts';
import type { Log, Scheduler } from '../seams.ts';
import type { MessageRouting } from './intake.ts';
import { readLetters } from './letter.ts';
import { ParkedActor } from './parked-actor.ts';
import type { Refusal } from './parked-actor.ts';

export interface ResumptionParts {
  readonly journal: Journal;
  readonly bundles: Bundles;
  readonly routing: MessageRouting;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

/** Tells an operator what has become of one message. */
export interface LetterWatch {
  /** Its record has this position, and is durable when the group is released. */
  recorded(position: number, group: CommitGroup): void;
  /** It stays parked. */
  stayed(refusal: Refusal | null): void;
  /** The bucket no longer serves here. */
  gone(): void;
}

/** One bucket that serves here. */
export interface LetterBox {
  readonly bucket: Bucket;
  /** Positions of those that are being taken up again, or dropped. */
  readonly claimed: Set<number>;
  /** By position. */
  readonly watched: Map<number, LetterWatch>;
  /** Whose messages are being taken up. */
  readonly actors: Map<string, ParkedActor>;
  /** The actors that are still to be looked at; null when all were. */
  sweep: Iterator<string> | null;
}

export class Resumption {
  private readonly parts: ResumptionParts;
  private readonly boxes = new Map<Bucket, LetterBox>();
  private active = 0;
  private isStepping = false;
  private readonly outage: Outage;

  constructor(parts: ResumptionParts) {
    this.parts = parts;
    this.outage = new Outage(parts.log, { begins: 'parked messages cannot be read from the log; they are tried again', over: 'parked messages can be read from the log again' });
  }

  boxOf(bucket: Bucket): LetterBox | null {
    return this.boxes.get(bucket) ?? null;
  }

  /** The bucket serves here. */
  serves(bucket: Bucket): void {
    this.gone(bucket);
    const box: LetterBox = { bucket, claimed: new Set(), watched: new Map(), actors: new Map(), sweep: bucket.letters.parked.keys() };
    this.boxes.set(bucket, box);
    this.stepSoon();
  }

  /** No longer. */
  gone(bucket: Bucket): void {
    const box = this.boxes.get(bucket);
    if (box === undefined) return;
    this.boxes.delete(bucket);
    for (const actor of box.actors.values()) actor.drop();
    this.active -= box.actors.size;
    for (const watch of box.watched.values()) watch.gone();
    if (box.actors.size > 0) this.stepSoon();
  }

  /** Other behaviours are in service. */
  servedChanged(): void {
    for (const box of this.boxes.values()) {
      for (const actor of box.actors.values()) actor.changed();
      box.sweep = box.bucket.letters.parked.keys();
    }
    this.stepSoon();
  }

  /** See ParkedListener. */
  parked(bucket: Bucket, actor: string, position: number, group: CommitGroup): void {
    group.released.push(() => {
      const box = this.boxes.get(bucket);
      // Behind others it waits with them (P1).
      if (box !== undefined && bucket.letters.parked.get(actor)?.[0] === position) this.take(box, actor);
    });
  }

  /** Takes up what is parked for an actor. */
  take(box: LetterBox, actor: string): void {
    if (this.boxes.get(box.bucket) !== box) return;
    const known = box.actors.get(actor);
    if (known !== undefined) known.pump();
    else if (this.isServed(box.bucket, actor)) this.start(box, actor);
    else this.stayed(box, actor, null);
  }

  // See Intake.

  interrupt(): void {
    for (const box of this.boxes.values()) for (const actor of box.actors.values()) actor.interrupt();
  }

  resume(): void {
    for (const box of this.boxes.values()) this.pump(box);
    this.stepSoon();
  }

  again(bucket: Bucket): void {
    const box = this.boxes.get(bucket);
    if (box === undefined) return;
    for (const actor of box.actors.values()) actor.interrupt();
    this.pump(box);
  }

  private pump(box: LetterBox): void {
    for (const actor of [...box.actors.values()]) actor.pump();
  }

  private stepSoon(): void {
    if (this.isStepping) return;
    this.isStepping = true;
    this.parts.scheduler.soon(() => {
      this.isStepping = false;
      this.step();
    });
  }

  /** U3 */
  private step(): void {
    let passed = 0;
    for (const box of this.boxes.values()) {
      while (box.sweep !== null) {
        if (this.active >= limits.actorsResumedAtOnceMax) return;
        if (++passed > limits.parkedActorsPassedMax) {
          this.stepSoon();
          return;
        }
        const { done, value: actor } = box.sweep.next();
        if (done === true) box.sweep = null;
        else if (!box.actors.has(actor) && this.isServed(box.bucket, actor)) this.start(box, actor);
      }
    }
  }

  /** Whether it may be able to, as far as that is known without looking at the actor. */
  private isServed(bucket: Bucket, actor: string): boolean {
    const version = this.parts.bundles.served.get(splitAddress(actor).type);
    return version !== undefined && !bucket.typeQuarantines.has(version.key);
  }

  private start(box: LetterBox, actor: string): void {
    const { journal, routing, scheduler } = this.parts;
    const { outage } = this;
    const { bucket, claimed } = box;
    const parked = new ParkedActor({
      bucket, actor, claimed,
      async *read(positions) {
        for await (const letter of readLetters(journal, bucket.id, positions)) {
          outage.worked(parked);
          yield letter;
        }
      },
      enter: ({ job }) => routing.enter(job),
      soon: (task) => scheduler.soon(task),
      later: (error, task) => {
        outage.again(parked, error);
        scheduler.later(limits.messageRetryMs, task);
      },
      recorded: (from, position, group) => box.watched.get(from)?.recorded(position, group),
      ended: (refusal) => {
        box.actors.delete(actor);
        outage.left(parked);
        this.active--;
        this.stayed(box, actor, refusal);
        this.stepSoon();
      },
    });
    box.actors.set(actor, parked);
    this.active++;
    parked.pump();
  }

  private stayed({ bucket, watched }: LetterBox, actor: string, refusal: Refusal | null): void {
    if (watched.size === 0) return;
    for (const position of bucket.letters.parked.get(actor) ?? []) watched.get(position)?.stayed(refusal);
  }
}
