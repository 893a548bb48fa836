/** `troupe get <actor>`: prints an actor's state. */

import type { Command } from 'commander';

import { withClient } from './gateway-client.ts';
import { checkedAddress, nodeOptions, withGateway, withJson, withToken } from './node-options.ts';
import type { Terminal } from './terminal.ts';

export function addGet(program: Command, terminal: Terminal): void {
  const command = program.command('get <actor>').description('print the state of an actor; seq 0 means that it has no events yet');
  withJson(withToken(withGateway(command)));
  command.action(async (actor: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    checkedAddress(actor);
    const { seq, state } = await withClient(node, (client) => client.get(actor));
    if (node.json) terminal.data(JSON.stringify({ seq, state }));
    else terminal.data(`seq ${seq}\n${JSON.stringify(state, null, 2)}`);
  });
}
