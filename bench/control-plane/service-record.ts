/**
 * What the journals of all buckets would know, and when each bucket was served: who took which epoch last, whether that node serves, and for how
 * long nobody did. Facts of the simulation itself; no node looks in here but to take an epoch.
 */

/** Stands for nobody who serves. */
export const NOBODY = -1;

export interface Absence {
  /** Buckets that nobody served for a while. */
  readonly buckets: number;
  /** How long in all, of those buckets. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class ServiceRecord {
  /** Buckets that nobody serves at the moment. */
  unserved: number;
  /** Openings since `begin`, each under a new epoch. */
  moves = 0;
  lastChangeMs = 0;
  readonly epochs: Uint32Array;
  /** The ordinal of the process that serves under the highest epoch. */
  private readonly servers: Int32Array;
  private readonly sinceMs: Float64Array;
  private readonly absentMs: Float64Array;
  private readonly now: () => number;

  constructor(buckets: number, now: () => number) {
    this.now = now;
    this.unserved = buckets;
    this.epochs = new Uint32Array(buckets);
    this.servers = new Int32Array(buckets).fill(NOBODY);
    this.sinceMs = new Float64Array(buckets);
    this.absentMs = new Float64Array(buckets);
  }

  serverOf(index: number): number {
    return this.servers[index]!;
  }

  /** From now on nobody else can append. */
  takeEpoch(index: number): number {
    this.stopped(index, this.servers[index]!);
    return ++this.epochs[index]!;
  }

  /** The epoch may be another's by now: then this serves nobody, and whoever opened it will find out. */
  serves(index: number, server: number, epoch: number): void {
    if (epoch !== this.epochs[index] || this.servers[index] === server) return;
    this.servers[index] = server;
    this.unserved--;
    this.absentMs[index]! += this.now() - this.sinceMs[index]!;
    this.lastChangeMs = this.now();
  }

  /** It ended, holds still, or lost the bucket. */
  stopped(index: number, server: number): void {
    if (server === NOBODY || this.servers[index] !== server) return;
    this.servers[index] = NOBODY;
    this.unserved++;
    this.sinceMs[index] = this.now();
    this.lastChangeMs = this.now();
  }

  ended(server: number): void {
    for (let index = 0; index < this.servers.length; index++) this.stopped(index, server);
  }

  /** A scenario begins: counts from here. */
  begin(): void {
    this.moves = 0;
    this.absentMs.fill(0);
    this.sinceMs.fill(this.now());
  }

  absence(): Absence {
    const times = this.absentMs.filter((ms) => ms > 0).sort();
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
    return { buckets: times.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: times.at(-1) ?? 0 };
  }
}
