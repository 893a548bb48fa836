/**
 * Commands that come once more, with a key that the actor's window does not hold, when an earlier try of them may have been recorded. The
 * window may have forgotten the key since; the log has not. [A command is sent to the owner of its actor, is recorded there, and its answer is
 * lost with the connection. Until it can be sent again the owner records a thousand others of the same actor.]
 *
 * W1  Between the place where the earlier try may have been recorded first and the oldest key of the window, every record of the actor is read.
 *     An earlier try is also what a client has made elsewhere while the command was on its way here, or while this process stood still with the command in front
 *     of it; and of a command that was taken back to the start, what was recorded since it came. [It waits for another try of it, which is written, and not known to be: the bucket is opened again,
 *     and before its turn comes again two hundred others are recorded.] What was looked for before that is looked for again.
 *     The one with this key answers; without one, the command is new, and only then it is decided.
 *     Tried so long ago that this node does not know how far the log had come then, it was tried at an owner that has gone: what that one did not
 *     answer is in the window that the actor came into memory with, since no more may be under way there than are remembered (mailbox.ts). A short history is read whole.
 * W2  Whoever asked for the actor meanwhile waits behind it, so that commands of one client keep their order.
 * W3  Nothing is read before everything that was decided is durable or lost: the window holds what is on its way (K2).
 * W4  What is read is bounded: a command that cannot be told within `recordsSearchedMax` records of its actor is answered with UNKNOWN_OUTCOME. What was
 *     read once is known for a while (key-history.ts): the next ones of an outage find it there.
 */

import { sameHash } from '../codec/hash64.ts';
import { limits } from '../limits.ts';
import type { Journal } from '../journal/journal.ts';
import type { Activation } from './activation.ts';
import { GONE } from './activation.ts';
import type { Bucket } from './bucket.ts';
import type { CommandRequest, LogPlace } from './engine.ts';
import type { Job } from './job.ts';
import { KeyHistory } from './key-history.ts';
import type { LogPlaces } from './log-places.ts';
import type { CommitGroup } from './output-gate.ts';
import { byOrder } from './routing.ts';
import type { Routing } from './routing.ts';
import type { Clock } from './seams.ts';

export interface TriedCommandsParts {
  readonly journal: Pick<Journal, 'readActorRecords'>;
  readonly places: Pick<LogPlaces, 'at'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly routing: Pick<Routing, 'reroute' | 'answer'>;
  /** Queues a job for admission again. */
  readonly again: (job: Job) => void;
  /** Takes jobs out of the queue for admission. */
  readonly takeOut: (which: (job: Job) => boolean) => Job[];
  /** Answers a job from the record at a position of its bucket. */
  readonly answerFrom: (job: Job, activation: Activation, position: number) => void;
}

/** What is being looked for in the history of one actor. */
export class Search {
  /** Those that are looked for. */
  readonly wanted = new Set<Job>();
  /** And all that wait meanwhile (W2), those among them. */
  readonly waiting: Job[] = [];
  from = Infinity;
  isReading = false;
}

/** An actor with so few events is read from its beginning rather than on a guess. */
const SEQ_SHORT_MAX = 4_096;
/** What was read of an actor is forgotten when nobody was looked for in it for so long. */
const KEPT_MS = 30_000;

export class TriedCommands {
  /** Commands that were looked for in the log so far. */
  searched = 0;
  private readonly parts: TriedCommandsParts;
  /** Those of whom more is known than the window holds; of whom was read last, last. */
  private readonly known = new Set<Activation>();

  constructor(parts: TriedCommandsParts) {
    this.parts = parts;
  }

  /** True when the job, whose key the window does not hold, has to wait until the log has told what became of it (W1). */
  mustWait(job: Job, command: CommandRequest, activation: Activation, group: CommitGroup): boolean {
    if (job.isSearched) return false;
    const from = this.triedFrom(job, command, activation);
    const end = endOf(activation);
    if (from >= end) return false;
    const { keyHistory } = activation;
    if (keyHistory?.covers(from, end) === true) {
      this.searched++;
      keyHistory.usedMs = this.parts.clock.monotonic();
      return this.settles(job, activation, keyHistory);
    }
    const search = (activation.search ??= this.begin(activation, group));
    search.from = Math.min(search.from, from);
    search.wanted.add(job);
    search.waiting.push(job);
    return true;
  }

  /** W2. Whether it is one more that is looked for stands in `isWanted`: the key is not in the window. */
  waitBehind(job: Job, search: Search, isWanted: boolean, activation: Activation): void {
    search.waiting.push(job);
    if (!isWanted || search.isReading || job.isSearched) return;
    const from = this.triedFrom(job, job.command!, activation);
    if (from === Infinity) return;
    search.from = Math.min(search.from, from);
    search.wanted.add(job);
  }

  /** W1: where the log may hold another try first; Infinity when there was none. */
  private triedFrom(job: Job, command: CommandRequest, activation: Activation): number {
    const from = command.triedSince === undefined ? this.triedBefore(job, activation) : placeIn(activation.bucket, command.triedSince);
    return job.isAgain ? Math.min(from, job.arrivedAt + 1) : from;
  }

  /** What was done before the command came here. */
  private triedBefore({ firstTryMs }: Job, { bucket, keysFrom, seq }: Activation): number {
    if (firstTryMs === undefined) return Infinity;
    const place = this.parts.places.at(bucket.id.index, firstTryMs);
    if (place !== undefined) return placeIn(bucket, place);
    return seq <= SEQ_SHORT_MAX ? 1 : Math.min(keysFrom, bucket.openedPosition + 1);
  }

  private begin(activation: Activation, group: CommitGroup): Search {
    const search = new Search();
    group.released.push((durable) => {
      if (!durable || isGone(activation)) this.end(activation, search, () => false);
      else void this.run(activation, search);
    });
    return search;
  }

  private async run(activation: Activation, search: Search): Promise<void> {
    search.isReading = true;
    this.searched += search.wanted.size;
    const { bucketId, address, actorHash, keys, bucket } = activation;
    const history = (activation.keyHistory ??= new KeyHistory(search.from));
    let isWhole = false;
    let error = 'too many records of the actor stand between the tries';
    try {
      isWhole = await history.cover(
        search.from, Math.min(keys.oldest, bucket.durablePosition + 1),
        (from, to, recordsMax) => this.parts.journal.readActorRecords(bucketId, address, actorHash, { from, to, recordsMax }),
        limits.recordsSearchedMax,
      );
      if (isWhole) this.keep(activation, history);
      else this.forget(activation);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    if (isGone(activation)) {
      this.end(activation, search, () => false);
      return;
    }
    this.end(activation, search, (job) => {
      if (!search.wanted.has(job)) return false;
      if (this.settles(job, activation, history)) return true;
      if (isWhole) return false;
      job.error = { code: 'UNKNOWN_OUTCOME', message: `whether an earlier try of this command was recorded cannot be told: ${error}` };
      job.bodyFrom = job.bodyTo = 0;
      this.parts.routing.answer(job, NO_BYTES);
      return true;
    });
  }

  /** True when the job is answered from the record of another try; otherwise there is none, as far as the history is known. */
  private settles(job: Job, activation: Activation, history: KeyHistory): boolean {
    const { principal, key } = job.command!;
    const position = history.find(principal, key);
    job.isSearched = true;
    if (position === undefined || job.otherKeys?.includes(position) === true) return false;
    this.parts.answerFrom(job, activation, position);
    return true;
  }

  private keep(activation: Activation, history: KeyHistory): void {
    history.usedMs = this.parts.clock.monotonic();
    const { known } = this;
    known.delete(activation);
    known.add(activation);
    let records = 0;
    for (const one of known) records += one.keyHistory?.records ?? 0;
    for (const one of known) {
      if (records <= limits.recordsKnownMax || one === activation) break;
      records -= one.keyHistory?.records ?? 0;
      this.forget(one);
    }
  }

  private forget(activation: Activation): void {
    activation.keyHistory = null;
    this.known.delete(activation);
  }

  /** To be called every second or so. */
  forgetUnused(): void {
    const before = this.parts.clock.monotonic() - KEPT_MS;
    for (const activation of this.known) {
      if (isGone(activation) || (activation.keyHistory?.usedMs ?? 0) < before) this.forget(activation);
    }
  }

  /** Lets all go on that waited, in the order in which they came, with those in between that are about to be admitted; but for whom `takes` takes. */
  private end(activation: Activation, search: Search, takes: (job: Job) => boolean): void {
    // Whoever has dropped the actor has taken them along.
    if (activation.search !== search) return;
    const { routing, again, takeOut } = this.parts;
    activation.search = null;
    const isOver = isGone(activation);
    const behind = takeOut((job) => job.activation === activation && job.origin === null && (job.command !== null || job.get !== null));
    for (const job of [...search.waiting, ...behind].sort(byOrder)) {
      if (takes(job)) continue;
      if (isOver) routing.reroute(job);
      else again(job);
    }
  }
}

/** Where the log may hold the earlier try first; the beginning when the place is one of another log. */
function placeIn(bucket: Bucket, { incarnation, position }: LogPlace): number {
  return sameHash(incarnation, bucket.incarnation) ? Math.max(1, position) : 1;
}

function isGone({ phase, bucket }: Activation): boolean {
  return phase === GONE || bucket.stopped;
}

/** The records from here on are those whose keys the window has. */
function endOf({ keys, lastPosition }: Activation): number {
  return Math.min(keys.oldest, lastPosition + 1);
}

const NO_BYTES = Buffer.alloc(0);
