/**
 * The closed loop over HTTP: every connection has one request open, and its answer is the reason for the next. Keeps per counter the sum of the increments
 * that were acknowledged, so that the state can be held against it.
 *
 * H1  What was not answered with 200 is no increment and no measure, and fails the check of the run: its effect is not known.
 */

import { Histogram } from '../driver/histogram.ts';
import type { Check } from '../report/report.ts';
import type { Dialect } from './dialect.ts';
import { HttpConnection } from './http-connection.ts';
import { Slices } from './slices.ts';

export interface HttpLoadOptions {
  readonly actors: number;
  readonly connections: number;
  readonly seed: number;
}

const BY_MAX = 7;
const DRAIN_MAX_MS = 15_000;
const OK = 200;
const SHOWN_MAX = 10;

type Work = () => { readonly request: string; answered(body: string): void } | null;

export class HttpLoad {
  readonly histogram = new Histogram();
  readonly sums: Float64Array;
  readonly errors = new Map<string, number>();
  slices = new Slices();
  acknowledged = 0;
  private measuringSince = -1;
  private isSending = false;
  private running: Promise<unknown> = Promise.resolve();
  private random: number;
  private readonly dialect: Dialect;
  private readonly options: HttpLoadOptions;
  private readonly connections: readonly HttpConnection[];

  static async open(port: number, dialect: Dialect, options: HttpLoadOptions): Promise<HttpLoad> {
    const connections = await Promise.all(Array.from({ length: options.connections }, () => HttpConnection.open(port)));
    return new HttpLoad(connections, dialect, options);
  }

  private constructor(connections: readonly HttpConnection[], dialect: Dialect, options: HttpLoadOptions) {
    this.connections = connections;
    this.dialect = dialect;
    this.options = options;
    this.sums = new Float64Array(options.actors);
    this.random = (options.seed | 0) || 1;
  }

  /** Increments every counter once, so that none is created while it is measured. */
  async touchAll(): Promise<void> {
    let next = 0;
    await this.work(() => (next === this.options.actors ? null : this.increment(next++)));
  }

  start(): void {
    this.isSending = true;
    this.running = this.work(() => (this.isSending ? this.increment(this.pick(this.options.actors)) : null));
  }

  /** Resolves when all that is open has been answered, its connection was lost, or that takes too long. */
  async stop(maxMs = DRAIN_MAX_MS): Promise<void> {
    this.isSending = false;
    const timer = setTimeout(() => {
      for (const connection of this.connections) if (connection.owner !== null) connection.giveUp(`no answer within ${maxMs} ms`);
    }, maxMs);
    await this.running;
    clearTimeout(timer);
  }

  beginMeasuring(): void {
    this.histogram.reset();
    this.slices = new Slices();
    this.acknowledged = 0;
    this.measuringSince = performance.now();
  }

  /** For how long it was measured. */
  endMeasuring(): number {
    const windowMs = performance.now() - this.measuringSince;
    this.measuringSince = -1;
    return windowMs;
  }

  /** Reads every counter back. */
  async check(): Promise<Check> {
    const lost = [...this.errors].map(([text, count]) => `${count} x ${text}`);
    if (lost.length > 0) return { passed: false, detail: `not acknowledged: ${lost.join('; ')}` };
    const differences: string[] = [];
    let next = 0;
    let differing = 0;
    await this.work(() => {
      if (next === this.options.actors) return null;
      const actor = next++;
      const answered = (body: string): void => {
        if (Number(body) === this.sums[actor]) return;
        differing++;
        if (differences.length < SHOWN_MAX) differences.push(`c-${actor} holds ${body}, acknowledged were ${this.sums[actor]}`);
      };
      return { request: this.dialect.read(actor), answered };
    });
    if (this.errors.size > 0) return { passed: false, detail: `counters could not be read: ${[...this.errors.keys()].join('; ')}` };
    if (differing > 0) return { passed: false, detail: `${differing} counters differ: ${differences.join('; ')}` };
    return { passed: true, detail: `${next} counters hold the sum of the acknowledged increments` };
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  private increment(actor: number): ReturnType<Work> {
    const by = 1 + this.pick(BY_MAX);
    const sentAt = performance.now();
    const answered = (): void => {
      this.sums[actor] = this.sums[actor]! + by;
      if (this.measuringSince >= 0) this.measure(sentAt);
    };
    return { request: this.dialect.increment(actor, by), answered };
  }

  private measure(sentAt: number): void {
    const now = performance.now();
    this.acknowledged++;
    this.histogram.record(now - sentAt);
    this.slices.record(now - this.measuringSince, now - sentAt);
  }

  private async work(next: Work): Promise<void> {
    await Promise.all(this.connections.map((connection) => this.workOn(connection, next)));
  }

  private workOn(connection: HttpConnection, next: Work): Promise<void> {
    return new Promise((resolve) => {
      let open: ReturnType<Work> = null;
      const send = (): void => {
        open = connection.isOpen ? next() : null;
        if (open !== null) return connection.send(open.request);
        connection.owner = null;
        resolve();
      };
      connection.owner = {
        answered: (status, body) => {
          if (status === OK) open?.answered(body);
          else this.countError(`${status} ${body.slice(0, 200)}`);
          send();
        },
        lost: (reason) => {
          this.countError(`connection lost: ${reason}`);
          open = null;
          resolve();
        },
      };
      send();
    });
  }

  private countError(text: string): void {
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
  }

  /** Uniform in [0, below), from the seed. */
  private pick(below: number): number {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return (x >>> 0) % below;
  }
}
