/**
 * The `troupe` command line. Each command is a file of its own; what is common is in terminal.ts and node-options.ts. What is
 * heavy to load (the node, the packer, token signing) is loaded by the command that needs it, when it runs.
 */

import { readFileSync } from 'node:fs';

import { Command, CommanderError } from 'commander';

import { catalogue, TroupeError } from '../codec/errors.ts';
import { addBehaviors } from './behaviors.ts';
import { addBench } from './bench.ts';
import { addBuckets } from './buckets.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addDemo } from './demo.ts';
import { addDeploy } from './deploy.ts';
import { addEvents } from './events.ts';
import { exitCodes } from './exit-codes.ts';
import { addGet } from './get.ts';
import { addLinks } from './links.ts';
import { addNodes } from './nodes.ts';
import { addJournal } from './journal-commands.ts';
import { addSend } from './send.ts';
import { addStart } from './start.ts';
import { processTerminal, report, withHint } from './terminal.ts';
import { addTest } from './test-command.ts';
import { addTimers } from './timers.ts';
import { addToken } from './token.ts';
import { addTypes } from './types.ts';
import { addWhy } from './why.ts';

async function main(argv: string[]): Promise<number> {
  let running = '';
  const program = new Command('troupe')
    .description('A sharded actor runtime with scripted behaviours: run a node, deploy behaviours, talk to actors.')
    .version(version(), '--version', 'print the version')
    .exitOverride()
    .hook('preAction', (_program, command) => void (running = pathOf(command)))
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(`${text.replace(/^error: /, 'error CONFIG_INVALID: ').trimEnd()}\nhint: add --help to see what there is.\n`) })
    .helpCommand(false)
    .addHelpText('after', '\nData goes to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong command line, setting or\ninput, 3 no answer (now), 4 not allowed, 5 the node cannot start or go on, 70 a defect. docs/CLI.md has examples.');
  const commands = [
    addStart, addDeploy, addTest, addSend, addGet, addEvents, addWhy, addTimers, addLinks, addBehaviors, addNodes, addBuckets, addDeadLetters, addJournal, addToken, addTypes,
    addDemo, addBench,
  ];
  for (const add of commands) add(program, processTerminal);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    // commander has said on stderr what is wrong (or shown the help that was asked for).
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return report(processTerminal, hinted(error, running), argv.includes('--json'));
  }
}

/** Points at the help of the command that met the error: the catalogue's hint for wrong settings is that of a node. */
function hinted(error: unknown, command: string): unknown {
  if (!(error instanceof TroupeError) || error.code !== 'CONFIG_INVALID' || command === 'start') return error;
  return error.hint === catalogue.CONFIG_INVALID.hint ? withHint(error, `See \`troupe ${command} --help\` and docs/CLI.md.`) : error;
}

/** "nodes drain": a command with those that it is one of, without the program's name. */
function pathOf(command: Command): string {
  return command.parent === null ? '' : `${pathOf(command.parent)} ${command.name()}`.trim();
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}

// A reader that has seen enough (`troupe events ... | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.defect));
process.exitCode = await main(process.argv.slice(2));
