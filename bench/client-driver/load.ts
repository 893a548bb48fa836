/**
 * When operations begin, and how long they take: the part of a client driver that does not know what an operation is. It may be one command or
 * a whole story of them.
 *
 * - *Open loop*: operations become due at times drawn beforehand (a Poisson process), whatever becomes of those before.
 * - *Closed loop*: so many are on their way; the end of one is the reason for the next.
 *
 * D1  As in driver/load.ts: the time of an operation counts from the moment in which it was due (open loop) or handed to the client (closed
 *     loop), so that a server that stands still delays all who come meanwhile.
 */

import { Arrivals } from '../driver/arrivals.ts';
import type { DriverRandom } from '../driver/random.ts';
import { Recorder } from '../driver/recorder.ts';
import type { ClientLoop } from './protocol.ts';
import { SampleList } from './samples.ts';

/** Resolves when the operation is over, with whether it was done. Must not reject for what a server does. */
export type Operation = () => Promise<boolean>;

export class ClientLoad {
  readonly recorder = new Recorder();
  readonly samples = new SampleList();
  outstanding = 0;
  /** In the measured time: the longest in which nothing was answered. */
  longestSilenceMs = 0;
  private readonly loop: ClientLoop;
  private readonly clients: number;
  private readonly operation: Operation;
  private readonly failed: (error: unknown) => void;
  private isSending = false;
  private readonly arrivals: Arrivals | null;
  private beganAt = Infinity;
  private endedAt = Infinity;
  private answeredAt = 0;

  /** `failed` is told what an operation rejects with: a defect of the driver. */
  constructor(loop: ClientLoop, clients: number, random: DriverRandom, operation: Operation, failed: (error: unknown) => void) {
    this.loop = loop;
    this.arrivals = loop.kind === 'open' ? new Arrivals(loop.perSecond, random, (now) => this.pump(now)) : null;
    this.clients = clients;
    this.operation = operation;
    this.failed = failed;
  }

  start(): void {
    this.isSending = true;
    const now = performance.now();
    if (this.loop.kind === 'open') {
      this.arrivals!.start(now);
    } else {
      for (let i = 0; i < this.loop.inFlight * this.clients; i++) this.launch(now, now);
    }
  }

  /** Nothing becomes due any more. */
  stop(): void {
    this.isSending = false;
    this.arrivals?.stop();
  }

  /** Of the measured time. */
  begin(): void {
    const now = performance.now();
    this.recorder.begin(now);
    this.samples.reset();
    this.beganAt = this.answeredAt = now;
    this.longestSilenceMs = 0;
  }

  end(): void {
    const now = performance.now();
    this.recorder.end(now);
    this.endedAt = now;
    this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.answeredAt);
  }

  private launch(due: number, now: number): void {
    this.outstanding++;
    if (this.loop.kind === 'open') this.recorder.written(due, now);
    this.operation().then((isDone) => this.finish(due, isDone), this.failed);
  }

  private finish(due: number, isDone: boolean): void {
    this.outstanding--;
    const now = performance.now();
    if (isDone) this.record(due, now);
    if (this.loop.kind === 'open') this.pump(now);
    else if (this.isSending) this.launch(now, now);
  }

  private record(due: number, now: number): void {
    this.recorder.roll(now);
    this.recorder.answered(due, now);
    if (now < this.endedAt) {
      this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.answeredAt);
      this.answeredAt = now;
    }
    if (due >= this.beganAt && due < this.endedAt) this.samples.add(due - this.beganAt, now - due);
  }

  private pump(now: number): void {
    while (this.arrivals!.isDue(now)) this.launch(this.arrivals!.take(), now);
  }
}
