/** `npm run faults -- <kind> [options]`: faults on purpose, and the proof that what was promised held. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { runKillCampaign } from './kill.ts';

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

Exit code 1 when anything was found wrong.
`;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

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
      'start-args': { type: 'string', default: '' },
      data: { type: 'string', default: tmpdir() },
      keep: { type: 'boolean', default: false },
    },
  });
  if (values.break !== 'nothing' && values.break !== 'sync' && values.break !== 'keys') throw new Error('--break is sync or keys');
  const directory = mkdtempSync(join(values.data, 'troupe-faults-'));
  say(`seed ${values.seed}`);
  const result = await runKillCampaign({
    directory,
    rounds: whole('rounds', values.rounds),
    connections: whole('connections', values.connections),
    inFlight: whole('in-flight', values['in-flight']),
    actors: whole('actors', values.actors),
    loadMinMs: whole('load-min', values['load-min']),
    loadMaxMs: whole('load-max', values['load-max']),
    againShare: 0.1,
    // Without the loss, switching the sync off changes nothing that can be seen.
    loseUnsynced: values['lose-unsynced'] || values.break === 'sync',
    break: values.break,
    seed: whole('seed', values.seed),
    startArgs: values['start-args'].split(' ').filter((word) => word !== ''),
    say,
  });
  const { findings, findingsCount, ...figures } = result;
  say(Object.entries(figures).map(([name, value]) => `${name} ${value}`).join(', '));
  for (const finding of findings) say(`FOUND ${finding}`);
  say(findingsCount === 0 ? 'nothing found: every acknowledged command is there, once, as it was answered' : `${findingsCount} findings; data kept in ${directory}`);
  if (findingsCount === 0 && !values.keep) rmSync(directory, { recursive: true, force: true });
  return findingsCount === 0 ? 0 : 1;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: wanted is a whole number, at least 1`);
  return value;
}

const kinds: Record<string, (args: string[]) => Promise<number>> = { kill };
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
