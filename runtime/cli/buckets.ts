/** `troupe buckets`: which node owns which, what the scheduler is about to do, and where an operator wants one. */

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import type { BucketView, PlannedMove } from '../front.ts';
import { AdminClient } from './admin-client.ts';
import { nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import { warnOfAge } from './nodes.ts';
import { bytesText, countText, rateText } from './quantities.ts';
import { table, type Terminal } from './terminal.ts';

export function addBuckets(program: Command, terminal: Terminal): void {
  const command = program.command('buckets').description('list the buckets of a cluster, or move one').helpCommand(false)
    .addHelpText('after', `\n\`troupe buckets\` alone takes the options of list: see \`troupe buckets list --help\`; each other command has its own.`);
  addList(command, terminal);
  addPlan(command, terminal);
  addMove(command, terminal);
}

function addList(command: Command, terminal: Terminal): void {
  const list = command.command('list', { isDefault: true }).description('list the buckets: owner, state, size, load; what `troupe buckets` does alone');
  withJson(withToken(withAdmin(list))).option('--node <id>', 'only those that this node owns or is to take over');
  list.action(async (options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const admin = new AdminClient(node);
    const { list: all, ageMs } = await admin.buckets();
    warnOfAge(terminal, ageMs);
    const wanted = options['node'];
    const buckets = wanted === undefined ? all : all.filter((bucket) => bucket.node === wanted || bucket.next === wanted);
    if (buckets.length === 0) await checkNode(admin, String(wanted));
    if (node.json) for (const bucket of buckets) terminal.data(JSON.stringify(bucket));
    else if (buckets.length === 0) terminal.talk(`${String(wanted)} owns no bucket`);
    else terminal.data(bucketTable(buckets));
  });
}

function addPlan(command: Command, terminal: Terminal): void {
  const plan = command.command('plan').description('show what the scheduler is about to move, round by round');
  withJson(withToken(withAdmin(plan))).action(async (options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const moves = await new AdminClient(node).plan();
    if (node.json) for (const move of moves) terminal.data(JSON.stringify(move));
    else if (moves.length === 0) terminal.talk('every bucket is where it belongs');
    else terminal.data(planTable(moves));
  });
}

function addMove(command: Command, terminal: Terminal): void {
  const move = command.command('move <index> <node>').description('hand a bucket over to a node, and keep it there while that node\'s process runs');
  const unpin = command.command('unpin <index>').description('let the scheduler decide again where a bucket belongs');
  const run = async (index: string, id: string | null, options: Record<string, unknown>): Promise<void> => {
    const node = nodeOptions(options);
    const bucket = indexOf(index);
    await new AdminClient(node).move(bucket, id);
    if (node.json) terminal.data(JSON.stringify({ bucket, node: id }));
    else terminal.data(id === null ? `bucket ${bucket} goes wherever it fits` : `bucket ${bucket} belongs to ${id} from now on`);
  };
  withJson(withToken(withAdmin(move))).action((index: string, id: string, options: Record<string, unknown>) => run(index, id, options));
  withJson(withToken(withAdmin(unpin))).action((index: string, options: Record<string, unknown>) => run(index, null, options));
}

/** A node that owns nothing is nothing strange, one that is not there is a slip of the pen. @throws TroupeError BAD_REQUEST */
async function checkNode(admin: AdminClient, id: string): Promise<void> {
  const { list: nodes } = await admin.nodes();
  if (nodes.some((node) => node.id === id)) return;
  throw new TroupeError('BAD_REQUEST', `the cluster has no node ${JSON.stringify(id)}`, { hint: `\`troupe nodes\` lists them: ${nodes.map((node) => node.id).join(', ')}.` });
}

/** @throws TroupeError CONFIG_INVALID */
function indexOf(written: string): number {
  if (!/^\d{1,9}$/.test(written)) throw new TroupeError('CONFIG_INVALID', `${JSON.stringify(written)} is no index of a bucket: they are numbered from 0`);
  return Number(written);
}

export function bucketTable(buckets: readonly BucketView[]): string {
  const rows = buckets.map(({ index, state, node, next, epoch, pinned, load }) => [
    String(index),
    node ?? '-',
    stateText(state, load?.refused ?? null, next),
    String(epoch),
    countText(load?.actors),
    countText(load?.records),
    bytesText(load?.hotBytes),
    bytesText(load?.coldBytes),
    rateText(load?.recordsPerSecond),
    countText(load?.backlog),
    countText(load?.parked),
    countText(load?.failed),
    pinned ?? '',
  ]);
  return table(['BUCKET', 'NODE', 'STATE', 'EPOCH', 'ACTORS', 'RECORDS', 'HOT', 'COLD', 'RECORDS/S', 'BACKLOG', 'PARKED', 'FAILED', 'PINNED'], rows);
}

function stateText(state: string, refused: string | null, next: string | null): string {
  const text = refused === null ? state : `${state} (${refused})`;
  return next === null ? text : `${text} to ${next}`;
}

export function planTable(moves: readonly PlannedMove[]): string {
  return table(['ROUND', 'BUCKET', 'FROM', 'TO'], moves.map(({ round, bucket, from, to }) => [String(round), String(bucket), from ?? '-', to]));
}
