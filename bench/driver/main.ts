/** A driver process: connects, loads, reports. Started by the harness, one or more a run. */

import { setTimeout as sleep } from 'node:timers/promises';

import { converse } from './conversation.ts';
import { Connection } from './connection.ts';
import { actorAddress } from './format.ts';
import type { BodyShape, Driven, FrameFormat } from './format.ts';
import { jsonFormat } from './json-format.ts';
import { Load } from './load.ts';
import { placementOf } from './placement.ts';
import { protoFormat } from './proto-format.ts';
import type { DriverJob, FromDriver, ToDriver } from './protocol.ts';
import { verify } from './verify.ts';

const DRAIN_MAX_MS = 15_000;
const SWEEP_MAX_MS = 600_000;
const POLL_MS = 5;
const OPENED_AT_ONCE = 100;
const NO_SHAPE: BodyShape = { valueBytes: 0, fanOut: 0 };

let open: Connection[] = [];
let job: DriverJob;
let load: Load;

const { tell } = converse<ToDriver, FromDriver>(handle);

async function handle(message: ToDriver): Promise<void> {
  switch (message.do) {
    case 'start':
      await start(message.job);
      tell({ is: 'started' });
      return;
    case 'begin':
      load.recorder.begin(performance.now());
      load.retries = 0;
      tell({ is: 'begun' });
      return;
    case 'lately':
      tell({ is: 'looked', lately: load.recorder.lately(performance.now()) });
      return;
    case 'end':
      load.recorder.end(performance.now());
      tell({ is: 'ended' });
      return;
    case 'drain':
      load.stop();
      await drained(DRAIN_MAX_MS);
      totals();
      return;
    case 'finish':
      await drained(SWEEP_MAX_MS);
      load.recorder.end(performance.now());
      totals();
      return;
    case 'verify':
      tell({ is: 'verified', verdict: await verify(await verifier(), formatOf({ type: message.type, actors: message.counts.length, prefix: job.prefix, shape: NO_SHAPE }), message.counts, message.sums) });
      return;
  }
}

async function start(next: DriverJob): Promise<void> {
  for (const connection of open) connection.close();
  job = next;
  const format = formatOf(job);
  const ownerOf = job.direct ? await placementOf(job.endpoints, Array.from({ length: job.actors }, (_, i) => actorAddress(job, i))) : null;
  open = [];
  const byNode: Connection[][] = job.direct ? job.endpoints.map(() => []) : [[]];
  for (let i = 0; i < job.connections; i++) {
    const connection = await dial(format, i);
    byNode[job.direct ? i % job.endpoints.length : 0]!.push(connection);
  }
  for (let i = 0; i < job.idleConnections; i += OPENED_AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(OPENED_AT_ONCE, job.idleConnections - i) }, (_, j) => dial(format, i + j)));
  }
  load = new Load(byNode, format, job, ownerOf, job.expected);
  // A sweep is measured from its beginning.
  if (job.loop.kind === 'sweep') load.recorder.begin(performance.now());
  load.start();
}

async function dial(format: FrameFormat, number: number): Promise<Connection> {
  const connection = await Connection.open(job.endpoints[number % job.endpoints.length]!, format.subprotocol, format.text);
  open.push(connection);
  return connection;
}

/** A connection that carries nothing else. */
async function verifier(): Promise<Connection> {
  return dial(formatOf({ ...job, actors: 1 }), 0);
}

function formatOf(driven: Driven): FrameFormat {
  return job.json ? jsonFormat(driven) : protoFormat(driven);
}

async function drained(maxMs: number): Promise<void> {
  const until = performance.now() + maxMs;
  const isDone = (): boolean => (load.isSending ? load.isSwept : load.outstanding === 0 && load.waiting === 0);
  while (!isDone() && performance.now() < until) await sleep(POLL_MS);
}

function totals(): void {
  tell({
    is: 'drained',
    totals: {
      counts: load.counts, sums: load.sums, unanswered: load.outstanding, unsent: load.waiting, unknown: load.unknown, wrong: load.wrong,
      retries: load.retries, errors: [...load.errors], measure: load.recorder.dump(),
    },
  });
}
