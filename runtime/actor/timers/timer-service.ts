/**
 * Fires timers: looks when the first of this node's buckets is due, reads the record that armed it, and sends its command on its way.
 *
 * F1  A timer fires only when the record that armed it is durable; the record says what it is, and memory holds when it is due.
 * F2  One firing of a timer is under way at a time. Last thing before it enters a batch it is looked at again (firing.ts, isNext), and once more in
 *     the sandbox, behind all that stands in front of it there: who cancels or replaces a timer is never overtaken by it.
 * F3  A firing ends with its record, which says when the timer is due next. Whatever is lost before that is given back to the index, and
 *     comes again; so nothing here needs to survive.
 * F4  What is under way is bounded, for a bucket and for the node. The rest waits in the index.
 */

import type { Journal } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import type { Bucket } from '../bucket.ts';
import type { MessageRouting } from '../messages/intake.ts';
import { Outage } from '../outage.ts';
import type { CommitGroup } from '../output-gate.ts';
import type { Clock, Log, Scheduler } from '../seams.ts';
import { TimerSite } from './timer-site.ts';

export interface TimerServiceParts {
  readonly journal: Journal;
  readonly routing: MessageRouting;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

export class TimerService {
  /** Of the log, as far as the records of timers are concerned; the sites are those who try. */
  readonly outage: Outage;
  /** Firings that were recorded, that came to nothing because the timer was gone, and that are under way. */
  fired = 0;
  dropped = 0;
  underWay = 0;
  private readonly parts: TimerServiceParts;
  /** In the order in which they may take what is left of the node's share. */
  private readonly sites = new Map<Bucket, TimerSite>();
  /** The due time for which a look is on its way, and which look that is: an earlier one takes its place. */
  private lookDueMs = Infinity;
  private looks = 0;
  private isRetryOnItsWay = false;
  private isStopped = false;
  private wasFull = false;

  constructor(parts: TimerServiceParts) {
    this.parts = parts;
    this.outage = new Outage(parts.log, { begins: 'timers that are due cannot be read; they are tried again', over: 'timers that are due can be read again' });
  }

  /** The bucket was opened, and serves from now on. */
  serves(bucket: Bucket): void {
    this.gone(bucket);
    const site = new TimerSite(bucket, this, this.parts);
    this.sites.set(bucket, site);
    this.see(site);
  }

  /** It has stopped, or is somebody else's. */
  gone(bucket: Bucket): void {
    const site = this.sites.get(bucket);
    if (site === undefined) return;
    this.sites.delete(bucket);
    site.end();
  }

  /** Records of the group are durable: they may have armed what is due before anything that was known. */
  released(group: CommitGroup): void {
    for (const { owner } of group.records.runs) {
      if (owner.timers.firstDueMs >= this.lookDueMs) continue;
      const site = this.sites.get(owner);
      if (site !== undefined) this.see(site);
    }
  }

  /** The sandbox is lost: all that was under way runs again, after `resume`. */
  interrupt(): void {
    for (const site of this.sites.values()) site.interrupt();
  }

  resume(): void {
    for (const site of this.sites.values()) site.retry();
    this.lookAtAll();
  }

  /** What waited in front of the sandbox was taken out of the queue; the bucket serves on. */
  again(bucket: Bucket): void {
    const site = this.sites.get(bucket);
    if (site === undefined) return;
    site.takenOut();
    site.retry();
    this.see(site);
  }

  /** Nothing fires any more. */
  stop(): void {
    this.isStopped = true;
  }

  /** Sends on its way what is due, and has the bucket looked at again when the next one is. */
  see(site: TimerSite): void {
    if (this.isStopped || site.isEnded) return;
    const nowMs = site.nowMs();
    if (site.bucket.timers.firstDueMs <= nowMs && site.fire(nowMs)) this.moveBack(site);
    this.lookBy(site.bucket.timers.firstDueMs, nowMs);
  }

  /** How many more firings the node has room for. */
  room(): number {
    const room = limits.firingsMax - this.underWay;
    if (room <= 0) this.wasFull = true;
    return room;
  }

  /** Something of the site has ended. */
  freed(site: TimerSite): void {
    if (!this.wasFull) {
      this.see(site);
      return;
    }
    this.wasFull = false;
    this.lookAtAll();
  }

  retryLater(): void {
    if (this.isRetryOnItsWay) return;
    this.isRetryOnItsWay = true;
    this.parts.scheduler.later(limits.firingRetryMs, () => {
      this.isRetryOnItsWay = false;
      if (this.isStopped) return;
      for (const site of this.sites.values()) site.retry();
    });
  }

  /** A look that is due before the one that is on its way takes its place. */
  private lookBy(dueMs: number, nowMs: number): void {
    if (dueMs >= this.lookDueMs || dueMs === Infinity) return;
    // What is due and cannot go is held up by something that calls here when it has passed.
    const delayMs = dueMs <= nowMs ? limits.timerLookMaxMs : Math.min(dueMs - nowMs, limits.timerLookMaxMs);
    const byMs = nowMs + delayMs;
    if (byMs >= this.lookDueMs) return;
    this.lookDueMs = byMs;
    const look = ++this.looks;
    this.parts.scheduler.later(delayMs, () => {
      if (look === this.looks) this.lookAtAll();
    });
  }

  private lookAtAll(): void {
    if (this.isStopped) return;
    this.looks++;
    this.lookDueMs = Infinity;
    for (const site of [...this.sites.values()]) this.see(site);
  }

  /** Who has had its share waits until the others have had theirs. */
  private moveBack(site: TimerSite): void {
    if (this.sites.get(site.bucket) !== site) return;
    this.sites.delete(site.bucket);
    this.sites.set(site.bucket, site);
  }
}
