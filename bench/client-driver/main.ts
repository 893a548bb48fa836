/** A client driver process: our own client under load, as apps use it. Started by the harness, one or more a run. */

import { setTimeout as sleep } from 'node:timers/promises';

import { converse } from '../driver/conversation.ts';
import { monotonicMs } from '../driver/monotonic.ts';
import { DriverRandom } from '../driver/random.ts';
import { CarefulClient } from './careful-client.ts';
import { Counters } from './counters.ts';
import { ClientLoad } from './load.ts';
import { Probes } from './probes.ts';
import type { ClientJob, ClientTotals, FromClientDriver, ToClientDriver } from './protocol.ts';

const DRAIN_MAX_MS = 60_000;
const POLL_MS = 5;
/** Of a random name: two drivers never share it. */
const NAME_DIGITS = 8;

let job: ClientJob;
let clients: CarefulClient[] = [];
let counters: Counters;
let probes: Probes;
let load: ClientLoad;

const { tell, failed } = converse<ToClientDriver, FromClientDriver>(handle);

async function handle(message: ToClientDriver): Promise<void> {
  switch (message.do) {
    case 'start':
      await start(message.job);
      tell({ is: 'started' });
      return;
    case 'begin':
      for (const { sends } of clients) sends.retried = sends.again = 0;
      load.begin();
      tell({ is: 'begun', atMs: monotonicMs() });
      return;
    case 'end':
      load.end();
      tell({ is: 'ended' });
      return;
    case 'drain':
      load.stop();
      tell({ is: 'drained', totals: await drained() });
      return;
    case 'verify':
      tell({ is: 'verified', verdict: await counters.verify(job.urls, message.counts, message.sums) });
      return;
    case 'reach':
      tell({ is: 'reached', atMs: await probes.reach(message.probes) });
      return;
    case 'probe':
      probes.probe(message.probes, message.paceMs);
      tell({ is: 'probing' });
      return;
    case 'unprobe':
      tell({ is: 'probed', ...(await probes.end()) });
      return;
  }
}

async function start(next: ClientJob): Promise<void> {
  job = next;
  const name = crypto.randomUUID().slice(0, NAME_DIGITS);
  const random = new DriverRandom(job.seed);
  // The last one is for the probes.
  clients = Array.from({ length: job.clients + 1 }, (_, i) => new CarefulClient(urlsFrom(i), `${name}.${i}`, { direct: job.direct }));
  await Promise.all(clients.map(({ client }) => client.ready()));
  const prober = clients.at(-1)!;
  counters = new Counters(job, clients.slice(0, -1), random);
  probes = new Probes(counters, prober, job.actors);
  load = new ClientLoad(job.loop, job.clients, random, counters.operation, failed);
  load.start();
}

/** Clients begin at different nodes, as apps behind a name with several addresses do. */
function urlsFrom(client: number): string[] {
  const { urls } = job;
  return urls.map((_, i) => urls[(i + client) % urls.length]!);
}

async function drained(): Promise<ClientTotals> {
  const until = performance.now() + DRAIN_MAX_MS;
  while (load.outstanding > 0 && performance.now() < until) await sleep(POLL_MS);
  const givenUp = new Map<string, number>();
  for (const client of clients) for (const [code, count] of client.givenUp) givenUp.set(code, (givenUp.get(code) ?? 0) + count);
  return {
    counts: counters.counts, sums: counters.sums, errors: [...counters.errors],
    unanswered: load.outstanding, unsent: 0, unknown: 0, wrong: 0,
    retries: sum(({ sends }) => sends.again), retried: sum(({ sends }) => sends.retried),
    givenUp: [...givenUp], samples: load.samples.dump(), longestSilenceMs: load.longestSilenceMs, measure: load.recorder.dump(),
  };
}

function sum(of: (client: CarefulClient) => number): number {
  return clients.reduce((all, client) => all + of(client), 0);
}
