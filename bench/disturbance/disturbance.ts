/** Something that happens to servers while they are under load: what it may do, and what it says of it. */

import type { RemoteClientDriver } from '../client-driver/remote.ts';
import type { DriverRandom } from '../driver/random.ts';
import type { Figure } from '../report/report.ts';
import type { SubjectNode } from '../subject/node.ts';
import type { ProductSubject } from '../subject/subject.ts';

/** What a disturbance sees of a run. */
export interface World {
  readonly subject: ProductSubject;
  /** Has a probe in every bucket, by the bucket's index. */
  readonly driver: RemoteClientDriver;
  /** For files of its own. */
  readonly directory: string;
  readonly random: DriverRandom;
  readonly signal: AbortSignal;
  /** From the beginning of the measured time. */
  nowMs(): number;
  /** From `monotonicMs` to the same. */
  since(monotonicMs: number): number;
  /** It lasted from then until then; `kind` is one of the disturbance's. */
  lasted(kind: string, atMs: number, untilMs: number, text: string): void;
}

export interface Disturbance {
  /** Kinds of time of which the latencies are told apart from the rest, as they are named behind "p99". */
  readonly kinds: readonly string[];
  /** Whether it probes single buckets. */
  readonly isProbing: boolean;
  /** In front of the measured time, with how often it will strike. */
  prepare(world: World, times: number): Promise<void>;
  /** Resolves when it is over and the servers are at rest again. */
  strike(world: World, number: number): Promise<void>;
  /** When all is over. */
  figures(world: World): Promise<Figure[]>;
}

export function running({ subject }: World): SubjectNode[] {
  return subject.nodes.filter(({ isRunning }) => isRunning);
}

export function oneOf<T>({ random }: World, list: readonly T[]): T {
  const one = list[random.below(list.length)];
  if (one === undefined) throw new Error('there is none to choose');
  return one;
}

export function ms(name: string, value: number): Figure {
  return { name, value, unit: 'ms', isLessBetter: true };
}

/** A count of which fewer are better; with null, of which that cannot be said. */
export function times(name: string, value: number, isLessBetter: boolean | null = true): Figure {
  return { name, value, unit: '', isLessBetter };
}

/** Of a list in any order; 0 of none. The nearest rank, so that it is a value that was measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
