/** `troupe types <dir>`: TypeScript types of the commands, events, replies and states of a folder's schemas. */

import type { Command } from 'commander';

import { generateTypes, writeTypes } from '../bundle/types.ts';
import type { Terminal } from './terminal.ts';

export function addTypes(program: Command, terminal: Terminal): void {
  const command = program.command('types <dir>').description('print TypeScript types for the schemas of a folder\'s behaviours');
  command.option('--write', 'write them into the folder instead, for editors');
  command.action(async (folder: string, options: Record<string, unknown>) => {
    if (options['write'] === true) terminal.talk(`wrote ${await writeTypes(folder)}`);
    else terminal.data((await generateTypes(folder)).trimEnd());
  });
}
