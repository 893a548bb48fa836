/**
 * Reads records and snapshots from a log file. Frames are verified when a file is recovered; what is read later is verified
 * again by the chain of heads: the bytes of a run must lead from the head in front of it to the head behind it, or a flipped
 * bit on the disk would become a wrong value (J7).
 */

import { chain } from '../../codec/chain.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { StoredRecord } from '../journal.ts';
import { isRecordOf, RunWalker } from '../record-run.ts';
import { damaged } from '../sealed/damaged.ts';
import type { Reading } from '../sealed/reading.ts';
import { readSnapshotEntry } from '../sealed/snapshot-entry.ts';
import type { LoadedSnapshot } from '../sealed/snapshot-entry.ts';
import { hashAt, wide } from '../sealed/words.ts';
import { ENTRY_RUN, RUN_WORDS } from './frame.ts';
import type { LogFile } from './log-file.ts';
import type { RunRef } from './tail-index.ts';

const walker = new RunWalker();

/** A run with its records found and verified. Record i is `bytes[from[i], to[i])`. */
export interface LoadedRun {
  readonly ref: RunRef;
  readonly bytes: Buffer;
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  /** Head after each record: hi, lo. */
  readonly heads: Uint32Array;
  readonly headBefore: Hash64;
}

/** @throws TroupeError JOURNAL_DAMAGED */
export function* loadRun(log: LogFile, ref: RunRef): Reading<LoadedRun> {
  const bytes = yield { file: log.file, position: ref.entryOffset, bytes: ref.entryBytes, atOnce: true };
  const count = ref.count;
  const bad = (why: string): Error => damaged(log.path, ref.entryOffset, why);
  if (bytes.length !== ref.entryBytes) throw bad('the file ends within a run of records');
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, ref.entryBytes >> 2);
  if ((words[0]! & 0xff) !== ENTRY_RUN || words[6] !== count || wide(words, 4) !== ref.position) throw bad('the head of a run changed');
  const start = (RUN_WORDS + 2 * count) << 2;
  if (start + words[7]! > bytes.length) throw bad('the length of a run changed');
  return verifyRun(ref, bytes, start, start + words[7]!, hashAt(words, 8), hashAt(words, 10), bad);
}

function verifyRun(ref: RunRef, bytes: Buffer, start: number, end: number, before: Hash64, after: Hash64, bad: (why: string) => Error): LoadedRun {
  const { count } = ref;
  const from = new Uint32Array(count);
  const to = new Uint32Array(count);
  const heads = new Uint32Array(2 * count);
  const head = { hi: before.hi, lo: before.lo };
  walker.over(bytes, start, end);
  let i = 0;
  try {
    for (; walker.next() && i < count; i++) {
      from[i] = walker.from;
      to[i] = walker.to;
      chain(head, head, bytes, walker.from, walker.to);
      heads[2 * i] = head.hi;
      heads[2 * i + 1] = head.lo;
    }
  } catch {
    throw bad('the records of a run cannot be told apart');
  }
  if (i !== count || head.hi !== after.hi || head.lo !== after.lo) throw bad('the records of a run do not lead to its head');
  return { ref, bytes, from, to, heads, headBefore: before };
}

export function recordOf(run: LoadedRun, i: number): StoredRecord {
  return {
    position: run.ref.position + i,
    head: { hi: run.heads[2 * i]!, lo: run.heads[2 * i + 1]! },
    bytes: Buffer.from(run.bytes.subarray(run.from[i]!, run.to[i]!)),
  };
}

/** The actor's records in this file with position in `[from, to)`, the oldest first, at most `recordsMax`. `actor` is its address in UTF-8. */
export function* recordsInLog(
  log: LogFile,
  slot: number,
  actor: Buffer,
  hash: Hash64,
  from: number,
  to: number,
  recordsMax: number,
): Reading<StoredRecord[]> {
  const { index } = log;
  const found: StoredRecord[] = [];
  let run: LoadedRun | null = null;
  for (const ordinal of ordinalsOf(log, slot, hash, from, to)) {
    if (found.length >= recordsMax) break;
    if (run === null || ordinal >= run.ref.firstRecord + run.ref.count) run = yield* loadRun(log, index.runOfRecord(ordinal));
    const i = ordinal - run.ref.firstRecord;
    if (isRecordOf(run.bytes, run.from[i]!, run.to[i]!, actor)) found.push(recordOf(run, i));
  }
  return found;
}

/** The chain of a hash leads from new to old; reading goes the other way. */
function ordinalsOf(log: LogFile, slot: number, hash: Hash64, from: number, to: number): number[] {
  const { index } = log;
  const ordinals: number[] = [];
  let ref: RunRef | null = null;
  for (let next = index.lastRecord(hash); next !== 0; next = index.recordBefore(next - 1)) {
    const ordinal = next - 1;
    if (ref === null || ordinal < ref.firstRecord) ref = index.runOfRecord(ordinal);
    if (ref.slot !== slot) continue;
    const position = ref.position + ordinal - ref.firstRecord;
    if (position < from) break;
    if (position < to) ordinals.push(ordinal);
  }
  return ordinals.reverse();
}

/** The head after `position`, when a run of this file holds it. */
export function* headInLog(log: LogFile, slot: number, position: number): Reading<Hash64 | null> {
  const i = log.index.findRunOf(slot, position);
  const ref = i < 0 ? null : log.index.runOf(slot, i);
  if (ref === null || position < ref.position) return null;
  const { heads } = yield* loadRun(log, ref);
  const at = 2 * (position - ref.position);
  return { hi: heads[at]!, lo: heads[at + 1]! };
}

/** The newest snapshot of the actor in this file; null also when it cannot be read, since it is only a cache (J8). */
export function* snapshotInLog(
  log: LogFile,
  hash: Hash64,
  actor: string,
  warn: (message: string) => void,
): Reading<LoadedSnapshot | null> {
  const ref = log.index.snapshotOf(hash);
  if (ref === null) return null;
  const bytes = yield { file: log.file, position: ref.entryOffset, bytes: ref.entryBytes, atOnce: true };
  const whole = bytes.length === ref.entryBytes;
  const snapshot = whole ? readSnapshotEntry(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2), 0, bytes, 0) : null;
  if (snapshot === null) warn(`${log.path}: the snapshot at byte ${ref.entryOffset} is damaged and was passed over`);
  return snapshot?.actor === actor ? snapshot : null;
}
