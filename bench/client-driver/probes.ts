/**
 * Commands beside the load, to counters that nobody else uses, which tell when a bucket serves: with a client of their own, so that they wait
 * behind nothing of the load, and acknowledged in the same book.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { monotonicMs } from '../driver/monotonic.ts';
import type { CarefulClient } from './careful-client.ts';
import type { Counters } from './counters.ts';

export class Probes {
  private readonly counters: Counters;
  private readonly client: CarefulClient;
  /** Index of the first in the book. */
  private readonly first: number;
  private isProbing = false;
  private running: Promise<number>[] = [];
  private commands = 0;

  constructor(counters: Counters, client: CarefulClient, first: number) {
    this.counters = counters;
    this.client = client;
    this.first = first;
  }

  /** When each has answered a command that was sent now. */
  reach(probes: readonly number[]): Promise<number[]> {
    return Promise.all(probes.map(async (probe) => {
      await this.counters.increment(this.first + probe, this.client);
      return monotonicMs();
    }));
  }

  probe(probes: readonly number[], paceMs: number): void {
    this.isProbing = true;
    this.running.push(...probes.map((probe) => this.keepAsking(probe, paceMs)));
  }

  /** Of each probe, in the order in which they were given, the longest that a command took. */
  async end(): Promise<{ longestMs: number[]; commands: number }> {
    this.isProbing = false;
    const longestMs = await Promise.all(this.running);
    const { commands } = this;
    this.running = [];
    this.commands = 0;
    return { longestMs, commands };
  }

  private async keepAsking(probe: number, paceMs: number): Promise<number> {
    let longestMs = 0;
    // Not all in the same instant.
    await sleep(Math.random() * paceMs);
    do {
      const since = performance.now();
      await this.counters.increment(this.first + probe, this.client);
      this.commands++;
      longestMs = Math.max(longestMs, performance.now() - since);
      await sleep(paceMs);
    } while (this.isProbing);
    return longestMs;
  }
}
