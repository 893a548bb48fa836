/** `npm run faults -- cluster [options]`: faults of a whole cluster on purpose, and the proof that what was promised held. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { randomFrom } from '../../runtime/faults/random.ts';
import { runClusterCampaign } from './campaign.ts';
import type { CampaignResult } from './campaign.ts';
import type { Fault } from './fault.ts';
import { faultsByName, randomFaults } from './fault-list.ts';

const help = `Usage: npm run faults -- cluster [options]

Faults one after the other on a running cluster under load, with a proof every few rounds and at the end.

  --rounds <n>          (100)
  --fault <name>        this one every time, instead of all at random and now and then two at once; may be given several times
  --nodes <n>           (3)
  --rate <n>            commands a second                                            (300)
  --burst <n>           commands sent at once right in front of each fault           (100)
  --shop <n>            a shop is open beside, with so many orders a second: every message between its actors is proved too
  --proof-every <n>     rounds                                                       (10)
  --appendfsync <how>   of Redis: always or everysec. With everysec a Redis that is killed may lose what it acknowledged while its
                        disk was slow; the campaign then says how much, and ends     (always)
  --seed <n>            (from the clock)
  --start-args <args>   further arguments for troupe start
  --data <dir>          where the logs of nodes go; they are kept when something was found, with a copy of what Redis has on disk
  --keep                keep them anyway
  --json                the report as one JSON document on stdout, progress on stderr

Faults: ${Object.keys(faultsByName).join(' ')}

Exit code 1 when anything was found wrong.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '100' },
      fault: { type: 'string', multiple: true, default: [] },
      nodes: { type: 'string', default: '3' },
      rate: { type: 'string', default: '300' },
      burst: { type: 'string', default: '100' },
      shop: { type: 'string', default: '0' },
      'proof-every': { type: 'string', default: '10' },
      appendfsync: { type: 'string', default: 'always' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      'start-args': { type: 'string', default: '' },
      data: { type: 'string', default: tmpdir() },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  if (values.appendfsync !== 'always' && values.appendfsync !== 'everysec') throw new Error('--appendfsync is always or everysec');
  const say = (text: string): void => void (values.json ? process.stderr : process.stdout).write(`${text}\n`);
  const seed = whole('seed', values.seed);
  say(`seed ${seed}`);
  mkdirSync(values.data, { recursive: true });
  const directory = mkdtempSync(join(values.data, 'troupe-faults-'));
  const result = await runClusterCampaign({
    directory, seed, say,
    nodes: whole('nodes', values.nodes),
    redis: { appendfsync: values.appendfsync },
    startArgs: values['start-args'].split(' ').filter((word) => word !== ''),
    faults: faultsOf(values.fault, whole('rounds', values.rounds), seed, values.appendfsync),
    proofEvery: whole('proof-every', values['proof-every']),
    perSecond: whole('rate', values.rate),
    burst: whole('burst', values.burst),
    ...(values.shop === '0' ? {} : { shop: whole('shop', values.shop) }),
  });
  if (values.json) process.stdout.write(`${JSON.stringify({ seed, ...result })}\n`);
  else report(result, say);
  const isClean = result.findingsCount === 0;
  say(isClean ? 'nothing found' : `findings above; the nodes' logs and a copy of the store are in ${directory}`);
  if (isClean && !values.keep) rmSync(directory, { recursive: true, force: true });
  return isClean ? 0 : 1;
}

function faultsOf(names: readonly string[], rounds: number, seed: number, appendfsync: string): Fault[] {
  if (names.length === 0) return randomFaults(rounds, randomFrom(seed), appendfsync !== 'always');
  return Array.from({ length: rounds }, (_, i) => {
    const name = names[i % names.length]!;
    if (!Object.hasOwn(faultsByName, name)) throw new Error(`--fault ${name}: there is ${Object.keys(faultsByName).join(', ')}`);
    return faultsByName[name as keyof typeof faultsByName];
  });
}

function report({ rounds, load, fenced, epochsTaken, records, pauses, movedShares, shop, findings }: CampaignResult, say: (text: string) => void): void {
  for (const [fault, list] of Map.groupBy(rounds, (round) => round.fault)) {
    const worst = list.map(({ struck }) => struck.worstMs).sort((a, b) => a - b);
    say(`${fault}: ${list.length} times; the last bucket answered after ${worst[Math.floor(worst.length / 2)]} ms (median), ${worst.at(-1)} ms (worst)`);
  }
  for (const [what, { buckets, medianMs, p99Ms, worstMs }] of Object.entries(pauses)) {
    say(`pause of a bucket, ${what}: ${buckets} buckets, ${medianMs} ms (median), ${p99Ms} ms (p99), ${worstMs} ms (worst)`);
  }
  for (const [what, shares] of Object.entries(movedShares)) {
    const percent = shares.map((share) => share * 100).sort((a, b) => a - b);
    say(`buckets with another owner, ${what}: ${percent[Math.floor(percent.length / 2)]!.toFixed(1)} % of all (median), ${percent.at(-1)!.toFixed(1)} % (most)`);
  }
  const inFlight = rounds.reduce((sum, round) => sum + round.inFlight, 0);
  say(`${rounds.length} faults struck ${inFlight} commands in flight; ${load.commands} commands acknowledged, ${load.repeats} answered again, ${load.late} late, worst ${load.worstMs} ms`);
  say(`${fenced} refused as stale, ${epochsTaken} epochs seen taken, ${records} records in the log; sent again after ${JSON.stringify(load.again)}`);
  if (shop !== null) {
    const messages = rounds.map((round) => round.messages);
    say(`${messages.reduce((sum, n) => sum + n, 0)} messages between the shop's actors were in flight at the faults, at most ${Math.max(...messages)} at once`);
    say(`${shop.orders} orders ${JSON.stringify(shop.outcomes)}, ${Object.entries(shop.figures).map(([name, value]) => `${name} ${value}`).join(', ')}`);
  }
  for (const finding of findings) say(`FOUND ${finding}`);
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: wanted is a whole number, at least 1`);
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
