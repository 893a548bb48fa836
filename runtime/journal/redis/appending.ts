/**
 * Appends to buckets that were opened: one call of a function for each slot.
 *
 * P1  Nothing is queued while the store is away, and nothing is sent again. What could not be sent is refused; what was sent and not
 *     answered is of unknown outcome, and the bucket takes nothing until it has been opened again (J6).
 * P2  An append that follows the last one called is sent at once: should one before it fail, it does not follow the log any more. Any
 *     other one is sent when those before it are known, and alone (J5).
 */

import { sameHash } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import { limits } from '../../limits.ts';
import type { Append, AppendOutcome } from '../journal.ts';
import type { BucketTable, HotBucket } from './hot-bucket.ts';
import { CallWriter } from './call-writer.ts';
import { hashOfBytes } from './entry.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';
import { noteOf, rolledBack } from './note.ts';
import type { Opening } from './opening.ts';
import { StoreError } from './store-error.ts';

/** Of one append in a call: two keys and six others. */
const ARGUMENTS = 8;
/** What they take beside the records, about. */
const OVERHEAD_BYTES = 256;
/** Bytes appended until fresh checkpoints are asked for. */
const CHECKPOINT_EVERY_BYTES = 32 * 1024 * 1024;

const APPENDED: AppendOutcome = { kind: 'appended' };
const FENCED = 1;
const CONFLICT = 2;
const ROLLED_BACK = 3;
const MISSING = 'missing';
const NOTHING: Hash64 = { hi: 0, lo: 0 };

type AppendAnswer = number | [number, Buffer, Buffer?, Buffer?];

export interface AppendingParts {
  readonly links: StoreLinks;
  readonly library: LuaLibrary;
  readonly opening: Opening;
  readonly buckets: BucketTable;
  readonly node: string;
  /** Under which name this journal takes epochs, see `ownerName`. */
  readonly owner: string;
}

export class Appending {
  /** Entries of `append` on their way. */
  inFlight = 0;
  /** Calls of the server that appended. */
  calls = 0;
  isClosed = false;
  onCheckpointWanted: (() => void) | null = null;
  /** The bucket's log has grown. */
  onGrown: ((bucket: HotBucket) => void) | null = null;
  private readonly parts: AppendingParts;
  private readonly writer = new CallWriter();
  private bytesSinceCheckpoint = 0;

  constructor(parts: AppendingParts) {
    this.parts = parts;
  }

  async append(batch: readonly Append[]): Promise<AppendOutcome[]> {
    const outcomes: AppendOutcome[] = [];
    const bySlot = new Map<number, number[]>();
    const calls: Promise<void>[] = [];
    this.inFlight += batch.length;
    for (let i = 0; i < batch.length; i++) {
      const append = batch[i]!;
      const bucket = this.parts.buckets.get(append.bucket);
      const refusal = this.refusalOf(bucket, append);
      if (refusal !== null) {
        outcomes[i] = refusal;
        continue;
      }
      if (!follows(bucket!, append)) {
        calls.push(this.appendAlone(bucket!, batch, i, outcomes));
        continue;
      }
      const { pipeline, keys } = bucket!;
      pipeline.sent++;
      pipeline.position = append.position + append.count - 1;
      pipeline.head = append.headAfter;
      const slot = this.parts.links.slotOf(keys.meta);
      const list = bySlot.get(slot);
      if (list === undefined) bySlot.set(slot, [i]);
      else list.push(i);
    }
    for (const list of bySlot.values()) calls.push(this.appendInSlot(batch, list, outcomes));
    await Promise.all(calls);
    this.inFlight -= batch.length;
    if (this.bytesSinceCheckpoint >= CHECKPOINT_EVERY_BYTES) {
      this.bytesSinceCheckpoint = 0;
      this.onCheckpointWanted?.();
    }
    return outcomes;
  }

  private refusalOf(bucket: HotBucket | undefined, append: Append): AppendOutcome | null {
    if (this.isClosed) return { kind: 'refused', code: 'JOURNAL_FAILED', message: 'the journal is not open', retryable: false };
    if (bucket === undefined) return { kind: 'conflict', position: 0, head: NOTHING };
    if (bucket.blocked || append.count < 1) return { kind: 'conflict', position: bucket.log.position, head: bucket.log.head };
    if (append.to - append.from > limits.appendBytesMax) {
      return { kind: 'refused', code: 'OUTPUT_TOO_LARGE', message: `an append is limited to ${limits.appendBytesMax} bytes`, retryable: false };
    }
    return null;
  }

  /** J5: what was called before a failure was known is not appended behind it. */
  private async appendAlone(bucket: HotBucket, batch: readonly Append[], i: number, outcomes: AppendOutcome[]): Promise<void> {
    const { pipeline } = bucket;
    const { failures } = pipeline;
    pipeline.waiting++;
    pipeline.sent++;
    const turn = pipeline.last.then(async () => {
      if (pipeline.failures === failures) {
        await this.send(batch, [i], outcomes);
        if (outcomes[i]!.kind === 'conflict' && (await this.isThere(bucket, batch[i]!))) outcomes[i] = APPENDED;
      } else outcomes[i] = { kind: 'conflict', position: bucket.log.position, head: bucket.log.head };
    });
    pipeline.last = turn;
    await turn;
    pipeline.waiting--;
    settled(bucket, outcomes[i]!);
  }

  /** J3: records that are there already, whatever appends they came in. The server has just said that the epoch is in force. */
  private async isThere(bucket: HotBucket, append: Append): Promise<boolean> {
    const last = append.position + append.count - 1;
    if (append.epoch !== bucket.epoch || last > bucket.log.position) return false;
    const heads = await Promise.all([this.parts.opening.headAt(bucket, append.position - 1), this.parts.opening.headAt(bucket, last)]).catch(() => null);
    return heads !== null && [append.headBefore, append.headAfter].every((head, k) => heads[k] !== null && sameHash(heads[k]!, head));
  }

  private async appendInSlot(batch: readonly Append[], list: readonly number[], outcomes: AppendOutcome[]): Promise<void> {
    const buckets = list.map((i) => this.parts.buckets.get(batch[i]!.bucket)!);
    await this.send(batch, list, outcomes);
    for (let k = 0; k < list.length; k++) settled(buckets[k]!, outcomes[list[k]!]!);
  }

  private async send(batch: readonly Append[], list: readonly number[], outcomes: AppendOutcome[]): Promise<void> {
    const call = this.write(batch, list);
    let answers: AppendAnswer[];
    try {
      const { meta } = this.parts.buckets.get(batch[list[0]!]!.bucket)!.keys;
      answers = (await this.parts.links.callPacked('log', this.parts.library, meta, call)) as AppendAnswer[];
      this.writer.giveBack(call);
    } catch (error) {
      const failure = error instanceof StoreError ? error : new StoreError('unknown', 'LOST', String(error));
      for (const i of list) outcomes[i] = this.failed(batch[i]!, failure);
      return;
    }
    this.calls++;
    for (let k = 0; k < list.length; k++) outcomes[list[k]!] = this.answered(batch[list[k]!]!, answers[k]!);
  }

  /** As `append` in journal.lua takes it. */
  private write(batch: readonly Append[], list: readonly number[]): Buffer {
    const { writer } = this;
    const { buckets, library, owner } = this.parts;
    let bytes = 0;
    for (const i of list) bytes += batch[i]!.to - batch[i]!.from;
    writer.begin(4 + ARGUMENTS * list.length, bytes + OVERHEAD_BYTES * list.length + OVERHEAD_BYTES);
    writer.text('FCALL');
    writer.text(library.functionName('append'));
    writer.decimal(2 * list.length);
    for (const i of list) writer.raw(buckets.get(batch[i]!.bucket)!.keys.forAppend);
    writer.text(owner);
    for (const i of list) {
      const append = batch[i]!;
      writer.decimal(append.epoch);
      writer.decimal(append.position - 1);
      writer.decimal(append.position + append.count - 1);
      writer.hash(append.headBefore);
      writer.hash(append.headAfter);
      writer.bytes(append.bytes, append.from, append.to);
    }
    return writer.finish();
  }

  private failed(append: Append, failure: StoreError): AppendOutcome {
    if (failure.kind === 'refused') return { kind: 'refused', code: 'STORE_UNAVAILABLE', message: failure.message, retryable: failure.retryable };
    const bucket = this.parts.buckets.get(append.bucket)!;
    if (bucket.epoch === append.epoch) bucket.blocked = true;
    return { kind: 'unknown', message: failure.message };
  }

  private answered(append: Append, answer: AppendAnswer): AppendOutcome {
    const bucket = this.parts.buckets.get(append.bucket)!;
    if (typeof answer === 'number') {
      this.took(bucket, append);
      return APPENDED;
    }
    const [kind, what, head, epoch] = answer;
    if (kind === FENCED) return { kind: 'fenced', epoch: Number(what) };
    if (kind === ROLLED_BACK) return this.wentBack(bucket, String(what) === MISSING ? null : String(what));
    if (kind !== CONFLICT) return { kind: 'refused', code: 'JOURNAL_FAILED', message: String(what), retryable: false };
    const stands = { position: Number(what), head: hashOfBytes(head!) };
    const { log } = bucket;
    const isBehind = stands.position < log.position || (stands.position === log.position && !sameHash(stands.head, log.head)) || Number(epoch) < bucket.epoch;
    return isBehind ? this.wentBack(bucket, null) : { kind: 'conflict', ...stands };
  }

  /** The same append may be acknowledged twice; it is in the log once. */
  private took(bucket: HotBucket, append: Append): void {
    const { log } = bucket;
    const bytes = append.to - append.from;
    if (append.position !== log.position + 1) return;
    log.add(append.count, bytes, { hi: append.headAfter.hi, lo: append.headAfter.lo }, append.actorHashes, append.hashesFrom);
    this.bytesSinceCheckpoint += bytes;
    this.onGrown?.(bucket);
  }

  private wentBack(bucket: HotBucket, note: string | null): AppendOutcome {
    const { buckets, opening, node } = this.parts;
    const known = buckets.known(bucket.id)!;
    // Opening it again finds the same, should this not arrive.
    if (note === null) opening.noteLoss(bucket.keys.meta, known).catch(() => undefined);
    bucket.blocked = true;
    return { kind: 'rolledBack', message: rolledBack(bucket.id, note ?? noteOf(known, node)).message };
  }
}

/** Whether the append continues what was called before it, so that it can only succeed if all of that did. */
function follows({ epoch, pipeline }: HotBucket, append: Append): boolean {
  return pipeline.waiting === 0 && append.epoch === epoch && append.position === pipeline.position + 1 && sameHash(append.headBefore, pipeline.head);
}

function settled({ pipeline, log }: HotBucket, outcome: AppendOutcome): void {
  pipeline.sent--;
  if (outcome.kind !== 'appended') pipeline.failures++;
  if (pipeline.sent > 0) return;
  pipeline.position = log.position;
  pipeline.head = log.head;
}
