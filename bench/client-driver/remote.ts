/** The harness's handle on a client driver. */

import { join } from 'node:path';

import { DriverProcess } from '../driver/driver-process.ts';
import type { Verdict } from '../driver/verify.ts';
import type { ClientJob, ClientTotals, FromClientDriver, ToClientDriver } from './protocol.ts';

/** Longer than the driver waits for what is open. */
const DRAIN_ANSWER_MAX_MS = 90_000;
const VERIFY_ANSWER_MAX_MS = 300_000;

export class RemoteClientDriver extends DriverProcess<ToClientDriver, FromClientDriver> {
  constructor() {
    super(join(import.meta.dirname, 'main.ts'));
  }

  /** Resolves when the load runs. */
  async start(job: ClientJob): Promise<void> {
    await this.ask({ do: 'start', job }, 'started');
  }

  /** Of the measured time; resolves with when that was, by `monotonicMs`. */
  async begin(): Promise<number> {
    return (await this.ask({ do: 'begin' }, 'begun')).atMs;
  }

  /** Of the measured time; what is still open is waited for by `drain`. */
  async end(): Promise<void> {
    await this.ask({ do: 'end' }, 'ended');
  }

  async drain(): Promise<ClientTotals> {
    return (await this.ask({ do: 'drain' }, 'drained', DRAIN_ANSWER_MAX_MS)).totals;
  }

  /** By actor and then by probe, as in the totals. */
  async verify(counts: Float64Array, sums: Float64Array): Promise<Verdict> {
    return (await this.ask({ do: 'verify', counts, sums }, 'verified', VERIFY_ANSWER_MAX_MS)).verdict;
  }

  /** One command to each of these probes. Resolves when all are answered, with when each was, by `monotonicMs`. */
  async reach(probes: readonly number[], maxMs: number): Promise<readonly number[]> {
    return (await this.ask({ do: 'reach', probes }, 'reached', maxMs)).atMs;
  }

  /** Begins to send to each of these probes, one command after the other. */
  async probe(probes: readonly number[], paceMs: number): Promise<void> {
    await this.ask({ do: 'probe', probes, paceMs }, 'probing');
  }

  /** Ends that; resolves with the longest that a command to each probe took. */
  async unprobe(): Promise<readonly number[]> {
    return (await this.ask({ do: 'unprobe' }, 'probed')).longestMs;
  }
}
