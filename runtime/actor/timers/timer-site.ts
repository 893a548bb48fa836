/** The firings of one bucket: from what is due in its index to the records that they leave. F1 to F4 are in timer-service.ts. */

import { RecordReader } from '../../codec/record.ts';
import { timersOf } from '../../codec/record-timers.ts';
import type { TimerChange } from '../../codec/record-timers.ts';
import { limits } from '../../limits.ts';
import type { Bucket } from '../bucket.ts';
import type { CommitGroup } from '../output-gate.ts';
import { isRetryable } from '../outage.ts';
import { isCalendar } from './due.ts';
import { Firing } from './firing.ts';
import type { FiringKeeper, RecordedTimer } from './firing.ts';
import { timerRef } from './timer-index.ts';
import type { TimerService, TimerServiceParts } from './timer-service.ts';

export class TimerSite implements FiringKeeper {
  readonly bucket: Bucket;
  isEnded = false;
  private readonly service: TimerService;
  private readonly parts: TimerServiceParts;
  /** Taken from the index, until their records are durable. */
  private underWay = 0;
  /** Made, and not recorded yet; those among them that have to be entered again. */
  private readonly firings = new Set<Firing>();
  private readonly waiting = new Set<Firing>();
  /** Groups under way that hold records of firings, with their number. */
  private readonly recordings: { readonly group: CommitGroup; count: number }[] = [];

  constructor(bucket: Bucket, service: TimerService, parts: TimerServiceParts) {
    this.bucket = bucket;
    this.service = service;
    this.parts = parts;
  }

  /** Recorded time does not go back, so what is due by it is due. */
  nowMs(): number {
    return Math.max(this.parts.clock.now(), this.bucket.nowMs);
  }

  /** Takes what is due, as far as there is room for it; false when that is nothing. */
  fire(nowMs: number): boolean {
    const { bucket, service } = this;
    const { timers } = bucket;
    if (bucket.isHeld) return false;
    const room = Math.min(limits.firingsPerBucketMax - this.underWay, service.room());
    const keys: number[] = [];
    const early: number[] = [];
    while (keys.length < room && early.length < limits.firingsPerBucketMax && timers.firstDueMs <= nowMs) {
      const key = timers.take();
      // F1
      (timerRef(key).position <= bucket.durablePosition ? keys : early).push(key);
    }
    for (const key of early) timers.giveBack(key);
    if (keys.length === 0) return false;
    this.count(keys.length);
    void this.read(keys);
    return true;
  }

  retry(): void {
    if (this.waiting.size === 0) return;
    if (this.bucket.isHeld || this.parts.routing.isHeld) {
      this.service.retryLater();
      return;
    }
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const firing of waiting) {
      if (!firing.isDue) {
        this.drop(firing);
        continue;
      }
      firing.again();
      this.enter(firing);
    }
  }

  interrupt(): void {
    for (const firing of this.firings) {
      firing.isAdmitted = false;
      this.waiting.add(firing);
    }
  }

  takenOut(): void {
    for (const firing of this.firings) if (!firing.isAdmitted) this.waiting.add(firing);
  }

  /** What was under way is nobody's affair any more: the bucket is opened anew, or somebody else's. */
  end(): void {
    this.isEnded = true;
    this.service.outage.left(this);
    this.service.underWay -= this.underWay;
    this.firings.clear();
    this.waiting.clear();
  }

  // FiringKeeper

  recorded(firing: Firing, group: CommitGroup): void {
    if (!this.firings.delete(firing)) return;
    this.service.fired++;
    const last = this.recordings.at(-1);
    if (last?.group === group) {
      last.count++;
      return;
    }
    this.recordings.push({ group, count: 1 });
    group.released.push(() => this.released());
  }

  lost(firing: Firing): void {
    if (!this.firings.has(firing)) return;
    firing.isAdmitted = false;
    if (!firing.isDue) {
      this.drop(firing);
      return;
    }
    this.waiting.add(firing);
    this.service.retryLater();
  }

  private released(): void {
    const { count } = this.recordings.shift()!;
    if (this.isEnded) return;
    this.count(-count);
    this.service.freed(this);
  }

  /** The timer was cancelled or replaced. */
  private drop(firing: Firing): void {
    this.firings.delete(firing);
    this.waiting.delete(firing);
    this.service.dropped++;
    this.count(-1);
    this.service.freed(this);
  }

  private enter(firing: Firing): void {
    if (this.parts.routing.enter(firing.job)) return;
    this.waiting.add(firing);
    this.service.retryLater();
  }

  private count(by: number): void {
    this.underWay += by;
    this.service.underWay += by;
  }

  /** F1: timers that were armed close to each other are read together. */
  private async read(keys: readonly number[]): Promise<void> {
    const timers = new Map<number, RecordedTimer>();
    /** What keeps them from being read for a while, if anything does. */
    const away = new Map<number, unknown>();
    const sorted = [...keys].sort((a, b) => a - b);
    for (let from = 0; from < sorted.length; ) {
      let to = from + 1;
      while (to < sorted.length && positionOf(sorted[to]!) - positionOf(sorted[to - 1]!) <= limits.firingReadGapMax) to++;
      await this.readRange(sorted.slice(from, to), timers, away);
      from = to;
    }
    if (this.isEnded) return;
    const { outage } = this.service;
    if (away.size > 0) outage.failed(this, away.values().next().value);
    else outage.worked(this);
    for (const key of keys) {
      const timer = timers.get(key);
      const dueMs = this.bucket.timers.dueOf(key);
      if (timer === undefined) this.unreadable(key, away.has(key));
      else if (dueMs > 0) {
        const firing = new Firing(key, dueMs, timer, this);
        this.firings.add(firing);
        this.enter(firing);
      } else {
        this.count(-1);
        this.service.dropped++;
      }
    }
    this.service.freed(this);
  }

  /** One record that cannot be read holds up no other timer: they are read one by one then. */
  private async readRange(keys: readonly number[], into: Map<number, RecordedTimer>, away: Map<number, unknown>): Promise<void> {
    const wanted = new Map<number, number[]>();
    for (const key of keys) wanted.set(positionOf(key), [...(wanted.get(positionOf(key)) ?? []), key]);
    const record = new RecordReader();
    try {
      for await (const stored of this.parts.journal.readBucket(this.bucket.id, positionOf(keys[0]!), positionOf(keys.at(-1)!) + 1)) {
        const here = wanted.get(stored.position);
        if (here === undefined) continue;
        // A record may have armed a hundred of them: it is read once.
        const changes = timersOf(record.over(stored.bytes));
        for (const key of here) {
          const timer = timerOf(record, changes[timerRef(key).index]);
          if (timer !== null) into.set(key, timer);
        }
      }
    } catch (error) {
      if (keys.length > 1) {
        for (const key of keys) if (!this.isEnded) await this.readRange([key], into, away);
      } else if (isRetryable(error)) {
        away.set(keys[0]!, error);
      } else {
        this.parts.log.error({ bucket: this.bucket.name, position: positionOf(keys[0]!), err: error }, 'the record of a timer cannot be read');
      }
    }
  }

  private unreadable(key: number, isAway: boolean): void {
    const { scheduler, log } = this.parts;
    if (!isAway) log.error({ bucket: this.bucket.name, ...timerRef(key) }, 'a timer that is due cannot be fired; it is tried again');
    scheduler.later(limits.messageRetryMsMax, () => {
      if (this.isEnded) return;
      // It may be cancelled by now, and then nobody tries again.
      this.service.outage.left(this);
      this.bucket.timers.giveBack(key);
      this.count(-1);
      this.service.freed(this);
    });
  }
}

function positionOf(key: number): number {
  return timerRef(key).position;
}

/** null when no timer stands there, or one of which this node does not understand when it repeats. The body is copied out of the record. */
function timerOf(record: RecordReader, change: TimerChange | undefined): RecordedTimer | null {
  if (change === undefined || change.armed === null) return null;
  const { command, from, until, everyMs, cron, zone } = change.armed;
  if (cron !== '' && !isCalendar(change.armed)) return null;
  return { actor: record.actor, name: change.name, command, body: Buffer.from(record.buffer.subarray(from, until)), everyMs, cron, zone };
}
