/**
 * `troupe start`: one node, from settings to its end. The first SIGINT or SIGTERM ends it in order: it stops taking
 * commands, finishes and flushes what it has, closes, and exits with 0. A second one ends it at once; nothing that was
 * acknowledged is lost by that either.
 */

import { flushCompileCache } from 'node:module';
import path from 'node:path';

import type { Command } from 'commander';
import type { Logger } from 'pino';

import { TroupeError } from '../codec/errors.ts';
import { flagOf, settingNames, settingSpecs, type Settings } from '../config/defaults.ts';
import { loadSettings } from '../config/settings.ts';
import type { RunningClusterNode } from '../../cluster/node.ts';
import type { ListenAddress } from '../front.ts';
import type { RunningNode } from '../node.ts';
import { AdminClient } from './admin-client.ts';
import { exitCodes } from './exit-codes.ts';
import { report, type Terminal } from './terminal.ts';

/** npm, the launcher and the terminal may each pass on the same Ctrl-C; signals this close together are one. */
const sameSignalMs = 300;

const demoFolder = path.join(import.meta.dirname, '../../behaviors/shop');

export function addStart(program: Command, terminal: Terminal): void {
  const command = program.command('start').description('run a node');
  command.option('--config <file>', 'file of settings, a JSON object (TROUPE_CONFIG)');
  command.option('--demo', 'deploy the shop behaviours, and say what to try');
  for (const name of settingNames) {
    const { kind, value, help, preset } = settingSpecs[name];
    const shown = kind === 'list' || preset === '' ? '' : ` (default ${String(preset)})`;
    if (kind === 'switch') command.option(preset ? `--no-${flagOf(name).slice(2)}` : flagOf(name), help);
    else command.option(`${flagOf(name)} ${value}`, `${help}${shown}`);
  }
  command.addHelpText('after', help);
  command.action(async (options: Record<string, unknown>) => {
    const configFile = typeof options['config'] === 'string' ? options['config'] : process.env['TROUPE_CONFIG'];
    // commander sets the value of a --no- flag even when it was not given; only what was given counts.
    const flags = Object.fromEntries(Object.entries(options).filter(([name]) => command.getOptionValueSource(name) === 'cli'));
    const settings = loadSettings({ flags, env: process.env, configFile });
    process.exitCode = await runNode(settings, options['demo'] === true, terminal);
  });
}

const help = `
One node by itself keeps everything in --data. Nodes started with the same --redis form a cluster, which keeps everything in Redis:

  troupe start --redis redis://127.0.0.1:6379    # founds the cluster, or joins it
  troupe start --redis redis://127.0.0.1:6379    # again, in another terminal: where the usual ports are taken, a node takes free ones
  troupe nodes                                   # who is there, and who has how much

Nodes on several machines need --cluster-host and --cluster-secret-file. docs/OPERATING.md says more.`;

async function runNode(settings: Settings, demo: boolean, terminal: Terminal): Promise<number> {
  if (demo && settings.auth !== 'none') throw new TroupeError('CONFIG_INVALID', '--demo deploys without a token, so it needs --auth none');
  const { createLog } = await import('./log.ts');
  const log = createLog(settings);
  // Signals are taken from the first moment on: an end asked for during a long recovery waits for nothing but that, and not for a store that is away.
  const signal = nextSignal(log);
  const ending = new AbortController();
  void signal.then(() => ending.abort());
  log.info({ [settings.redis === '' ? 'data' : 'redis']: whereItIsKept(settings), pid: process.pid }, 'starting');
  let node: RunningNode | RunningClusterNode;
  try {
    node = settings.redis === ''
      ? await (await import('../node.ts')).startNode(settings, log)
      : await (await import('../../cluster/node.ts')).startClusterNode(settings, log, ending.signal);
  } catch (error) {
    if (!ending.signal.aborted || error !== ending.signal.reason) throw error;
    return stopped(log);
  }
  const ended = Promise.race([signal, node.failed]);
  try {
    if (demo) await deployDemo(node, log);
    announce(settings, node, demo, terminal);
    // Kept at once, where the launcher has named a place for it: a node may end without a chance to.
    flushCompileCache();
  } catch (error) {
    await node.close();
    throw error;
  }
  const cause = await ended;
  if (cause instanceof Error) {
    const code = report(terminal, cause, false);
    // What is broken may never close; the journal is made to be left like this.
    await Promise.race([node.close().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
    process.exit(code);
  }
  await node.close();
  return stopped(log);
}

function stopped(log: Logger): number {
  log.info({}, 'stopped');
  // Whatever still holds the event loop must not keep a stopped node alive.
  setTimeout(() => process.exit(exitCodes.ok), 1_000).unref();
  return exitCodes.ok;
}

function whereItIsKept({ redis, journal, data }: Settings): string {
  if (redis !== '') return redis.replace(/\/\/[^@]*@/, '//');
  return journal === 'memory' ? 'none (memory)' : path.resolve(data);
}

/** Resolves at the first signal; the second one, if it is not the same one passed on twice, exits at once. */
function nextSignal(log: Logger): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | null = null;
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (firstAt === null) {
          firstAt = performance.now();
          log.info({ signal: name }, 'stopping; a second signal ends at once');
          resolve(name);
        } else if (performance.now() - firstAt > sameSignalMs) {
          process.exit(name === 'SIGINT' ? 130 : 143);
        }
      });
    }
  });
}

async function deployDemo(node: RunningNode, log: Logger): Promise<void> {
  const { packDirectory } = await import('../bundle/pack.ts');
  const deployed = await new AdminClient({ admin: httpUrl(node.addresses.admin), token: undefined }).deploy((await packDirectory(demoFolder)).content);
  log.info({ types: deployed.types.length, bundle: deployed.bundle.slice(0, 8), changed: deployed.changed }, 'shop behaviours in service');
}

function announce(settings: Settings, node: RunningNode | RunningClusterNode, demo: boolean, terminal: Terminal): void {
  const { gateway, admin } = node.addresses;
  const at = gateway.port === 7070 ? '' : ` --url ws://${authority(gateway)}`;
  const adminAt = admin.port === 7071 ? '' : ` --admin ${httpUrl(admin)}`;
  terminal.data(`gateway     ws://${authority(gateway)}  (subprotocols troupe.v1.json, troupe.v1.proto; auth ${settings.auth})`);
  terminal.data(`admin       ${httpUrl(admin)}  (/live, /ready, /metrics)`);
  terminal.data(`durability  ${node.durability}${durabilityNotes[node.durability] ?? ''}`);
  if ('cluster' in node) {
    const { id, node: name, nodes } = node.cluster;
    terminal.data(`cluster     ${id} on ${whereItIsKept(settings)}, as ${name}; ${nodes === 1 ? 'the first node; others join with the same --redis' : `${nodes} nodes`}`);
    terminal.data(`            node bin/troupe.cjs nodes${adminAt}`);
  }
  if (!demo) return;
  terminal.data('');
  terminal.data('Try, in another terminal, in this folder:');
  terminal.data(`  node bin/troupe.cjs send${at} shop.v1.Product:p-1 CreateProduct '{"name":"Lamp","price":1250,"onSale":true}'`);
  terminal.data(`  node bin/troupe.cjs send${at} shop.v1.Inventory:p-1 AddStock '{"quantity":5}'`);
  terminal.data(`  node bin/troupe.cjs send${at} shop.v1.Order:o-1 PlaceOrder '{"userId":"u-1","lines":[{"productId":"p-1","quantity":2,"unitPrice":1250}]}'`);
  terminal.data(`  node bin/troupe.cjs get${at} shop.v1.Order:o-1`);
  terminal.data(`  node bin/troupe.cjs events${adminAt} shop.v1.Order:o-1`);
  terminal.data(`  node bin/troupe.cjs demo shop${at}${adminAt}`);
  terminal.data('');
  terminal.data('Kill it any way you like, with -9 too: what was answered is there again after the next start. Ctrl-C stops it.');
}

const durabilityNotes: Record<string, string> = {
  disk: '  (fdatasync before every answer: survives the process and power loss)',
  'disk-unsynced': '  (no fsync: survives the process, not power loss)',
  'redis-always': '  (Redis, fsync before every answer: survives processes and power loss)',
  'redis-everysec': '  (Redis, fsync every second: its death may cost up to two seconds when its disk is slow, power loss a second and more)',
  'redis-no': '  (Redis without fsync: survives processes, not power loss)',
  memory: '  (nothing survives the process)',
};

function httpUrl(address: ListenAddress): string {
  return `http://${authority(address)}`;
}

function authority({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
