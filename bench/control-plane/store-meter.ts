/**
 * Counts what is asked of the store, by kind and by second of virtual time, and the bytes of the answers. The store in memory gives every map as a
 * whole and for nothing; what the one in Redis would send is weighed here, by its rules.
 */

import { ENTRY_BYTES } from '../../cluster/bucket-map.ts';
import type { BucketMap } from '../../cluster/bucket-map.ts';

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

/** Of cluster/control/lua/common.lua: versions that can be caught up with, and bytes a change. */
const CHANGES_KEPT = 1_024;
const CHANGE_BYTES = 4 + ENTRY_BYTES;

/** What it takes to get from one version of the map to another. */
export class ChangeWeights {
  /** Buckets changed, by version. */
  private readonly changed = new Map<number, number>();

  note(version: number, buckets: number): void {
    this.changed.set(version, buckets);
    this.changed.delete(version - CHANGES_KEPT);
  }

  /** Null when the whole map is sent. */
  bytesSince(known: number, map: BucketMap): number | null {
    if (!this.changed.has(known) || map.version - known >= CHANGES_KEPT) return null;
    let bytes = 0;
    for (let version = known + 1; version <= map.version; version++) {
      bytes += (this.changed.get(version) ?? Infinity) * CHANGE_BYTES;
    }
    return bytes < map.size * ENTRY_BYTES ? bytes : null;
  }
}
