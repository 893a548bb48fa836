/** Counts what is asked of the store, by kind and by second of virtual time, and the bytes of the answers. */

export interface StoreFigures {
  readonly callsPerSecondMean: number;
  /** Of the busiest second. */
  readonly callsPerSecondPeak: number;
  /** By kind, over all of the scenario. */
  readonly calls: Readonly<Record<string, number>>;
  readonly mapBytes: number;
  readonly nodeBytes: number;
}

export class StoreMeter {
  private calls: Record<string, number> = {};
  private bySecond = new Map<number, number>();
  private mapBytes = 0;
  private nodeBytes = 0;
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  count(kind: string, calls: number, mapBytes: number, nodeBytes = 0): void {
    const second = Math.floor(this.now() / 1_000);
    this.calls[kind] = (this.calls[kind] ?? 0) + calls;
    this.bySecond.set(second, (this.bySecond.get(second) ?? 0) + calls);
    this.mapBytes += mapBytes;
    this.nodeBytes += nodeBytes;
  }

  begin(): void {
    this.calls = {};
    this.bySecond = new Map();
    this.mapBytes = 0;
    this.nodeBytes = 0;
  }

  /** Of what was counted, within the time from the beginning until all was well again. */
  figures(fromMs: number, untilMs: number): StoreFigures {
    const inside = [...this.bySecond].filter(([second]) => second >= Math.floor(fromMs / 1_000) && second * 1_000 <= untilMs).map(([, calls]) => calls);
    return {
      callsPerSecondMean: inside.reduce((a, b) => a + b, 0) / Math.max(1, inside.length),
      callsPerSecondPeak: Math.max(0, ...inside),
      calls: Object.fromEntries(Object.entries(this.calls).sort()),
      mapBytes: this.mapBytes,
      nodeBytes: this.nodeBytes,
    };
  }
}
