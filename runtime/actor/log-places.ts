/**
 * How far the logs of all buckets have come, as far as this node knows, and knew some time ago. A command that was tried after that cannot be recorded in
 * front of it, so whoever looks for an earlier try reads from there on (tried-commands.ts); a place that is older than need be costs reading,
 * never truth.
 *
 * Notes survive the process: the next one reads how old they were when they were written last, which is less than they are by then.
 *
 * Time here is what this process has measured itself, never a clock that somebody can set.
 */

import type { CommandRequest, LogPlace } from './engine.ts';
import type { Clock } from './seams.ts';

/** The incarnation of no log. */
const NOWHERE: LogPlace = { incarnation: { hi: 0, lo: 0 }, position: 0 };
/** Clocks of clients go a little slower or faster than this one's, */
const CLOCK_SHARE = 1.01;
/** and what they say of the time is older by the way that it took. */
const WAY_MAX_MS = 15_000;
/** This process stood still when it did not come to note anything for so long, which it does every second; */
const STALL_MS = 1_500;
/** what reaches it within that time afterwards may have waited in front of it all the while. */
const AFTER_STALL_MS = 2_000;
/** Notes are kept for so long; those of the last half minute all, earlier ones in steps. */
const KEPT_MS = 600_000;
const RECENT_MS = 30_000;
const STEP_MS = 10_000;

const MAGIC = 'places 1';
const HEAD_BYTES = MAGIC.length + 4;
/** Incarnation in two halves, position. */
const PLACE_BYTES = 8 + 8;

interface Note {
  readonly atMs: number;
  readonly places: readonly LogPlace[];
}

export class LogPlaces {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly places: LogPlace[];
  /** The oldest first. */
  private notes: Note[] = [];
  private notedMs = 0;
  private stallBeganMs = 0;
  private stallCountsUntilMs = 0;

  constructor(buckets: number, clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
    this.places = Array.from({ length: buckets }, () => NOWHERE);
  }

  /** The durable log of a bucket has come to this place. */
  learn(index: number, place: LogPlace): void {
    this.places[index] = place;
  }

  /** A place in front of which nothing is recorded that is asked for from now on. */
  of(index: number): LogPlace {
    return this.places[index]!;
  }

  /** Keeps what is known now for `at`; to be called every second or so. */
  note(): void {
    const now = this.clock.monotonic();
    this.lookForStall(now);
    this.notedMs = now;
    let stepsBehind = Infinity;
    this.notes = this.notes.filter(({ atMs }) => {
      const age = now - atMs;
      if (age <= RECENT_MS) return true;
      const step = Math.floor(atMs / STEP_MS);
      const isFirst = step !== stepsBehind;
      stepsBehind = step;
      return isFirst && age <= KEPT_MS;
    });
    this.notes.push({ atMs: now, places: [...this.places] });
  }

  /** For how long something may have waited that comes in now, because this process stood still; 0 in general. */
  get stalledMs(): number {
    const now = this.clock.monotonic();
    this.lookForStall(now);
    if (this.stallCountsUntilMs === 0) return 0;
    if (now <= this.stallCountsUntilMs) return now - this.stallBeganMs;
    this.stallCountsUntilMs = 0;
    return 0;
  }

  /** [What waited in the sockets is read before any timer, and so before anything is noted.] */
  private lookForStall(now: number): void {
    const { notedMs } = this;
    if (notedMs === 0 || now - notedMs <= STALL_MS) return;
    if (notedMs > this.stallCountsUntilMs) this.stallBeganMs = notedMs;
    this.stallCountsUntilMs = now + AFTER_STALL_MS;
  }

  /**
   * By this process's clock, a moment in front of which nothing of a command that has come right now can be recorded. Undefined for a first try that came in
   * time: nothing of it is recorded yet. `triedMs`, `waitedMs`: see CommandRequest.
   */
  firstTryMs({ triedMs = 0, waitedMs = 0 }: Pick<CommandRequest, 'triedMs' | 'waitedMs'>): number | undefined {
    const waited = Math.max(waitedMs, this.stalledMs);
    if (triedMs > 0) return this.clock.monotonic() - (triedMs + waited) * CLOCK_SHARE - WAY_MAX_MS;
    return waited > 0 ? this.clock.monotonic() - waited * CLOCK_SHARE : undefined;
  }

  /** A place that the log had not gone beyond at that moment; undefined when this node does not know of any. */
  at(index: number, ms: number): LogPlace | undefined {
    const place = this.notes.findLast(({ atMs }) => atMs < ms)?.places[index];
    return place === NOWHERE ? undefined : place;
  }

  /** The notes for a process that comes after this one, in steps of ages that double. */
  encode(): Buffer {
    const now = this.clock.monotonic();
    const chosen: Note[] = [];
    for (let age = 1_000; age <= KEPT_MS; age *= 2) {
      const note = this.notes.findLast(({ atMs }) => atMs <= now - age);
      if (note !== undefined && note !== chosen.at(-1)) chosen.push(note);
    }
    const buckets = this.places.length;
    const bytes = Buffer.alloc(HEAD_BYTES + chosen.length * (8 + buckets * PLACE_BYTES));
    bytes.write(MAGIC, 'latin1');
    let at = bytes.writeUInt32LE(buckets, MAGIC.length);
    // The oldest first, as they are kept.
    for (const { atMs, places } of chosen.reverse()) {
      at = bytes.writeDoubleLE(now - atMs, at);
      for (const { incarnation, position } of places) {
        at = bytes.writeUInt32LE(incarnation.hi >>> 0, at);
        at = bytes.writeUInt32LE(incarnation.lo >>> 0, at);
        at = bytes.writeDoubleLE(position, at);
      }
    }
    return bytes;
  }

  /** Takes the notes of a process that has ended; to be called before the first note. What was not written by `encode` for as many buckets is left alone. */
  restore(bytes: Buffer): void {
    const buckets = this.places.length;
    const noteBytes = 8 + buckets * PLACE_BYTES;
    if (bytes.length < HEAD_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return;
    if (bytes.readUInt32LE(MAGIC.length) !== buckets || (bytes.length - HEAD_BYTES) % noteBytes !== 0) return;
    const now = this.clock.monotonic();
    for (let from = HEAD_BYTES; from < bytes.length; from += noteBytes) {
      const places = this.places.map((_, index): LogPlace => {
        const at = from + 8 + index * PLACE_BYTES;
        const incarnation = { hi: bytes.readUInt32LE(at), lo: bytes.readUInt32LE(at + 4) };
        const position = bytes.readDoubleLE(at + 8);
        return position === 0 ? NOWHERE : { incarnation, position };
      });
      this.notes.push({ atMs: now - bytes.readDoubleLE(from), places });
    }
  }
}
