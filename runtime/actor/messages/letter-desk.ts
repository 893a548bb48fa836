/**
 * What operators see of parked and failed messages, and what they do about them.
 *
 * D1  An order is carried out once: the message is claimed until its record is encoded, and with that record it is no letter any more (U1). Nothing of
 *     an order is kept; who is not answered looks, and asks again.
 */

import { KIND_DECISION, KIND_DROPPED, KIND_FAILED, KIND_PARKED, RecordReader } from '../../codec/record.ts';
import { TroupeError } from '../../codec/errors.ts';
import type { Bucket } from '../bucket.ts';
import type { DeadLetter, DeadLetterPage, DeadLetters, DeadLetterQuery, LetterOutcome, RecordPlace } from '../engine.ts';
import { JOB_COMMAND, JOB_NOTE } from '../job.ts';
import type { Journal } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import type { Clock, Scheduler } from '../seams.ts';
import type { MessageRouting } from './intake.ts';
import type { Letter } from './letter.ts';
import { readLetters } from './letter.ts';
import { LetterOrder } from './letter-order.ts';
import { bucketOf } from './message.ts';
import type { LetterView } from './letter-view.ts';
import type { LetterBox, LetterWatch, Resumption } from './resumption.ts';

const CLAIM_STEP_MS = 10;

export interface LetterDeskParts {
  readonly journal: Journal;
  readonly buckets: readonly Bucket[];
  readonly resumption: Resumption;
  readonly routing: MessageRouting;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly view: LetterView;
}

export class LetterDesk implements DeadLetters {
  private readonly parts: LetterDeskParts;
  private readonly orders = new Map<Bucket, Set<LetterOrder>>();

  constructor(parts: LetterDeskParts) {
    this.parts = parts;
  }

  /** Of the buckets of this node. */
  async deadLetters({ type, actor = '', after, max }: DeadLetterQuery): Promise<DeadLetterPage> {
    const letters: DeadLetter[] = [];
    let bytes = 0;
    let unread: number = limits.lettersReadPerPageMax;
    for (const bucket of this.parts.buckets) {
      const { index } = bucket.id;
      if (index < after.bucket || this.parts.resumption.boxOf(bucket) === null) continue;
      if (actor !== '' && bucketOf(actor, bucket.id.bits) !== index) continue;
      const positions = positionsBehind(bucket, actor, index === after.bucket ? after.position : 0, unread + 1);
      // One more than may be read: there is something behind the page.
      const next = positions.length > unread ? { bucket: index, position: positions[unread - 1] ?? (index === after.bucket ? after.position : 0) } : null;
      for await (const letter of readLetters(this.parts.journal, bucket.id, positions.slice(0, unread))) {
        unread--;
        if ((type !== '' && !letter.to.startsWith(`${type}:`)) || (actor !== '' && letter.to !== actor)) continue;
        letters.push(await this.parts.view(index, letter));
        bytes += letter.body.length;
        if (letters.length >= max || bytes >= limits.letterBytesPerPageMax) return { letters, next: { bucket: index, position: letter.position }, missing: [] };
      }
      if (next !== null) return { letters, next, missing: [] };
    }
    return { letters, next: null, missing: [] };
  }

  async retry(place: RecordPlace): Promise<LetterOutcome> {
    return this.unclaimed(place, (box, letter) => (letter.kind === KIND_PARKED ? this.takeUp(box, letter) : this.order(box, letter, false)));
  }

  async drop(place: RecordPlace): Promise<LetterOutcome> {
    return this.unclaimed(place, (box, letter) => this.order(box, letter, true));
  }

  // See Intake.

  interrupt(): void {
    for (const order of this.all()) order.interrupt();
  }

  resume(): void {
    for (const order of this.all()) order.enter();
  }

  again(bucket: Bucket): void {
    for (const order of [...(this.orders.get(bucket) ?? [])]) {
      order.interrupt();
      order.enter();
    }
  }

  /** The bucket no longer serves here. */
  gone(bucket: Bucket): void {
    for (const order of [...(this.orders.get(bucket) ?? [])]) order.gone();
  }

  private all(): LetterOrder[] {
    return [...this.orders.values()].flatMap((orders) => [...orders]);
  }

  /**
   * Begins when nobody else is busy with it; trying a parked one takes a moment also when it is in vain. Between the last look and the claim
   * nobody else has a turn (D1).
   */
  private async unclaimed(place: RecordPlace, begin: (box: LetterBox, letter: Letter) => Promise<LetterOutcome>): Promise<LetterOutcome> {
    const { clock, scheduler } = this.parts;
    const until = clock.monotonic() + limits.letterTimeMaxMs;
    for (;;) {
      const { box, letter } = await this.find(place);
      if (!isLetter(box.bucket, letter)) throw notThere(place);
      if (!box.claimed.has(place.position)) return begin(box, letter);
      if (clock.monotonic() > until) throw busy(box.bucket, place.position);
      await new Promise<void>((resolve) => scheduler.later(CLAIM_STEP_MS, resolve));
    }
  }

  private async find({ bucket: index, position }: RecordPlace): Promise<{ box: LetterBox; letter: Letter }> {
    const bucket = this.parts.buckets[index];
    if (bucket === undefined) throw new TroupeError('BAD_REQUEST', `there is no bucket ${index}`);
    this.boxOf(bucket);
    if (position < 1 || position > bucket.durablePosition) throw notThere({ bucket: index, position });
    let letter: Letter | null = null;
    for await (const read of readLetters(this.parts.journal, bucket.id, [position])) letter = read;
    const box = this.boxOf(bucket);
    if (letter === null || !isLetter(bucket, letter)) throw notThere({ bucket: index, position });
    return { box, letter };
  }

  private boxOf(bucket: Bucket): LetterBox {
    const box = this.parts.resumption.boxOf(bucket);
    if (box === null) throw bucket.heldError();
    return box;
  }

  private order(box: LetterBox, letter: Letter, isDrop: boolean): Promise<LetterOutcome> {
    const { bucket, claimed } = box;
    const { position } = letter;
    claimed.add(position);
    const { routing, clock, scheduler } = this.parts;
    return new Promise((resolve, reject) => {
      const order = new LetterOrder(isDrop ? JOB_NOTE : JOB_COMMAND, bucket, letter, {
        enter: ({ job }) => routing.enter(job),
        later: (task) => scheduler.later(limits.messageRetryMs, task),
        isLate: () => clock.monotonic() > until,
        isLetter: () => isLetter(bucket, letter),
        claimEnded: () => claimed.delete(position),
        settled: (result) => {
          this.orders.get(bucket)?.delete(order);
          if (typeof result === 'number') this.outcome(bucket, result).then(resolve, reject);
          else reject(result);
          // What is parked behind it may have waited for this.
          if (letter.kind === KIND_PARKED) this.parts.resumption.take(box, letter.to);
        },
      });
      const until = clock.monotonic() + limits.letterTimeMaxMs;
      let orders = this.orders.get(bucket);
      if (orders === undefined) this.orders.set(bucket, (orders = new Set()));
      orders.add(order);
      order.enter();
    });
  }

  /** A parked message is taken up with its actor's other ones, in their order. */
  private takeUp(box: LetterBox, letter: Letter): Promise<LetterOutcome> {
    const { bucket, watched } = box;
    const { position } = letter;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        if (watched.get(position) === watch) watched.delete(position);
      };
      const watch: LetterWatch = {
        recorded: (at, group) => {
          settle();
          group.released.push(() => {
            if (isDurable(bucket, at)) this.outcome(bucket, at).then(resolve, reject);
            else reject(unknownOutcome(bucket));
          });
        },
        stayed: (refusal) => {
          settle();
          const { code, message } = refusal ?? letter;
          resolve({ became: 'parked', record: { bucket: bucket.id.index, position }, code, message });
        },
        gone: () => {
          settle();
          reject(unknownOutcome(bucket));
        },
      };
      if (watched.has(position)) {
        reject(busy(bucket, position));
        return;
      }
      watched.set(position, watch);
      this.parts.scheduler.later(limits.letterTimeMaxMs, () => watch.stayed(null));
      this.parts.resumption.take(box, letter.to);
    });
  }

  private async outcome(bucket: Bucket, position: number): Promise<LetterOutcome> {
    const record = new RecordReader();
    for await (const stored of this.parts.journal.readBucket(bucket.id, position, position + 1)) record.over(stored.bytes);
    const { code, message } = record.failure ?? record.rejection ?? { code: '', message: '' };
    return { became: becameOf(record.kind), record: { bucket: bucket.id.index, position }, code, message };
  }
}

/** Positions of letters behind `position`, growing, at most so many. Whom a failed one was for is in the log: of one actor's they are all here. */
function positionsBehind({ letters, durablePosition }: Bucket, actor: string, position: number, max: number): number[] {
  let found: number[] = [];
  const take = (at: number): void => {
    if (at <= position || at > durablePosition) return;
    found.push(at);
    if (found.length >= 2 * max) cut();
  };
  const cut = (): void => {
    found.sort((a, b) => a - b);
    found = found.slice(0, max);
  };
  for (const at of letters.failed) take(at);
  const parked = actor === '' ? letters.parked.values() : [letters.parked.get(actor) ?? []];
  for (const positions of parked) for (const at of positions) take(at);
  cut();
  return found;
}

function isLetter({ letters }: Bucket, { position, kind, to }: Letter): boolean {
  return kind === KIND_PARKED ? letters.parked.get(to)?.includes(position) === true : letters.failed.has(position);
}

function isDurable(bucket: Bucket, position: number): boolean {
  return !bucket.stopped && bucket.durablePosition >= position;
}

function becameOf(kind: number): LetterOutcome['became'] {
  switch (kind) {
    case KIND_DECISION: return 'decision';
    case KIND_FAILED: return 'failed';
    case KIND_PARKED: return 'parked';
    case KIND_DROPPED: return 'dropped';
    default: return 'rejection';
  }
}

function busy({ id }: Bucket, position: number): TroupeError {
  return new TroupeError('NOT_READY', `message ${id.index}/${position} is being taken up already`, { hint: 'Look at the list again in a moment.' });
}

function notThere({ bucket, position }: RecordPlace): TroupeError {
  return new TroupeError('BAD_REQUEST', `no parked or failed message stands at ${bucket}/${position}`, { hint: '`troupe deadletters list` shows them; it may have been retried or dropped meanwhile.' });
}

function unknownOutcome({ id }: Bucket): TroupeError {
  return new TroupeError('UNKNOWN_OUTCOME', `bucket ${id.index} no longer serves on this node`, { hint: 'Look at `troupe deadletters list`: what is not there was done.' });
}
