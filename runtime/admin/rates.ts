/** How fast counts grow: samples of them, taken at intervals, and the difference over the last few. */

interface Sample {
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, number>;
}

export class Rates {
  private readonly samplesMax: number;
  /** The oldest first. */
  private readonly samples: Sample[] = [];

  /** Looks back over `samplesMax - 1` intervals. */
  constructor(samplesMax: number) {
    this.samplesMax = samplesMax;
  }

  /** `atMs` is monotonic. What is missing in `counts` begins anew when it is there again. */
  add(atMs: number, counts: ReadonlyMap<string, number>): void {
    this.samples.push({ atMs, counts });
    if (this.samples.length > this.samplesMax) this.samples.shift();
  }

  /** Null for what was not in the last two samples. */
  perSecond(name: string): number | null {
    const newest = this.samples.at(-1);
    const count = newest?.counts.get(name);
    if (newest === undefined || count === undefined) return null;
    let since: Sample | null = null;
    for (let i = this.samples.length - 2; i >= 0 && this.samples[i]!.counts.has(name); i--) since = this.samples[i]!;
    if (since === null || newest.atMs <= since.atMs) return null;
    return (1_000 * (count - since.counts.get(name)!)) / (newest.atMs - since.atMs);
  }
}
