/** The harness's handle on the customers. */

import { join } from 'node:path';

import { DriverProcess } from '../driver/driver-process.ts';
import type { CustomersTotals, FromCustomers, Settled, ShopJob, ToCustomers } from './protocol.ts';

const CLOSE_MAX_MS = 180_000;
/** Until the process itself says that it takes too long. */
const SLACK_MS = 60_000;

export class RemoteCustomers extends DriverProcess<ToCustomers, FromCustomers> {
  constructor() {
    super(join(import.meta.dirname, 'main.ts'));
  }

  async start(job: ShopJob): Promise<void> {
    await this.ask({ do: 'start', job }, 'started');
  }

  async begin(): Promise<number> {
    return (await this.ask({ do: 'begin' }, 'begun')).wallMs;
  }

  async end(): Promise<number> {
    return (await this.ask({ do: 'end' }, 'ended')).wallMs;
  }

  /** Resolves with when it was acknowledged. */
  async offSale(product: number): Promise<number> {
    return (await this.ask({ do: 'offSale', product }, 'offSale')).wallMs;
  }

  async close(): Promise<CustomersTotals> {
    return (await this.ask({ do: 'close' }, 'closed', CLOSE_MAX_MS)).totals;
  }

  async settle(withinMs: number): Promise<Settled> {
    return this.ask({ do: 'settle', withinMs }, 'settled', withinMs + SLACK_MS);
  }
}
