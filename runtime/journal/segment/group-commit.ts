/**
 * Group commit: what is appended while the disk is busy waits in one frame and shares the next sync.
 *
 * G1  One frame is written at a time, and the next is finished (checksum, offset, syncedTo) only when it is over: a frame
 *     that is durable has everything before it durable.
 * G2  A frame of snapshots alone, or a mark, is written without a sync when the disk has been idle for a while. The commit
 *     behind it synchronises the whole file instead of its own bytes only, or it would be acknowledged behind a hole.
 * G3  A failed write or sync is final: what was being written has an unknown outcome, what waited is refused, and nothing is
 *     accepted any more. A sync that succeeds after one that failed proves nothing about the pages of the first.
 * G4  A full disk is met before a byte is written, when the next file is made: what waits is refused, and the log goes on
 *     when there is room again.
 *
 * Where a sync takes a fraction of a millisecond, the way through the thread pool and back costs a third of it: small commits
 * are then written on the calling thread (measured on a virtual disk: 0.13 ms against 0.17 ms). A slow disk is seen by the
 * median of the last syncs, and is never waited for on the calling thread.
 */

import { TroupeError } from '../../codec/errors.ts';
import type { ErrorCode } from '../../codec/errors.ts';
import { isDiskFull } from '../sealed/disk.ts';
import type { Blocks } from '../sealed/disk.ts';
import { hashAt, wide } from '../sealed/words.ts';
import type { BucketTable } from './bucket-table.ts';
import { FrameBuilder } from './frame-builder.ts';
import { ENTRY_RUN, entryBits, entryWords, FRAME_HEADER_BYTES, KIND_COMMIT } from './frame.ts';
import type { LogFile } from './log-file.ts';

const FRAME_BYTES_MAX = 16 * 1024 * 1024;
const INLINE_RECORDS_MAX = 8;
const INLINE_BYTES_MAX = 16 * 1024;
const INLINE_SYNC_MAX_MS = 1;
const SAMPLES = 15;
const SAMPLES_MIN = 3;

export type CommitResult =
  | { readonly kind: 'durable' }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string };

const durable: CommitResult = { kind: 'durable' };

interface Pending {
  readonly frame: FrameBuilder;
  waiting: ((result: CommitResult) => void)[];
}

/** What the commit needs of the files. */
export interface CommitFiles {
  readonly active: LogFile;
  readonly blocks: Blocks;
  /** Starts the next file; rejects with a full disk before anything changed. */
  roll(): Promise<void>;
}

export interface CommitSettings {
  readonly fileBytes: number;
  readonly idleMs: number;
  /** False: nothing is synchronised, for experiments that must be seen to lose data. */
  readonly sync: boolean;
  /** False: never on the calling thread. */
  readonly inline: boolean;
}

export class GroupCommit {
  syncs = 0;
  failure: TroupeError | null = null;
  onFailure: (error: TroupeError) => void = () => undefined;
  onDiskFull: (error: Error) => void = () => undefined;
  private readonly files: CommitFiles;
  private readonly buckets: BucketTable;
  private readonly settings: CommitSettings;
  private readonly queue: Pending[] = [];
  private readonly idleFrames: FrameBuilder[] = [];
  private writing: Pending | null = null;
  private scheduled = false;
  private idleTimer: NodeJS.Timeout | null = null;
  private activity = 0;
  /** Whether a frame behind the last acknowledged one says that it was durable (F4). */
  private closedByMark = true;
  private closing = false;
  private readonly sampleMs: number[] = [];
  private samples = 0;
  private inlineFast = false;
  private readonly quiet: (() => void)[] = [];

  constructor(files: CommitFiles, buckets: BucketTable, settings: CommitSettings) {
    this.files = files;
    this.buckets = buckets;
    this.settings = settings;
  }

  /** The frame that takes the next entry; ask `waitFor` or `putOff` right after filling it. */
  frameFor(bytes: number): FrameBuilder {
    const last = this.queue.at(-1);
    if (last !== undefined && (last.frame.length + bytes <= FRAME_BYTES_MAX || last.frame.entries === 0)) return last.frame;
    const pending = { frame: this.idleFrames.pop() ?? new FrameBuilder(), waiting: [] };
    this.queue.push(pending);
    return pending.frame;
  }

  /** Calls back when everything appended so far is durable, or is known not to be. */
  waitFor(done: (result: CommitResult) => void): void {
    const last = this.queue.at(-1) ?? this.writing;
    if (last === null || last === undefined) {
      done(durable);
      return;
    }
    last.waiting.push(done);
    if (last === this.writing) return;
    last.frame.urgent = true;
    this.schedule();
  }

  /** What was put into the frame can wait for company. */
  putOff(): void {
    this.armIdle();
  }

  /** The head after `position` of a bucket, when a run that waits or is being written ends there. */
  headOfWaiting(bits: number, index: number, position: number): { hi: number; lo: number } | null {
    const frames = this.writing === null ? this.queue : [this.writing, ...this.queue];
    for (const { frame } of frames) {
      for (const w of entriesOf(frame.words, 0, frame.entries)) {
        const { words } = frame;
        if ((words[w]! & 0xff) !== ENTRY_RUN || entryBits(words, w) !== bits || words[w + 1] !== index) continue;
        if (wide(words, w + 4) - 1 === position) return hashAt(words, w + 8);
        if (wide(words, w + 4) + words[w + 6]! - 1 === position) return hashAt(words, w + 10);
      }
    }
    return null;
  }

  get waitingBytes(): number {
    let bytes = this.writing?.frame.length ?? 0;
    for (const { frame } of this.queue) bytes += frame.length;
    return bytes;
  }

  /** Writes what waits, and a last mark; resolves when all of it is durable or given up. */
  async close(): Promise<void> {
    this.closing = true;
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = null;
    for (const pending of this.queue) pending.frame.urgent = true;
    while (this.failure === null && (this.writing !== null || this.queue.length > 0)) {
      const quiet = new Promise<void>((resolve) => this.quiet.push(resolve));
      this.schedule();
      await quiet;
    }
    if (this.failure !== null) return;
    const { active } = this.files;
    if (!this.closedByMark || active.synced < active.end) {
      this.frameFor(0).urgent = true;
      const quiet = new Promise<void>((resolve) => this.quiet.push(resolve));
      this.schedule();
      await quiet;
    }
  }

  private schedule(): void {
    if (this.scheduled || this.writing !== null || this.failure !== null) return;
    this.scheduled = true;
    // Appends of the same turn of the event loop share the frame.
    queueMicrotask(() => {
      this.scheduled = false;
      this.pump(false);
    });
  }

  private pump(idle: boolean): void {
    if (this.writing !== null || this.failure !== null) return;
    const next = this.queue[0];
    if (next === undefined || (!next.frame.urgent && !idle)) {
      for (const quiet of this.quiet.splice(0)) quiet();
      return;
    }
    this.queue.shift();
    this.writing = next;
    this.activity++;
    const { active } = this.files;
    const fits = active.end + next.frame.length <= this.settings.fileBytes;
    if (fits || (next.frame.entries === 0 && next.waiting.length === 0)) this.write(next, idle);
    else this.rollAndWrite(next, idle);
  }

  private rollAndWrite(pending: Pending, idle: boolean): void {
    this.files.roll().then(
      () => this.write(pending, idle),
      (error: Error) => {
        if (isDiskFull(error)) this.refuseAll(pending, error);
        else this.fail(pending, error);
      },
    );
  }

  private write(pending: Pending, idle: boolean): void {
    const { active } = this.files;
    const { frame } = pending;
    const place = { seed: active.seed, previous: active.checksum, offset: active.end, syncedTo: active.synced, blockBytes: this.files.blocks.bytes };
    const checksum = frame.finish(KIND_COMMIT, place);
    const lazy = idle && !frame.urgent;
    const startMs = performance.now();
    if (!lazy && this.mayInline(frame)) {
      try {
        this.writeNow(active, frame);
      } catch (error) {
        this.fail(pending, error as Error);
        return;
      }
      this.over(pending, active, checksum, lazy, startMs);
      return;
    }
    this.writeLater(active, frame, lazy, (error) => {
      if (error !== null) this.fail(pending, error);
      else this.over(pending, active, checksum, lazy, startMs);
    });
  }

  private mayInline(frame: FrameBuilder): boolean {
    if (!this.inlineFast || !this.settings.inline) return false;
    return frame.records <= INLINE_RECORDS_MAX && frame.length <= INLINE_BYTES_MAX && this.queue.length === 0;
  }

  private writeNow(log: LogFile, frame: FrameBuilder): void {
    const whole = log.synced === log.end;
    if (this.settings.sync && whole) {
      log.durable!.write(frame.view(), log.end);
      return;
    }
    log.plain!.write(frame.view(), log.end);
    if (this.settings.sync) log.file.sync();
  }

  private writeLater(log: LogFile, frame: FrameBuilder, lazy: boolean, done: (error: Error | null) => void): void {
    const whole = log.synced === log.end;
    if (this.settings.sync && !lazy && whole) {
      log.durable!.writeLater(frame.view(), log.end, done);
      return;
    }
    log.plain!.writeLater(frame.view(), log.end, (error) => {
      // G2: a plain write is outstanding, so the whole file is synchronised.
      if (error === null && this.settings.sync && !lazy) log.file.syncLater(done);
      else done(error);
    });
  }

  private over(pending: Pending, log: LogFile, checksum: number, lazy: boolean, startMs: number): void {
    const { frame } = pending;
    const offset = log.end;
    log.end += frame.length;
    log.checksum = checksum;
    if (!lazy) {
      log.synced = log.end;
      if (this.settings.sync) {
        this.syncs++;
        this.measure(performance.now() - startMs, frame.length);
      }
    }
    log.index.add(frame.words, 0, offset, (bits, index) => this.buckets.get(bits, index)!.slot);
    this.settle(frame);
    this.closedByMark = !frame.urgent || (frame.entries === 0 && pending.waiting.length === 0);
    this.writing = null;
    for (const done of pending.waiting) done(durable);
    this.recycle(pending);
    if (this.queue.length > 0 || this.quiet.length > 0) this.schedule();
    if (!this.closedByMark) this.armIdle();
  }

  private settle(frame: FrameBuilder): void {
    const { words } = frame;
    let w = FRAME_HEADER_BYTES >> 2;
    for (let i = 0; i < frame.entries; i++) {
      if ((words[w]! & 0xff) === ENTRY_RUN) {
        const bucket = this.buckets.get(entryBits(words, w), words[w + 1]!)!;
        bucket.settle(wide(words, w + 4) + words[w + 6]! - 1, words[w + 11]!, words[w + 10]!);
      }
      w += entryWords(words, w);
    }
  }

  private measure(tookMs: number, bytes: number): void {
    if (bytes > INLINE_BYTES_MAX) return;
    this.sampleMs[this.samples++ % SAMPLES] = tookMs;
    if (this.sampleMs.length < SAMPLES_MIN) return;
    // Sorting fifteen numbers costs a microsecond; a slow disk must be noticed within a few syncs.
    const sorted = this.sampleMs.slice().sort((a, b) => a - b);
    this.inlineFast = sorted[sorted.length >> 1]! < INLINE_SYNC_MAX_MS;
  }

  private fail(pending: Pending, cause: Error): void {
    const full = isDiskFull(cause);
    this.failure = new TroupeError(full ? 'JOURNAL_FULL' : 'JOURNAL_FAILED', `writing ${this.files.active.path}: ${cause.message}`, { cause });
    this.writing = null;
    const { message } = this.failure;
    for (const done of pending.waiting) done({ kind: 'unknown', message });
    this.refuseQueue(this.failure.code, message);
    this.onFailure(this.failure);
  }

  private refuseAll(pending: Pending, error: Error): void {
    this.writing = null;
    for (const bucket of this.buckets.all) bucket.revert();
    for (const done of pending.waiting) done({ kind: 'refused', code: 'JOURNAL_FULL', message: error.message });
    this.recycle(pending);
    this.refuseQueue('JOURNAL_FULL', error.message);
    this.onDiskFull(error);
  }

  private refuseQueue(code: ErrorCode, message: string): void {
    for (const pending of this.queue.splice(0)) {
      for (const done of pending.waiting) done({ kind: 'refused', code, message });
      this.recycle(pending);
    }
    for (const quiet of this.quiet.splice(0)) quiet();
  }

  private recycle(pending: Pending): void {
    pending.frame.reset();
    // One that grew for a burst is not kept for ever.
    if (this.idleFrames.length < 2 && pending.frame.bytes.length <= FRAME_BYTES_MAX / 4) this.idleFrames.push(pending.frame);
  }

  private armIdle(): void {
    if (this.idleTimer !== null || this.closing || this.failure !== null) return;
    const seen = this.activity;
    this.idleTimer = setTimeout(() => {
      this.idleTimer = null;
      if (this.activity !== seen || this.writing !== null) this.armIdle();
      else this.flushIdle();
    }, this.settings.idleMs);
    this.idleTimer.unref();
  }

  private flushIdle(): void {
    if (this.queue.length === 0) {
      if (this.closedByMark) return;
      // A mark: no entries, but its syncedTo covers the last acknowledged frame.
      this.frameFor(0);
    }
    this.pump(true);
  }
}

function* entriesOf(words: Uint32Array, frameWord: number, entries: number): Generator<number> {
  let w = frameWord + (FRAME_HEADER_BYTES >> 2);
  for (let i = 0; i < entries; i++) {
    yield w;
    w += entryWords(words, w);
  }
}
