/** The harness's handle on a driver process. */

import { join } from 'node:path';

import { DriverProcess } from './driver-process.ts';
import type { DrivenType } from './format.ts';
import type { DriverJob, DriverTotals, FromDriver, ToDriver } from './protocol.ts';
import type { Lately } from './recorder.ts';
import type { Verdict } from './verify.ts';

const SWEEP_MAX_MS = 660_000;

export class RemoteDriver extends DriverProcess<ToDriver, FromDriver> {
  constructor() {
    super(join(import.meta.dirname, 'main.ts'));
  }

  async start(job: DriverJob): Promise<void> {
    await this.ask({ do: 'start', job }, 'started');
  }

  async begin(): Promise<void> {
    await this.ask({ do: 'begin' }, 'begun');
  }

  /** Of the last second. */
  async lately(): Promise<Lately> {
    return (await this.ask({ do: 'lately' }, 'looked')).lately;
  }

  /** Of the measured time; what is still open is waited for by `drain`. */
  async end(): Promise<void> {
    await this.ask({ do: 'end' }, 'ended');
  }

  async drain(): Promise<DriverTotals> {
    return (await this.ask({ do: 'drain' }, 'drained')).totals;
  }

  /** Of a sweep: when every actor has had its turn. */
  async finish(): Promise<DriverTotals> {
    return (await this.ask({ do: 'finish' }, 'drained', SWEEP_MAX_MS)).totals;
  }

  async verify(type: DrivenType, counts: Float64Array, sums: Float64Array): Promise<Verdict> {
    return (await this.ask({ do: 'verify', type, counts, sums }, 'verified')).verdict;
  }
}
