/** `troupe test <dir>...`: runs the given/when/then scenarios that lie beside behaviours. Needs no node. */

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import { localFolder } from './local-folder.ts';
import { withJson } from './node-options.ts';
import type { Terminal } from './terminal.ts';

export function addTest(program: Command, terminal: Terminal): void {
  const command = program.command('test <dir...>').description('run the scenarios beside behaviours');
  withJson(command);
  command.action(async (folders: string[], options: Record<string, unknown>) => {
    // Loaded only here: it brings the sandbox, which no other command of the client side needs.
    const { runScenarios, formatReport } = await import('../scenario/run.ts');
    let failed = 0;
    for (const folder of folders) {
      const result = await localFolder(runScenarios(folder));
      failed += result.failed;
      terminal.data(options['json'] === true ? JSON.stringify({ folder, ...result }) : formatReport(result));
    }
    if (failed > 0) throw new TroupeError('SCENARIO_FAILED', `${failed} scenario${failed === 1 ? '' : 's'} failed`);
  });
}
