/**
 * Broadcasts: sends to everybody who is linked, chunk by chunk, beside everything else.
 *
 * D1  A chunk is one record: the sends to some of the linked actors, and how far the broadcast has come. It enters the log only directly behind
 *     the one before (`isNext`), so that nobody is told twice and nobody is left out, whatever is lost on the way.
 * D2  Of a bucket one round is under way at a time, a chunk of each broadcast at most; the next one is made when it is durable. A round is
 *     small, so that what else there is goes on between two.
 * D3  A bucket that has much to deliver waits with its next round, but not for ever: one receiver that is out of reach does not keep the
 *     broadcast from the others.
 * D4  Nothing is kept here that the log does not have: after a failure, a restart or a hand-over it goes on from the fold (linked.ts).
 */

import type { Journal } from '../../journal/journal.ts';
import { limits } from '../../limits.ts';
import type { Bucket } from '../bucket.ts';
import type { Bundles } from '../bundles.ts';
import type { EngineLimits } from '../engine-limits.ts';
import { Job, JOB_NOTE } from '../job.ts';
import type { MessageRouting } from '../messages/intake.ts';
import type { Origin } from '../messages/origin.ts';
import { Outage } from '../outage.ts';
import type { CommitGroup } from '../output-gate.ts';
import type { Clock, Log, Scheduler } from '../seams.ts';
import { readChunk, readText, writeChunk } from './chunk.ts';
import type { BroadcastText, Chunk } from './chunk.ts';
import type { RunningBroadcast } from './linked.ts';

export interface BroadcastParts {
  readonly journal: Journal;
  readonly bundles: Bundles;
  readonly routing: Pick<MessageRouting, 'enter' | 'isHeld' | 'soon'>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly limits: Pick<EngineLimits, 'broadcastChunkMax' | 'broadcastBacklogMax'>;
}

/** Broadcasts of this node's buckets. */
export interface BroadcastStat {
  /** Not at their end; those of one actor run one behind the other (B3). */
  readonly running: number;
  /** Links that they have still to go through, with those that have ended meanwhile. */
  readonly left: number;
  /** Records of chunks that became durable since start, and the sends in them. */
  readonly chunks: number;
  readonly sends: number;
}

/** What is done for one bucket. */
interface Runner {
  readonly bucket: Bucket;
  isGone: boolean;
  /** In the line of those that wait for their round. */
  isQueued: boolean;
  round: Round | null;
  /** Of the broadcast that had not come to its end in the last round. */
  text: BroadcastText | null;
  /** It waits for what it has to deliver (D3), since when; 0 while it does not. */
  isResting: boolean;
  restsSince: number;
}

/** Chunks on their way into the log. */
interface Round {
  /** Those whose end is not known yet. */
  left: number;
  isOver: boolean;
}

export class BroadcastService {
  private chunks = 0;
  private sends = 0;
  private readonly parts: BroadcastParts;
  private readonly runners = new Map<Bucket, Runner>();
  private readonly queue: Runner[] = [];
  private readonly outage: Outage;
  private rounds = 0;

  constructor(parts: BroadcastParts) {
    this.parts = parts;
    this.outage = new Outage(parts.log, { begins: 'broadcasts cannot be read from the log; they are tried again', over: 'broadcasts can be read from the log again' });
  }

  stat(): BroadcastStat {
    const { chunks, sends } = this;
    let running = 0;
    let left = 0;
    for (const { linked } of this.runners.keys()) {
      for (const list of linked.running.values()) {
        running += list.length;
        for (const broadcast of list) left += linked.left(broadcast);
      }
    }
    return { running, left, chunks, sends };
  }

  /** The bucket serves from now on: what its log has running goes on. */
  serves(bucket: Bucket): void {
    this.gone(bucket);
    this.runners.set(bucket, { bucket, isGone: false, isQueued: false, round: null, text: null, isResting: false, restsSince: 0 });
    this.wake(bucket);
  }

  gone(bucket: Bucket): void {
    const runner = this.runners.get(bucket);
    if (runner === undefined) return;
    this.runners.delete(bucket);
    runner.isGone = true;
    this.outage.left(runner);
    this.end(runner);
  }

  /** A broadcast of the bucket is durable. */
  wake(bucket: Bucket): void {
    const runner = this.runners.get(bucket);
    if (runner !== undefined) this.line(runner);
  }

  /** What was under way is gone; what is not in the log is made again with `resume`. */
  interrupt(): void {
    for (const runner of this.runners.values()) this.end(runner);
  }

  resume(): void {
    for (const runner of this.runners.values()) this.line(runner);
    this.pump();
  }

  /** What waited in front of the sandbox was taken out of the queue; the bucket serves on. */
  again(bucket: Bucket): void {
    const runner = this.runners.get(bucket);
    if (runner === undefined) return;
    this.end(runner);
    this.line(runner);
  }

  private line(runner: Runner): void {
    if (runner.isGone || runner.isQueued || runner.isResting || runner.round !== null) return;
    if (runner.bucket.linked.running.size === 0) return;
    runner.isQueued = true;
    this.queue.push(runner);
    this.pump();
  }

  private pump(): void {
    const { routing } = this.parts;
    while (this.rounds < limits.broadcastRoundsMax && !routing.isHeld) {
      const runner = this.queue.shift();
      if (runner === undefined) return;
      runner.isQueued = false;
      if (runner.isGone || runner.bucket.isHeld || this.rests(runner)) continue;
      this.begin(runner);
    }
  }

  /** D3 */
  private rests(runner: Runner): boolean {
    const { clock, scheduler } = this.parts;
    const now = clock.monotonic();
    const isBehind = runner.bucket.channels.backlog > this.parts.limits.broadcastBacklogMax;
    if (!isBehind || (runner.restsSince > 0 && now - runner.restsSince >= limits.broadcastRestMaxMs)) {
      runner.restsSince = 0;
      return false;
    }
    if (runner.restsSince === 0) runner.restsSince = now;
    runner.isResting = true;
    scheduler.later(limits.broadcastRestMs, () => {
      runner.isResting = false;
      this.line(runner);
    });
    return true;
  }

  private begin(runner: Runner): void {
    const round: Round = { left: 0, isOver: false };
    runner.round = round;
    this.rounds++;
    this.read(runner).then(
      (chunks) => {
        this.outage.worked(runner);
        if (!round.isOver) this.enter(runner, round, chunks);
      },
      (error: unknown) => {
        if (round.isOver) return;
        this.outage.again(runner, error);
        this.end(runner);
        this.parts.scheduler.later(limits.messageRetryMs, () => this.line(runner));
      },
    );
  }

  private async read(runner: Runner): Promise<Chunk[]> {
    const { journal } = this.parts;
    const { bucket } = runner;
    const chunks: Chunk[] = [];
    let left = this.parts.limits.broadcastChunkMax;
    for (const broadcast of nextOf(bucket, left)) {
      if (left <= 0) break;
      const text = await this.textOf(runner, broadcast);
      const chunk = await readChunk(journal, bucket, broadcast, text, left);
      chunks.push(chunk);
      // Whom it is not for counts, too: their records had to be read.
      left -= Math.max(chunk.read, 1);
    }
    return chunks;
  }

  private async textOf(runner: Runner, broadcast: RunningBroadcast): Promise<BroadcastText> {
    const { text } = runner;
    if (text !== null && text.position === broadcast.position && text.index === broadcast.index) return text;
    return readText(this.parts.journal, this.parts.bundles, runner.bucket, broadcast);
  }

  private enter(runner: Runner, round: Round, chunks: readonly Chunk[]): void {
    if (chunks.length === 0) {
      // What begins is not durable yet, or has become so just now.
      this.end(runner);
      if (nextOf(runner.bucket, 1).length > 0) this.line(runner);
      return;
    }
    round.left = chunks.length;
    runner.text = chunks.find(({ done }) => !done)?.text ?? null;
    for (const chunk of chunks) {
      if (round.isOver) return;
      const origin = new ChunkOrigin(runner.bucket, chunk, {
        isOver: () => round.isOver,
        recorded: (position, group) => {
          group.released.push(() => {
            // What has not become durable is made again, and counted then.
            if (runner.bucket.durablePosition >= position) this.count(chunk);
            this.through(runner, round);
          });
        },
        lost: () => this.through(runner, round),
      });
      const job = new Job(JOB_NOTE, null, null, origin);
      job.verdict = { kind: 'cursor', write: (wire) => writeChunk(wire, runner.bucket, chunk) };
      // Whoever holds it up says when it goes on: `resume`, `again`, or `serves`.
      if (!this.parts.routing.enter(job)) this.end(runner);
    }
  }

  private count({ to }: Chunk): void {
    this.chunks++;
    this.sends += to.length;
  }

  /** A chunk is durable, or has not come into the log. */
  private through(runner: Runner, round: Round): void {
    if (round.isOver || --round.left > 0) return;
    this.end(runner);
    this.parts.routing.soon(() => this.line(runner));
  }

  private end(runner: Runner): void {
    const { round } = runner;
    if (round === null) return;
    round.isOver = true;
    runner.round = null;
    this.rounds--;
    // Others may have waited for it to end.
    this.pump();
  }
}

/** Durable broadcasts that may go on, one an actor (B3 of linked.ts); at most `max`. */
function nextOf(bucket: Bucket, max: number): RunningBroadcast[] {
  const next: RunningBroadcast[] = [];
  for (const [first] of bucket.linked.running.values()) {
    if (next.length >= max) break;
    if (first!.position <= bucket.durablePosition) next.push(first!);
  }
  return next;
}

interface ChunkFate {
  isOver(): boolean;
  recorded(position: number, group: CommitGroup): void;
  lost(): void;
}

/** A chunk on its way into the log of the bucket of its broadcast. */
class ChunkOrigin implements Origin {
  readonly bucket: Bucket;
  readonly reply = null;
  readonly isParked = false;
  private readonly chunk: Chunk;
  private readonly fate: ChunkFate;

  constructor(bucket: Bucket, chunk: Chunk, fate: ChunkFate) {
    this.bucket = bucket;
    this.chunk = chunk;
    this.fate = fate;
  }

  /** D1 */
  isNext(): boolean {
    return !this.fate.isOver() && this.bucket.linked.isAt(this.chunk.broadcast, this.chunk.after);
  }

  /** Nothing has caused it but the broadcast that it names. */
  write(): void {}

  entered(): void {}

  recorded(position: number, group: CommitGroup): void {
    this.fate.recorded(position, group);
  }

  lost(): void {
    this.fate.lost();
  }

  refused(): void {
    this.fate.lost();
  }
}
