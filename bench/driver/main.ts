/** A driver process: connects, runs the closed loop, reports. Started by the harness, one or more a run. */

import { setTimeout as sleep } from 'node:timers/promises';

import { Connection } from './connection.ts';
import type { DrivenType, FrameFormat } from './format.ts';
import { jsonFormat } from './json-format.ts';
import { Load } from './load.ts';
import { protoFormat } from './proto-format.ts';
import type { DriverJob, FromDriver, ToDriver } from './protocol.ts';
import { verify } from './verify.ts';

const DRAIN_MAX_MS = 15_000;

let connections: Connection[] = [];
let isJson = false;
let load: Load;
let beganAt = 0;

process.on('message', (message: ToDriver) => {
  handle(message).catch((error: unknown) => tell({ is: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }));
});
// Without the harness there is nobody to report to.
process.on('disconnect', () => process.exit(1));

function tell(message: FromDriver): void {
  process.send!(message);
}

async function handle(message: ToDriver): Promise<void> {
  switch (message.do) {
    case 'start':
      await start(message.job);
      return;
    case 'begin':
      load.beginMeasuring();
      beganAt = performance.now();
      tell({ is: 'begun' });
      return;
    case 'end':
      end();
      return;
    case 'drain':
      await drain();
      return;
    case 'verify':
      tell({ is: 'verified', verdict: await verify(connections[0]!, formatOf(message.type, message.counts.length), message.counts, message.sums) });
      return;
  }
}

async function start(job: DriverJob): Promise<void> {
  isJson = job.json;
  const format = formatOf(job.type, job.actors);
  connections = await Promise.all(Array.from({ length: job.connections }, (_, i) => Connection.open(job.ports[i % job.ports.length]!, format.subprotocol, format.text)));
  load = new Load(connections, format, job);
  load.start();
  tell({ is: 'started' });
}

function formatOf(type: DrivenType, actors: number): FrameFormat {
  return isJson ? jsonFormat(type, actors) : protoFormat(type, actors);
}

function end(): void {
  load.endMeasuring();
  const windowMs = performance.now() - beganAt;
  tell({ is: 'ended', measure: { acknowledged: load.acknowledged, windowMs, retries: load.retries, histogram: load.histogram.dump() } });
}

async function drain(): Promise<void> {
  load.stop();
  const until = performance.now() + DRAIN_MAX_MS;
  while (load.outstanding > 0 && performance.now() < until) await sleep(5);
  tell({
    is: 'drained',
    totals: { counts: load.counts, sums: load.sums, unanswered: load.outstanding, unknown: load.unknown, errors: [...load.errors] },
  });
}
