/** Clients beside what is measured: commands at a fixed rate, whatever the answers take, and what each had to wait. */

import { Link } from './link.ts';
import type { OutgoingCommand } from './link.ts';

export interface Wait {
  /** When the command was sent, by performance.now(). */
  readonly sentMs: number;
  readonly ms: number;
}

export interface WaiterOptions {
  readonly port: number;
  /** Commands a second. */
  readonly rate: number;
  readonly command: (n: number) => Pick<OutgoingCommand, 'to' | 'name' | 'body'>;
}

const TICK_MS = 1;

export class Waiter {
  sent = 0;
  /** Answers with an error, by its code; they count as answers, too. */
  readonly errors: Record<string, number> = {};
  private readonly options: WaiterOptions;
  private readonly link: Link;
  private timer: NodeJS.Timeout | null;
  private readonly since = new Map<string, number>();
  private waits: Wait[] = [];

  static async open(options: WaiterOptions): Promise<Waiter> {
    return new Waiter(options, await Link.open(options.port));
  }

  private constructor(options: WaiterOptions, link: Link) {
    this.options = options;
    this.link = link;
    link.onAnswer = ({ id, error }) => {
      const sentMs = this.since.get(id)!;
      this.since.delete(id);
      this.waits.push({ sentMs, ms: performance.now() - sentMs });
      if (error !== undefined) this.errors[error.code] = (this.errors[error.code] ?? 0) + 1;
    };
    const began = performance.now();
    this.timer = setInterval(() => {
      for (const due = ((performance.now() - began) * options.rate) / 1_000; this.sent < due; ) this.send();
    }, TICK_MS);
  }

  /** Without an answer. */
  get open(): number {
    return this.since.size;
  }

  /** Of the answers since the last time. */
  take(): readonly Wait[] {
    const { waits } = this;
    this.waits = [];
    return waits;
  }

  /** Sends no more; what is on its way is still answered. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  close(): void {
    this.stop();
    this.link.close();
  }

  private send(): void {
    const id = `w-${this.sent}`;
    this.since.set(id, performance.now());
    this.link.command({ id, key: '', ...this.options.command(this.sent++) });
  }
}

/** The value below which a share of them lies, 0 of nothing. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function waitsText(waits: readonly Wait[]): string {
  const sorted = waits.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number): string => quantile(sorted, share).toFixed(1);
  return `${sorted.length} answered, median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`;
}
