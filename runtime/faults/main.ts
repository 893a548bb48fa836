/** `npm run faults -- <kind> [options]`: faults on purpose, and the proof that what was promised held. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { runColdScale } from './cold-scale.ts';
import { runHostile } from './hostile.ts';
import { runKillCampaign } from './kill.ts';
import { runMessagesCampaign } from './messages/campaign.ts';
import { SHOP_BEHAVIORS } from './node-process.ts';
import { breakShop, breaks } from './off-sale/broken-shop.ts';
import { NodeVenue } from './off-sale/node-venue.ts';
import { runOffSale } from './off-sale/off-sale.ts';
import { offSaleText } from './off-sale/report.ts';
import { runScale } from './scale.ts';
import { runBroadcast } from './broadcast.ts';
import { runTimers } from './timers.ts';

const help = `Usage: npm run faults -- <kind> [options]

  kill       kill -9 under full load, many times on one data directory, with a proof after every restart
    --rounds <n>          (200)
    --connections <n>     (8)
    --in-flight <n>       commands in flight on each connection                          (64)
    --actors <n>          half of them ledgers, half counters                            (256)
    --load-min <ms>, --load-max <ms>   load runs for a random time in between            (200, 1500)
    --lose-unsynced       every kill is a power cut too: what was not synced is lost
    --break sync|keys     switch the mechanism off; the run must then end with findings
    --seed <n>            (from the clock)
    --start-args <args>   further arguments for troupe start
    --data <dir>          where the data directory is made; it is kept when something was found
    --keep                keep it anyway

  scale      many records of many actors, then restarts: time to ready, first command to cold actors, memory
    --records <n>         (1000000)
    --actors <n>          (100000)
    --cold <n>            cold actors that are timed                                     (2000)
    --start-args, --data, --keep as above

  cold-scale many actors on a node with Redis and a cold tier, few of them in use: what Redis holds, what finding a cold actor costs
    --actors <n>          (1000000)
    --active <n>          used again afterwards, ten commands each                       (10000)
    --hot <MiB>           --hot-log-max-mib of the node                                  (64)
    --timed <n>           actors that are timed                                          (2000)
    --json                the report as one JSON document; what is said on the way goes to stderr
    --start-args, --data, --keep as above

  timers     very many pending timers beside none, after the same commands: time to ready, commands a second; many timers due at once
    --timers <n>          pending, a hundred an actor                                    (1000000)
    --commands <n>        of the load that is measured                                   (200000)
    --burst <n>           timers that are due at once                                    (100000)
  broadcast  very many actors that are linked to one, and a broadcast to all of them: time to the last, memory, what clients wait meanwhile
    --linked <n>          actors that are linked                                         (100000)
    --rate <n>            commands of clients a second                                   (200)
    --start-args, --data, --keep as above

  off-sale   a product goes off sale to which very many unpaid orders refer, while payments for them stream in and the time to pay of some
             ends: every order one outcome, no piece and no amount lost; how long it takes to the last void
    --orders <n>          (10000)
    --pay <percent>       of the orders: somebody pays, around the off-sale                (30)
    --expire <percent>    of the orders: their time to pay ends around the off-sale        (10)
    --wrong <percent>     of the payments: not the right amount                            (10)
    --rate <n>            commands of other clients a second                               (200)
    --break refund|void   a mistake in the shop's scripts; the run must then end with findings
    --seed, --json as below
    --start-args, --data, --keep as above

  hostile    scripts that loop, allocate, and throw what cannot be looked at, beside actors under steady load
    --rate <n>            commands a second to the other actors                          (2000)
    --actors <n>          of those                                                       (1000)
    --phase <ms>          time of each kind of script                                    (15000)
    --every <ms>          between two hostile commands                                   (2000)
    --start-args, --data, --keep as above

  messages   kill -9 of a node and of its sandboxes while a shop is open; every message between its actors had its effect once
    --rounds <n>          (50)
    --proof-every <n>     rounds; the shop closes for it and comes to rest               (10)
    --rate <n>            orders a second                                                (100)
    --burst <n>           orders at once right in front of each fault                    (20)
    --products <n>        (40)
    --load-min <ms>, --load-max <ms>   the shop is open for a random time in between     (200, 1500)
    --seed <n>            (from the clock)
    --json                the report as one JSON document; what is said on the way goes to stderr
    --start-args, --data, --keep as above

  cluster    faults of nodes, of Redis and of the network between them, on a cluster under load; it has its own --help
             (cluster/faults/main.ts, which scripts/run.cjs starts)

Exit code 1 when anything was found wrong.
`;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const common = {
  'start-args': { type: 'string', default: '' },
  data: { type: 'string', default: tmpdir() },
  keep: { type: 'boolean', default: false },
} as const;

async function kill(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '200' },
      connections: { type: 'string', default: '8' },
      'in-flight': { type: 'string', default: '64' },
      actors: { type: 'string', default: '256' },
      'load-min': { type: 'string', default: '200' },
      'load-max': { type: 'string', default: '1500' },
      'lose-unsynced': { type: 'boolean', default: false },
      break: { type: 'string', default: 'nothing' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      ...common,
    },
  });
  if (values.break !== 'nothing' && values.break !== 'sync' && values.break !== 'keys') throw new Error('--break is sync or keys');
  say(`seed ${values.seed}`);
  const broken = values.break;
  return inDirectory(values, async (directory) => {
    const { findings, ...figures } = await runKillCampaign({
      directory,
      rounds: whole('rounds', values.rounds),
      connections: whole('connections', values.connections),
      inFlight: whole('in-flight', values['in-flight']),
      actors: whole('actors', values.actors),
      loadMinMs: whole('load-min', values['load-min']),
      loadMaxMs: whole('load-max', values['load-max']),
      againShare: 0.1,
      // Without the loss, switching the sync off changes nothing that can be seen.
      loseUnsynced: values['lose-unsynced'] || broken === 'sync',
      break: broken,
      seed: whole('seed', values.seed),
      startArgs: words(values['start-args']),
      say,
    });
    say(Object.entries(figures).map(([name, value]) => `${name} ${value}`).join(', '));
    return findings;
  });
}

async function scale(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...common, records: { type: 'string', default: '1000000' }, actors: { type: 'string', default: '100000' }, cold: { type: 'string', default: '2000' } },
  });
  return inDirectory(values, (directory) =>
    runScale({
      directory,
      records: whole('records', values.records),
      actors: whole('actors', values.actors),
      coldActors: whole('cold', values.cold),
      startArgs: words(values['start-args']),
      say,
    }),
  );
}

async function coldScale(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...common,
      json: { type: 'boolean', default: false },
      actors: { type: 'string', default: '1000000' },
      active: { type: 'string', default: '10000' },
      hot: { type: 'string', default: '64' },
      timed: { type: 'string', default: '2000' },
    },
  });
  const talk = values.json ? (text: string): void => void process.stderr.write(`${text}\n`) : say;
  return inDirectory(values, async (directory) => {
    const report = await runColdScale({
      directory,
      actors: whole('actors', values.actors),
      active: whole('active', values.active),
      commandsEach: 10,
      hotMib: whole('hot', values.hot),
      timed: whole('timed', values.timed),
      startArgs: words(values['start-args']),
      say: talk,
    });
    if (values.json) say(JSON.stringify(report));
    return report.findings;
  }, talk);
}

async function timers(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...common, timers: { type: 'string', default: '1000000' }, commands: { type: 'string', default: '200000' }, burst: { type: 'string', default: '100000' } },
  });
  return inDirectory(values, (directory) =>
    runTimers({
      directory,
      timers: whole('timers', values.timers),
      commands: whole('commands', values.commands),
      burst: whole('burst', values.burst),
      startArgs: words(values['start-args']),
      say,
    }),
  );
}

async function broadcast(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...common, linked: { type: 'string', default: '100000' }, rate: { type: 'string', default: '200' } },
  });
  return inDirectory(values, (directory) =>
    runBroadcast({
      directory,
      linked: whole('linked', values.linked),
      rate: whole('rate', values.rate),
      startArgs: words(values['start-args']),
      say,
    }),
  );
}

async function offSale(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...common,
      json: { type: 'boolean', default: false },
      orders: { type: 'string', default: '10000' },
      pay: { type: 'string', default: '30' },
      expire: { type: 'string', default: '10' },
      wrong: { type: 'string', default: '10' },
      rate: { type: 'string', default: '200' },
      break: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    },
  });
  const broken = breaks.find((what) => what === values.break);
  if (values.break !== undefined && broken === undefined) throw new Error(`--break is ${breaks.join(' or ')}`);
  const talk = values.json ? (text: string): void => void process.stderr.write(`${text}\n`) : say;
  talk(`seed ${values.seed}`);
  return inDirectory(values, async (directory) => {
    const venue = await NodeVenue.start(directory, words(values['start-args']));
    try {
      const result = await runOffSale(venue, {
        orders: whole('orders', values.orders),
        payPercent: whole('pay', values.pay),
        expirePercent: whole('expire', values.expire),
        wrongPercent: whole('wrong', values.wrong),
        rate: whole('rate', values.rate),
        seed: whole('seed', values.seed),
        behaviors: broken === undefined ? SHOP_BEHAVIORS : breakShop(broken, directory),
        say: talk,
      });
      if (values.json) say(JSON.stringify({ seed: whole('seed', values.seed), ...result }));
      else for (const line of offSaleText(result)) say(line);
      return result.findings;
    } finally {
      await venue.close();
    }
  }, talk);
}

async function hostile(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...common,
      rate: { type: 'string', default: '2000' },
      actors: { type: 'string', default: '1000' },
      phase: { type: 'string', default: '15000' },
      every: { type: 'string', default: '2000' },
    },
  });
  return inDirectory(values, async (directory) => {
    const { findings } = await runHostile({
      directory,
      actors: whole('actors', values.actors),
      perSecond: whole('rate', values.rate),
      phaseMs: whole('phase', values.phase),
      everyMs: whole('every', values.every),
      startArgs: words(values['start-args']),
      say,
    });
    return findings;
  });
}

async function messages(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...common,
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '50' },
      'proof-every': { type: 'string', default: '10' },
      rate: { type: 'string', default: '100' },
      burst: { type: 'string', default: '20' },
      products: { type: 'string', default: '40' },
      'load-min': { type: 'string', default: '200' },
      'load-max': { type: 'string', default: '1500' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    },
  });
  const talk = values.json ? (text: string): void => void process.stderr.write(`${text}\n`) : say;
  talk(`seed ${values.seed}`);
  return inDirectory(values, async (directory) => {
    const result = await runMessagesCampaign({
      directory,
      rounds: whole('rounds', values.rounds),
      proofEvery: whole('proof-every', values['proof-every']),
      products: whole('products', values.products),
      ordersPerSecond: whole('rate', values.rate),
      burst: whole('burst', values.burst),
      paymentTimeMaxSeconds: 3,
      loadMinMs: whole('load-min', values['load-min']),
      loadMaxMs: whole('load-max', values['load-max']),
      seed: whole('seed', values.seed),
      startArgs: words(values['start-args']),
      say: talk,
    });
    if (values.json) say(JSON.stringify({ seed: whole('seed', values.seed), ...result }));
    else {
      const inFlight = result.rounds.map((round) => round.inFlight);
      say(`${result.rounds.length} faults struck ${inFlight.reduce((sum, n) => sum + n, 0)} messages in flight, at most ${Math.max(0, ...inFlight)} at once`);
      say(`${result.orders} orders ${JSON.stringify(result.outcomes)}; ${result.answered} commands answered, ${result.repeats} again; sent again after ${JSON.stringify(result.again)}`);
      say(Object.entries(result.figures).map(([name, value]) => `${name} ${value}`).join(', '));
    }
    return result.findings;
  }, talk);
}

/** Runs in a new directory, which stays when something was found. */
async function inDirectory(values: { data: string; keep: boolean }, run: (directory: string) => Promise<readonly string[]>, tell = say): Promise<number> {
  mkdirSync(values.data, { recursive: true });
  const directory = mkdtempSync(join(values.data, 'troupe-faults-'));
  const findings = await run(directory);
  for (const finding of findings) tell(`FOUND ${finding}`);
  tell(findings.length === 0 ? 'nothing found' : `findings above; data kept in ${directory}`);
  if (findings.length === 0 && !values.keep) rmSync(directory, { recursive: true, force: true });
  return findings.length === 0 ? 0 : 1;
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: wanted is a whole number, at least 1`);
  return value;
}

const kinds: Record<string, (args: string[]) => Promise<number>> = { kill, messages, scale, 'cold-scale': coldScale, timers, broadcast, 'off-sale': offSale, hostile };
const [name = '', ...args] = process.argv.slice(2);
const kind = kinds[name];
if (kind === undefined || args.includes('--help')) {
  process.stdout.write(help);
  process.exitCode = kind === undefined ? 2 : 0;
} else {
  try {
    process.exitCode = await kind(args);
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
