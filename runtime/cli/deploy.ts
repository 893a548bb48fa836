/** `troupe deploy <dir>...`: packs behaviours and puts them in service in a running node. */

import type { Command } from 'commander';

import type { PackedBundle } from '../bundle/pack.ts';
import { AdminClient } from './admin-client.ts';
import { localFolder } from './local-folder.ts';
import { nodeOptions, withAdmin, withJson, withToken } from './node-options.ts';
import type { Terminal } from './terminal.ts';

export function addDeploy(program: Command, terminal: Terminal): void {
  const command = program.command('deploy <dir...>').description('put the behaviours of a folder (with its troupe.json) in service');
  withJson(withToken(withAdmin(command))).option('--dry-run', 'pack, load in a sandbox and show what would be sent, without a node');
  command.action(async (folders: string[], options: Record<string, unknown>) => {
    const node = nodeOptions(options);
    const { packDirectory } = await import('../bundle/pack.ts');
    // All are packed before the first is sent: a mistake in the last one leaves the node as it was.
    const packed: PackedBundle[] = [];
    for (const folder of folders) packed.push(await localFolder(packDirectory(folder)));
    const isDry = options['dryRun'] === true;
    if (isDry) {
      // Loaded only here: it brings the sandbox.
      const { loadBundles } = await import('../scenario/load.ts');
      await localFolder(loadBundles(packed.map(({ content }) => content)));
    }
    const admin = new AdminClient(node);
    for (const [i, bundle] of packed.entries()) {
      const progress = packed.length > 1 ? `[${i + 1}/${packed.length}] ` : '';
      terminal.talk(`${progress}${folders[i]}: bundle ${bundle.hash.slice(0, 8)}, ${bundle.files.size} files, ${bundle.content.length} bytes`);
      if (isDry) showFiles(terminal, bundle, node.json);
      else showDeployed(terminal, bundle, await admin.deploy(bundle.content), node.json);
    }
    // What it has stored, only a node knows.
    if (isDry) terminal.talk('checked: schemas, and the code in a sandbox, as a node does; not checked: whether states that a node has stored can be read (STATE_INCOMPATIBLE), and `migrate`');
  });
}

function showFiles(terminal: Terminal, bundle: PackedBundle, json: boolean): void {
  const files = [...bundle.files.keys()];
  if (json) terminal.data(JSON.stringify({ bundle: bundle.hash, name: bundle.name, bytes: bundle.content.length, files }));
  else for (const file of files) terminal.data(file);
}

function showDeployed(terminal: Terminal, bundle: PackedBundle, deployed: Awaited<ReturnType<AdminClient['deploy']>>, json: boolean): void {
  if (json) {
    terminal.data(JSON.stringify({ name: bundle.name, ...deployed }));
    return;
  }
  const state = deployed.changed ? 'in service' : 'was in service already';
  for (const type of deployed.types) terminal.data(`${type}  ${deployed.bundle.slice(0, 8)}  ${state}`);
}
