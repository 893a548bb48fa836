/** `troupe types <dir>`: TypeScript types of the commands, events, replies and states of a folder's schemas. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { Command } from 'commander';

import { localFolder } from './local-folder.ts';
import type { Terminal } from './terminal.ts';

const FILE = 'types.d.ts';

export function addTypes(program: Command, terminal: Terminal): void {
  const command = program.command('types <dir>').description('print TypeScript types for the schemas of a folder\'s behaviours');
  command.option('--write', `write them into the folder, as ${FILE}, for editors`);
  command.action(async (folder: string, options: Record<string, unknown>) => {
    const { typesOf } = await import('../bundle/types.ts');
    const text = await localFolder(typesOf(folder));
    if (options['write'] !== true) return terminal.data(text.trimEnd());
    const file = path.join(folder, FILE);
    await writeFile(file, text);
    terminal.talk(`wrote ${file}`);
  });
}
