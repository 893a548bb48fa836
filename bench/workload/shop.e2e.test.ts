/** The workloads of actors that sleep, that talk to each other, and that are told: each once, small, and falsified. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { Activation } from '../activation/activation-case.ts';
import { memoryCase, PER_LIVE_ACTOR } from '../activation/memory-case.ts';
import { runBroadcasts } from '../broadcast/broadcast-case.ts';
import { onServers } from '../harness/on-servers.ts';
import { parseOptions } from '../harness/options.ts';
import type { CommonOptions } from '../harness/options.ts';
import type { RunSettings } from '../harness/loaded-run.ts';
import type { RunReport } from '../report/report.ts';
import { BROADCAST_BEHAVIORS } from '../../runtime/faults/broadcast-actors.ts';
import { breakShop } from '../../runtime/faults/off-sale/broken-shop.ts';
import { CPU_PER_TURN, runShop } from '../shop/shop-case.ts';
import type { Servers } from '../subject/servers.ts';
import { shop, shopConfig, specsOf } from './shop.ts';

t.setTimeout(1_200_000);

const SHORT = ['--rounds', '1', '--duration', '0.8', '--warm-up', '0.2'];
const { common } = parseOptions(SHORT, {});

interface Here {
  readonly root: string;
  readonly round: number;
  readonly options: CommonOptions;
  readonly signal: AbortSignal;
  onProgress(): void;
}

function here(t: Test): Here {
  const root = mkdtempSync(join(tmpdir(), 'troupe-bench-test-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  return { root, round: 1, options: common, signal: new AbortController().signal, onProgress: () => undefined };
}

async function on(at: Here, body: (servers: Servers, directory: string) => Promise<RunReport>): Promise<RunReport> {
  return (await onServers('embedded', at, body)).run;
}

function figure({ figures }: RunReport, name: string): number {
  return figures.find((one) => one.name.startsWith(name))?.value ?? NaN;
}

t.test('actors that sleep are brought into memory, and hold what they held', async (t) => {
  const settings: RunSettings = { round: 1, seed: 1, drivers: 1, warmUpMs: 0, durationMs: 0, prefix: '', signal: new AbortController().signal };
  const runs: RunReport[] = [];
  const again = await on(here(t), async (servers, directory) => {
    const activation = new Activation(servers, directory, { actors: 200, warmUpActors: 50, connections: 2, inFlight: 2, tier: 'cold', request: 'increment' }, settings);
    await activation.prepare();
    runs.push(await activation.measure());
    // What they hold now is not what they were given at first.
    await servers.end();
    await servers.start(settings.signal);
    return activation.measure();
  });
  const cold = runs[0]!;
  t.match(cold.check, { passed: true, detail: /^200 actors were brought into memory; 200 actors hold/ });
  t.equal(figure(cold, 'actors brought into memory'), 200);
  t.ok(figure(cold, 'cold bytes') > 0, 'they were cold');
  t.ok(cold.latencyMs!.p50 > 0);
  t.match(again.check, { passed: false, detail: /^state differs/ });
  t.equal(again.latencyMs, null);
  t.same(again.figures, []);
});

t.test('what an actor weighs', async (t) => {
  const { run } = await memoryCase('embedded', { actors: 500, warmUpActors: 50, restMs: 100 }).run(here(t));
  t.ok(run.check.passed, run.check.detail);
  t.ok(Number.isFinite(figure(run, PER_LIVE_ACTOR)));
  t.ok(figure(run, 'node and sandboxes with all live') > 0);
});

t.test('the whole order flow, and a shop that keeps what it should give back', async (t) => {
  const at = here(t);
  const [spec] = specsOf(parseOptions(['--customers', '8', '--products', '5', '--payment-time', '1', '--off-sale', '20', '--late', '20'], shopConfig).values);
  const run = await on(at, (servers, directory) => runShop(servers, directory, spec!, at));
  t.ok(run.check.passed, run.check.detail);
  for (const name of ['orders placed', 'turns per order', CPU_PER_TURN, 'from placing to confirmed, paid at once: p99', 'orders expired']) t.ok(figure(run, name) > 0, `${name}: ${figure(run, name)}`);
  t.equal(run.marks.length, 1);

  const open = specsOf(parseOptions(['--rate', '40', '--products', '5', '--payment-time', '1', '--late', '60'], shopConfig).values)[0]!;
  const broken = breakShop('refund', at.root);
  const falsified = await on(at, (servers, directory) => runShop(servers, directory, { ...open, behaviors: broken }, at));
  t.match(falsified.check, { passed: false, detail: /money: / });
  t.equal(falsified.commandsPerSecond, null);
});

t.test('a broadcast to everybody who is linked', async (t) => {
  const at = here(t);
  const spec = { linked: 100, broadcasts: 2, besidePerSecond: 50, behaviors: BROADCAST_BEHAVIORS };
  const run = await on(at, (servers, directory) => runBroadcasts(servers, directory, spec, at));
  t.ok(run.check.passed, run.check.detail);
  t.equal(run.commands, 200);
  for (const name of ['deliveries while', 'from the command to the last delivery, median', 'other clients, during broadcasts: p99']) t.ok(figure(run, name) > 0, name);
});

t.test('shares that cannot be are refused', async (t) => {
  await t.rejects(shop.run(['--unpaid', '60', '--late', '50']), { message: /^--unpaid and --late/ });
  await t.rejects(shop.run(['--subjects', 'target', '--target', 'ws://127.0.0.1:1']), { message: /^--target: this workload/ });
});
