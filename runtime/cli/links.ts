/** `troupe links <actor>`: who is linked to an actor, and is told what it broadcasts; with --held, whom it is linked to. */

import type { Command } from 'commander';

import { AdminClient } from './admin-client.ts';
import { checkTypeOf } from './known-type.ts';
import { checkedAddress, nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import type { Terminal } from './terminal.ts';

const PAGE = 1_000;

export function addLinks(program: Command, terminal: Terminal): void {
  const command = program.command('links <actor>').description('list the actors that are linked to an actor: those that its broadcasts reach');
  withJson(withToken(withAdmin(command))).option('--held', 'list those that it is linked to itself');
  command.action(async (actor: string, options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    checkedAddress(actor);
    const admin = new AdminClient(node);
    const show = (linked: string, more: object = {}): void => terminal.data(node.json ? JSON.stringify({ actor: linked, ...more }) : linked);
    let shown = 0;
    if (options['held'] === true) {
      for (const linked of await admin.linksOf(actor)) {
        show(linked);
        shown++;
      }
      if (shown === 0) {
        await checkTypeOf(admin, actor);
        terminal.talk(`${actor} is linked to nobody`);
      }
      return;
    }
    for (let from = 1; from > 0; ) {
      const page = await admin.linkedTo(actor, from, PAGE);
      for (const { actor: linked, position } of page.links) show(linked, { position });
      shown += page.links.length;
      from = page.next;
    }
    if (shown > 0) return;
    await checkTypeOf(admin, actor);
    terminal.talk(`nobody is linked to ${actor}`);
  });
}
