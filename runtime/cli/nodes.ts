/** `troupe nodes`: who is there and how they are doing; emptying a node before it is stopped. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import type { NodeView } from '../front.ts';
import { AdminClient } from './admin-client.ts';
import { nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import { bytesText, countText, rateText } from './quantities.ts';
import { table, type Terminal } from './terminal.ts';

const POLL_MS = 500;
/** The view of a node may be a few beats old: only one that does not drain for so many polls has been told not to. */
const LIVE_POLLS_MAX = 6;
/** Nodes hear from the store twice a second; with a view as old as this, something is wrong. */
const FRESH_MS = 5_000;

export function addNodes(program: Command, terminal: Terminal): void {
  const command = program.command('nodes').description('list the nodes of a cluster, or empty one').helpCommand(false)
    .addHelpText('after', `\n\`troupe nodes\` alone takes the options of list: see \`troupe nodes list --help\`; each other command has its own.`);
  const list = command.command('list', { isDefault: true }).description('list the nodes: state, buckets, load; what `troupe nodes` does alone');
  withJson(withToken(withAdmin(list))).action(async (options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const { list: nodes, ageMs } = await new AdminClient(node).nodes();
    warnOfAge(terminal, ageMs);
    if (node.json) for (const one of nodes) terminal.data(JSON.stringify(one));
    else terminal.data(nodeTable(nodes));
  });
  const drain = command.command('drain <node>').description('hand over all buckets of a node to the others, so that it can be stopped with hardly a pause');
  withJson(withToken(withAdmin(drain)))
    .option('--off', 'let it take buckets again')
    .option('--wait', 'return when it is empty');
  drain.action(async (id: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const isWanted = options['off'] !== true;
    if (!isWanted && options['wait'] === true) throw new TroupeError('CONFIG_INVALID', '--wait waits until a node is empty, which --off does not make it');
    const admin = new AdminClient(node);
    await admin.drain(id, isWanted);
    const left = isWanted && options['wait'] === true ? await emptied(async () => (await admin.nodes()).list, id, terminal) : null;
    if (node.json) terminal.data(JSON.stringify({ node: id, draining: isWanted, ...(left === null ? {} : { buckets: left }) }));
    else terminal.data(outcomeText(id, isWanted, left));
  });
}

function outcomeText(id: string, isWanted: boolean, left: number | null): string {
  if (!isWanted) return `${id} takes buckets again`;
  return left === null ? `${id} hands over its buckets` : `${id} is empty and can be stopped`;
}

/**
 * Waits until the node owns nothing, and says how far it is; answers 0.
 * @throws TroupeError NOT_READY when nobody is left who could take its buckets
 */
export async function emptied(read: () => Promise<readonly NodeView[]>, id: string, terminal: Terminal, pollMs = POLL_MS): Promise<0> {
  let shown = -1;
  let liveFor = 0;
  for (;;) {
    const nodes = await read();
    const node = nodes.find((one) => one.id === id);
    // Gone from the list: it has ended, and what it still had is another's.
    const left = node?.buckets ?? 0;
    if (left === 0) return 0;
    liveFor = node?.state === 'live' ? liveFor + 1 : 0;
    if (liveFor >= LIVE_POLLS_MAX) throw new TroupeError('NOT_READY', `${id} does not drain any more, with ${left} buckets left`, { hint: 'Somebody has taken the wish back, or its process was started anew: ask again.' });
    if (!nodes.some((one) => one.id !== id && one.state === 'live')) throw new TroupeError('NOT_READY', `no other node can take the ${left} buckets that ${id} still has`, { hint: 'Start another node with the same --redis; it goes on by itself then.' });
    if (left !== shown) terminal.talk(`${id}: ${left} ${left === 1 ? 'bucket' : 'buckets'} left`);
    shown = left;
    await sleep(pollMs);
  }
}

/** Says so when what is shown may be long past. */
export function warnOfAge(terminal: Terminal, ageMs: number): void {
  if (ageMs > FRESH_MS) terminal.talk(`the store has not answered for ${Math.round(ageMs / 1_000)} s: this is how things stood then`);
}

export function nodeTable(nodes: readonly NodeView[]): string {
  const rows = nodes.map(({ id, state, isScheduler, version, addresses, buckets, load }) => [
    id,
    isScheduler ? `${state}, scheduler` : state,
    String(buckets),
    countText(load?.actors),
    countText(load?.records),
    bytesText(load?.hotBytes),
    bytesText(load?.coldBytes),
    rateText(load?.requestsPerSecond),
    rateText(load?.recordsPerSecond),
    countText(load?.backlog),
    countText(load?.parked),
    countText(load?.failed),
    countText(load?.refused),
    addresses['gateway'] ?? '-',
    addresses['admin'] ?? '-',
    version,
  ]);
  return table(['NODE', 'STATE', 'BUCKETS', 'ACTORS', 'RECORDS', 'HOT', 'COLD', 'REQUESTS/S', 'RECORDS/S', 'BACKLOG', 'PARKED', 'FAILED', 'REFUSED', 'GATEWAY', 'ADMIN', 'VERSION'], rows);
}
