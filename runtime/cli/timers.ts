/** `troupe timers <actor>`: the timers of an actor that are still to fire. */

import type { Command } from 'commander';

import type { PendingTimer } from '../actor/engine.ts';
import { AdminClient } from './admin-client.ts';
import { checkTypeOf } from './known-type.ts';
import { checkedAddress, nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import { ageText } from './quantities.ts';
import { table, type Terminal } from './terminal.ts';

export function addTimers(program: Command, terminal: Terminal): void {
  const command = program.command('timers <actor>').description('list the timers of an actor that are still to fire, the next one first');
  withJson(withToken(withAdmin(command))).action(async (actor: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    checkedAddress(actor);
    const admin = new AdminClient(node);
    const timers = await admin.timers(actor);
    if (timers.length === 0) await checkTypeOf(admin, actor);
    if (node.json) for (const timer of timers) terminal.data(JSON.stringify(timer));
    else if (timers.length > 0) terminal.data(timerTable(timers, Date.now()));
    else terminal.talk(`no timer of ${actor} is armed`);
  });
}

export function timerTable(timers: readonly PendingTimer[], nowMs: number): string {
  const rows = timers.map((timer) => {
    const { name, dueMs, command, body } = timer;
    const inText = dueMs >= nowMs ? `in ${ageText(dueMs - nowMs)}` : `${ageText(nowMs - dueMs)} ago`;
    return [name, new Date(dueMs).toISOString(), inText, repetition(timer), command, JSON.stringify(body)];
  });
  return table(['NAME', 'DUE', '', 'AGAIN', 'COMMAND', 'BODY'], rows);
}

function repetition({ everyMs, cron, zone }: PendingTimer): string {
  if (cron !== '') return `${cron} ${zone}`;
  return everyMs === 0 ? '-' : `every ${everyMs} ms`;
}
