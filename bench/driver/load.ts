/**
 * The load of one driver process: which commands are sent when, over which connection, and what became of them.
 *
 * - *Closed loop*: every slot (connection x in flight) has one request outstanding; its answer is the reason for the next.
 * - *Open loop*: requests become due at times drawn beforehand, with independent gaps (a Poisson process) of the stated rate, whatever the
 *   server does. What finds no connection with room waits here.
 * - *Sweep*: a closed loop in which every actor has its turn once, in a random order; then it is over.
 *
 * D1  Latency counts from the moment in which the request was due (open loop) or was written first (closed loop) until the read that brought its
 *     answer. What is sent again keeps its first time; what had to wait here has waited. [A server that stalls for a second delays all
 *     who come in that second, not only those whose requests it had. Source: G. Tene on coordinated omission.]
 * D2  Per actor, the number of acknowledged commands and the sum of their increments are kept, which is what the state is checked against.
 *     What may or may not have had its effect is counted as unknown, and makes the check fail.
 *
 * The clock is read once per socket read and once per write, not once per command.
 */

import { Arrivals } from './arrivals.ts';
import { Backlog } from './backlog.ts';
import { choiceOf } from './choice.ts';
import type { Choice, Distribution } from './choice.ts';
import type { Connection } from './connection.ts';
import type { FrameFormat } from './format.ts';
import { Line } from './line.ts';
import { DriverRandom } from './random.ts';
import { Recorder } from './recorder.ts';

export type Loop =
  | { readonly kind: 'closed'; readonly inFlight: number }
  /** `inFlightMax`: a connection that has so many open takes no more. */
  | { readonly kind: 'open'; readonly perSecond: number; readonly inFlightMax: number }
  | { readonly kind: 'sweep'; readonly inFlight: number };

export interface LoadOptions {
  readonly loop: Loop;
  readonly request: 'increment' | 'get';
  readonly actors: number;
  readonly distribution: Distribution;
  readonly perFrame: number;
  readonly keys: boolean;
  readonly seed: number;
}

/** What the actors hold while they are only read: number of their newest event, and value. */
export interface Expected {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
}

/** Connections that lead to the same node, and what is due for its actors. */
interface Group {
  readonly lines: Line[];
  readonly backlog: Backlog;
  turn: number;
}

export class Load {
  readonly recorder = new Recorder();
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly errors = new Map<string, number>();
  readonly options: LoadOptions;
  readonly format: FrameFormat;
  readonly random: DriverRandom;
  readonly expected: Expected | null;
  retries = 0;
  outstanding = 0;
  /** Commands whose effect cannot be known: the run cannot be checked. */
  unknown = 0;
  /** Answers to reads that were not what the actor holds. */
  wrong = 0;
  isSending = false;
  private readonly groups: Group[];
  /** By actor, the group that leads to its owner; null when any will do. */
  private readonly groupOf: Int32Array | null;
  private readonly everyone: Choice | null;
  private readonly arrivals: Arrivals | null;
  private swept = 0;
  private readonly sweepOrder: Int32Array | null;

  /** `connections` by node; `ownerOf` tells each actor's, where requests are to go straight to the owner. */
  constructor(connections: readonly (readonly Connection[])[], format: FrameFormat, options: LoadOptions, ownerOf: Int32Array | null = null, expected: Expected | null = null) {
    const { actors, distribution, loop } = options;
    this.options = options;
    this.format = format;
    this.expected = expected;
    this.counts = new Float64Array(actors);
    this.sums = new Float64Array(actors);
    this.random = new DriverRandom(options.seed);
    this.arrivals = loop.kind === 'open' ? new Arrivals(loop.perSecond, this.random, (now) => this.pump(now)) : null;
    this.groupOf = ownerOf;
    this.sweepOrder = loop.kind === 'sweep' ? shuffled(actors, this.random) : null;
    const slots = loop.kind === 'open' ? loop.inFlightMax : loop.inFlight;
    const everyone = this.sweepOrder === null ? choiceOf(distribution, actors, this.random) : null;
    this.everyone = everyone;
    let number = 0;
    this.groups = connections.map((ofNode, node) => {
      const own = ownerOf === null || this.sweepOrder !== null ? everyone : choiceOf(distribution, actors, this.random, indexesOf(ownerOf, node));
      return { lines: ofNode.map((connection) => new Line(this, connection, slots, number++, own, node)), backlog: new Backlog(), turn: 0 };
    });
  }

  start(): void {
    this.isSending = true;
    if (this.arrivals !== null) this.arrivals.start(performance.now());
    else for (const { lines } of this.groups) for (const line of lines) line.startAll();
  }

  /** No request becomes due any more; those that are due are sent, and answers count until none is outstanding. */
  stop(): void {
    this.isSending = false;
    this.arrivals?.stop();
  }

  /** Due and not sent. */
  get waiting(): number {
    return this.groups.reduce((sum, { backlog }) => sum + backlog.length, 0);
  }

  /** Of a sweep: every actor was chosen and answered. */
  get isSwept(): boolean {
    return this.sweepOrder !== null && this.swept === this.sweepOrder.length && this.outstanding === 0;
  }

  countError(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** The next of a sweep; -1 when all had their turn. */
  nextSwept(): number {
    return this.swept < this.sweepOrder!.length ? this.sweepOrder![this.swept++]! : -1;
  }

  /** A connection has room again: what waits for its node goes first. */
  refill(line: Line): void {
    const { backlog } = this.groups[line.group]!;
    while (backlog.length > 0 && line.hasRoom) {
      line.put(backlog.actor, backlog.due);
      backlog.shift();
    }
  }

  /** Gives out what has become due. */
  pump(now: number): void {
    const { arrivals } = this;
    if (arrivals === null || !arrivals.isDue(now)) return;
    while (arrivals.isDue(now)) {
      const actor = this.everyone!.next();
      this.giveOut(this.groups[this.groupOf === null ? 0 : this.groupOf[actor]!]!, actor, arrivals.take());
    }
    for (const { lines } of this.groups) for (const line of lines) line.send();
  }

  private giveOut(group: Group, actor: number, due: number): void {
    const { lines, backlog } = group;
    if (backlog.length === 0) {
      for (let tried = 0; tried < lines.length; tried++) {
        const line = lines[group.turn++ % lines.length]!;
        if (!line.hasRoom) continue;
        line.put(actor, due);
        return;
      }
    }
    backlog.push(actor, due);
  }
}

function indexesOf(ownerOf: Int32Array, node: number): Int32Array {
  return Int32Array.from([...ownerOf.keys()].filter((actor) => ownerOf[actor] === node));
}

/** Source: Fisher and Yates, as in Durstenfeld (1964). */
function shuffled(length: number, random: DriverRandom): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
