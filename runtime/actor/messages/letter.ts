/** A parked or failed message, as its record holds it. */

import type { BucketId } from '../../codec/address.ts';
import { RecordReader } from '../../codec/record.ts';
import { causeOf } from '../../codec/record-messages.ts';
import { firingOf } from '../../codec/record-timers.ts';
import type { Cause } from '../../codec/record-messages.ts';
import type { TimerFiring } from '../../codec/record-timers.ts';
import type { Journal } from '../../journal/journal.ts';

export interface Letter {
  /** Of its record. */
  readonly position: number;
  readonly kind: number;
  readonly nowMs: number;
  /** SHA-256 (hex) of the bundle that could not take it, or failed; '' for none. */
  readonly bundle: string;
  /** Why. */
  readonly code: string;
  readonly message: string;
  readonly to: string;
  readonly name: string;
  readonly body: Buffer;
  /** The sending actor, and its command that takes the reply; '' for none. */
  readonly from: string;
  readonly onReply: string;
  /** The record that sent it; null for the firing of a timer. */
  readonly cause: Cause | null;
  readonly firing: TimerFiring | null;
  /** The record that it was taken up again from, when that has failed before; 0 for none. */
  readonly resumes: number;
}

export function letterOf(record: RecordReader): Letter {
  const { position, kind, nowMs, failure, name, principal, onReply, resumes, payloadFrom, payloadTo } = record;
  return {
    position, kind, nowMs, name, onReply, resumes,
    bundle: record.bundleHex(),
    code: failure?.code ?? '',
    message: failure?.message ?? '',
    to: record.addressee || record.actor,
    body: payloadFrom < 0 ? Buffer.alloc(0) : Buffer.from(record.buffer.subarray(payloadFrom, payloadTo)),
    from: principal,
    cause: causeOf(record),
    firing: firingOf(record),
  };
}

/** Records between two wanted ones that are read along rather than asked around. */
const GAP_MAX = 32;

/** Reads what stands at these positions, which grow. */
export async function* readLetters(journal: Journal, bucket: BucketId, positions: readonly number[]): AsyncGenerator<Letter> {
  const record = new RecordReader();
  let next = 0;
  while (next < positions.length) {
    let last = next;
    while (last + 1 < positions.length && positions[last + 1]! - positions[last]! <= GAP_MAX) last++;
    for await (const stored of journal.readBucket(bucket, positions[next]!, positions[last]! + 1)) {
      if (stored.position !== positions[next]) continue;
      next++;
      yield letterOf(record.over(stored.bytes));
    }
    // What was durable is there for ever (J1).
    if (next <= last) throw new Error(`bucket ${bucket.index} holds nothing at position ${positions[next]}`);
  }
}
