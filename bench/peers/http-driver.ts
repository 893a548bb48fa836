/** The driver of peers as a process: connects, touches every counter, runs the closed loop, checks. The harness' side is remote-load.ts. */

import { dialects } from './dialect.ts';
import type { DialectName } from './dialect.ts';
import type { HistogramDump } from '../driver/histogram.ts';
import type { Check, Timeline } from '../report/report.ts';
import { HttpLoad } from './http-load.ts';
import type { HttpLoadOptions } from './http-load.ts';

export interface HttpJob extends HttpLoadOptions {
  readonly port: number;
  readonly dialect: DialectName;
}

export type ToHttpDriver = { readonly do: 'start'; readonly job: HttpJob } | { readonly do: 'begin' } | { readonly do: 'end' } | { readonly do: 'check' };

export interface HttpMeasure {
  readonly acknowledged: number;
  readonly windowMs: number;
  readonly histogram: HistogramDump;
  readonly timeline: Timeline;
}

export interface HttpVerdict {
  readonly check: Check;
  readonly errors: readonly (readonly [string, number])[];
}

export type FromHttpDriver =
  | { readonly is: 'started' }
  | { readonly is: 'begun' }
  | { readonly is: 'ended'; readonly measure: HttpMeasure }
  | { readonly is: 'checked'; readonly verdict: HttpVerdict }
  | { readonly is: 'failed'; readonly message: string };

let load: HttpLoad;

process.on('message', (message: ToHttpDriver) => {
  handle(message).then(tell, (error: unknown) => tell({ is: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }));
});
// Without the harness there is nobody to report to.
process.on('disconnect', () => process.exit(1));

function tell(message: FromHttpDriver): void {
  process.send!(message);
}

async function handle(message: ToHttpDriver): Promise<FromHttpDriver> {
  switch (message.do) {
    case 'start':
      load = await HttpLoad.open(message.job.port, dialects[message.job.dialect], message.job);
      await load.touchAll();
      load.start();
      return { is: 'started' };
    case 'begin':
      load.beginMeasuring();
      return { is: 'begun' };
    case 'end': {
      const windowMs = load.endMeasuring();
      const { acknowledged, histogram, slices } = load;
      return { is: 'ended', measure: { acknowledged, windowMs, histogram: histogram.dump(), timeline: slices.timeline(windowMs) } };
    }
    case 'check': {
      await load.stop();
      const check = await load.check();
      load.close();
      return { is: 'checked', verdict: { check, errors: [...load.errors] } };
    }
  }
}
