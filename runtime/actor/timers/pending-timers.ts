/** What an operator asks of timers: those of one actor that are still to fire. A cold path, read from the log. */

import { hashText, parseAddress } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { RecordReader } from '../../codec/record.ts';
import type { Journal, StoredRecord } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import type { Bucket } from '../bucket.ts';
import type { ActorTimers, PendingTimer, RecordView } from '../engine.ts';
import { foldActor } from '../messages/actor-fold.ts';
import type { ActorFold } from '../messages/actor-fold.ts';
import { bucketOf } from '../messages/message.ts';
import { decodeSnapshot } from '../snapshots.ts';
import { timerKey, timerRef } from './timer-index.ts';

export interface PendingTimersParts {
  readonly journal: Journal;
  readonly buckets: readonly Bucket[];
  readonly viewRecords: (stored: readonly StoredRecord[]) => Promise<readonly RecordView[]>;
}

export class PendingTimers implements ActorTimers {
  private readonly parts: PendingTimersParts;

  constructor(parts: PendingTimersParts) {
    this.parts = parts;
  }

  async pendingTimers(actor: string): Promise<readonly PendingTimer[]> {
    parseAddress(actor);
    const { buckets } = this.parts;
    const bucket = buckets[bucketOf(actor, Math.log2(buckets.length))]!;
    if (!bucket.owned) throw new TroupeError('NOT_OWNER', `this node does not own ${actor}`);
    if (bucket.isHeld) throw bucket.heldError();
    const pending: { key: number; dueMs: number }[] = [];
    for (const ref of (await this.armed(bucket, actor)).values()) {
      const key = timerKey(ref);
      const dueMs = bucket.timers.dueOf(key);
      // Without a due time it is over: its firing was parked or has failed, or its calendar never comes to one.
      if (dueMs > 0) pending.push({ key, dueMs });
    }
    pending.sort((a, b) => a.dueMs - b.dueMs || a.key - b.key);
    return this.read(bucket, pending.slice(0, limits.timersShownMax));
  }

  /** As the loader folds it, of the durable log. */
  private async armed(bucket: Bucket, actor: string): Promise<NonNullable<ActorFold['armed']>> {
    const { journal } = this.parts;
    const hash = hashText(actor);
    const history = await journal.readActor(bucket.id, actor, hash);
    const snapshot = history.snapshot === null ? null : decodeSnapshot(history.snapshot, actor);
    const records = history.snapshot !== null && snapshot === null ? await journal.readActorRecords(bucket.id, actor, hash) : history.records;
    const fold: ActorFold = { armed: snapshot?.armed ?? null, linked: null, timerChanges: 0 };
    const record = new RecordReader();
    for (const { bytes } of records) foldActor(fold, record.over(bytes));
    return fold.armed ?? new Map();
  }

  private async read(bucket: Bucket, pending: readonly { readonly key: number; readonly dueMs: number }[]): Promise<PendingTimer[]> {
    const views = new Map<number, RecordView>();
    const timers: PendingTimer[] = [];
    for (const { key, dueMs } of pending) {
      const { position, index } = timerRef(key);
      let view = views.get(position);
      if (view === undefined) {
        const stored = await Array.fromAsync(this.parts.journal.readBucket(bucket.id, position, position + 1));
        view = (await this.parts.viewRecords(stored))[0]!;
        views.set(position, view);
      }
      const { name, everyMs = 0, cron = '', zone = '', command, body } = view.timers[index] as Pick<PendingTimer, 'name' | 'command' | 'body'> & Partial<PendingTimer>;
      timers.push({ name, dueMs, everyMs, cron, zone, command, body, armedMs: view.nowMs, record: { bucket: bucket.id.index, position } });
    }
    return timers;
  }
}
