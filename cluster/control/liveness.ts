/**
 * Who lives, as one node sees it: from the counters that the answers to its own beats show, and its own monotonic clock.
 *
 * L1  A node is dead when its counter stood still for `leaseTtlMs` of observed time, and lives again when its counter changes.
 * L2  Observed is only the time between two beats of the observer's own that both succeeded, less than half a lease apart. After a
 *     failed beat, or a longer gap, the silence of all that live is counted from zero. [The store is down for a minute; who reaches it first
 *     afterwards sees everybody else silent for a minute.] [The observer itself was suspended.]
 * L3  An outage raises nobody from the dead: there, silence is not reset.
 * L4  A node that is seen for the first time lives.
 *
 * An error costs time only: whoever is taken for dead and lives finds its epochs taken when it next appends.
 */

export interface Pulse {
  readonly number: number;
  readonly counter: number;
}

interface Seen {
  readonly number: number;
  counter: number;
  silentMs: number;
}

export class Liveness {
  /** Counts up whenever a node comes, goes, dies or comes back to life. */
  changes = 0;
  private readonly leaseTtlMs: number;
  /** In the order of the last answer, in which every beat finds them again. */
  private seen: Seen[] = [];
  private readonly byNumber = new Map<number, Seen>();
  /** When the last beat was answered; null after one that failed. */
  private observedAt: number | null = null;

  constructor(leaseTtlMs: number) {
    this.leaseTtlMs = leaseTtlMs;
  }

  /** A beat of our own was answered, at `nowMs` of the monotonic clock, with these counters. */
  observe(nowMs: number, pulses: readonly Pulse[]): void {
    const passedMs = this.observedMsSince(nowMs);
    if (!this.isOfSameNodes(pulses)) this.take(pulses);
    for (let i = 0; i < pulses.length; i++) this.hear(this.seen[i]!, pulses[i]!.counter, passedMs);
    this.observedAt = nowMs;
  }

  /** A beat of our own failed, or nobody knows. */
  missed(): void {
    this.observedAt = null;
  }

  /** False for a node that was not in the last answer. */
  isAlive(number: number): boolean {
    const node = this.byNumber.get(number);
    return node !== undefined && node.silentMs < this.leaseTtlMs;
  }

  /** Observed time since its counter last changed. */
  silentMs(number: number): number {
    return this.byNumber.get(number)?.silentMs ?? 0;
  }

  private isOfSameNodes(pulses: readonly Pulse[]): boolean {
    const { seen } = this;
    if (seen.length !== pulses.length) return false;
    for (let i = 0; i < seen.length; i++) if (seen[i]!.number !== pulses[i]!.number) return false;
    return true;
  }

  /** Others are there than before. */
  private take(pulses: readonly Pulse[]): void {
    // L4: whose counter was never seen has been silent for no time.
    this.seen = pulses.map(({ number, counter }) => this.byNumber.get(number) ?? { number, counter: counter - 1, silentMs: 0 });
    for (const node of this.seen) if (!this.byNumber.has(node.number)) this.byNumber.set(node.number, node);
    if (this.byNumber.size > this.seen.length) this.forgetOthers();
    this.changes++;
  }

  private forgetOthers(): void {
    const shown = new Set(this.seen.map(({ number }) => number));
    for (const number of this.byNumber.keys()) if (!shown.has(number)) this.byNumber.delete(number);
  }

  private hear(node: Seen, counter: number, passedMs: number | null): void {
    const wasAlive = node.silentMs < this.leaseTtlMs;
    node.silentMs = node.counter === counter ? this.silenceAfter(node, passedMs) : 0;
    node.counter = counter;
    if (wasAlive !== node.silentMs < this.leaseTtlMs) this.changes++;
  }

  /** Null when the time since the last answer does not count (L2). */
  private observedMsSince(nowMs: number): number | null {
    if (this.observedAt === null) return null;
    const passedMs = nowMs - this.observedAt;
    return passedMs < this.leaseTtlMs / 2 ? passedMs : null;
  }

  private silenceAfter(before: Seen, passedMs: number | null): number {
    if (passedMs !== null) return before.silentMs + passedMs;
    return before.silentMs < this.leaseTtlMs ? 0 : before.silentMs;
  }
}
