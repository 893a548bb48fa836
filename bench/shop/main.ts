/** The process of the shop's customers. Started by the harness, one a run. */

import { setTimeout as sleep } from 'node:timers/promises';

import { converse } from '../driver/conversation.ts';
import { CarefulClient } from '../client-driver/careful-client.ts';
import { ClientLoad } from '../client-driver/load.ts';
import { DriverRandom } from '../driver/random.ts';
import { Customers } from './customers.ts';
import type { CustomersTotals, FromCustomers, ShopJob, ToCustomers } from './protocol.ts';

const CLOSE_MAX_MS = 120_000;
const POLL_MS = 5;
/** Of a random name: two runs never share it. */
const NAME_DIGITS = 8;

let clients: CarefulClient[] = [];
let customers: Customers;
let load: ClientLoad;

const { tell, failed } = converse<ToCustomers, FromCustomers>(handle);

async function handle(message: ToCustomers): Promise<void> {
  switch (message.do) {
    case 'start':
      await start(message.job);
      tell({ is: 'started' });
      return;
    case 'begin':
      for (const { sends } of clients) sends.again = 0;
      customers.isInTime = true;
      customers.commands.begin(performance.now());
      load.begin();
      tell({ is: 'begun', wallMs: Date.now() });
      return;
    case 'end':
      load.end();
      customers.commands.end(performance.now());
      customers.isInTime = false;
      tell({ is: 'ended', wallMs: Date.now() });
      return;
    case 'offSale':
      tell({ is: 'offSale', wallMs: await customers.takeOffSale(message.product) });
      return;
    case 'close':
      load.stop();
      tell({ is: 'closed', totals: await closed() });
      return;
    case 'settle':
      tell({ is: 'settled', ...(await customers.settle(message.withinMs)) });
      return;
  }
}

async function start(job: ShopJob): Promise<void> {
  const name = crypto.randomUUID().slice(0, NAME_DIGITS);
  const { urls } = job;
  clients = Array.from({ length: job.clients }, (_, i) => new CarefulClient(urls.map((_url, at) => urls[(i + at) % urls.length]!), `${name}.${i}`));
  await Promise.all(clients.map(({ client }) => client.ready()));
  const random = new DriverRandom(job.seed);
  customers = new Customers(job, clients, random);
  await customers.prepare(failed);
  load = new ClientLoad(job.loop, job.clients, random, () => customers.order(), failed);
  load.start();
}

async function closed(): Promise<CustomersTotals> {
  const { late, placed, placedInTime, answered, errors, commands } = customers;
  const until = performance.now() + CLOSE_MAX_MS;
  while (load.outstanding + late.size > 0 && performance.now() < until) await sleep(POLL_MS);
  return {
    commands: commands.dump(), orders: load.recorder.dump(), placed, placedInTime, answered, errors: [...errors],
    retries: clients.reduce((sum, { sends }) => sum + sends.again, 0), unanswered: load.outstanding + late.size,
  };
}
