/** `troupe behaviors`: the actor types in service, their commands and events. */

import type { Command } from 'commander';

import type { ServedBehavior } from '../actor/engine.ts';
import { AdminClient } from './admin-client.ts';
import { nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import { table, type Terminal } from './terminal.ts';

export function addBehaviors(program: Command, terminal: Terminal): void {
  const command = program.command('behaviors').description('list the actor types in service, with their commands');
  withJson(withToken(withAdmin(command)));
  command.action(async (options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const behaviors = await new AdminClient(node).behaviors();
    if (node.json) for (const behavior of behaviors) terminal.data(JSON.stringify(behavior));
    else if (behaviors.length === 0) terminal.talk('no behaviours are in service; put some there with `troupe deploy <dir>`');
    else terminal.data(behaviorTable(behaviors));
  });
}

export function behaviorTable(behaviors: readonly ServedBehavior[]): string {
  const rows = [...behaviors]
    .sort((a, b) => (a.type < b.type ? -1 : 1))
    .map(({ type, bundle, commands, events, quarantined }) => [
      type,
      bundle.slice(0, 8),
      quarantined === null ? 'serving' : `quarantined: ${quarantined}`,
      String(events.length),
      commands.join(' '),
    ]);
  return table(['TYPE', 'BUNDLE', 'STATE', 'EVENTS', 'COMMANDS'], rows);
}
